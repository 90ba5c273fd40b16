package door

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/audio/alsamixer"
	"intercomd/audio/device"
	"intercomd/configs"
	"intercomd/station"
)

// fakeCard is a card with one control, which may be unplugged or hang.
type fakeCard struct {
	mu     sync.Mutex
	here   bool
	hangs  chan struct{} // nil: it does not
	set    []alsamixer.Setting
	faults []string // keys that are set
}

func (c *fakeCard) level(card string, s alsamixer.Setting) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hangs != nil {
		c.mu.Unlock()
		<-c.hangs
		c.mu.Lock()
	}
	if !c.here || card != "hw:1" {
		return alsamixer.ErrNoCard
	}
	c.set = append(c.set, s)
	return nil
}

func (c *fakeCard) SetFault(f station.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f.Key)
}

func (c *fakeCard) ClearFault(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = slices.DeleteFunc(c.faults, func(k string) bool { return k == key })
}

func TestLevelsAreSetWheneverADeviceOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCard{}
		list := []configs.Mixer{
			{Card: "hw:1", Control: "Mic", Side: "capture", Level: configs.Level{Given: true, DB: true, Value: -6}},
			{Card: "hw:2", Control: "Speaker", Side: "auto", Level: configs.Level{Given: true, Off: true}},
		}
		m := newMixer(list, slog.New(slog.DiscardHandler))
		m.set = c.level
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan struct{})
		go func() { defer close(over); m.run(ctx, c) }()
		see := func(what string, set int, faults ...string) {
			t.Helper()
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.set) != set || !slices.Equal(c.faults, faults) {
				t.Errorf("%s: set %v, faults %v", what, c.set, c.faults)
			}
		}
		see("no card yet", 0, "sound.mixer.1", "sound.mixer.2")
		plug := func(on bool) {
			c.mu.Lock()
			c.here = on
			c.mu.Unlock()
			m.deviceOpened(device.In)
			m.deviceOpened(device.Out)
		}
		plug(true)
		synctest.Wait()
		see("plugged in", len(c.set), "sound.mixer.2")
		if len(c.set) == 0 || c.set[0] != (alsamixer.Setting{Control: "Mic", Side: alsamixer.Capture, Decibel: true, Level: -6}) {
			t.Errorf("set %+v", c.set)
		}
		n := len(c.set)
		plug(false)
		see("another device opened", n, "sound.mixer.2", "sound.mixer.1")
		c.mu.Lock()
		c.hangs, c.faults = make(chan struct{}), nil
		c.mu.Unlock()
		plug(true)
		time.Sleep(2 * mixerLimit)
		see("the card hangs", n, "sound.mixer.1")
		<-over // nothing more can be set, and nothing is waited for
		cancel()
		close(c.hangs)
	})
	done := make(chan struct{})
	go func() { defer close(done); newMixer(nil, nil).run(t.Context(), nil) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("nothing to set, and it waits")
	}
}
