// Package mdns lets a door be found in its network by multicast DNS (RFC 6762) and DNS-SD (RFC 6763):
// under its name, and as services of the types _https._tcp and _intercomd._tcp.
//
// It follows the snapshots of a station, and speaks with the responder of Brutella. Whether the name
// is free, and what it becomes if not, is the responder's business. The package knows nothing of the
// page but its port, answers nothing else, and is never waited for.
package mdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/brutella/dnssd"
	liblog "github.com/brutella/dnssd/log"

	"intercomd/station"
)

// Door is what is told of.
type Door interface {
	Snapshot() *station.Snapshot
	Changed() <-chan struct{}
}

// Config is what a door is announced as.
type Config struct {
	Host   string // name of the machine, without ".local"
	Serial string
	Port   int      // of the page, by HTTPS
	Ifaces []string // names of interfaces; none: all that can multicast
	Log    *slog.Logger
}

// Types of the services.
const (
	TypePage = "_https._tcp"
	TypeDoor = "_intercomd._tcp"
)

const (
	steady = 10 * time.Second // between two announcements: a state that wavers is not worth a packet each
	again  = 30 * time.Second // after a responder that failed
)

// Run announces the door until ctx ends, and takes that back then.
func Run(ctx context.Context, door Door, c Config) {
	// The library would write to standard output, and does so without end when the kernel's messages
	// about interfaces have overflowed: then its watch of them is of no more use.
	upset := make(chan struct{}, 1)
	liblog.Info.SetOutput(alarm(upset))
	defer liblog.Info.Disable()
	last := ""
	for ctx.Err() == nil {
		err := announce(ctx, door, c, upset)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			continue
		}
		if err.Error() != last {
			last = err.Error()
			c.Log.Warn("the door is not announced in its network", "error", err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

// announce is one responder, until what it says is something else.
func announce(ctx context.Context, door Door, c Config, upset <-chan struct{}) error {
	changed := door.Changed()
	s := door.Snapshot()
	text := textOf(s, c.Serial)
	responder, err := dnssd.NewResponder()
	if err != nil {
		return fmt.Errorf("open a responder: %w", err)
	}
	for _, kind := range []string{TypePage, TypeDoor} {
		service, err := dnssd.NewService(dnssd.Config{Name: instance(s.Name, c.Serial), Type: kind, Host: c.Host, Port: c.Port, Text: text, Ifaces: c.Ifaces})
		if err == nil {
			_, err = responder.Add(service)
		}
		if err != nil {
			return fmt.Errorf("announce %s: %w", kind, err)
		}
	}
	own, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan error, 1)
	go func() { over <- respond(own, responder) }()
	c.Log.Info("the door is announced in its network", "host", c.Host+".local", "name", instance(s.Name, c.Serial))
	fresh := time.NewTimer(steady)
	defer fresh.Stop()
	for {
		select {
		case err := <-over:
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			return err
		case <-upset:
			stop()
			upset = nil // until this one is over
			select {
			case <-time.After(time.Second): // at most one a second
			case <-ctx.Done():
			}
		case <-fresh.C:
			fresh.Reset(steady)
			select {
			case <-changed:
				changed = door.Changed()
				if now := door.Snapshot(); now.Name != s.Name || !maps.Equal(textOf(now, c.Serial), text) {
					stop()
				}
			default:
			}
		}
	}
}

// alarm is a log that nobody reads: it tells that something was written.
type alarm chan<- struct{}

func (a alarm) Write(p []byte) (int, error) {
	select {
	case a <- struct{}{}:
	default:
	}
	return len(p), nil
}

// respond answers until ctx ends. A packet that the library cannot bear must not take the door along.
func respond(ctx context.Context, r dnssd.Responder) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error of the responder: %v", p)
		}
	}()
	return r.Respond(ctx)
}

// instance is the name of the services: that of the door, and the end of its serial number. Doors
// of one house often have the same name, and the library does not always notice.
func instance(name, serial string) string {
	return name + " - " + serial[max(0, len(serial)-6):]
}

// textOf are the attributes of the services (RFC 6763, section 6).
func textOf(s *station.Snapshot, serial string) map[string]string {
	state := "not-ready"
	if s.NotReady.None() {
		state = "ready"
	}
	return map[string]string{"txtvers": "1", "serial": serial, "version": s.Version, "state": state, "path": "/"}
}
