package phone

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
	"intercomd/phone/ws"
)

// site is many doors in front of some servers, in virtual time.
type site struct {
	t     *testing.T
	srv   []*siptest.Server
	doors []*stage
}

// As many doors for each second as a site of a thousand that spreads over 50 s.
const (
	siteDoors  = 300
	siteSpread = 15 * time.Second
	siteMost   = 48 // within a second; 20 are meant, and chance makes up to 35 of them
)

// many runs a story with a site, which is registered when it begins.
func many(t *testing.T, servers int, story func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t}
		var urls []string
		for i := range servers {
			s.srv = append(s.srv, siptest.New(t, siptest.Options{Pipe: true}))
			urls = append(urls, "ws://127.0.0."+string(rune('1'+i))+":7443")
		}
		for range siteDoors {
			s.doors = append(s.doors, begin(t, s.srv[0], func(c *Config) {
				c.Log, c.ReconnectSpread, c.Servers = nil, siteSpread, urls
				c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
					host, _, _ := net.SplitHostPort(addr)
					return s.srv[host[len(host)-1]-'1'].NetDial(ctx, network, addr, from)
				}
			}))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		story(s)
		s.end()
	})
}

func (s *site) end() {
	for _, d := range s.doors {
		d.stop()
	}
	for _, d := range s.doors {
		<-d.done
	}
	for _, srv := range s.srv {
		srv.Close()
	}
}

func (s *site) registered() (n int) {
	for _, d := range s.doors {
		if d.ua.Registration().State == Registered {
			n++
		}
	}
	return n
}

// curve watches for so long how many doors have come back to a server in each tenth of a second, and
// returns when all were, and the most within any second.
func (s *site) curve(i int, d time.Duration) (all time.Duration, most int) {
	var counts []int
	before, within := s.srv[i].Fetches()+len(s.srv[i].Registers()), 0
	for at := range int(d / (100 * time.Millisecond)) {
		time.Sleep(100 * time.Millisecond)
		now := s.srv[i].Fetches() + len(s.srv[i].Registers())
		counts, within = append(counts, now-before), within+now-before
		before = now
		if at >= 10 {
			within -= counts[at-10]
		}
		most = max(most, within)
		if all == 0 && s.registered() == len(s.doors) {
			all = time.Duration(at+1) * 100 * time.Millisecond
		}
	}
	s.t.Logf("all back after %v, %d at most within a second", all, most)
	return all, most
}

// However long a server is away, all doors are back within the spread of its return, and as many in
// each second.
func TestManyDoorsComeBackEvenly(t *testing.T) {
	for name, away := range map[string]func(s *site){
		"back in the same moment": func(s *site) { s.srv[0].Down(); s.srv[0].Up() },
		"back after a second":     func(s *site) { s.srv[0].Down(); time.Sleep(time.Second); s.srv[0].Up() },
		"back after a while":      func(s *site) { s.srv[0].Down(); time.Sleep(60 * time.Second); s.srv[0].Up() },
	} {
		t.Run(name, func(t *testing.T) {
			many(t, 1, func(s *site) {
				away(s)
				if all, most := s.curve(0, 19*time.Second); all == 0 || most > siteMost {
					t.Errorf("all back after %v, %d within a second", all, most)
				}
			})
		})
	}
}

// Doors that lose the first of two servers do not fall upon the second.
func TestManyDoorsTurnToTheSecondServerEvenly(t *testing.T) {
	many(t, 2, func(s *site) {
		time.Sleep(steady) // else the first is not tried once more
		s.srv[0].Down()
		if all, most := s.curve(1, 19*time.Second); all == 0 || most > siteMost {
			t.Errorf("all at the second after %v, %d within a second", all, most)
		}
		s.srv[0].Up()
		if _, most := s.curve(0, 70*time.Second); most > siteMost {
			t.Errorf("%d came home within a second", most)
		}
	})
}

// Whoever presses waits for no spread.
func TestPressInTheSpread(t *testing.T) {
	many(t, 1, func(s *site) {
		s.srv[0].Down()
		time.Sleep(5 * time.Second)
		s.srv[0].Up()
		pressed := 0
		for _, d := range s.doors {
			if d.ua.Registration().State == Registered {
				continue
			}
			d.ua.Hurry(10 * time.Second)
			time.Sleep(100 * time.Millisecond)
			if d.ua.Registration().State != Registered {
				t.Errorf("a door is %+v after a press", d.ua.Registration())
			}
			if pressed++; pressed == 50 {
				break
			}
		}
		if pressed < 50 {
			t.Errorf("only %d doors had still to come back", pressed)
		}
	})
}

// What one door alone may have lost costs no spread: a path that was forgotten, or a network that
// was away for a moment.
func TestBlinkInALargeSite(t *testing.T) {
	spread := func(c *Config) { c.ReconnectSpread = 10 * time.Minute }
	t.Run("a path that is forgotten", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			s.conn.Silence()
			s.state(FailedRetrying)
			lost := time.Now()
			s.state(Registered)
			if d := time.Since(lost); d > 2*time.Second {
				t.Errorf("back after %v", d)
			}
		}, spread)
	})
	for _, away := range []time.Duration{time.Second, 4 * time.Second, time.Minute} {
		t.Run("a network that is away for "+away.String(), func(t *testing.T) {
			var out atomic.Bool
			play(t, siptest.Options{}, func(s *stage) {
				out.Store(true)
				s.conn.Silence()
				s.state(FailedRetrying)
				time.Sleep(away)
				out.Store(false)
				began := time.Now()
				s.state(Registered)
				if d := time.Since(began); d > away+5*time.Second {
					t.Errorf("back %v after the network", d)
				}
			}, spread, func(c *Config) {
				dial := c.NetDial
				c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
					if out.Load() {
						return nil, syscall.ENETUNREACH
					}
					return dial(ctx, network, addr, from)
				}
			})
		})
	}
	t.Run("its own address", func(t *testing.T) { // nothing is wrong with the server
		p := pacer{spread: time.Hour}
		p.fall()
		if d := p.before(fmt.Errorf("connection lost: %w", ws.ErrMoved)); d != 0 {
			t.Errorf("waits for %v", d)
		}
	})
}

// A server that wants to be left alone for longer is.
func TestRetryAfterOutlastsTheSpread(t *testing.T) {
	p := pacer{spread: 10 * time.Second, placed: true}
	if d := p.next(&regError{status: 503, after: time.Minute}, 0, false); d < 45*time.Second {
		t.Errorf("tries again after %v", d)
	}
	if d := p.next(&regError{status: 503, after: time.Minute}, 0, true); d < 45*time.Second {
		t.Errorf("in a hurry tries again after %v", d)
	}
}

// A server that returns and has no time for some at first has them soon; one that takes nobody is left more and
// more alone.
func TestSpreadAtAServerThatTakesNobody(t *testing.T) {
	const spread = 40 * time.Second
	p := pacer{spread: spread}
	p.fall()
	if d := p.next(fmt.Errorf("connection lost: %w", ws.ErrPeer), 0, false); d > spread {
		t.Errorf("the place is after %v", d)
	}
	for i, most := range []time.Duration{spread / 4, spread / 2, spread, spread, spread} {
		if d := p.next(&regError{status: 500}, 0, false); d < most/4 || d > most {
			t.Errorf("pause %d is %v, want %v at most", i, d, most)
		}
	}
	if d := p.next(&ws.DialError{Cause: ws.ConnRefused, Err: syscall.ECONNREFUSED}, 0, false); d != spread {
		t.Errorf("where nobody listens it is %v", d)
	}
}

// Doors that get their power back in the same moment come evenly, and whoever presses meanwhile waits for nothing;
// so they do if the server takes longer to start than they do.
func TestManyDoorsStartTogether(t *testing.T) {
	for name, late := range map[string]time.Duration{"a server that is there": 0, "a server that starts after them": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{t: t, srv: []*siptest.Server{siptest.New(t, siptest.Options{Pipe: true})}}
				if late > 0 {
					s.srv[0].Down()
				}
				for range siteDoors {
					s.doors = append(s.doors, begin(t, s.srv[0], func(c *Config) {
						c.Log, c.ReconnectSpread, c.Together = nil, siteSpread, true
						c.Servers = []string{"ws://127.0.0.1:7443"}
					}))
				}
				time.Sleep(late)
				if late > 0 {
					s.srv[0].Up()
				}
				time.Sleep(siteSpread / 10)
				for _, d := range s.doors[:20] {
					d.ua.Hurry(10 * time.Second)
				}
				time.Sleep(500 * time.Millisecond)
				for _, d := range s.doors[:20] {
					if r := d.ua.Registration(); r.State != Registered {
						t.Errorf("a door is %+v after a press", r)
					}
				}
				if n := s.registered(); late == 0 && n > 20+2*siteMost {
					t.Errorf("%d doors were there after two seconds", n)
				}
				if all, most := s.curve(0, siteSpread+2*time.Second); all == 0 || most > siteMost {
					t.Errorf("all there after %v, %d within a second", all, most)
				}
				s.end()
			})
		})
	}
}

// A first start of one door asks at once, whatever the spread.
func TestFirstStartWaitsForNoSpread(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		if log := s.log.String(); strings.Contains(log, "retry_in") {
			t.Error(log)
		}
	}, func(c *Config) { c.ReconnectSpread = 10 * time.Minute })
}
