package lab

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Addresses of the two ends of the cable to a [Neighbour].
const (
	HouseAddress     = "10.79.0.1" // here, where doors are
	NeighbourAddress = "10.79.0.2"
)

// Avahi is the responder of multicast DNS of a machine, and the clients that ask it. It has a
// message bus of its own, and nothing of it is seen by that of the host.
type Avahi struct {
	*Proc
	bus string // address of its D-Bus
}

// AvahiConfig says where a responder runs.
type AvahiConfig struct {
	Dir  string
	Host string // name of its machine, without ".local"
	// Neighbour has it on a machine of its own, at the other end of a cable: in a network namespace
	// that vanishes with it, as does the cable. Else it is on the machine of the doors.
	Neighbour bool
	// Iface is where it listens, if not to the doors of the lab.
	Iface string
}

// StartAvahi starts a responder, and returns when it has its name. It must run in a namespace of
// its own, see [InNamespace].
func StartAvahi(ctx context.Context, c AvahiConfig) (*Avahi, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("start avahi: %w", err)
	}
	file := func(name string) string { return filepath.Join(c.Dir, name) }
	a := &Avahi{bus: "unix:path=" + file("bus")}
	script := "set -e\nmount -t tmpfs none /run\n" // where its socket and the number of its process are
	on := cmp.Or(c.Iface, "door0")
	if c.Neighbour {
		on = "house1"
		script += `ip link set lo up
nsenter -t $1 -n ip link del house0 2>/dev/null || true # of a neighbour before
ip link add house1 type veth peer name house0 netns $1
ip addr add ` + NeighbourAddress + `/24 dev house1
ip link set house1 up
nsenter -t $1 -n ip addr add ` + HouseAddress + `/24 dev house0
nsenter -t $1 -n ip link set house0 up
`
	}
	script += "dbus-daemon --nofork --config-file=" + file("bus.conf") + " &\nfor i in $(seq 100); do [ -S " + file("bus") + " ] && break; sleep 0.05; done\n" +
		"exec " + Tool("avahi-daemon") + " -f " + file("avahi.conf") + " --no-drop-root --no-chroot --no-rlimits\n"
	for name, text := range map[string]string{
		"start": script,
		"avahi.conf": "[server]\nhost-name=" + c.Host + "\nallow-interfaces=" + on + "\nenable-dbus=yes\ndisallow-other-stacks=no\n" +
			"[wide-area]\nenable-wide-area=no\n[publish]\npublish-hinfo=no\npublish-workstation=no\n",
		"bus.conf": `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>` + a.bus + `</listen>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*" eavesdrop="true"/></policy>
</busconfig>
`,
	} {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start avahi: %w", err)
		}
	}
	args := []string{"unshare", "--mount"}
	if c.Neighbour {
		args = append(args, "--net")
	}
	args = append(args, "sh", file("start"), strconv.Itoa(os.Getpid()))
	var err error
	if a.Proc, err = Start(Spec{Name: "avahi " + c.Host, Args: args, Env: []string{a.env()}}); err != nil {
		return nil, err
	}
	if _, err = a.WaitLine(ctx, regexp.MustCompile(`Server startup complete`)); err != nil {
		_ = a.Stop(0)
		return nil, err
	}
	return a, nil
}

// env is what leads its clients to its bus.
func (a *Avahi) env() string { return "DBUS_SYSTEM_BUS_ADDRESS=" + a.bus }

// ask runs one of Avahi's clients.
func (a *Avahi) ask(ctx context.Context, tool string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, Tool(tool), args...)
	cmd.Env = append(os.Environ(), a.env())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Resolve is the address of a name, as avahi-resolve finds it.
func (a *Avahi) Resolve(ctx context.Context, name string) (string, error) {
	out, err := a.ask(ctx, "avahi-resolve", "-4", "-n", name)
	_, address, ok := strings.Cut(strings.TrimSpace(out), "\t")
	if err == nil && !ok {
		err = fmt.Errorf("avahi-resolve %s: %q", name, out)
	}
	return address, err
}

// Publish has Avahi announce something until the process is stopped, with the arguments of avahi-publish.
func (a *Avahi) Publish(ctx context.Context, args ...string) (*Proc, error) {
	p, err := Start(Spec{Name: "avahi-publish", Args: append([]string{Tool("avahi-publish")}, args...), Env: []string{a.env()}})
	if err == nil {
		_, err = p.WaitLine(ctx, regexp.MustCompile(`^Established`))
	}
	return p, err
}

// Found is a service that Avahi has found, by the line of avahi-browse --parsable.
type Found struct {
	Iface, Protocol, Name, Type string
	Host, Address               string
	Port                        int
	Text                        map[string]string
}

// At reports whether the service may be on the machine that has an address. Avahi tells one of those that a machine
// has, whichever it has heard of first, and that may be the one of its link; [Avahi.Resolve] is certain.
func (f Found) At(address string) bool {
	a, err := netip.ParseAddr(f.Address)
	return f.Address == address || err == nil && a.IsLinkLocalUnicast()
}

// Browse is all services of a type as avahi-browse -rpt has them.
func (a *Avahi) Browse(ctx context.Context, kind string) (list []Found, err error) {
	out, err := a.ask(ctx, "avahi-browse", "-rpt", kind)
	for line := range strings.Lines(out) {
		if f, ok := parseFound(strings.TrimSpace(line)); ok {
			list = append(list, f)
		}
	}
	return list, err
}

// Find waits for a service of a type that is as it should be, and browses for no longer than each at a time.
func (a *Avahi) Find(ctx context.Context, kind string, each time.Duration, is func(Found) bool) (f Found, err error) {
	err = Poll(ctx, func() error {
		once, cancel := context.WithTimeout(ctx, each)
		defer cancel()
		list, err := a.Browse(once, kind)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, is)
		if i < 0 {
			return fmt.Errorf("the %s that is looked for is not among %v", kind, list)
		}
		f = list[i]
		return nil
	})
	return f, err
}

// Watch starts an avahi-browse that writes a line for all of a type that comes and goes.
func (a *Avahi) Watch(kind string) (*Proc, error) {
	return Start(Spec{Name: "avahi-browse", Args: []string{Tool("avahi-browse"), "-p", kind}, Env: []string{a.env()}})
}

// parseFound understands a line of what was resolved: "=;house1;IPv4;name;type;local;host;address;port;"txt" "txt"".
func parseFound(line string) (f Found, ok bool) {
	part := strings.SplitN(line, ";", 10)
	if len(part) < 10 || part[0] != "=" {
		return f, false
	}
	port, err := strconv.Atoi(part[8])
	f = Found{Iface: part[1], Protocol: part[2], Name: unescape(part[3]), Type: part[4], Host: part[6], Address: part[7], Port: port, Text: map[string]string{}}
	for _, t := range strings.Split(strings.Trim(part[9], `"`), `" "`) {
		key, value, _ := strings.Cut(t, "=")
		f.Text[key] = value
	}
	return f, err == nil
}

var decimal = regexp.MustCompile(`\\([0-9]{3})`)

// unescape is a name without Avahi's \DDD, each a byte in decimal.
func unescape(s string) string {
	return decimal.ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.Atoi(m[1:])
		return string([]byte{byte(n)})
	})
}
