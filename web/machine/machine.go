// Package machine tells what the machine under a door is and how it fares: board, addresses,
// temperature, supply, storage, clock.
//
// It reads files of the kernel and of systemd and changes nothing. What a machine does not tell, or a
// sandbox does not let through, is left out. It knows nothing of pages and of doors.
package machine

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Facts are what is known. Zero values are not known.
type Facts struct {
	Board       string      `json:"board,omitempty"`
	Serial      string      `json:"serial,omitempty"`
	System      string      `json:"system,omitempty"` // such as "Debian GNU/Linux 13 (trixie)"
	Kernel      string      `json:"kernel,omitempty"`
	Arch        string      `json:"arch"`
	Host        string      `json:"host,omitempty"`
	Booted      time.Time   `json:"booted,omitzero"`
	Interfaces  []Interface `json:"interfaces"`
	Temperature float64     `json:"temperature,omitempty"` // °C, of the processor
	Supply      Supply      `json:"supply"`
	Load        float64     `json:"load"` // of one minute
	Memory      Space       `json:"memory"`
	Storage     []Storage   `json:"storage"`
	Clock       Clock       `json:"clock"`
}

// Interface is a way into the network.
type Interface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac,omitempty"`
	Addresses []string `json:"addresses"` // with their prefix lengths
	Up        bool     `json:"up"`
}

// Supply is how the board is fed, where it tells.
type Supply struct {
	Known     bool `json:"known"`
	Low       bool `json:"low"`       // the voltage is too low now
	WasLow    bool `json:"wasLow"`    // it has been since the start
	Throttled bool `json:"throttled"` // the processor is slowed down now, by voltage or heat
}

// Space is how much there is of something, in bytes.
type Space struct {
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
}

// Storage is a file system.
type Storage struct {
	Path string `json:"path"`
	Space
	ReadOnly bool `json:"readOnly"`
}

// Clock is where the time of day comes from.
type Clock struct {
	Time     time.Time     `json:"time"`
	Zone     string        `json:"zone"`
	Synced   bool          `json:"synced"`             // by the network, as far as is known
	Source   string        `json:"source,omitempty"`   // "systemd-timesyncd", "chrony", "ntpd" and, if known, its server
	LastSync time.Time     `json:"lastSync,omitzero"`  // by systemd-timesyncd
	Offset   time.Duration `json:"offset,omitempty"`   // from its source, as last corrected
	MaxError time.Duration `json:"maxError,omitempty"` // bound that the kernel knows
	RTC      bool          `json:"rtc"`                // a clock with a battery is there
}

// Reader reads facts. The zero value reads those of this machine.
type Reader struct {
	// Root is where the files are; nil is /.
	Root fs.FS
	// Paths are the file systems to tell of.
	Paths []string
	// Bus asks systemd-timesyncd, and may be nil.
	Bus func() (server string, offset time.Duration, ok bool)
}

// most is how much of a file is read, in bytes: those of the kernel are short.
const most = 64 << 10

func (r *Reader) root() fs.FS {
	if r.Root == nil {
		return os.DirFS("/")
	}
	return r.Root
}

func (r *Reader) text(name string) string {
	f, err := r.root().Open(strings.TrimPrefix(name, "/"))
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, most)
	n, _ := f.Read(b)
	return strings.TrimSpace(strings.Trim(string(b[:n]), "\x00"))
}

func (r *Reader) stat(name string) (fs.FileInfo, bool) {
	info, err := fs.Stat(r.root(), strings.TrimPrefix(name, "/"))
	return info, err == nil
}

// first is the first of the files that has something.
func (r *Reader) first(names ...string) string {
	for _, n := range names {
		if s := r.text(n); s != "" {
			return s
		}
	}
	return ""
}

// Read reads all facts. It takes milliseconds, and more where a clock is asked by D-Bus.
func (r *Reader) Read() Facts {
	now := time.Now()
	f := Facts{
		Board:  r.first("sys/firmware/devicetree/base/model", "sys/devices/virtual/dmi/id/product_name"),
		Serial: r.text("sys/firmware/devicetree/base/serial-number"),
		System: field(r.first("etc/os-release", "usr/lib/os-release"), "PRETTY_NAME"),
		Kernel: r.text("proc/sys/kernel/osrelease"),
		Arch:   runtime.GOARCH,
		Host:   r.text("proc/sys/kernel/hostname"),
		Supply: r.supply(),
		Memory: r.memory(),
		Clock:  r.clock(now),
	}
	if up, _, _ := strings.Cut(r.text("proc/uptime"), " "); up != "" {
		if s, err := strconv.ParseFloat(up, 64); err == nil && s > 0 && s < 1e10 {
			f.Booted = now.Add(-time.Duration(s * float64(time.Second))).Round(time.Second)
		}
	}
	if load, _, _ := strings.Cut(r.text("proc/loadavg"), " "); load != "" {
		f.Load, _ = strconv.ParseFloat(load, 64)
	}
	if milli, err := strconv.Atoi(r.text("sys/class/thermal/thermal_zone0/temp")); err == nil && milli > -100_000 && milli < 200_000 {
		f.Temperature = float64(milli) / 1000
	}
	f.Interfaces = r.interfaces()
	f.Storage = r.storage()
	return f
}

// field is a value of a file like os-release.
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}

// Bits of what the firmware of a Raspberry Pi says (vcgencmd get_throttled).
const (
	lowNow       = 1 << 0
	throttledNow = 1<<1 | 1<<2 | 1<<3 // the clock capped, throttled, at the soft limit of temperature
	lowSince     = 1 << 16
)

// supply asks the firmware of a Raspberry Pi, or the kernel's own sensor of it.
func (r *Reader) supply() (s Supply) {
	if v := r.first("sys/devices/platform/soc/soc:firmware/get_throttled", "sys/devices/platform/axi/axi:firmware/get_throttled"); v != "" {
		if n, err := strconv.ParseUint(strings.TrimPrefix(v, "0x"), 16, 32); err == nil {
			return Supply{Known: true, Low: n&lowNow != 0, WasLow: n&(lowSince|lowNow) != 0, Throttled: n&throttledNow != 0}
		}
	}
	for i := range 8 {
		dir := "sys/class/hwmon/hwmon" + strconv.Itoa(i)
		if r.text(path.Join(dir, "name")) == "rpi_volt" {
			low := r.text(path.Join(dir, "in0_lcrit_alarm")) == "1"
			return Supply{Known: true, Low: low, WasLow: low}
		}
	}
	return s
}

func (r *Reader) memory() (s Space) {
	for line := range strings.Lines(r.text("proc/meminfo")) {
		key, rest, _ := strings.Cut(line, ":")
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 54)
		switch {
		case err != nil:
		case key == "MemTotal":
			s.Total = kb << 10
		case key == "MemAvailable":
			s.Free = kb << 10
		}
	}
	return s
}

func (r *Reader) storage() []Storage {
	out := []Storage{}
	var seen []unix.Fsid
	for _, p := range r.Paths {
		var st unix.Statfs_t
		if unix.Statfs(p, &st) != nil || st.Bsize <= 0 || slices.Contains(seen, st.Fsid) && st.Fsid != (unix.Fsid{}) {
			continue
		}
		seen = append(seen, st.Fsid)
		size := uint64(st.Bsize)
		out = append(out, Storage{Path: p, Space: Space{Total: st.Blocks * size, Free: st.Bavail * size}, ReadOnly: st.Flags&unix.ST_RDONLY != 0})
	}
	return out
}

// interfaces are those of this machine without loopback and those that nobody uses.
func (r *Reader) interfaces() []Interface {
	out := []Interface{}
	all, err := net.Interfaces()
	if err != nil {
		return out
	}
	for _, i := range all {
		one := Interface{Name: i.Name, MAC: i.HardwareAddr.String(), Addresses: []string{}, Up: i.Flags&net.FlagRunning != 0}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				one.Addresses = append(one.Addresses, p.String())
			}
		}
		if _, real := r.stat("sys/class/net/" + i.Name + "/device"); i.Flags&net.FlagLoopback == 0 && one.used(real) {
			out = append(out, one)
		}
	}
	return out
}

// used says whether an interface is worth a word. The kernel makes some that are no hardware, such as ifb0 or dummy0, and
// have neither an address nor a link: nobody misses those.
func (i Interface) used(real bool) bool {
	return len(i.Addresses) > 0 || i.MAC != "" && (i.Up || real)
}

// clock is what the kernel, systemd and chrony tell.
func (r *Reader) clock(now time.Time) Clock {
	zone, _ := now.Zone()
	c := Clock{Time: now, Zone: zone}
	if name := r.text("etc/timezone"); name != "" {
		c.Zone += " (" + name + ")"
	}
	_, c.RTC = r.stat("dev/rtc0")
	var tx unix.Timex
	if state, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err == nil {
		c.Synced = state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
		c.MaxError = time.Duration(tx.Maxerror) * time.Microsecond
		c.Offset = time.Duration(tx.Offset) * time.Microsecond
		if tx.Status&unix.STA_NANO != 0 {
			c.Offset = time.Duration(tx.Offset)
		}
	}
	if info, ok := r.stat("run/systemd/timesync/synchronized"); ok {
		c.Synced, c.Source, c.LastSync = true, "systemd-timesyncd", info.ModTime()
	} else if _, ok := r.stat("run/systemd/timesync"); ok {
		c.Source = "systemd-timesyncd"
	} else if _, ok := r.stat("run/chrony"); ok {
		c.Source = "chrony"
	} else if _, ok := r.stat("run/ntpd.pid"); ok {
		c.Source = "ntpd"
	}
	if r.Bus != nil && c.Source == "systemd-timesyncd" {
		if server, offset, ok := r.Bus(); ok {
			c.Source += " (" + server + ")"
			c.Offset = offset
		}
	}
	return c
}
