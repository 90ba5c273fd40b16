package phone

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

func TestRota(t *testing.T) {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	type step struct {
		at    int           // the server that fails
		bar   time.Duration // after refusing us
		again bool          // another is tried at once
		wait  time.Duration // until the first may be tried, where all are barred
	}
	for name, tc := range map[string]struct {
		servers int
		steps   []step
	}{
		"one server":             {1, []step{{0, 0, false, 0}, {0, 0, false, 0}}},
		"one, refusing":          {1, []step{{0, time.Minute, false, time.Minute}, {0, 0, false, 0}}},
		"three, all fail":        {3, []step{{0, 0, true, 0}, {1, 0, true, 0}, {2, 0, false, 0}, {0, 0, true, 0}}},
		"the first refuses":      {3, []step{{0, time.Hour, true, 0}, {1, 0, true, 0}, {2, 0, false, 0}, {1, 0, true, 0}, {2, 0, false, 0}}},
		"the last refuses":       {2, []step{{0, 0, true, 0}, {1, time.Hour, false, 0}, {0, 0, false, 0}}},
		"all refuse":             {2, []step{{0, time.Hour, true, 0}, {1, 2 * time.Hour, false, time.Hour}}},
		"all refuse, the second": {2, []step{{0, 2 * time.Hour, true, 0}, {1, time.Hour, false, time.Hour}, {1, 0, false, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, now := newFailover(tc.servers), start
			for i, s := range tc.steps {
				if r.at != s.at {
					t.Fatalf("step %d: server %d, want %d", i, r.at, s.at)
				}
				if s.bar > 0 {
					r.bar(now.Add(s.bar))
				}
				again, until := r.next(now)
				wait := time.Duration(0)
				if !until.IsZero() {
					wait = until.Sub(now)
				}
				if again != s.again || wait != s.wait {
					t.Fatalf("step %d: again %t, wait %v; want %t, %v", i, again, wait, s.again, s.wait)
				}
				now = now.Add(wait)
			}
		})
	}
}

// pbxs runs a story with a phone that knows several servers, the first one best.
func pbxs(t *testing.T, options []siptest.Options, story func(s *stage, srv []*siptest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var srv []*siptest.Server
		for _, o := range options {
			o.Pipe = true
			srv = append(srv, siptest.New(t, o))
		}
		s := begin(t, srv[0], func(c *Config) {
			c.Servers = nil
			for i := range srv {
				c.Servers = append(c.Servers, "ws://127.0.0."+string(rune('1'+i))+":7443")
			}
			c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
				host, _, _ := net.SplitHostPort(addr)
				return srv[host[len(host)-1]-'1'].NetDial(ctx, network, addr, from)
			}
		})
		story(s, srv)
		s.quit()
		for _, one := range srv {
			one.Close()
		}
	})
}

func answers(status int) func(*siptest.Conn, *siptest.Msg) bool {
	return func(c *siptest.Conn, m *siptest.Msg) bool {
		if m.Get("Expires") == "0" {
			return false
		}
		c.Respond(m, status, "No")
		return true
	}
}

// However the first server fails, the second one has the phone within 5 s.
func TestFailoverWithin5s(t *testing.T) {
	silent := func(*siptest.Conn, *siptest.Msg) bool { return true }
	for name, o := range map[string]siptest.Options{
		"accepts connections, then nothing": {Deaf: true},
		"another service":                   {HTTPStatus: 404},
		"never answers REGISTER":            {Register: silent},
		"overloaded":                        {Register: answers(503)},
		"does not know us":                  {Register: answers(403)},
	} {
		t.Run(name, func(t *testing.T) {
			pbxs(t, []siptest.Options{o, {}}, func(s *stage, _ []*siptest.Server) {
				start := time.Now()
				r := s.state(Registered)
				if d := time.Since(start); d > 5*time.Second || !strings.Contains(r.Server, "127.0.0.2") {
					t.Errorf("at %s after %v", r.Server, d)
				}
				if strings.HasPrefix(name, "accepts") {
					time.Sleep(10 * time.Minute)
					if r := s.ua.Registration(); r.State != Registered || !strings.Contains(r.Server, "127.0.0.2") {
						t.Errorf("left the server that works: %+v", r)
					}
				}
			})
		})
	}
}

// A server that refuses us is tried once in five minutes, whatever becomes of the others
// meanwhile.
func TestRefusedIsNotHammered(t *testing.T) {
	pbxs(t, []siptest.Options{{Register: answers(403)}, {Register: answers(500)}}, func(_ *stage, srv []*siptest.Server) {
		time.Sleep(29 * time.Minute)
		if n := len(srv[0].Registers()); n < 4 || n > 6 {
			t.Errorf("%d REGISTERs in 29 min at the server that refuses", n)
		}
		if n := len(srv[1].Registers()); n < 50 || n > 120 {
			t.Errorf("%d REGISTERs in 29 min at the server that fails", n)
		}
	})
}

// A first server that opens connections and takes no registration is looked at more and
// more seldom; when it works again, the phone returns.
func TestReturnIsWorthIt(t *testing.T) {
	var ill atomic.Bool
	ill.Store(true)
	broken := func(c *siptest.Conn, m *siptest.Msg) bool { return ill.Load() && answers(500)(c, m) }
	pbxs(t, []siptest.Options{{Register: broken}, {}}, func(s *stage, srv []*siptest.Server) {
		time.Sleep(time.Hour)
		if n := len(srv[0].Registers()); n < 4 || n > 9 {
			t.Errorf("the registration was given up %d times in an hour for a server that does not work", n)
		}
		ill.Store(false)
		time.Sleep(17 * time.Minute)
		if r := s.ua.Registration(); r.State != Registered || !strings.Contains(r.Server, "127.0.0.1") {
			t.Errorf("not back: %+v", r)
		}
	})
}

// Servers that take a registration and drop the connection at once are not hammered.
func TestDroppedAfterRegistration(t *testing.T) {
	drop := func(c *siptest.Conn, m *siptest.Msg) bool {
		c.Accept(m)
		time.AfterFunc(100*time.Millisecond, c.Kill)
		return true
	}
	pbxs(t, []siptest.Options{{Register: drop}, {Register: drop}}, func(_ *stage, srv []*siptest.Server) {
		time.Sleep(10 * time.Minute)
		if n := len(srv[0].Registers()) + len(srv[1].Registers()); n < 20 || n > 100 {
			t.Errorf("%d REGISTERs in 10 min", n)
		}
	})
}

// What one server can do says nothing about another: SHA-256 at the first is no reason to
// refuse MD5 at the second.
func TestEachServerHasItsChallenges(t *testing.T) {
	opt := []siptest.Options{{Password: "secret", Algorithms: []string{"SHA-256"}}, {Password: "secret"}}
	pbxs(t, opt, func(s *stage, srv []*siptest.Server) {
		s.state(Registered)
		srv[0].Close()
		r := s.state(Registered)
		if got := srv[1].Registers()[len(srv[1].Registers())-1].Get("Authorization"); !strings.Contains(r.Server, "127.0.0.2") || !strings.Contains(got, "MD5") {
			t.Errorf("at %s with %s", r.Server, got)
		}
	})
}

// DNS names two machines for one server. The first takes connections and answers no
// REGISTER: the second has the phone within 5 s.
func TestMachinesOfOneServer(t *testing.T) {
	pki := siptest.NewPKI(t)
	synctest.Test(t, func(t *testing.T) {
		cert := siptest.TLS(pki.Issue(func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"pbx.test"}
			c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		}))
		silent := siptest.New(t, siptest.Options{Pipe: true, TLS: cert, Register: func(*siptest.Conn, *siptest.Msg) bool { return true }})
		works := siptest.New(t, siptest.Options{Pipe: true, TLS: cert})
		s := begin(t, works, func(c *Config) {
			c.Servers, c.Pins = []string{"wss://pbx.test"}, [][sha256.Size]byte{sha256.Sum256(leaf(t, cert).RawSubjectPublicKeyInfo)}
			c.Locate = func(context.Context, string) []string { return []string{"one:7443", "two:7443"} }
			c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
				if addr == "one:7443" {
					return silent.NetDial(ctx, network, addr, from)
				}
				return works.NetDial(ctx, network, addr, from)
			}
		})
		start := time.Now()
		r := s.state(Registered)
		if d := time.Since(start); d > 5*time.Second || r.Server != "wss://pbx.test" {
			t.Errorf("registered at %s after %v", r.Server, d)
		}
		if len(silent.Registers()) != 1 || len(works.Registers()) != 1 {
			t.Errorf("%d and %d REGISTERs", len(silent.Registers()), len(works.Registers()))
		}
		s.quit()
		silent.Close()
	})
}

func leaf(t *testing.T, c *tls.Config) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// A server that refuses a registration which it has taken before is left alone at once.
func TestRefusedAtRefresh(t *testing.T) {
	var count atomic.Int32
	once := func(c *siptest.Conn, m *siptest.Msg) bool {
		return m.Get("Contact") != "" && count.Add(1) > 1 && answers(403)(c, m)
	}
	pbxs(t, []siptest.Options{{Register: once}, {}}, func(s *stage, _ []*siptest.Server) {
		s.state(Registered)
		time.Sleep(4 * time.Minute)
		if r := s.ua.Registration(); r.State != Registered || !strings.Contains(r.Server, "127.0.0.2") || count.Load() != 2 {
			t.Errorf("at %s, %d REGISTERs at the one that refuses", r.Server, count.Load())
		}
	})
}
