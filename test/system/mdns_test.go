package system

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brutella/dnssd"

	"intercomd/mdns"
	"intercomd/test/lab"
)

// found are the services of a type that answer within d.
func found(t *testing.T, kind string, d time.Duration, enough func([]dnssd.BrowseEntry) bool) (list []dnssd.BrowseEntry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	add := func(e dnssd.BrowseEntry) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, e)
		if enough(list) {
			cancel()
		}
	}
	_ = dnssd.LookupType(ctx, kind+".local.", add, func(dnssd.BrowseEntry) {})
	mu.Lock()
	defer mu.Unlock()
	return list
}

// A door whose page is open to the network is found there, with what it is; where somebody has the
// name of its machine already it takes another.
func TestFoundInTheNetwork(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs a network namespace: run make system")
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	// Somebody else has the name of the door, and that of its machine.
	other, err := dnssd.NewService(dnssd.Config{Name: "Front door", Type: mdns.TypeDoor, Host: host, Port: 1, IPs: []net.IP{net.IPv4(10, 77, 0, 99)}, Ifaces: []string{"door0"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := dnssd.NewResponder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Add(other); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = r.Respond(ctx) }()
	t.Cleanup(func() { stop(); <-over })
	if list := found(t, mdns.TypeDoor, 20*time.Second, func(l []dnssd.BrowseEntry) bool { return len(l) > 0 }); len(list) == 0 {
		t.Fatal("the lab has no multicast")
	}
	port := nextPort()
	d := startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: port,
		Keys: map[string]string{"web.listen": strconv.Quote("0.0.0.0:" + strconv.Itoa(port)), "sip.display_name": `"Front door"`, "sip.server": `"wss://127.0.0.1:9"`, "fleet.serial": `"10000000abcdef01"`,
			"fleet.url": `"https://127.0.0.1:9/doors"`}})
	for _, kind := range []string{mdns.TypeDoor, mdns.TypePage} {
		// Whoever looks while the door still asks whether its name is free sees it without attributes.
		mine := func(l []dnssd.BrowseEntry) bool { e := l[len(l)-1]; return e.Port == port && len(e.Text) > 0 }
		var list []dnssd.BrowseEntry
		for end := time.Now().Add(60 * time.Second); time.Now().Before(end) && (len(list) == 0 || !mine(list)); {
			list = found(t, kind, 5*time.Second, mine)
		}
		if len(list) == 0 || !mine(list) {
			t.Fatalf("%s is not found among %v; log of the door:\n%s", kind, list, d.Tail(10))
		}
		e := list[len(list)-1]
		if e.Text["serial"] != "10000000abcdef01" || e.Text["version"] == "" || e.Text["state"] != "not-ready" || !strings.HasPrefix(e.Host, host+"-") || e.Name != "Front door - cdef01" && e.Name != "Front door - cdef01 (2)" {
			t.Errorf("%s: %q on %q, %v", kind, e.Name, e.Host, e.Text)
		}
	}
}

// A door whose page serves its own machine only is nobody's business.
func TestNotFoundInTheNetwork(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs a network namespace: run make system")
	}
	d := startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort()})
	for _, e := range found(t, mdns.TypeDoor, 4*time.Second, func([]dnssd.BrowseEntry) bool { return false }) {
		if e.Port == d.Config.Port {
			t.Errorf("%+v", e)
		}
	}
}
