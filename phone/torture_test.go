package phone

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"intercomd/phone/siptest"
	phonews "intercomd/phone/ws"
)

// The messages of RFC 4475, each with what a phone that is no registrar makes of
// it. "rings" means that the call is presented; it is refused with 486 then.
// Nothing means that the message is dropped, as responses to nobody must be.
func TestTorture(t *testing.T) {
	want := map[string]string{
		// 3.1.1 Valid messages
		"wsinv":      "481", // an INVITE with a To tag of no dialog here; its folded and spaced lines are understood
		"intmeth":    "501",
		"esc01":      "rings 486",
		"escnull":    "405",
		"esc02":      "501", // the percent signs belong to the method
		"lwsdisp":    "200",
		"longreq":    "rings 486",
		"dblreq":     "405", // what follows the body is ignored
		"semiuri":    "200",
		"transports": "200",
		"mpart01":    "200", // its first part is a text
		"unreason":   "",
		"noreason":   "",
		// 3.1.2 Invalid messages
		"badinv01":   "400",
		"clerr":      "400",
		"ncl":        "400",
		"scalar02":   "400",
		"scalarlg":   "",
		"quotbal":    "400",
		"ltgtruri":   "400",
		"lwsruri":    "400",
		"lwsstart":   "400",
		"trws":       "400",
		"escruri":    "rings 486", // headers in the request URI are ignored, which the RFC allows
		"baddate":    "rings 486", // nobody reads Date
		"regbadct":   "405",
		"badaspec":   "400",
		"baddn":      "400",
		"badvers":    "505",
		"mismatch01": "400",
		"mismatch02": "400",
		"bigcode":    "",
		// 3.2 Transaction layer
		"badbranch": "200", // taken as a request without a branch (RFC 2543)
		// 3.3 Application layer
		"insuf":    "400",
		"unkscm":   "416",
		"novelsc":  "416",
		"unksm2":   "405",
		"bext01":   "420",
		"invut":    "415",
		"regaut01": "405",
		"multi01":  "400",
		"mcl01":    "400",
		"bcast":    "", // two Vias, and not ours
		"zeromf":   "200",
		"cparam01": "405",
		"cparam02": "405",
		"regescrt": "405",
		"sdp01":    "406",
		// 3.4 Backward compatibility
		"inv2543": "rings 486",
		// no version, no Via, no CSeq: nothing to answer by
		"test": "",
	}
	files, err := filepath.Glob("testdata/torture/*.dat")
	if err != nil || len(files) != 50 || len(want) != 50 {
		t.Fatalf("%d messages, %d expectations, %v", len(files), len(want), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".dat")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, siptest.Options{}, func(s *stage) {
				s.conn.Send(string(data))
				time.Sleep(time.Second)
				if got := strings.Join(s.drain(), " "); got != want[name] {
					t.Errorf("got %q, want %q", got, want[name])
				}
				s.alive()
			})
		})
	}
}

// What a real FreeSWITCH sent: all of it is understood, and nothing of it, out of
// its place, does harm.
func TestRealMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/freeswitch/*.sip")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	want := map[string]string{
		"invite-invite-sdp": "rings 486", "options-options": "200", "refer-refer": "481", "info-info": "481",
		"bye-bye": "481", "bye-bye-reason": "481",
	}
	play(t, siptest.Options{}, func(s *stage) {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".sip")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			msg, n, err := newParser().Parse(data, false)
			if err != nil || n != len(data) {
				t.Errorf("%s: %d of %d bytes, %v", name, n, len(data), err)
				continue
			}
			if fs := siptest.Parse(string(data)); fromValue(msg) != fs.Get("From") || toValue(msg) != fs.Get("To") || string(msg.Body()) != fs.Body {
				t.Errorf("%s is not read as it was written", name)
			}
			s.conn.Send(string(data))
			time.Sleep(time.Second)
			if got := strings.Join(s.drain(), " "); got != want[name] {
				t.Errorf("%s: got %q, want %q", name, got, want[name])
			}
		}
		s.alive()
	})
}

func FuzzReceive(f *testing.F) {
	for _, pattern := range []string{"testdata/torture/*.dat", "testdata/freeswitch/*.sip"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := net.Pipe()
		go func() {
			up := ws.Upgrader{Protocol: func([]byte) bool { return true }}
			_, _ = up.Upgrade(b)
			_, _ = io.Copy(io.Discard, b)
		}()
		ua, err := New(Config{Servers: []string{"ws://127.0.0.1:1"}, User: "1000", Owner: newFakeMedia()})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := phonews.Dial(t.Context(), "ws://127.0.0.1:1", phonews.Options{
			PingEvery: -1, NetDial: func(context.Context, string, string, netip.AddrPort) (net.Conn, error) { return a, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		broken := &brokenLog{}
		fl := newFlow(conn, ua.servers[0], "h.invalid", "fuzz", ua, &ua.trace, slog.New(slog.NewTextHandler(broken, nil)))
		fl.registered.Store(true)
		ua.flow.Store(fl)
		start := time.Now()
		fl.receive(data)
		fl.receive(data) // repeated
		ua.endCalls(nil)
		fl.close()
		ua.wg.Wait()
		_ = b.Close()
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		if broken.seen {
			t.Error("a message broke the phone")
		}
	})
}

// brokenLog notices that a panic was caught.
type brokenLog struct{ seen bool }

func (l *brokenLog) Write(p []byte) (int, error) {
	l.seen = l.seen || bytes.Contains(p, []byte("panic"))
	return len(p), nil
}

// drain refuses whatever rings and returns the statuses that were sent.
func (s *stage) drain() []string {
	var got []string
	for {
		select {
		case c := <-s.media.incoming:
			got = append(got, "rings")
			c.End(Busy)
			time.Sleep(time.Second)
		default:
			if m := s.conn.Poll(); m != nil {
				if f := strings.Fields(m.Start); f[1] != "100" {
					got = append(got, f[1])
				}
				continue
			}
			return got
		}
	}
}

// alive checks that the phone still answers.
func (s *stage) alive() {
	s.t.Helper()
	s.conn.Send("OPTIONS sip:1000@pbx.test SIP/2.0\r\nVia: SIP/2.0/WS h;branch=z9hG4bKalive\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:1000@pbx.test>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
	for {
		m := s.conn.Next()
		if m.Get("Call-ID") == "alive" {
			if m.Status() != 200 {
				s.t.Errorf("OPTIONS answered with %d", m.Status())
			}
			return
		}
	}
}
