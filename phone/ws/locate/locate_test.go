package locate

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nameServer is a name server on loopback, by UDP and TCP.
type nameServer struct {
	t    *testing.T
	addr netip.AddrPort
	// zone has the records by "name type"; a type that is not there gets no records.
	zone map[string][]dnsmessage.ResourceBody
	deaf map[dnsmessage.Type]bool // questions that it drops
	fail bool                     // it answers SERVFAIL
	lie  bool                     // it sends a wrong answer first

	mu  sync.Mutex
	tcp int // questions by TCP
}

func serve(t *testing.T, s *nameServer) *nameServer {
	t.Helper()
	s.t = t
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = netip.MustParseAddrPort(pc.LocalAddr().String())
	ln, err := net.Listen("tcp", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, answer := range s.answers(buf[:n], 512) {
				_, _ = pc.WriteTo(answer, from)
			}
		}
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.tcp++
			s.mu.Unlock()
			var l [2]byte
			_, _ = io.ReadFull(c, l[:])
			q := make([]byte, binary.BigEndian.Uint16(l[:]))
			_, _ = io.ReadFull(c, q)
			for _, answer := range s.answers(q, 65535) {
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = pc.Close(); _ = ln.Close(); wg.Wait() })
	return s
}

func (s *nameServer) answers(q []byte, room int) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(q); err != nil || len(m.Questions) != 1 {
		s.t.Errorf("a bad question: %v", err)
		return nil
	}
	ask := m.Questions[0]
	if s.deaf[ask.Type] {
		return nil
	}
	m.Response = true
	if s.fail {
		m.RCode = dnsmessage.RCodeServerFailure
	}
	for _, body := range s.zone[fmt.Sprintf("%s %d", strings.ToLower(ask.Name.String()), ask.Type)] {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: ask.Name, Class: ask.Class, TTL: 60}, Body: body})
	}
	packet, err := m.Pack()
	if err != nil {
		s.t.Error(err)
	}
	if len(packet) > room {
		m.Truncated, m.Answers = true, nil
		packet, _ = m.Pack()
	}
	if s.lie {
		wrong := slices.Clone(packet)
		wrong[0] ^= 0xff
		return [][]byte{wrong, packet}
	}
	return [][]byte{packet}
}

func srv(priority, weight, port uint16, host string) dnsmessage.ResourceBody {
	return &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(host)}
}

func naptr(order, preference uint16, flags, services, regexp, replacement string) dnsmessage.ResourceBody {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, order), preference)
	for _, s := range []string{flags, services, regexp} {
		b = append(append(b, byte(len(s))), s...)
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(replacement, "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return &dnsmessage.UnknownResource{Type: typeNAPTR, Data: append(b, 0)}
}

// patience is for busy machines.
const patience = 20 * time.Second

type zone = map[string][]dnsmessage.ResourceBody

func TestLocate(t *testing.T) {
	const rules, plain = "example.lan. 35", "_sips._ws.example.lan. 33"
	var many []dnsmessage.ResourceBody
	for i := range uint16(20) {
		many = append(many, srv(i, 0, 7443, fmt.Sprintf("a-rather-long-name-%d.example.lan.", i)))
	}
	for name, tc := range map[string]struct {
		s    *nameServer
		host string
		want string
	}{
		"nothing":        {&nameServer{}, "example.lan", ""},
		"by priority":    {&nameServer{zone: zone{plain: {srv(20, 0, 7444, "b.example.lan."), srv(10, 5, 7443, "a.example.lan.")}}}, "example.lan", "a.example.lan:7443 b.example.lan:7444"},
		"twice the same": {&nameServer{zone: zone{plain: {srv(20, 0, 1, "a.lan."), srv(10, 5, 1, "A.lan.")}}}, "Example.lan.", "a.lan:1"},
		"no such service, and names that are none": {&nameServer{zone: zone{plain: {srv(1, 0, 443, "."), srv(1, 0, 443, "a b.lan."), srv(1, 0, 0, "c.lan.")}}},
			"example.lan", ""},
		"NAPTR comes first": {&nameServer{zone: zone{plain: {srv(1, 0, 1, "plain.lan.")}, "_wss.lan. 33": {srv(1, 0, 7443, "named.lan.")},
			rules: {naptr(10, 10, "s", "SIPS+D2T", "", "_sips._tcp.lan."), naptr(20, 10, "S", "sips+d2w", "", "_wss.lan.")}}},
			"example.lan", "named.lan:7443"},
		"NAPTR in order, one names a host": {&nameServer{zone: zone{"_wss.lan. 33": {srv(1, 0, 7443, "named.lan.")},
			rules: {naptr(20, 10, "s", "SIPS+D2W", "", "_wss.lan."), naptr(10, 20, "u", "SIPS+D2W", "!x!y!", "z.lan."), naptr(10, 30, "a", "SIPS+D2W", "", "host.lan.")}}},
			"example.lan", "host.lan:443 named.lan:7443"},
		"NAPTR that leads nowhere": {&nameServer{zone: zone{plain: {srv(1, 0, 1, "plain.lan.")}, rules: {naptr(1, 1, "s", "SIPS+D2W", "", "_wss.lan.")}}},
			"example.lan", "plain.lan:1"},
		"NAPTR is dropped on the way": {&nameServer{deaf: map[dnsmessage.Type]bool{typeNAPTR: true}, zone: zone{plain: {srv(1, 0, 1, "plain.lan.")}}},
			"example.lan", "plain.lan:1"},
		"somebody else answers first": {&nameServer{lie: true, zone: zone{plain: {srv(1, 0, 1, "plain.lan.")}}}, "example.lan", "plain.lan:1"},
		"the server fails":            {&nameServer{fail: true, zone: zone{plain: {srv(1, 0, 1, "plain.lan.")}}}, "example.lan", ""},
		"an address":                  {&nameServer{zone: zone{"_sips._ws.192.0.2.1. 33": {srv(1, 0, 1, "plain.lan.")}}}, "192.0.2.1", ""},
		"this machine":                {&nameServer{zone: zone{"_sips._ws.localhost. 33": {srv(1, 0, 1, "plain.lan.")}}}, "localhost", ""},
		"a name of the link":          {&nameServer{zone: zone{"_sips._ws.pbx.local. 33": {srv(1, 0, 1, "plain.lan.")}}}, "pbx.local", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tc.s)
			r := &Resolver{Servers: []netip.AddrPort{s.addr}, Timeout: patience}
			if got := strings.Join(r.Locate(t.Context(), tc.host), " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	t.Run("too long for a datagram", func(t *testing.T) {
		s := serve(t, &nameServer{zone: zone{plain: many}})
		got := (&Resolver{Servers: []netip.AddrPort{s.addr}, Timeout: patience}).Locate(t.Context(), "example.lan")
		if len(got) != maxTargets || got[0] != "a-rather-long-name-0.example.lan:7443" || s.tcp == 0 {
			t.Errorf("%d targets, %d questions by TCP: %v", len(got), s.tcp, got)
		}
	})
}

// A name server that is dead does not keep the phone from connecting: the second one is
// asked, and without any answer the phone goes on after a moment.
func TestDeadNameServer(t *testing.T) {
	dead := serve(t, &nameServer{deaf: map[dnsmessage.Type]bool{typeNAPTR: true, dnsmessage.TypeSRV: true}})
	good := serve(t, &nameServer{zone: zone{"_sips._ws.example.lan. 33": {srv(1, 0, 7443, "a.example.lan.")}}})
	if got := (&Resolver{Servers: []netip.AddrPort{dead.addr, good.addr}, Timeout: patience}).Locate(t.Context(), "example.lan"); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	start := time.Now()
	got := (&Resolver{Servers: []netip.AddrPort{dead.addr}}).Locate(t.Context(), "example.lan")
	if d := time.Since(start); len(got) != 0 || d > 10*maxTime {
		t.Errorf("%v after %v", got, d)
	}
}

// Weights are chances (RFC 2782): 3 to 1 here.
func TestWeights(t *testing.T) {
	first := map[string]int{}
	for range 4000 {
		first[targets([]service{{1, 1, 1, "a"}, {1, 3, 1, "b"}, {1, 0, 1, "c"}, {2, 99, 1, "d"}})[0]]++
	}
	if a, b := first["a:1"], first["b:1"]; a < 800 || a > 1200 || b < 2800 || b > 3200 || first["d:1"] != 0 {
		t.Errorf("first came %v", first)
	}
}

func TestNameServers(t *testing.T) {
	got := nameServers("# a comment\nsearch lan\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver nonsense\n nameserver 2001:db8::1 \nnameserver 192.0.2.9\n")
	if s := fmt.Sprint(got); s != "[192.0.2.1:53 [fe80::1%eth0]:53 [2001:db8::1]:53]" {
		t.Errorf("%s", s)
	}
	if len(systemServers()) == 0 {
		t.Error("no name server at all")
	}
}

func FuzzAnswer(f *testing.F) {
	name := dnsmessage.MustNewName("_sips._ws.example.lan.")
	for _, q := range []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET}, {Name: name, Type: typeNAPTR, Class: dnsmessage.ClassINET}} {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true}, Questions: []dnsmessage.Question{q}}
		for _, body := range []dnsmessage.ResourceBody{srv(1, 2, 3, "a.lan."), srv(1, 0, 3, "."), naptr(1, 2, "s", "SIPS+D2W", "", "_wss.lan."), naptr(1, 2, "a", "SIPS+D2W", "", "b.lan.")} {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: q.Class}, Body: body})
			packet, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packet)
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeSRV, typeNAPTR} {
			m, err := parse(packet, 7, dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET})
			if err != nil {
				continue
			}
			for _, target := range targets(services(m)) {
				if host, _, err := net.SplitHostPort(target); err != nil || host == "" || strings.ContainsAny(host, "\r\n /@:[]") {
					t.Errorf("target %q", target)
				}
			}
			for _, s := range follow(rules(m)) {
				if s.name == "" || strings.ContainsAny(s.name, "\r\n /@:[]") {
					t.Errorf("step %q", s.name)
				}
			}
		}
	})
}
