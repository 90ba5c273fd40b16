package simulate

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/phone"
	"intercomd/phone/siptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a site in front of a scripted server, in virtual time.
type lab struct {
	t    *testing.T
	srv  *siptest.Server
	site *Site
	stop context.CancelFunc
	over chan struct{}
	ends sync.WaitGroup // of calls that the server plays
}

// play runs a story with n doors that arrive within as many seconds, and ends them.
func play(t *testing.T, n int, change func(*Config), story func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, srv: siptest.New(t, siptest.Options{Pipe: true, Password: "secret"}), over: make(chan struct{})}
		cfg := Config{
			Phone:  phone.Config{Servers: []string{l.srv.URL()}, Domain: "pbx.test", NetDial: l.srv.NetDial, ReconnectSpread: 10 * time.Second},
			Doors:  users("door%03d", n),
			Arrive: time.Duration(n) * time.Second / 10, Ring: 2 * time.Second, Within: 10 * time.Second,
		}
		if change != nil {
			change(&cfg)
		}
		var err error
		if l.site, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l.stop = cancel
		go func() { defer close(l.over); l.site.Run(ctx) }()
		story(l)
		cancel()
		<-l.over
		l.srv.Close()
		l.ends.Wait()
	})
}

func users(pattern string, n int) (out []Account) {
	for i := range n {
		out = append(out, Account{User: fmt.Sprintf(pattern, i+1), Password: "secret"})
	}
	return out
}

// serve plays the far ends of all calls over the next n connections: answer is called for each INVITE
// that has its password.
func (l *lab) serve(n int, answer func(leg *siptest.Leg)) {
	for range n {
		c := l.srv.Conn()
		l.ends.Go(func() {
			for !c.IsGone() {
				m := c.Poll()
				switch {
				case m == nil:
					time.Sleep(10 * time.Millisecond)
				case m.Method() == "INVITE" && m.Get("Proxy-Authorization") == "":
					c.Challenge(m, 407)
				case m.Method() == "INVITE":
					answer(c.Leg(m))
				case m.Method() == "CANCEL", m.Method() == "BYE":
					c.Respond(m, 200, "OK")
				}
			}
		})
	}
}

// Doors arrive as evenly as they were told to, and go in the same way: whoever ends the simulation
// leaves no registration behind.
func TestDoorsComeAndGo(t *testing.T) {
	const n = 40
	play(t, n, nil, func(l *lab) {
		time.Sleep(2 * time.Second)
		if r := l.site.Report(); r.Registered < n/2-2 || r.Registered > n/2+2 || r.Doors != n {
			t.Errorf("half-way: %+v", r)
		}
		time.Sleep(3 * time.Second)
		if r := l.site.Report(); r.Registered != n || r.Registrations != n || r.Most < 9 || r.Most > 12 || r.Failing != 0 || len(r.Falls) != 0 {
			t.Errorf("%+v", r)
		}
		l.stop()
		<-l.over
		gone := map[string]bool{}
		for _, m := range l.srv.Registers() {
			if m.Get("Expires") == "0" {
				gone[m.Get("From")] = true
			}
		}
		if r := l.site.Report(); len(gone) != n || r.Registered != n || len(r.Falls) != 0 {
			t.Errorf("%d took their registration back; %+v", len(gone), r)
		}
	})
}

// A site that ends while doors arrive ends.
func TestEndsWhileDoorsArrive(t *testing.T) {
	play(t, 20, nil, func(*lab) { time.Sleep(time.Second) })
}

// A server that dies and returns is a fall in the report, with its curve. One that is told twice is two.
func TestServerFalls(t *testing.T) {
	const n = 200
	play(t, n, func(c *Config) { c.Arrive = time.Second }, func(l *lab) {
		time.Sleep(5 * time.Second)
		for i := range 2 {
			l.srv.Down()
			time.Sleep(3 * time.Second)
			if r := l.site.Report(); r.Registered != 0 || r.Failing != n || len(r.Falls) != i+1 || r.Falls[i].First != 0 || r.Falls[i].Lost != n {
				t.Fatalf("%+v", r)
			}
			l.srv.Up()
			time.Sleep(15 * time.Second)
		}
		r := l.site.Report()
		for _, f := range r.Falls {
			sum := 0
			for _, k := range f.Curve {
				sum += k
			}
			if back := f.All - f.First; sum != n || len(f.Curve) < 9 || len(f.Curve) > 11 || back < 8 || back > 10.1 || f.First-f.At < 3 || f.Most < n/10 || f.Most > n/4 {
				t.Errorf("%+v", f)
			}
		}
		if r.Registered != n || r.Registrations != 3*n || r.Failing != 0 || r.Faults["dial-refused"] == 0 || r.Faults["registration-lost"] == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A few doors that are lost for themselves are no fall.
func TestFewLostAreNoFall(t *testing.T) {
	play(t, 10, nil, func(l *lab) {
		time.Sleep(3 * time.Second)
		for range 4 {
			l.srv.Conn().Kill()
		}
		time.Sleep(30 * time.Second)
		if r := l.site.Report(); r.Registered != 10 || r.Registrations != 14 || len(r.Falls) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// Presses are real calls, which ring or do not, and are counted so.
func TestPresses(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(l *siptest.Leg)
		want   Presses
	}{
		"they ring": {func(l *siptest.Leg) { time.Sleep(50 * time.Millisecond); l.Respond(180, "Ringing") }, Presses{Made: 20, Rang: 20}},
		"answered":  {func(l *siptest.Leg) { l.Respond(200, "OK", "\r\nv=0\r\n") }, Presses{Made: 20, Rang: 20, Answered: 20}},
		"nobody there": {func(l *siptest.Leg) { l.Respond(480, "Temporarily Unavailable") },
			Presses{Made: 20, Failed: map[string]int{"unavailable 480": 20}}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 10, func(c *Config) { c.Presses, c.Target = 20, "1001" }, func(l *lab) {
				l.serve(10, tt.answer)
				time.Sleep(30 * time.Second)
				got := l.site.Report().Presses
				if got.Rang > 0 && (got.P50 <= 0 || got.P95 < got.P50 || got.Longest < got.P95 || got.Longest > 1) {
					t.Errorf("%+v", got)
				}
				got.P50, got.P95, got.Longest = 0, 0, 0
				if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tt.want); a != b {
					t.Errorf("%s\nwant %s", a, b)
				}
			})
		})
	}
}

// Presses are made once all are registered, and again once doors come back, most of which still wait.
func TestPressesWhileDoorsComeBack(t *testing.T) {
	const n = 30
	play(t, n, func(c *Config) {
		c.Presses, c.Target, c.Within, c.Arrive = 10, "1001", time.Second, time.Second
		c.Phone.ReconnectSpread = 5 * time.Minute
	}, func(l *lab) {
		ring := func(leg *siptest.Leg) { leg.Respond(180, "Ringing") }
		l.serve(n, ring)
		time.Sleep(10 * time.Second)
		if p := l.site.Report().Presses; p.Made != 10 || p.Rang != 10 || p.Open != 0 {
			t.Errorf("%+v", p)
		}
		l.srv.Down()
		time.Sleep(2 * time.Second)
		l.srv.Up()
		l.serve(14, ring) // who presses, and a few that come back by chance
		time.Sleep(pressAfter + 20*time.Second)
		r := l.site.Report()
		if r.Presses.Made != 20 || r.Presses.Rang != 20 || r.Presses.Longest > 1 {
			t.Errorf("%+v", r.Presses)
		}
		if r.Registered >= n {
			t.Errorf("all are back already: %+v", r)
		}
	})
}

// Telephones ring when they are called; doors are busy.
func TestWhoRings(t *testing.T) {
	play(t, 1, func(c *Config) { c.Phones = users("phone%02d", 1) }, func(l *lab) {
		time.Sleep(2 * time.Second)
		if r := l.site.Report(); r.Phones != 1 || r.Registered != 1 {
			t.Errorf("%+v", r)
		}
		got := map[int]bool{}
		for range 2 {
			c := l.srv.Conn()
			c.Call("\r\nv=0\r\n")
			m := c.Next()
			if m.Status() == 100 {
				m = c.Next()
			}
			got[m.Status()] = true
		}
		if !got[180] || !got[486] {
			t.Error(got)
		}
	})
}

// What cannot be played is refused before anything happens.
func TestRefused(t *testing.T) {
	server := phone.Config{Servers: []string{"wss://pbx.test"}}
	for name, c := range map[string]Config{
		"no door":            {Phone: server},
		"no server":          {Doors: users("d%d", 1)},
		"no encryption":      {Doors: users("d%d", 1), Phone: phone.Config{Servers: []string{"ws://pbx.test"}}},
		"nobody to call":     {Doors: users("d%d", 1), Phone: server, Presses: 1, Within: time.Second},
		"presses in no time": {Doors: users("d%d", 1), Phone: server, Presses: 1, Target: "1001"},
		"no user":            {Doors: []Account{{}}, Phone: server},
		"no telephone":       {Doors: users("d%d", 1), Phones: []Account{{}}, Phone: server},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: played", name)
		}
	}
}

// However long it runs, what is kept does not grow.
func TestLedgerIsBounded(t *testing.T) {
	l := newLedger(3, 0)
	now := time.Now()
	l.begin(now)
	doors := []*door{{}, {}, {}}
	for i := range 3 * maxTimes {
		l.rang(time.Duration(i))
		count(l.r.Faults, fmt.Sprint("code-", i))
	}
	for range 100 {
		for _, d := range doors {
			d.site = nil
			l.registered(d, phone.Registration{State: phone.Registered})
		}
		for _, d := range doors {
			l.registered(d, phone.Registration{State: phone.FailedRetrying})
		}
	}
	f := Fall{First: 0.001}
	for s := range 3 * maxCurve {
		l.back(&f, now.Add(time.Duration(s)*time.Second))
	}
	if len(l.times) > maxTimes || len(l.r.Faults) > maxCauses+1 || len(l.r.Falls) > maxFalls || len(l.last) > 1000 || len(f.Curve) > maxCurve {
		t.Errorf("%d times, %d faults, %d falls, %d registrations, %d seconds", len(l.times), len(l.r.Faults), len(l.r.Falls), len(l.last), len(f.Curve))
	}
}
