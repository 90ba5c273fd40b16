package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// card keeps what waits, as the state directory does.
type card struct {
	mu   sync.Mutex
	data []byte
	fail bool
}

func (c *card) Load(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.data == nil {
		return nil
	}
	return json.Unmarshal(c.data, v)
}

func (c *card) Save(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail {
		return errors.New("the card is full")
	}
	var err error
	c.data, err = json.Marshal(v)
	return err
}

// office is an office with one web service that is played by send.
func office(keep Keeper, r *postRoom, send func(context.Context, entry) error) *Office {
	o, _ := New(Config{Door: "Front door", Keep: keep, Log: slog.New(slog.DiscardHandler),
		Ways: []Way{{Webhook: "https://house.example.lan/token", Kinds: []string{"ring", "alarm"}}}})
	o.couriers[0].send = send
	o.faults = r
	return o
}

func ringOf(n int) station.Event {
	return station.Event{Seq: uint64(n), At: time.Now(), News: station.Pressed{Button: fmt.Sprint("b", n), Label: fmt.Sprint("Bell ", n), Does: station.Dial}}
}

// A web service that is away for hours gets everything, in order, once and under the same ID at each try,
// through a restart of the door.
func TestNoticesOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep, r := &card{}, &postRoom{}
		tries := map[string]int{}
		var got []string
		away := true
		send := func(_ context.Context, e entry) error {
			tries[e.ID]++
			if away {
				return errors.New("it is away")
			}
			got = append(got, e.Notice.Key)
			if e.Notice.Event == nil || e.Notice.Text == "" || e.Notice.Code != "visitor-rang" {
				t.Errorf("%+v", e)
			}
			return nil
		}
		run := func(d time.Duration, do func(o *Office)) {
			ctx, cancel := context.WithCancel(t.Context())
			o := office(keep, r, send)
			over := make(chan struct{})
			go func() { defer close(over); o.Run(ctx, r) }()
			do(o)
			time.Sleep(d)
			synctest.Wait()
			cancel()
			<-over
		}
		run(time.Hour, func(o *Office) {
			for n := range 5 {
				o.Tell(ringOf(n))
			}
			o.Tell(station.Event{News: station.Pressed{Button: "light", Does: station.Toggle}})
		})
		if len(r.shown) != 1 || len(r.deliveries) != 1 || r.deliveries[0].Waiting != 5 || r.deliveries[0].Problem.String() != "it is away" || r.deliveries[0].Tries < 10 || len(tries) != 1 {
			t.Errorf("faults %+v, deliveries %+v, tries %v", r.shown, r.deliveries, tries)
		}
		away = false
		run(time.Minute, func(o *Office) { o.Tell(ringOf(5)) })
		if want := []string{"b0", "b1", "b2", "b3", "b4", "b5"}; !slices.Equal(got, want) || len(tries) != 6 {
			t.Errorf("delivered %v, %d IDs", got, len(tries))
		}
		if d := r.deliveries[0]; d.Waiting != 0 || !d.Problem.None() || d.Last.IsZero() || r.clears == 0 {
			t.Errorf("%+v, cleared %d times", d, r.clears)
		}
		run(time.Minute, func(*Office) {})
		if len(got) != 6 {
			t.Errorf("delivered again: %v", got)
		}
		// A card that takes nothing keeps nobody from being told.
		keep.fail = true
		run(time.Minute, func(o *Office) { o.Tell(ringOf(6)) })
		if len(got) != 7 {
			t.Errorf("delivered %v", got)
		}
	})
}

// What is refused does not keep for ever what comes after; what is old is given up; the queue is bounded.
func TestNoticesAreGivenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		tries int // of the first; 0: many
		after time.Duration
	}{
		"refused":  {refusedError{errors.New("400")}, refusalTries, time.Hour},
		"for good": {permanentError{errors.New("410")}, 1, time.Minute},
		"too old":  {io.EOF, 0, postsFor + time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, tries, second := &postRoom{}, 0, false
				o := office(nil, r, func(_ context.Context, e entry) error {
					if e.Notice.Key != "b0" {
						second = true
						return nil
					}
					tries++
					return tt.err
				})
				ctx, cancel := context.WithCancel(t.Context())
				over := make(chan struct{})
				go func() { defer close(over); o.Run(ctx, r) }()
				o.Tell(ringOf(0))
				o.Tell(ringOf(1))
				time.Sleep(tt.after)
				synctest.Wait()
				cancel()
				<-over
				if !second || tt.tries != 0 && tries != tt.tries || len(r.shown) == 0 {
					t.Errorf("%d tries, the next came through: %v, faults %v", tries, second, r.shown)
				}
			})
		})
	}
	o := office(nil, &postRoom{}, nil)
	for n := range 3 * postsKept {
		o.Tell(ringOf(n))
	}
	if all := o.couriers[0].queue.all(); len(all) != postsKept || all[0].Notice.Key != fmt.Sprint("b", 2*postsKept) {
		t.Errorf("%d wait, the first is %+v", len(all), all[0])
	}
}

// A service that says when to come again is left alone until then, and no longer than an hour.
func TestServiceThatWantsToBeLeftAlone(t *testing.T) {
	for said, second := range map[string]time.Duration{"": 0, "600": 10 * time.Minute, "86400": time.Hour, "Fri, 31 Dec 1999 23:59:59 GMT": 0, "Sat, 01 Jan 2000 00:20:00 GMT": 20 * time.Minute,
		"-5": 0, "99999999999999999999": 0, "soon": 0} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which begins with the year 2000
				begin, tries := time.Now(), []time.Duration{}
				o := office(nil, &postRoom{}, func(context.Context, entry) error {
					tries = append(tries, time.Since(begin))
					return laterError{errors.New("429"), retryAfter(http.Header{"Retry-After": {said}})}
				})
				ctx, cancel := context.WithCancel(t.Context())
				over := make(chan struct{})
				go func() { defer close(over); o.Run(ctx, &postRoom{}) }()
				o.Tell(ringOf(0))
				time.Sleep(2 * time.Hour)
				cancel()
				<-over
				if got := tries[1]; got < second || got > second+noticePause {
					t.Errorf("tries after %v", tries)
				}
			})
		})
	}
}

// What waits for one service is never sent to another.
func TestWhatWaitsIsForWhomItWaits(t *testing.T) {
	keep := &card{data: []byte(`{"another service":[{"id":"msg_1","notice":{"kind":"ring"}}]}`)}
	o := office(keep, &postRoom{}, nil)
	o.restore()
	if n := o.couriers[0].queue.len(); n != 0 {
		t.Errorf("%d wait", n)
	}
	keep.data = []byte("\x00\x00")
	o.restore()
}

// A receiver that checks the signature as Standard Webhooks says takes what the door sends, and
// nothing else.
func TestSignature(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	var problem string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		problem = ""
		if r.Header.Get("webhook-signature") != want || r.Header.Get("webhook-id") != "msg_1" || !strings.Contains(string(body), `"id":"msg_1"`) {
			problem = fmt.Sprint(r.Header, string(body))
		}
	}))
	defer srv.Close()
	for secret, good := range map[string]bool{"whsec_" + base64.StdEncoding.EncodeToString(key): true, "whsec_" + base64.StdEncoding.EncodeToString(key[1:]): false, "": false} {
		hook, err := newWebhook(srv.URL, secret, nil, "Front door", "intercomd/test")
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.post(t.Context(), entry{ID: "msg_1", Notice: alarm}); err != nil {
			t.Error(err)
		}
		if (problem == "") != good {
			t.Errorf("%q: %s", secret, problem)
		}
	}
	if _, err := newWebhook(srv.URL, "hunter22", nil, "", ""); err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("no key: %v", err)
	}
}

// Each kind of the configuration has its events, and each of them a sentence.
func TestKinds(t *testing.T) {
	why := words.New("no-server")
	for _, tt := range []struct {
		news station.News
		kind string // "" for none
		over bool
	}{
		{station.Pressed{Button: "bell", Label: "Bell", Does: station.Dial}, "ring", false},
		{station.Pressed{Button: "bell", Does: station.HangUp}, "", false},
		{station.CallStarted{Direction: station.Outgoing, Peer: station.Peer{User: "1001"}}, "call", false},
		{station.CallStarted{Direction: station.Incoming, Peer: station.Peer{User: "1001"}}, "call", false},
		{station.CallStep{Step: station.Answered}, "answered", false},
		{station.CallStep{Step: station.FarRinging}, "", false},
		{station.VisitorMissed{Label: "Bell", Ending: station.Ending{Cause: station.CauseBusy}}, "missed", false},
		{station.VisitorMissed{Quiet: true}, "", false},
		{station.Released{OK: true, Relay: "door"}, "opened", false},
		{station.Released{Relay: "door", Why: station.RefusedCode}, "", false},
		{station.AlarmChanged{Input: "leaf", Label: "Leaf", Alarm: station.AlarmHeld, After: time.Minute}, "alarm", false},
		{station.AlarmChanged{Input: "leaf", Label: "Leaf", Over: true}, "alarm", true},
		{station.FaultRaised{Fault: station.Fault{Key: "sound.input", Message: words.New("microphone-off")}}, "fault", false},
		{station.FaultCleared{Fault: station.Fault{Key: "sound.input", Message: words.New("microphone-off")}}, "fault", true},
		{station.FaultRaised{Fault: station.Fault{Key: "notify.1.webhook"}}, "", false},
		{station.FaultRaised{Fault: station.Fault{Key: "alarm.leaf"}}, "", false},
		{station.RegistrationChanged{Registration: station.Registration{State: station.RegRegistered}}, "registration", true},
		{station.RegistrationChanged{Registration: station.Registration{State: station.RegFailed, Problem: why}}, "registration", false},
		{station.RegistrationChanged{Registration: station.Registration{State: station.RegRefused}}, "registration", false},
		{station.RegistrationChanged{Registration: station.Registration{State: station.RegConnecting}}, "", false},
		{station.CallDigit{}, "", false},
	} {
		n, ok := noticeOf(station.Event{Call: "c1", News: tt.news})
		if ok != (tt.kind != "") || ok && (n.Kind != tt.kind || n.Over != tt.over || n.Text == "" || n.Text == n.Code || strings.Contains(n.Text, "{") || n.Call != "c1") {
			t.Errorf("%+v: %v, %+v", tt.news, ok, n)
		}
	}
}
