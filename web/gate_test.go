package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

// dialed opens n connections to the page that ask for nothing.
func dialed(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	var d net.Dialer
	var all []net.Conn
	for range n {
		c, err := d.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	return all
}

// gateOf serves s with a gate that the test can look into.
func gateOf(t *testing.T, s *Server) *gate {
	t.Helper()
	serving(t, s)
	until(t, "the gate is there", func() bool { return s.gate.Load() != nil })
	return s.gate.Load()
}

// until waits for something that must come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not: %s", what)
		}
	}
}

// Connections that ask for nothing make room for one that asks.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	s := newServer(newStation(sample()), nil)
	g := gateOf(t, s)
	dialed(t, s.Addr(), 2*maxConns)
	until(t, "the gate is full", func() bool { return g.count() == maxConns })
	res, err := http.Get("http://" + s.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || g.count() > maxConns {
		t.Errorf("%s with %d connections", res.Status, g.count())
	}
}

// Who finds all places busy is told so, and it is no lost connection.
func TestFullPageSaysSo(t *testing.T) {
	s := newServer(newStation(sample()), nil)
	g := gateOf(t, s)
	g.mu.Lock()
	g.limit = func() int { return 3 }
	g.mu.Unlock()
	for _, c := range dialed(t, s.Addr(), 3) {
		fmt.Fprintf(c, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	for accept, want := range map[string]string{"text/html": "<h1>Service Unavailable</h1>", "application/json": `"code":"page-full"`} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), want) || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s %s", accept, res.Status, body)
		}
	}
}

// A form that does not come keeps nobody out.
func TestSlowFormsMakeRoom(t *testing.T) {
	s := withPeople(t).Server
	g := gateOf(t, s)
	g.mu.Lock()
	g.limit = func() int { return 3 }
	g.mu.Unlock()
	slow := dialed(t, s.Addr(), 3)
	for _, c := range slow {
		fmt.Fprintf(c, "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nContent-Length: 4000\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it is read now
			t.Fatalf("%q, %v", line, err)
		}
		fmt.Fprint(c, "n")
	}
	res, err := http.Get("http://" + s.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s while three forms are waited for", res.Status)
	}
	name := url.Values{"name": {"admin"}, "password": {password}}.Encode() // one that comes in two parts is taken
	fmt.Fprintf(slow[2], "%s", strings.TrimPrefix(name, "n")+strings.Repeat("&a=", (4000-len(name))/3)+strings.Repeat("b", (4000-len(name))%3))
	if line, err := bufio.NewReader(slow[2]).ReadString('\n'); err != nil || !strings.Contains(line, "303") {
		t.Errorf("a slow form: %q, %v", line, err)
	}
}

// Connections of one address have their pace, and wait for it; others do not wait for them.
func TestConnectionsHaveTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(nil)
		g.paced = newPace()
		from := func(addr string) *guest { return &guest{gate: g, addr: netip.MustParseAddr(addr)} }
		begin := time.Now()
		for range meetBurst + 2*meetPace {
			if err := from("192.0.2.7").await(); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took < 1900*time.Millisecond || took > 2500*time.Millisecond {
			t.Errorf("%d took %v", meetBurst+2*meetPace, took)
		}
		begin = time.Now()
		if err := from("192.0.2.8").await(); err != nil || time.Since(begin) > 0 {
			t.Errorf("another address: %v after %v", err, time.Since(begin))
		}
		g.paced.of(netip.MustParseAddr("192.0.2.7"), time.Now()).meets.SetLimit(0)
		gone := from("192.0.2.7")
		gone.gone = true
		if err := gone.await(); err == nil || time.Since(begin) > 0 {
			t.Errorf("one that has lost its place: %v after %v", err, time.Since(begin))
		}
		if err := from("192.0.2.7").await(); err == nil || time.Since(begin) > headerTimeout {
			t.Errorf("one that waits for too long: %v after %v", err, time.Since(begin))
		}
		proxy := from("192.0.2.7")
		proxy.many = true
		if err := proxy.await(); err != nil {
			t.Errorf("a named proxy: %v", err)
		}
	})
}

// One address of the network gets its share and no more, and pushes out none but its own.
func TestAddressesShare(t *testing.T) {
	g := newGate(nil)
	from := func(addr string) *guest {
		c, _ := net.Pipe()
		return &guest{Conn: c, gate: g, addr: netip.MustParseAddr(addr)}
	}
	greedy, other := "192.0.2.7", "192.0.2.8"
	quiet := from(other)
	if !g.place(quiet) {
		t.Fatal("an empty gate has no place")
	}
	for range 3 * maxPerAddr {
		if !g.place(from(greedy)) {
			t.Fatal("idle connections of one's own make room")
		}
	}
	if n := g.byAddr[netip.MustParseAddr(greedy)]; n != maxPerAddr {
		t.Errorf("%d places of one address", n)
	}
	for _, n := range g.guests {
		n.busy = 1
	}
	if g.place(from(greedy)) {
		t.Error("a share that is busy has no place")
	}
	if quiet.gone {
		t.Error("another address was pushed out")
	}
	g.limit = func() int { return len(g.guests) }
	quiet.busy = 0
	if !g.place(from("192.0.2.9")) || !quiet.gone {
		t.Error("with the greedy one busy, whoever is idle makes room")
	}
	g.limit = places
	for range 2 * maxPerAddr {
		proxy := from("192.0.2.10")
		if proxy.many, proxy.busy = true, 1; !g.place(proxy) {
			t.Fatal("a named proxy has the share of one client")
		}
	}
}

func TestBlocks(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "::1": "::1", "127.0.0.9": "127.0.0.9",
	} {
		if got := block(&net.TCPAddr{IP: net.ParseIP(in)}); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// A listener without descriptors is waited for, and somebody hears of it.
func TestNoDescriptors(t *testing.T) {
	ln := &poorListener{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, net.ErrClosed}}
	var told int
	if err := newGate(ln).run(func(error) { told++ }); err != nil || told != 2 {
		t.Errorf("ended with %v after telling %d times", err, told)
	}
	if err := newGate(&poorListener{errs: []error{syscall.EBADF}}).run(nil); err == nil {
		t.Error("a broken listener must end it")
	}
}

type poorListener struct {
	net.Listener
	errs []error
}

func (l *poorListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}
func (l *poorListener) Close() error { return nil }

// A client that does not read loses its place although its system takes what it is sent; one
// that reads keeps it.
func TestDeafStreamsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the half minute after which a stream ends")
	}
	t.Parallel() // it waits for the kernel's TCP
	st := newStation(sample())
	s := newServer(st, nil)
	serving(t, s)
	paths := []string{"/live", "/events", "/events?gauges"}
	for _, path := range paths {
		c := dialed(t, s.Addr(), 1)[0]
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		read := dialed(t, s.Addr(), 1)[0]
		fmt.Fprintf(read, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		go func() { _, _ = io.Copy(io.Discard, read) }()
	}
	until(t, "all streams are there", func() bool { return len(s.streams) == 2*len(paths) })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // levels move, as they do
		for i := 0; ctx.Err() == nil; i++ {
			st.measure(station.Gauges{Mic: station.Level{RMS: -40 - float64(i%9), Peak: -20}})
			time.Sleep(gaugeTick)
		}
	}()
	for end := time.Now().Add(100 * time.Second); len(s.streams) > len(paths); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d streams after 100 s, of which %d are read", len(s.streams), len(paths))
		}
	}
	time.Sleep(2 * heartbeat) // those that read stay
	if n := len(s.streams); n != len(paths) {
		t.Errorf("%d streams, want the %d that are read", n, len(paths))
	}
}
