package rtc

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCertificateIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dtls.pem")
	first, err := LoadOrCreateCertificate(path, time.Time{})
	must(t, err)
	again, err := LoadOrCreateCertificate(path, time.Time{})
	must(t, err)
	if !first.Equals(*again) {
		t.Error("the certificate changed")
	}
	if left := time.Until(first.Expires()); left < 9*365*24*time.Hour {
		t.Errorf("valid for %v only", left)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}

	must(t, os.WriteFile(path, []byte("rubbish"), 0o600))
	fresh, err := LoadOrCreateCertificate(path, time.Time{})
	must(t, err)
	if first.Equals(*fresh) {
		t.Error("rubbish became the old certificate")
	}

	// Not writable: a certificate all the same, and an error that says so.
	c, err := LoadOrCreateCertificate(filepath.Join(path, "below", "a", "file"), time.Time{})
	if err == nil || c == nil {
		t.Errorf("%v %v", c, err)
	}
}

func TestCertificateIsRenewed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dtls.pem")
	old, text, err := createCertificate(time.Now().Add(certificateMargin / 2))
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
	fresh, err := LoadOrCreateCertificate(path, time.Time{})
	must(t, err)
	if fresh.Equals(*old) || !lasts(fresh, time.Now()) {
		t.Error("the certificate was not renewed")
	}
}

// A board whose clock starts in 1970 makes a certificate that is valid later, too.
func TestCertificateWithoutClock(t *testing.T) {
	floor := time.Now().AddDate(20, 0, 0) // as a clock that is far behind sees it
	c, err := LoadOrCreateCertificate("", floor)
	must(t, err)
	if c.Expires().Before(floor.Add(certificateMargin)) {
		t.Errorf("expires %v", c.Expires())
	}
}

func TestChoose(t *testing.T) {
	addr := netip.MustParseAddr
	lo := link{name: "lo", up: true, loopback: true, addrs: []netip.Addr{addr("127.0.0.1"), addr("::1")}}
	eth := link{name: "eth0", up: true, addrs: []netip.Addr{addr("192.0.2.7"), addr("fe80::1"), addr("2001:db8::7")}}
	wlan := link{name: "wlan0", up: true, addrs: []netip.Addr{addr("198.51.100.7")}}
	down := link{name: "eth1", addrs: []netip.Addr{addr("203.0.113.1")}}
	docker := link{name: "docker0", up: true, addrs: []netip.Addr{addr("172.17.0.1")}}
	veth := link{name: "veth1", up: true, addrs: []netip.Addr{addr("10.1.0.1")}}
	bridge := link{name: "br-12ab", up: true, addrs: []netip.Addr{addr("172.18.0.1")}}
	tests := []struct {
		name     string
		links    []link
		allowed  []string
		loopback bool
		want     string
	}{
		{"all real ones", []link{lo, eth, wlan, down, docker, veth, bridge}, nil, false, "eth0 192.0.2.7 2001:db8::7, wlan0 198.51.100.7"},
		{"machines of this machine", []link{eth, {name: "podman0", up: true, addrs: veth.addrs}, {name: "vboxnet0", up: true, addrs: veth.addrs}, {name: "lxdbr0", up: true, addrs: veth.addrs}}, nil, false, "eth0 192.0.2.7 2001:db8::7"},
		{"and loopback", []link{lo, eth, docker}, nil, true, "eth0 192.0.2.7 2001:db8::7, lo 127.0.0.1"},
		{"only a veth", []link{lo, veth, down}, nil, false, "veth1 10.1.0.1"},
		{"allowed", []link{lo, eth, wlan, docker}, []string{"docker0"}, false, "docker0 172.17.0.1"},
		{"allowed, with loopback", []link{lo, eth, wlan}, []string{"wlan0"}, true, "lo 127.0.0.1, wlan0 198.51.100.7"},
		{"allowed but absent", []link{lo, eth}, []string{"eth7"}, false, ""},
		{"nothing", []link{lo, down}, nil, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for name, addrs := range choose(tt.links, tt.allowed, tt.loopback) {
				for _, a := range addrs {
					name += " " + a.String()
				}
				got = append(got, name)
			}
			slices.Sort(got)
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestNoNetwork(t *testing.T) {
	f, err := New(Config{Interfaces: []string{"none0"}})
	must(t, err)
	defer func() { must(t, f.Close()) }()
	if _, err := f.NewSession(t.Context()); err == nil || !strings.Contains(err.Error(), "cable") {
		t.Errorf("%v", err)
	}
}

// A prepared connection is not used after the machine's addresses have changed.
func TestStaleConnectionIsDropped(t *testing.T) {
	f := testFactory(t, Config{})
	f.refill(t.Context())
	f.mu.Lock()
	warm := f.warm
	f.mu.Unlock()
	if warm == nil {
		t.Fatal("nothing is prepared")
	}
	moved := *warm.where.Load()
	moved.key = "elsewhere"
	warm.where.Store(&moved)
	if s := testSession(t, f); s.current.Load() == warm {
		t.Error("a stale connection is used")
	}
	f.refill(t.Context())
	f.mu.Lock()
	warm = f.warm
	f.mu.Unlock()
	if s := testSession(t, f); s.current.Load() != warm {
		t.Error("the prepared connection is not used")
	}
}

func TestUnknownCodec(t *testing.T) {
	if _, err := New(Config{Codecs: []string{"opus", "mp3"}}); err == nil || !strings.Contains(err.Error(), `"mp3"`) {
		t.Errorf("%v", err)
	}
}

// ICE passwords stay out of the log, even of the most talkative one.
func TestLogHasNoSecrets(t *testing.T) {
	var text lockedBuffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug - 100}))
	f := testFactory(t, Config{Log: log})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	for _, s := range []*Session{a, b} {
		pwd := s.local.Pwd
		must(t, s.Close())
		if pwd == "" || strings.Contains(text.String(), pwd) {
			t.Errorf("the log has a password")
		}
	}
	if text.String() == "" || strings.Contains(text.String(), "level=WARN") {
		t.Errorf("the log of a normal call:\n%s", text.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
