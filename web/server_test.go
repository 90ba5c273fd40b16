package web

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestListenRefusesWithRemedy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		addr  string
		cause error
		says  string
	}{
		{taken.Addr().String(), syscall.EADDRINUSE, "choose another port"},
		{"", errSyntax, "address:port"},
		{"8080", errSyntax, "127.0.0.1:8080"},
		{"127.0.0.1:", errSyntax, "address:port"},
		{"127.0.0.1:99999", nil, "free port"},
		{"127.0.0.1:http-but-not", nil, "free port"},
	} {
		s := New(Config{Listen: tc.addr, Log: quiet()}, newStation(sample()), nil)
		err := s.Run(t.Context())
		var le *ListenError
		if !errors.As(err, &le) {
			t.Errorf("%q: got %v, want a ListenError", tc.addr, err)
			continue
		}
		if tc.cause != nil && !errors.Is(err, tc.cause) {
			t.Errorf("%q: cause is %v, want %v", tc.addr, le.Err, tc.cause)
		}
		if !strings.Contains(err.Error(), tc.says) || le.Params.Map()["address"] != quoted(tc.addr) {
			t.Errorf("%q: %q does not say %q", tc.addr, err, tc.says)
		}
		if s.Addr() != "" {
			t.Errorf("%q: has the address %q without a port", tc.addr, s.Addr())
		}
	}
}

// Without a password nobody but this machine is listened to, whatever the address says; the
// socket is judged, not the name.
func TestListenWithoutPassword(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.8.9.10:0", "localhost:0", "[::1]:0", "0.0.0.0:0", ":0", "[::]:0", "192.168.1.20:0"} {
		ln, err := listen(t.Context(), addr, false)
		if err != nil {
			if strings.Contains(addr, "::1") {
				continue // a machine without IPv6
			}
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if !loopback(ln) {
			t.Errorf("%s: listens on %s", addr, ln.Addr())
		}
		ln.Close()
	}
	if host, err := os.Hostname(); err == nil {
		ln, err := listen(t.Context(), net.JoinHostPort(host, "0"), false)
		if err == nil && !loopback(ln) {
			t.Errorf("%s: listens on %s", host, ln.Addr())
		}
		if err == nil {
			ln.Close()
		}
	}
	ln, err := listen(t.Context(), "0.0.0.0:0", true)
	if err != nil || loopback(ln) {
		t.Errorf("with a password: %v", err)
	}
	if err == nil {
		ln.Close()
	}
}

// serving runs s until the test ends or stop is called; stop waits for Run.
func serving(t *testing.T, s *Server) (base string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once bool
	stop = func() {
		if once {
			return
		}
		once = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Run did not end")
		}
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(stop)
	return "http://" + s.Addr(), stop
}

// Ending the server ends its streams; nobody waits for clients to hang up.
func TestRunEndsWithStreamsOpen(t *testing.T) {
	s := newServer(newStation(sample()), newPanel())
	base, stop := serving(t, s)
	for _, path := range []string{"/events", "/live"} {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != "retry: 2000\n" {
			t.Fatalf("%s began with %q, %v", path, line, err)
		}
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took >= endTimeout {
		t.Errorf("ending took %v: the streams were not closed but timed out", took)
	}
}

// The button is down exactly as long as the request lives.
func TestHoldReleasesWhenTheClientGoes(t *testing.T) {
	panel := newPanel()
	base, stop := serving(t, newServer(newStation(sample()), panel))
	hold := func() (letGo func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/panel/hold", strings.NewReader("input=bell"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(r) //nolint:bodyclose // closed by the function that is returned
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			t.Fatalf("holding the button: %s", res.Status)
		}
		return func() { cancel(); res.Body.Close() }
	}
	letGo := hold()
	if m := panel.next(t); m != (move{input: "bell", down: true}) {
		t.Fatalf("first %+v", m)
	}
	select {
	case m := <-panel.moves:
		t.Fatalf("%+v while the button is held", m)
	default:
	}
	letGo()
	if m := panel.next(t); m != (move{input: "bell"}) {
		t.Fatalf("then %+v", m)
	}

	// The same when the server ends first.
	letGo = hold()
	defer letGo()
	panel.next(t)
	begun := time.Now()
	stop()
	if took := time.Since(begun); took >= endTimeout {
		t.Errorf("ending took %v: the held button was not let go but cut off", took)
	}
	if m := panel.next(t); m != (move{input: "bell"}) {
		t.Fatalf("at the end %+v", m)
	}
}
