// Package system tests the whole daemon against real peers: Kamailio as the SIP
// server, SIP.js in Chromium as the far end, PortAudio on virtual sound cards.
// It runs with INTERCOMD_SYSTEM=1 ("make system"), in a network namespace of its
// own; without that every test here is skipped.
package system

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"intercomd/test/lab"
)

func TestMain(m *testing.M) {
	if !lab.Wanted() {
		os.Exit(m.Run())
	}
	os.Exit(lab.InNamespace(func() int {
		defer peers.stop()
		return m.Run()
	}))
}

// Tones of the two sides: nothing that happens by itself, no harmonics of each other.
const (
	pageTone  = 1700.0 // Hz, from the web phone's microphone
	doorTone  = 1000.0 // Hz, into the door's microphone
	inaudible = -90.0  // dBFS: nothing but what a codec makes of silence
	audible   = -45.0  // dBFS: heard at all; the tones are played at -12
	steady    = -20.0  // dBFS over half a second: heard without great gaps
)

// peers are the servers that all tests share; started once, when first asked for.
var peers shared

type shared struct {
	once    sync.Once
	err     error
	dir     string
	ca      *lab.CA
	kam     *lab.Kamailio
	pulse   *lab.Pulse
	browser *lab.Browser
	phones  *lab.Phones
}

func (s *shared) stop() {
	if s.browser != nil {
		s.browser.Stop()
	}
	if s.phones != nil {
		s.phones.Stop()
	}
	if s.pulse != nil {
		_ = s.pulse.Stop(2 * time.Second)
	}
	if s.kam != nil {
		_ = s.kam.Stop(3 * time.Second)
	}
	_ = os.RemoveAll(s.dir)
}

func (s *shared) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var err error
	if s.dir, err = os.MkdirTemp("", "intercomd-system-"); err != nil {
		return err
	}
	if s.ca, err = lab.NewCA(s.dir, "ca"); err != nil {
		return err
	}
	if s.kam, err = lab.StartKamailio(ctx, s.server("kamailio", 7443)); err != nil {
		return err
	}
	if s.pulse, err = lab.StartPulse(ctx, filepath.Join(s.dir, "pulse"), "door", "indoor"); err != nil {
		return err
	}
	if s.phones, err = lab.ServePhones(); err != nil {
		return err
	}
	tone := filepath.Join(s.dir, "page.wav")
	if err = lab.WriteTone(tone, 5, pageTone, -12); err != nil {
		return err
	}
	s.browser, err = lab.StartBrowser(context.Background(), filepath.Join(s.dir, "chromium"), tone)
	return err
}

// server is the configuration of a SIP server whose secure port is wss; its
// other ports follow from it.
func (s *shared) server(name string, wss int) lab.KamailioConfig {
	cert, key, err := s.ca.Issue(s.dir, name, "pbx.door.test", lab.Address, lab.NearAddress, lab.NearAddress6)
	if err != nil {
		panic(fmt.Sprint("issue a certificate: ", err)) // out of randomness or disk
	}
	users := map[string]string{}
	for _, u := range []string{"1000", "1001", "1002", "1003", "1004"} {
		users[u] = lab.Password(u)
	}
	return lab.KamailioConfig{
		Dir: filepath.Join(s.dir, name), Addresses: []string{lab.Address}, Domain: lab.Domain, Users: users,
		SIPPort: wss - 2383, WSPort: wss - 1000, WSSPort: wss, CertFile: cert, KeyFile: key,
	}
}

// need starts the shared peers, or skips the test when none were asked for.
func need(t *testing.T) *shared {
	t.Helper()
	if !lab.Wanted() {
		t.Skip("needs Kamailio, Chromium, PulseAudio and a network namespace: run make system")
	}
	peers.once.Do(func() { peers.err = peers.start() })
	if peers.err != nil {
		t.Fatal("start the peers: ", peers.err)
	}
	peers.revive(t)
	return &peers
}

// revive starts the SIP server again if it has ended by itself: one test must not fail for another.
func (s *shared) revive(t *testing.T) {
	t.Helper()
	select {
	case <-s.kam.Exited():
	default:
		return
	}
	t.Logf("kamailio ended by itself (%v) and is started again; it said last:\n%s", s.kam.Err(), s.kam.Tail(20))
	kam, err := lab.StartKamailio(within(t, 30*time.Second), s.kam.Config)
	if err != nil {
		t.Fatal("start kamailio again: ", err)
	}
	s.kam = kam
}

// wss is the address of the shared server as clients use it.
func (s *shared) wss() string { return fmt.Sprintf("wss://%s:%d", lab.Address, s.kam.Config.WSSPort) }

// within is a context for one step of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
