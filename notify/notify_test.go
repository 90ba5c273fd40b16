package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// post room: a courier whose faults and log lines are kept.
type postRoom struct {
	*courier
	mu         sync.Mutex
	log        bytes.Buffer // of slog, which locks
	shown      []station.Fault
	clears     int
	deliveries []station.Delivery
}

func (r *postRoom) SetFault(f station.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = append(r.shown, f)
}

func (r *postRoom) ClearFault(string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clears++
}

func (r *postRoom) SetDeliveries(list []station.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = list
}

func newPostRoom(send func(context.Context, notice) error) *postRoom {
	r := &postRoom{}
	r.courier = &courier{key: "notify.1.webhook", to: words.New("user", "user", "there"), kinds: []string{"alarm"}, send: func(ctx context.Context, e entry) error { return send(ctx, e.Notice) }, queue: newQueue(textsKept),
		log: slog.New(slog.NewTextHandler(&r.log, nil)), limit: noticeLimit, pause: noticePause}
	r.office = &Office{couriers: []*courier{r.courier}, faults: r, changed: make(chan struct{}, 1), log: r.courier.log}
	return r
}

var alarm = notice{Kind: noticeAlarm, Key: "alarm.leaf", Message: words.New("alarm-held", "label", "Main entrance", "after", "1m0s"), Text: "Main entrance has been open for 1 min"}

func TestNoticesAreTriedThreeTimes(t *testing.T) {
	for name, tt := range map[string]struct {
		errs  []error // of the tries
		took  time.Duration
		tries int
		fault bool
	}{
		"at once":               {[]error{nil}, 0, 1, false},
		"the second time":       {[]error{io.EOF, nil}, noticePause, 2, false},
		"the third time":        {[]error{io.EOF, io.EOF, nil}, 6 * noticePause, 3, false},
		"never":                 {[]error{io.EOF, io.EOF, io.EOF}, 6 * noticePause, 3, true},
		"no use to go on":       {[]error{permanentError{io.EOF}}, 0, 1, true},
		"a way out that panics": {[]error{errors.New("panic"), nil}, noticePause, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				r := newPostRoom(func(context.Context, notice) error {
					n++
					if err := tt.errs[n-1]; err != nil && err.Error() == "panic" {
						panic("broken")
					}
					return tt.errs[n-1]
				})
				begin := time.Now()
				r.deliver(t.Context(), entry{Notice: alarm, Since: time.Now()})
				if n != tt.tries || time.Since(begin) != tt.took {
					t.Errorf("%d tries in %v", n, time.Since(begin))
				}
				if tt.fault != (len(r.shown) == 1) || tt.fault == (r.clears == 1) {
					t.Errorf("faults %+v, cleared %d times", r.shown, r.clears)
				}
				if tt.fault && (r.shown[0].Remedy() == "" || r.shown[0].Blinks != station.FaultUntold || !strings.Contains(r.shown[0].String(), "to user there: EOF")) {
					t.Errorf("fault %+v", r.shown[0])
				}
			})
		})
	}
}

// Whatever becomes of a way out, the door goes on at once, and the newest is told.
func TestNoticesNeverBlockTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var got []string // of the courier, until it has ended
		var hang atomic.Bool
		hang.Store(true)
		r := newPostRoom(func(ctx context.Context, n notice) error {
			if hang.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			got = append(got, n.Key)
			return nil
		})
		over := make(chan struct{})
		go func() { defer close(over); r.run(ctx) }()
		begin := time.Now()
		for range 100 {
			r.tell(alarm)
			synctest.Wait()
		}
		r.tell(notice{Kind: noticeMissed, Key: "not its kind"})
		r.tell(notice{Kind: noticeAlarm, Key: "last"})
		if time.Since(begin) != 0 {
			t.Errorf("the door waited %v", time.Since(begin))
		}
		time.Sleep(noticeLimit + time.Millisecond) // the first try was given up
		synctest.Wait()
		hang.Store(false)
		time.Sleep(time.Minute)
		hang.Store(true)
		r.tell(alarm)
		synctest.Wait()
		cancel()
		<-over // in the middle of a try
		if len(got) != textsKept+1 || got[len(got)-1] != "last" {
			t.Errorf("%d notices: %q", len(got), got)
		}
		if len(r.shown) != 0 {
			t.Errorf("faults %+v", r.shown)
		}
	})
}

// service is a web service that writes down what it is asked.
type service struct {
	*httptest.Server
	ca    func() (*x509.CertPool, error) // its certificate
	mu    sync.Mutex
	asked []string // method, path, body
}

func newService(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path+" "+string(body))
		s.mu.Unlock()
		answer(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.ca = func() (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		return pool, nil
	}
	return s
}

func TestWebhook(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another service was asked") }))
	defer other.Close()
	stranger := newService(t, func(http.ResponseWriter, *http.Request) { t.Error("another service was asked") })
	redirect := func(code int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				http.Redirect(w, r, to, code)
			}
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, tt := range map[string]struct {
		answer    http.HandlerFunc
		stranger  bool   // its certificate is from an unknown authority
		err       string // part of it; "" for none
		permanent bool
		asked     int // times; -1: on a busy machine perhaps never
	}{
		"well":    {status(204), false, "", false, 1},
		"fails":   {status(503), false, "service answered 503", false, 1},
		"busy":    {status(429), false, "service answered 429", false, 1},
		"refuses": {status(404), false, "refused the notice: 404", false, 1},
		"changes the protocol": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_ = c.Close()
		}, false, "service answered 101", false, 1},
		"wants no more":            {status(410), false, "wants no notices any more", true, 1},
		"unknown authority":        {status(204), true, "certificate", false, 0},
		"leads on within itself":   {redirect(307, "/new"), false, "", false, 2},
		"leads in circles":         {redirect(308, "/token"), false, "in circles", false, 4},
		"leads to another service": {redirect(307, other.URL+"/x"), false, "redirects to another one, " + strings.TrimPrefix(other.URL, "http://"), false, 1},
		"leads to another door":    {redirect(307, stranger.URL+"/x"), false, "redirects to another one", false, 1},
		"leads to no encryption":   {redirect(308, "http://127.0.0.1/"), false, "redirects to another one", false, 1},
		"drops the notice":         {redirect(302, "/new"), false, "drops the notice", false, 1},
		"hangs":                    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); panic(http.ErrAbortHandler) }, false, "deadline exceeded", false, -1},
		"talks nonsense": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_, _ = c.Write([]byte("hello\n"))
			_ = c.Close()
		}, false, "post: ", false, 1},
		"talks much nonsense": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(c, strings.Repeat("hello", 3000)+"\n")
			_ = c.Close()
		}, false, "hellohe…", false, 1},
		"talks without end": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, false, "", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newService(t, tt.answer)
			if tt.stranger {
				srv.ca = nil
			}
			hook, err := newWebhook(srv.URL+"/token", "", srv.ca, "Front door", "intercomd/test")
			if err != nil {
				t.Fatal(err)
			}
			limit := 20 * time.Second
			if name == "hangs" {
				limit = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err = hook.post(ctx, entry{ID: "msg_1", Notice: alarm})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if errors.As(err, new(permanentError)) != tt.permanent {
				t.Errorf("permanent: %v", !tt.permanent)
			}
			if err != nil && strings.Contains(err.Error(), "token") {
				t.Errorf("the address is in the error: %v", err)
			}
			srv.mu.Lock()
			defer srv.mu.Unlock()
			if len(srv.asked) != tt.asked && tt.asked >= 0 {
				t.Fatalf("asked %d times: %q", len(srv.asked), srv.asked)
			}
			for _, b := range srv.asked {
				var got map[string]any
				method, rest, _ := strings.Cut(b, " ")
				_, body, _ := strings.Cut(rest, " ")
				if err := json.Unmarshal([]byte(body), &got); err != nil || method != "POST" || got["door"] != "Front door" ||
					got["kind"] != "alarm" || got["key"] != "alarm.leaf" || got["text"] != alarm.Text || got["code"] != "alarm-held" || got["over"] != false {
					t.Errorf("%s: %v", b, err)
				}
			}
		})
	}
}

func TestCouriersOfTheWays(t *testing.T) {
	c := Config{Door: "Front door", Log: slog.New(slog.DiscardHandler), Ways: []Way{
		{Webhook: "https://house.example.lan/token", Kinds: []string{"alarm"}},
		{Users: []string{"1001"}, Kinds: []string{"missed"}},
	}}
	got, faults := New(c)
	if len(faults) > 0 || len(got.couriers) != 1 || got.couriers[0].key != "notify.1.webhook" || got.couriers[0].to != words.New("webhook", "host", "house.example.lan") {
		t.Errorf("%+v, %v", got, faults)
	}
	// One that cannot be used leaves the others.
	c.Ways[0].RootCAs = func() (*x509.CertPool, error) { return nil, errors.New("there is no such file") }
	c.Ways = append(c.Ways, Way{Webhook: "https://other.example.lan/", Kinds: []string{"alarm"}})
	got, faults = New(c)
	if len(got.couriers) != 1 || got.couriers[0].key != "notify.3.webhook" || len(faults) != 1 || faults[0].Key != "notify.1.webhook" || strings.Contains(faults[0].String(), "token") {
		t.Errorf("%+v, %v", got, faults)
	}
	// With a way to send texts, users are told, under the name of the door.
	var sent []string
	c.Text = func(_ context.Context, user, text string) error { sent = append(sent, user+" "+text); return nil }
	got, _ = New(c)
	if len(got.couriers) != 2 || got.couriers[0].key != "notify.2.1001" {
		t.Fatalf("%+v", got)
	}
	if err := got.couriers[0].send(t.Context(), entry{Notice: alarm}); err != nil || len(sent) != 1 || sent[0] != "1001 Front door: Main entrance has been open for 1 min" {
		t.Errorf("sent %q, %v", sent, err)
	}
}
