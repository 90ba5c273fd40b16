package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/web"
	"intercomd/web/logtail"
	"intercomd/web/machine"
)

// This file is what the page tells of the machine and hands out for support.

// tellOfMachine lets the page tell what the machine is, show the log and make support bundles.
func tellOfMachine(cfg *configs.Config, conf *web.Config, t *tuning) {
	facts := machine.Reader{Paths: []string{"/", door.StateDir(cfg)}, Bus: timesync}
	conf.Machine = facts.Read
	conf.Tail = t.tail
	if t.tail != nil {
		t.tail.Hide(cfg.Secrets())
	}
	conf.Support = support{cfg, t}
}

// support is what a bundle has of this program.
type support struct {
	cfg *configs.Config // that the door was made of
	t   *tuning
}

// now is the configuration as the page has changed it since.
func (s support) now() *configs.Config {
	if text := s.t.keeper.Running(); text != nil {
		if c := door.LoadText(s.t.path, text, s.t.own); c.Usable() {
			return c.Config
		}
	}
	return s.cfg
}

func (s support) Configuration() string { return s.now().Plain() }

func (s support) Clean(text string) string {
	return logtail.Replacer(append(s.cfg.Secrets(), s.now().Secrets()...)).Replace(text)
}

func (s support) Versions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "intercomd %s\n%s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			fmt.Fprintf(&b, "%s %s\n", m.Path, m.Version)
		}
	}
	fmt.Fprintf(&b, "state in %s\n", filepath.Clean(door.StateDir(s.cfg)))
	return b.String()
}

// busPatience is how long systemd may take: somebody waits for the page.
const busPatience = time.Second

// ntpMessage is the property NTPMessage of org.freedesktop.timesync1: the last answer of the
// server (RFC 5905, section 7.3), with times in microseconds.
type ntpMessage struct {
	Leap, Version, Mode, Stratum          uint32
	Precision                             int32
	RootDelay, RootDispersion             uint64
	Reference                             []byte
	Originate, Receive, Transmit, Reached uint64
	Ignored                               bool
	PacketCount, Jitter                   uint64
}

// timesync asks systemd-timesyncd for its server and how far the clock was off. It starts nothing.
func timesync() (server string, offset time.Duration, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), busPatience)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return "", 0, false
	}
	defer conn.Close()
	const iface = "org.freedesktop.timesync1.Manager"
	get := func(name string, into any) error {
		return conn.Object("org.freedesktop.timesync1", "/org/freedesktop/timesync1").
			CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, iface, name).Store(into)
	}
	var name, message dbus.Variant
	if get("ServerName", &name) != nil || name.Store(&server) != nil || server == "" {
		return "", 0, false
	}
	var m ntpMessage
	if get("NTPMessage", &message) == nil && message.Store(&m) == nil {
		// RFC 5905, section 8: half of what both ways differ by.
		off := (int64(m.Receive-m.Originate) + int64(m.Transmit-m.Reached)) / 2
		offset = time.Duration(off) * time.Microsecond
	}
	return server, offset, true
}
