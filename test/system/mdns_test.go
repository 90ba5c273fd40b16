package system

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// Types of the services of a door.
const (
	pageService = "_https._tcp"
	doorService = "_intercomd._tcp"
)

// hostName is the name of this machine, and of all doors of the lab.
func hostName(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	return host
}

// startAvahi starts a responder that ends with the test.
func startAvahi(t *testing.T, c lab.AvahiConfig) *lab.Avahi {
	t.Helper()
	c.Dir = filepath.Join(t.TempDir(), "avahi")
	a, err := lab.StartAvahi(within(t, 20*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Stop(3 * time.Second)
		if t.Failed() {
			t.Logf("log of Avahi:\n%s", a.Tail(60))
		}
	})
	return a
}

// openDoor is a door whose page is served to the network.
func openDoor(t *testing.T, serial string) lab.DoorConfig {
	t.Helper()
	port := nextPort()
	return lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: port, Keys: map[string]string{
		"web.listen": strconv.Quote("0.0.0.0:" + strconv.Itoa(port)), "sip.display_name": `"Front door"`, "sip.server": `"wss://127.0.0.1:9"`,
		"fleet.serial": strconv.Quote(serial), "fleet.url": `"https://127.0.0.1:9/doors"`,
	}}
}

// find waits until Avahi has found a service of a door, by its page's port, by IPv4.
func find(t *testing.T, a *lab.Avahi, kind string, port int) lab.Found {
	t.Helper()
	f, err := a.Find(within(t, 60*time.Second), kind, 20*time.Second, func(f lab.Found) bool { return f.Port == port && f.Protocol == "IPv4" && len(f.Text) > 1 })
	if err != nil {
		t.Fatalf("at port %d: %v", port, err)
	}
	return f
}

// resolves checks what Avahi finds under a name.
func resolves(t *testing.T, a *lab.Avahi, name, want string) {
	t.Helper()
	if got, err := a.Resolve(within(t, 20*time.Second), name); err != nil || got != want {
		t.Errorf("%s is %q, %v; want %s", name, got, err, want)
	}
}

// Avahi on another machine finds a door whose page is open to the network, with what it is. It had the names
// of the door and of its machine before, so that the door takes others; it hears when the door goes. A door
// whose page serves its own machine only is nobody's business.
func TestFoundInTheNetwork(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs Avahi and a network namespace: run make system")
	}
	host := hostName(t)
	a := startAvahi(t, lab.AvahiConfig{Host: host, Neighbour: true})
	other, err := a.Publish(within(t, 20*time.Second), "-s", "Front door - cdef01", doorService, "1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Stop(time.Second) })
	ears, err := a.Watch(doorService)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ears.Stop(time.Second) })
	hidden := startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort()})
	c := openDoor(t, "10000000abcdef01")
	d := startDoor(t, c)

	found := find(t, a, doorService, c.Port)
	page := find(t, a, pageService, c.Port)
	for _, f := range []lab.Found{found, page} {
		if f.Text["serial"] != "10000000abcdef01" || f.Text["version"] == "" || f.Text["state"] != "not-ready" || f.Text["path"] != "/" || !f.At(lab.HouseAddress) || f.Host != host+"-2.local" {
			t.Errorf("%+v", f)
		}
	}
	if found.Name != "Front door - cdef01 (2)" {
		t.Errorf("two services are called %q", found.Name)
	}
	resolves(t, a, host+"-2.local", lab.HouseAddress)
	resolves(t, a, host+".local", lab.NeighbourAddress)
	if list, err := a.Browse(within(t, 20*time.Second), doorService); err != nil || slices.ContainsFunc(list, func(f lab.Found) bool { return f.Port == hidden.Config.Port }) {
		t.Errorf("%v, %v", list, err)
	}
	if err := d.Stop(6 * time.Second); err != nil {
		t.Error(err)
	}
	if _, err := ears.WaitLine(within(t, 10*time.Second), regexp.MustCompile(`^-;.*cdef01\\032\\0402\\041`)); err != nil {
		t.Error(err)
	}
}

// Two doors with one name, which start in the same moment, are both found, under a name each.
func TestTwoDoorsWithOneName(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs Avahi and a network namespace: run make system")
	}
	a := startAvahi(t, lab.AvahiConfig{Host: "neighbour", Neighbour: true})
	here, there := openDoor(t, "10000000abcdef01"), openDoor(t, "10000000abcdef02")
	var ports []int
	for _, c := range []lab.DoorConfig{here, there} {
		file, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		args := []string{c.Binary, "run", file}
		if c.Port == there.Port { // on Avahi's machine
			args = append([]string{"nsenter", "-t", strconv.Itoa(a.Pid), "-n"}, args...)
		}
		p, err := lab.Start(lab.Spec{Name: "intercomd", Args: args})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Stop(6 * time.Second); err != nil {
				t.Errorf("%v\n%s", err, p.Tail(20))
			}
		})
		ports = append(ports, c.Port)
	}
	one, two := find(t, a, doorService, ports[0]), find(t, a, doorService, ports[1])
	names := []string{one.Host, two.Host}
	slices.Sort(names)
	if host := hostName(t); names[0] != host+"-2.local" || names[1] != host+".local" {
		t.Errorf("two doors are called %q", names)
	}
	if !one.At(lab.HouseAddress) || !two.At(lab.NeighbourAddress) || one.Name == two.Name {
		t.Errorf("%+v\n%+v", one, two)
	}
	resolves(t, a, one.Host, lab.HouseAddress)
	resolves(t, a, two.Host, lab.NeighbourAddress)
}

// Avahi on the door's own machine, which is known by IPv4, by IPv6, and on its link: neither takes the name from
// the other.
func TestAvahiOnTheSameMachine(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs Avahi and a network namespace: run make system")
	}
	six := func(verb string, addresses ...string) (err error) {
		for _, a := range addresses {
			out, e := exec.Command("ip", "addr", verb, a+"/64", "dev", "door0", "nodad").CombinedOutput()
			if e != nil {
				err = errors.Join(err, fmt.Errorf("%w: %s", e, out))
			}
		}
		return err
	}
	if err := six("add", "fd77::1", "fd77::2"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := six("del", "fd77::1", "fd77::2"); err != nil {
			t.Error(err)
		}
	})
	host := hostName(t)
	a := startAvahi(t, lab.AvahiConfig{Host: host})
	c := openDoor(t, "10000000abcdef01")
	startDoor(t, c)
	if f := find(t, a, doorService, c.Port); f.Host != host+".local" || !f.At(lab.Address) && !strings.HasPrefix(f.Address, "fd77::") {
		t.Errorf("%+v", f)
	}
	time.Sleep(2 * time.Second) // each has heard all announcements of the other
	resolves(t, a, host+".local", lab.Address)
	if log := a.Tail(100); strings.Contains(log, "conflict") {
		t.Error("Avahi gave up its name")
	}
}
