package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Site is a place where stations can be set up: a SIP server with its
// certificate, and sound cards. The demo and the benchmarks build on it.
type Site struct {
	Dir      string
	Address  string
	Binary   string // of intercomd
	CA       *CA
	Kamailio *Kamailio
	Pulse    *Pulse

	stops []func()
}

// Users are the extensions of a site.
func Users() map[string]string {
	users := map[string]string{}
	for _, u := range []string{"1000", "1001", "1002", "1003", "1004"} {
		users[u] = Password(u)
	}
	return users
}

// StartSite starts the servers at address with sound cards of these names. The
// ports are wss, wss-1000 for plain WebSocket and wss-2383 for SIP. Stop ends
// everything, also after an error.
func StartSite(ctx context.Context, binary, address string, wss int, cards ...string) (*Site, error) {
	s := &Site{Address: address, Binary: binary}
	var err error
	if s.Binary, err = filepath.Abs(binary); err != nil {
		return s, err
	}
	if _, err = os.Stat(s.Binary); err != nil {
		return s, fmt.Errorf("intercomd is not built (make build): %w", err)
	}
	if s.Dir, err = os.MkdirTemp("", "intercomd-lab-"); err != nil {
		return s, err
	}
	s.Defer(func() { _ = os.RemoveAll(s.Dir) })
	if s.CA, err = NewCA(s.Dir, "ca"); err != nil {
		return s, err
	}
	cert, key, err := s.CA.Issue(s.Dir, "server", address, "localhost")
	if err != nil {
		return s, err
	}
	s.Kamailio, err = StartKamailio(ctx, KamailioConfig{
		Dir: filepath.Join(s.Dir, "kamailio"), Addresses: []string{address}, Domain: Domain, Users: Users(),
		SIPPort: wss - 2383, WSPort: wss - 1000, WSSPort: wss, CertFile: cert, KeyFile: key,
	})
	if err != nil {
		return s, err
	}
	s.Defer(func() { _ = s.Kamailio.Stop(3 * time.Second) })
	if s.Pulse, err = StartPulse(ctx, filepath.Join(s.Dir, "pulse"), cards...); err != nil {
		return s, err
	}
	s.Defer(func() { _ = s.Pulse.Stop(2 * time.Second) })
	return s, nil
}

// Defer has f called by Stop, the last one first.
func (s *Site) Defer(f func()) { s.stops = append(s.stops, f) }

// Stop ends everything that was started at the site.
func (s *Site) Stop() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	s.stops = nil
}

// Station starts an intercom at the site and waits until it is registered with
// its sound open. card "" gives it none.
func (s *Site) Station(ctx context.Context, user, card string, port int, keys map[string]string, tables string) (*Door, error) {
	c := DoorConfig{
		Binary: s.Binary, Dir: filepath.Join(s.Dir, "station-"+user), User: user, CAFile: s.CA.CertFile, Port: port,
		Server: fmt.Sprintf("wss://%s:%d", s.Address, s.Kamailio.Config.WSSPort), Keys: keys, Tables: tables,
	}
	if card != "" {
		c.Card = s.Pulse.Card(card)
	}
	d, err := StartDoor(ctx, c)
	if err != nil {
		return nil, err
	}
	s.Defer(func() { _ = d.Stop(6 * time.Second) })
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := d.Registered(ctx); err != nil {
		return d, errors.Join(fmt.Errorf("station %s", user), err)
	}
	return d, nil
}

// WS is the plain WebSocket of the server.
func (s *Site) WS() string { return fmt.Sprintf("ws://%s:%d", s.Address, s.Kamailio.Config.WSPort) }

// WSS is its secure WebSocket.
func (s *Site) WSS() string { return fmt.Sprintf("wss://%s:%d", s.Address, s.Kamailio.Config.WSSPort) }
