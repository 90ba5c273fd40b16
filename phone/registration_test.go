package phone

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

func TestRegister(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		regs := s.srv.Registers()
		if len(regs) != 2 {
			t.Fatalf("%d REGISTERs, want one without and one with credentials", len(regs))
		}
		m := regs[1]
		for name, want := range map[string]string{
			"Contact": `;transport=ws>;expires=300;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000001000>"`,
			"Via":     "SIP/2.0/WS ", // a plain socket in this test: Via must match the socket
			"From":    `"Front door" <sip:1000@pbx.test>;tag=`,
			"To":      "<sip:1000@pbx.test>",
		} {
			if got := m.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
		if m.URI() != "sip:pbx.test" || !strings.Contains(m.Get("Via"), ";rport") || regs[0].Get("Call-ID") != m.Get("Call-ID") {
			t.Errorf("REGISTER is not as it should be:\n%s", m)
		}
		r := s.ua.Registration()
		if r.User != "1000@pbx.test" || r.Server != s.srv.URL() || time.Until(r.Expires).Round(time.Second) != 2*time.Minute || r.Err != nil {
			t.Errorf("registration %+v", r)
		}
	})
}

// A machine that slept is registered again at once, whatever its timers say: those
// stood still, and the server's did not.
func TestRefreshAfterSleep(t *testing.T) {
	var slept atomic.Int64
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		time.Sleep(20 * time.Second)
		before := len(s.srv.Registers())
		for _, step := range []time.Duration{4 * time.Second, -time.Hour} { // slewed, and set back
			slept.Add(int64(step))
			time.Sleep(5 * time.Second)
			if n := len(s.srv.Registers()); n != before {
				t.Fatalf("%d REGISTERs after the clock went by %v", n-before, step)
			}
		}
		slept.Add(int64(10 * time.Minute))
		time.Sleep(3 * time.Second)
		if n := len(s.srv.Registers()); n != before+1 {
			t.Errorf("%d REGISTERs after a sleep, want one", n-before)
		}
		time.Sleep(20 * time.Second)
		if n := len(s.srv.Registers()); n != before+1 || s.ua.Registration().State != Registered {
			t.Errorf("%d REGISTERs, %+v", n-before, s.ua.Registration())
		}
	}, func(c *Config) { c.wall = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) } })
}

// A registration is refreshed well before it ends, with the nonce that is known.
func TestRefresh(t *testing.T) {
	play(t, siptest.Options{Password: "secret", Expires: 120}, func(s *stage) {
		start := time.Now()
		s.state(Registered)
		if d := time.Since(start); d < 60*time.Second || d > 100*time.Second {
			t.Errorf("refreshed after %v", d)
		}
		regs := s.srv.Registers()
		if len(regs) != 3 || !strings.Contains(regs[2].Get("Authorization"), "nc=00000003") || regs[2].Get("Contact") == "" {
			t.Errorf("%d REGISTERs, the last:\n%s", len(regs), regs[len(regs)-1])
		}
		s.srv.Forget() // a nonce that the server has forgotten costs one more round
		s.state(Registered)
		if n := len(s.srv.Registers()); n != 5 {
			t.Errorf("%d REGISTERs after a stale nonce", n)
		}
	})
}

func TestUnregister(t *testing.T) {
	for name, silent := range map[string]bool{"answered": false, "never answered": true} {
		t.Run(name, func(t *testing.T) {
			o := siptest.Options{Password: "secret"}
			if silent {
				o.Register = func(_ *siptest.Conn, m *siptest.Msg) bool { return m.Get("Expires") == "0" }
			}
			var srv *siptest.Server
			var conn *siptest.Conn
			var took time.Duration
			play(t, o, func(s *stage) {
				srv, conn = s.srv, s.conn
				start := time.Now()
				s.stop()
				err := <-s.done
				took = time.Since(start)
				s.done <- err
			})
			regs := srv.Registers()
			last := regs[len(regs)-1]
			if last.Get("Expires") != "0" || !strings.Contains(last.Get("Contact"), "expires=0") || last.Get("Authorization") == "" {
				t.Errorf("last REGISTER:\n%s", last)
			}
			if took > 350*time.Millisecond || !conn.ClosedProperly() {
				t.Errorf("took %v, CLOSE frame %v", took, conn.ClosedProperly())
			}
		})
	}
}

func TestRegisterRefused(t *testing.T) {
	answer := func(status int, extra ...string) func(*siptest.Conn, *siptest.Msg) bool {
		return func(c *siptest.Conn, m *siptest.Msg) bool {
			c.Respond(m, status, "No", extra...)
			return true
		}
	}
	endless := func(c *siptest.Conn, m *siptest.Msg) bool {
		c.Challenge(m, 401)
		return true
	}
	for name, tc := range map[string]struct {
		o       siptest.Options
		state   State
		within  time.Duration // no sooner than half of it
		remedy  string
		perTry  int
		message string
	}{
		"wrong password, 403":     {siptest.Options{Password: "other"}, RefusedRetrying, 6 * time.Minute, "user and password", 2, "403"},
		"wrong password, 401":     {siptest.Options{Password: "other", Register: endless}, RefusedRetrying, 6 * time.Minute, "user and password", 2, "does not accept"},
		"403 at once":             {siptest.Options{Register: answer(403)}, RefusedRetrying, 6 * time.Minute, "user and password", 1, "403"},
		"unknown user":            {siptest.Options{Register: answer(404)}, RefusedRetrying, 6 * time.Minute, "user or domain", 1, "404"},
		"overloaded":              {siptest.Options{Register: answer(503)}, FailedRetrying, 2 * time.Second, "overloaded", 1, "503"},
		"overloaded, Retry-After": {siptest.Options{Register: answer(503, "Retry-After: 60 (busy)")}, FailedRetrying, 80 * time.Second, "overloaded", 1, "503"},
		"unknown algorithm":       {siptest.Options{Password: "secret", Algorithms: []string{"SHA-999"}}, RefusedRetrying, 6 * time.Minute, "kind of authentication", 1, "401"},
		"silence":                 {siptest.Options{Register: func(*siptest.Conn, *siptest.Msg) bool { return true }}, FailedRetrying, 2 * time.Second, "keeps trying", 1, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.o.Pipe = true
				s := begin(t, siptest.New(t, tc.o))
				r := s.state(tc.state)
				if r.Err == nil || !strings.Contains(r.Err.Error(), tc.message) || !strings.Contains(r.Problem.Remedy(), tc.remedy) {
					t.Errorf("error %v, remedy %q", r.Err, r.Problem.Remedy())
				}
				first := len(s.srv.Registers())
				if first != tc.perTry {
					t.Errorf("%d REGISTERs in the first try, want %d", first, tc.perTry)
				}
				if wait := time.Until(r.Retry); wait > tc.within || wait < tc.within/4 {
					t.Errorf("next try in %v, want about %v", wait, tc.within)
				}
				start := time.Now()
				s.state(tc.state)
				if d := time.Since(start); d < tc.within/4 {
					t.Errorf("hammering: next try after %v", d)
				}
				s.ended(s.dial("1001"), NotRegistered, 0)
				s.quit()
			})
		})
	}
}

func TestIntervalTooBrief(t *testing.T) {
	o := siptest.Options{Expires: 3600, Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if n, _ := strconv.Atoi(m.Get("Expires")); n > 0 && n < 600 {
			c.Respond(m, 423, "Interval Too Brief", "Min-Expires: 600")
			return true
		}
		return false
	}}
	play(t, o, func(s *stage) {
		if d := time.Until(s.ua.Registration().Expires).Round(time.Second); d != 10*time.Minute {
			t.Errorf("registered for %v", d)
		}
		s.state(Registered)
		if n := len(s.srv.Registers()); n != 3 { // the refresh asks for 600 s at once
			t.Errorf("%d REGISTERs, want 3", n)
		}
	})
}

func TestOthersRegistered(t *testing.T) {
	o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if m.Get("Expires") == "0" {
			return false
		}
		c.Respond(m, 200, "OK", "Contact: <sip:1000@192.0.2.7:5060>;expires=1000, "+m.Get("Contact"),
			`Contact: <sip:1000@old.invalid;transport=ws>;expires=30;+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000001000>"`)
		return true
	}}
	play(t, o, func(s *stage) {
		if r := s.ua.Registration(); r.Others != 1 || time.Until(r.Expires).Round(time.Second) != 5*time.Minute {
			t.Errorf("%+v", r)
		}
	})
}

// Another device has taken the registration: told, and taken back once a minute. Calls
// can still be made meanwhile.
func TestRegistrationTaken(t *testing.T) {
	const other = "Contact: <sip:1000@192.0.2.7:5060>;expires=120"
	var taken atomic.Bool
	o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if taken.Load() {
			c.Respond(m, 200, "OK", other)
		}
		return taken.Load()
	}}
	play(t, o, func(s *stage) {
		first := s.ua.Registration()
		taken.Store(true)
		r := s.state(Registered)
		for range 3 {
			if r.Err == nil || !strings.Contains(r.Err.Error(), "another device has registered as user 1000") || r.Problem.Remedy() == "" || r.Others != 1 || !r.Expires.IsZero() {
				t.Errorf("%+v", r)
			}
			began := time.Now()
			r = s.state(Registered)
			if d := time.Since(began); d != takenWait {
				t.Errorf("registered anew after %v", d)
			}
		}
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(486, "Busy Here")
		s.conn.Expect("ACK")
		s.event(c, Sent)
		s.ended(c, Busy, 486)
		s.over(c)
		taken.Store(false)
		for r.Err != nil { // it is told for a while
			r = s.state(Registered)
		}
		if !r.Problem.None() || r.Others != 0 || r.Since != first.Since {
			t.Errorf("%+v", r)
		}
		if n := strings.Count(s.log.String(), "another device has registered"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		if n := strings.Count(s.log.String(), "level=INFO msg=registration state=registered"); n != 2 {
			t.Errorf("its return was not logged: registered %d times", n)
		}
	})
}

// A server that writes contacts its own way says nothing about other devices.
func TestContactRewritten(t *testing.T) {
	o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if m.Get("Expires") == "0" {
			return false
		}
		c.Respond(m, 200, "OK", "Contact: <sip:1000@198.51.100.4:51234;transport=ws>;expires=120", "Expires: 120")
		return true
	}}
	play(t, o, func(s *stage) {
		for range 3 {
			if r := s.state(Registered); r.Err != nil || r.Others != 0 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// The connection dies: the phone is back within a second or two, on a new one.
func TestReconnect(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		for range 3 {
			start := time.Now()
			s.conn.Kill()
			s.state(FailedRetrying)
			s.conn = s.srv.Conn()
			s.state(Registered)
			if d := time.Since(start); d > 7*time.Second {
				t.Errorf("back after %v", d)
			}
		}
	})
}

// Where nobody answers, tries go on every few seconds; where somebody does, they
// become rarer, up to half a minute.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, siptest.New(t, siptest.Options{Pipe: true, Register: func(c *siptest.Conn, m *siptest.Msg) bool {
			c.Respond(m, 500, "Server Error")
			return true
		}}))
		time.Sleep(10 * time.Minute)
		if n := s.srv.Dials(); n < 15 || n > 35 {
			t.Errorf("%d tries in ten minutes", n)
		}
		s.quit()
	})
}

// How long there has been no registration is told by the first failure, not by the
// last try, and the fault stays in sight while another try is made.
func TestFailedSince(t *testing.T) {
	var status atomic.Int32
	status.Store(500)
	o := siptest.Options{Pipe: true, Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		n := int(status.Load())
		if n != 200 {
			time.Sleep(time.Second) // a try takes its time
			c.Respond(m, n, "No")
		}
		return n != 200
	}}
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, siptest.New(t, o))
		since := s.state(FailedRetrying).Since
		if d := time.Since(since); d != 0 {
			t.Errorf("failed since %v", d)
		}
		fails := map[State]int{}
		watch := func(d time.Duration) {
			for over := time.After(d); ; {
				select {
				case r := <-s.media.regs:
					fails[r.State]++
					if !r.Since.Equal(since) || r.Err == nil || !r.State.failed() {
						t.Fatalf("%+v, but no registration since %v", r, since)
					}
				case <-over:
					return
				}
			}
		}
		watch(10 * time.Minute)
		status.Store(403)
		watch(10 * time.Minute)
		if fails[FailedRetrying] < 10 || fails[RefusedRetrying] < 1 {
			t.Errorf("told %v", fails)
		}
		status.Store(200)
		r := s.state(Registered)
		if d := time.Since(r.Since); d != 0 {
			t.Errorf("registered since %v", d)
		}
		time.Sleep(5 * time.Minute)
		if now := s.ua.Registration(); now.Since != r.Since {
			t.Errorf("refreshed: since %v, was %v", now.Since, r.Since)
		}
		var conn *siptest.Conn // the last of many
		for c := s.srv.Conn(); ; c = s.srv.Conn() {
			if conn = c; !conn.IsGone() {
				break
			}
		}
		conn.Kill()
		if r := s.state(FailedRetrying); time.Since(r.Since) != 0 {
			t.Errorf("failed anew since %v", time.Since(r.Since))
		}
		s.quit()
	})
}

// The same trouble is logged now and then only, though its text may name another port
// of ours each time.
func TestSameFaultIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var port atomic.Int32
		s := begin(t, siptest.New(t, siptest.Options{Pipe: true}), func(c *Config) {
			c.NetDial = func(context.Context, string, string, netip.AddrPort) (net.Conn, error) {
				ours := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port.Add(1))}
				return nil, &net.OpError{Op: "read", Net: "tcp", Source: ours, Err: os.ErrDeadlineExceeded}
			}
		})
		time.Sleep(sameFault * 3 / 2)
		if n := strings.Count(s.log.String(), "retry_in="); n != 2 || port.Load() < 100 {
			t.Errorf("logged %d times, tried %d times", n, port.Load())
		}
		s.quit()
	})
}

// A server that stops answering PINGs is given up within half a minute.
func TestSilentServer(t *testing.T) {
	play(t, siptest.Options{Mute: true}, func(s *stage) {
		start := time.Now()
		r := s.state(FailedRetrying)
		if d := time.Since(start); d > 35*time.Second || !strings.Contains(r.Err.Error(), "PING") {
			t.Errorf("noticed after %v: %v", d, r.Err)
		}
	})
}

// SHA-256 is preferred, and a server that has offered it cannot go back.
func TestDowngrade(t *testing.T) {
	var weak atomic.Bool
	o := siptest.Options{Password: "secret", Algorithms: []string{"MD5", "SHA-256"}, Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if weak.Load() && m.Get("Expires") != "0" {
			c.Respond(m, 401, "Unauthorized", `WWW-Authenticate: Digest realm="pbx.test", nonce="x", algorithm=MD5, qop="auth", stale=true`)
			return true
		}
		return false
	}}
	play(t, o, func(s *stage) {
		regs := s.srv.Registers()
		if got := regs[len(regs)-1].Get("Authorization"); !strings.Contains(got, "SHA-256") {
			t.Errorf("not SHA-256: %s", got)
		}
		weak.Store(true)
		r := s.state(RefusedRetrying)
		if !strings.Contains(r.Err.Error(), "MD5") || !strings.Contains(r.Problem.Remedy(), "SHA-256") {
			t.Errorf("%v, %q", r.Err, r.Problem.Remedy())
		}
	})
}

func TestClockSet(t *testing.T) {
	for wall, want := range map[time.Duration]bool{12 * time.Second: false, 50 * 365 * 24 * time.Hour: true, -time.Hour: true} {
		if clockSet(wall, 10*time.Second) != want {
			t.Errorf("%v: not %v", wall, want)
		}
	}
	if clockSet(10*time.Second, 10*time.Second) {
		t.Error("the clock goes as it should")
	}
}

func TestBadConfig(t *testing.T) {
	good := Config{Servers: []string{"wss://pbx.test:7443"}, User: "1000", Owner: newFakeMedia()}
	for name, change := range map[string]func(*Config){
		"no server":     func(c *Config) { c.Servers = nil },
		"http":          func(c *Config) { c.Servers = []string{"http://pbx.test"} },
		"ws to a host":  func(c *Config) { c.Servers = []string{"ws://pbx.test"} },
		"no user":       func(c *Config) { c.User = "" },
		"user injected": func(c *Config) { c.User = "1000>\r\nX: y" },
		"bad domain":    func(c *Config) { c.Domain = "a b" },
		"no media":      func(c *Config) { c.Owner = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := New(c); err == nil {
				t.Error("accepted")
			}
		})
	}
	c := good
	c.User = "1000@office.example"
	ua, err := New(c)
	if err != nil || ua.cfg.User != "1000" || ua.servers[0].domain != "office.example" || ua.cfg.AuthUser != "1000" {
		t.Errorf("%v %+v", err, ua)
	}
}

// RFC 5626, where the server has it: the timer of the flow, and calls that come back to it.
func TestOutbound(t *testing.T) {
	o := siptest.Options{Expires: 3600, Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if m.Get("Expires") == "0" {
			return false
		}
		c.Respond(m, 200, "OK", "Require: outbound", "Flow-Timer: 8", "Contact: "+m.Get("Contact"))
		return true
	}}
	play(t, o, func(s *stage) {
		time.Sleep(time.Minute)
		if n := s.conn.Pings(); n < 7 {
			t.Errorf("%d PINGs in a minute, with a Flow-Timer of 8 s", n)
		}
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		if got := leg.Invite.Get("Contact"); !strings.HasSuffix(got, ";transport=ws;ob>") {
			t.Errorf("Contact of the call: %s", got)
		}
		if got := s.srv.Registers()[0].Get("Contact"); strings.Contains(got, ";ob") {
			t.Errorf("Contact of the registration: %s", got)
		}
		leg.Respond(486, "Busy Here")
		s.conn.Expect("ACK")
		s.event(c, Sent)
		s.ended(c, Busy, 486)
		s.over(c)
	})
}

// A proxy on the way that knows nothing of RFC 5626 gets a plain registration.
func TestFirstHopLacksOutbound(t *testing.T) {
	o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		lacks := strings.Contains(m.Get("Contact"), "reg-id") || strings.Contains(m.Get("Supported"), "outbound")
		if lacks {
			c.Respond(m, 439, "First Hop Lacks Outbound Support")
		}
		return lacks
	}}
	play(t, o, func(s *stage) {
		s.state(Registered) // the refresh does not ask for it again
		regs := s.srv.Registers()
		if len(regs) != 3 || !strings.Contains(regs[1].Get("Contact"), "+sip.instance") {
			t.Errorf("%d REGISTERs, the second:\n%s", len(regs), regs[1])
		}
	})
}
