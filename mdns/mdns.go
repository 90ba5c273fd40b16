// Package mdns lets a door be found in its network by multicast DNS (RFC 6762) and DNS-SD (RFC 6763):
// under its name, and as services of the types _https._tcp and _intercomd._tcp.
//
// It follows the snapshots of a station, and speaks with the responder of Brutella. Whether the name
// is free, and what it becomes if not, is the responder's business; which addresses it has is decided
// here. The package knows nothing of the page but its port, answers nothing else, and is never waited for.
package mdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
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
	Port   int // of the page, by HTTPS
	Log    *slog.Logger
}

// Types of the services.
const (
	TypePage = "_https._tcp"
	TypeDoor = "_intercomd._tcp"
)

const (
	steady = 10 * time.Second // between two announcements: a state that wavers is not worth a packet each
	look   = 2 * time.Second  // for an address, while there is none
	// settle is how long a free name is looked for. After a minute the library gives up by itself, and its
	// readers then take all of the processor for ever.
	settle   = 45 * time.Second
	draining = 20 * time.Millisecond
	again    = 30 * time.Second // after a responder that failed
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
		pause(ctx, again)
	}
}

// said is what changes of what is told.
type said struct {
	name string
	text map[string]string
}

func saidOf(s *station.Snapshot, serial string) said {
	return said{instance(s.Name, serial), textOf(s, serial)}
}

func (a said) equal(b said) bool { return a.name == b.name && maps.Equal(a.text, b.text) }

// announce is a responder for each network, until the machine is in others.
func announce(ctx context.Context, door Door, c Config, upset <-chan struct{}) error {
	at, err := places()
	if err != nil {
		return err
	}
	if len(at) == 0 {
		pause(ctx, look)
		return nil
	}
	changed := door.Changed()
	told := saidOf(door.Snapshot(), c.Serial)
	own, stop := context.WithCancel(ctx)
	over := make(chan error, len(at))
	var news []chan said
	for _, p := range at {
		n := make(chan said, 1)
		news = append(news, n)
		go func() { over <- respond(own, c, p, told, n) }()
	}
	c.Log.Info("the door is announced in its network", "host", c.Host+".local", "name", told.name)
	left := len(at)
	tick := time.NewTicker(steady)
	defer tick.Stop()
	for own.Err() == nil {
		select {
		case <-own.Done():
		case err = <-over:
			left--
			stop()
		case <-upset:
			stop()
			pause(ctx, time.Second) // at most one a second
		case <-tick.C:
			if now, err := places(); err == nil && !slices.EqualFunc(now, at, place.equal) {
				stop()
			}
			select {
			case <-changed:
				changed = door.Changed()
				if now := saidOf(door.Snapshot(), c.Serial); !now.equal(told) {
					told = now
					for _, n := range news {
						renew(n, now)
					}
				}
			default:
			}
		}
	}
	stop()
	for range left { // all have taken back what they said before others say something else
		err = errors.Join(err, <-over)
	}
	return err
}

// renew leaves the newest of what is said.
func renew(c chan said, s said) {
	select {
	case <-c:
	default:
	}
	c <- s
}

// pause waits for d, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
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

// respond answers in one network until ctx ends. What is said of the door changes while it runs: each
// responder that ends leaves a thread of the library behind, which waits for the kernel.
func respond(ctx context.Context, c Config, at place, first said, news <-chan said) error {
	r, err := dnssd.NewResponder()
	if err != nil {
		return fmt.Errorf("open a responder: %w", err)
	}
	defer drain(r)
	var handles []dnssd.ServiceHandle
	for _, s := range services(c, at, first) {
		h, err := r.Add(s)
		if err != nil {
			return fmt.Errorf("announce %s: %w", s.Type, err)
		}
		handles = append(handles, h)
	}
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- run(own, r) }()
	limit := time.AfterFunc(settle, cancel)
	defer limit.Stop()
	go func() {
		// The lock of the responder is free when it has its names.
		if pause(own, time.Second) {
			r.Remove(nil)
			limit.Stop()
		}
	}()
	for {
		select {
		case next := <-news:
			for i, s := range services(c, at, next) {
				r.Remove(handles[i])
				if s, err = free(own, s); err == nil {
					handles[i], err = r.Add(s)
				}
				if err != nil {
					cancel()
					<-over //nolint:errcheck // that it was cancelled
					return fmt.Errorf("announce %s: %w", s.Type, err)
				}
			}
		case err := <-over:
			switch {
			case ctx.Err() != nil:
				return nil
			case own.Err() != nil:
				return errTaken
			}
			return err
		}
	}
}

// errTaken is a network in which no name is free.
var errTaken = fmt.Errorf("no name was free within %v: somebody in the network has them all", settle)

// free is a service with a name that is free.
func free(ctx context.Context, s dnssd.Service) (dnssd.Service, error) {
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(settle, cancel).Stop()
	s, err := dnssd.ProbeService(own, s)
	if err != nil && ctx.Err() == nil {
		err = errTaken
	}
	return s, err
}

// services are what is told in one network.
func services(c Config, at place, what said) (out []dnssd.Service) {
	for _, kind := range []string{TypePage, TypeDoor} {
		s, err := dnssd.NewService(dnssd.Config{Name: what.name, Type: kind, Host: c.Host, Port: c.Port, Text: what.text, IPs: at.ips(), Ifaces: at.ifaces})
		if err == nil { // else there is no port, which somebody has checked
			out = append(out, s)
		}
	}
	return out
}

// run runs a responder. A packet that the library cannot bear must not take the door along.
func run(ctx context.Context, r dnssd.Responder) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error of the responder: %v", p)
		}
	}()
	return r.Respond(ctx)
}

// drain lets those go who still want to hand a packet to a responder that is over: the library would keep
// them, with 64 KiB each, for good.
func drain(r dnssd.Responder) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(draining, cancel)
	r.Debug(ctx, func(*dnssd.Request) {})
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
