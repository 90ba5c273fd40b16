package system

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/test/lab"
)

// hanging is a service that takes connections and never says anything.
func hanging(t *testing.T) (address string, calls *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	calls = &atomic.Int32{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), calls
}

// pressToInvite presses the bell n times, and returns how long each took to be on the wire: by the door's own ledger.
func pressToInvite(t *testing.T, d *lab.Door, n int) (took []time.Duration) {
	t.Helper()
	for range n {
		pressed, err := d.Press(within(t, 10*time.Second), "bell")
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Over(within(t, 30*time.Second), pressed)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent.IsZero() {
			t.Fatalf("the press was not sent: %+v", r)
		}
		took = append(took, r.Sent.Sub(r.Pressed))
	}
	slices.Sort(took)
	return took
}

// With its broker, the receivers of its webhooks and a collector all hanging, and readers of its events
// that do not read, a press calls as ever. How long it takes is printed beside a door that has
// none of them, of the same run.
func TestPressWhileEverythingOutsideHangs(t *testing.T) {
	s := need(t)
	const presses = 15
	quiet := startDoor(t, doorConfig(t, s, map[string]string{"call.target": `"4711"`})) // who does not exist
	if err := quiet.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	pressToInvite(t, quiet, 2) // warm
	alone := pressToInvite(t, quiet, presses)
	if err := quiet.Stop(6 * time.Second); err != nil {
		t.Error(err)
	}

	m, keys := startBroker(t, s.ca, `["open:door"]`)
	keys["call.target"] = `"4711"`
	delete(keys, "sip.server")
	first, firstAsked := hanging(t)
	second, _ := hanging(t)
	c := doorConfig(t, s, keys)
	kinds := "kinds = [\"ring\", \"call\", \"answered\", \"missed\", \"opened\", \"alarm\", \"fault\", \"registration\"]\n"
	c.Tables = "\n[[notify]]\nwebhook = \"http://" + first + "/\"\n" + kinds + "\n[[notify]]\nwebhook = \"http://" + second + "/\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n" + kinds
	d := startDoor(t, c)
	if err := d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	ears, err := m.Listen(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ears.WaitLine(within(t, 30*time.Second), online); err != nil {
		t.Fatal(err)
	}
	_ = ears.Stop(time.Second)
	if err := m.Hang(true); err != nil {
		t.Fatal(err)
	}
	// A collector that asks and does not read, and one that follows events and does not either.
	for _, path := range []string{"/metrics", "/events"} {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(c.Port)+path, nil)
		w := bufio.NewWriter(conn)
		if err := errors.Join(req.Write(w), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	pressToInvite(t, d, 2)
	hung := pressToInvite(t, d, presses)
	if firstAsked.Load() == 0 {
		t.Error("the receiver was never asked")
	}
	st, err := d.Status(within(t, 10*time.Second))
	if err != nil || st.State != "idle" {
		t.Errorf("%v, %s", err, st.State)
	}
	t.Logf("press to INVITE, median of %d: %v alone, %v with everything hanging, ratio %.2f", presses, alone[presses/2], hung[presses/2],
		float64(hung[presses/2])/float64(alone[presses/2]))
}
