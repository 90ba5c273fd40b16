package phone

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// wire is a network between phone and server that can be cut. It does what TCP does then:
// what was sent is sent again, later and later, and so are requests for a connection.
type wire struct {
	srv *siptest.Server

	mu  sync.Mutex
	cut bool
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// dial tries at once, after 1 s, 3 s and 7 s (RFC 6298, 2).
func (w *wire) dial(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
	for pause := time.Second; w.isCut(); pause *= 2 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	far, err := w.srv.NetDial(ctx, network, addr, from)
	if err != nil {
		return nil, err
	}
	near, end := net.Pipe()
	go w.carry(end, far)
	go w.carry(far, end)
	return near, nil
}

// carry takes what is written at one end to the other. Writing never waits.
func (w *wire) carry(from, to net.Conn) {
	defer func() { _ = from.Close() }()
	sent := make(chan []byte, 1000)
	gone, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		defer func() { _ = to.Close() }()
		for b := range sent {
			for pause := 200 * time.Millisecond; w.isCut(); pause *= 2 {
				select {
				case <-time.After(pause):
				case <-over:
					return
				}
			}
			if _, err := to.Write(b); err != nil {
				return
			}
		}
	}()
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		if err != nil {
			break
		}
		select {
		case sent <- b[:n]:
		case <-gone:
			return
		}
	}
	close(sent)
	close(over)
	<-gone
}

// The network is cut for a while, at any moment between two PINGs: within 3 s of its
// return the phone is registered, on a connection that works.
func TestNetworkCut(t *testing.T) {
	for _, length := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute} {
		t.Run(length.String(), func(t *testing.T) {
			worst := time.Duration(0)
			for phase := time.Duration(0); phase < 16*time.Second; phase += 700 * time.Millisecond {
				worst = max(worst, networkCut(t, length, phase))
			}
			t.Logf("registered again after %v at the most", worst)
			if worst > 3*time.Second {
				t.Errorf("registered again after %v", worst)
			}
		})
	}
}

// networkCut is one such cut. It returns how long the phone took after it.
func networkCut(t *testing.T, length, phase time.Duration) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.New(t, siptest.Options{Pipe: true, Expires: 3600})
		w := &wire{srv: srv}
		s := begin(t, srv, func(c *Config) { c.NetDial = w.dial })
		s.state(Registered)
		time.Sleep(time.Minute + phase)
		w.set(true)
		time.Sleep(length)
		w.set(false)
		healed := time.Now()
		for s.ua.Registration().State != Registered && time.Since(healed) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		took = time.Since(healed)
		f := s.ua.flow.Load()
		if f == nil {
			t.Fatal("not registered")
		}
		time.Sleep(time.Minute)
		if err := f.conn.Err(); err != nil {
			t.Errorf("the connection that was left did not work: %v", err)
		}
		s.quit()
	})
	return took
}
