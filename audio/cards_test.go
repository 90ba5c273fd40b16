package audio

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/audio/device"
	"intercomd/audio/pcm"
)

// cardDriver is a sound system that sees new cards only when nothing is open.
type cardDriver struct {
	mu      sync.Mutex
	mic     bool // plugged in
	seen    bool // when the system looked
	open    int
	history []string
}

type cardStream struct {
	d    *cardDriver
	dir  device.Direction
	quit chan struct{}
}

func (d *cardDriver) Devices() ([]device.Info, error) { return nil, nil }

func (d *cardDriver) Stale() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mic != d.seen
}

func (d *cardDriver) plugIn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mic = true
}

func (d *cardDriver) pullOut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mic = false
}

// did is what was opened and closed so far.
func (d *cardDriver) did() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.history)
}

func (d *cardDriver) Try(device.Direction, string) error { return nil }

func (d *cardDriver) Open(dir device.Direction, _ string, x *device.Ring) (device.Stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == 0 {
		d.seen = d.mic
	}
	if dir == device.In && !d.seen {
		return nil, fmt.Errorf("microphone: %w", device.ErrNotFound)
	}
	d.open++
	d.history = append(d.history, "open "+dir.String())
	s := &cardStream{d, dir, make(chan struct{})}
	go func() {
		buf := make([]int16, pcm.Frame)
		for {
			select {
			case <-s.quit:
				return
			case <-time.After(pcm.FrameTime):
				if dir == device.In {
					x.Deliver(buf, false)
				} else {
					x.Fetch(buf, false)
				}
			}
		}
	}()
	return s, nil
}

func (s *cardStream) Info() device.StreamInfo {
	return device.StreamInfo{Device: s.dir.String(), Rate: pcm.SampleRate}
}

func (s *cardStream) Close() error {
	close(s.quit)
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.open--
	s.d.history = append(s.d.history, "close "+s.dir.String())
	return nil
}

// A microphone that is plugged in later, as another card, is seen although nobody talks, and
// tried; then both devices rest again.
func TestNewCardIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &cardDriver{}
		e, err := New(Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, d)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go e.keep.Run(ctx)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !slices.Equal(d.did(), []string{"open output", "close output"}) || e.Status().Input.OK {
			t.Errorf("without a microphone: %v, %+v", d.did(), e.Status().Input)
		}
		d.plugIn()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		// All devices are tried anew: which card is whose may be another now.
		want := []string{"open output", "close output", "open output", "open input", "close output", "close input"}
		if !slices.Equal(d.did(), want) {
			t.Errorf("when it is plugged in: %v, want %v", d.did(), want)
		}
		d.pullOut()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := e.Status(); s.Input.OK || !s.Output.OK {
			t.Errorf("5 s after it was pulled out: %+v", s.Input)
		}
		d.plugIn()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := e.Status(); !s.Input.OK || !s.Output.OK || s.Input.Open || s.Output.Open {
			t.Errorf("with a microphone: %v", d.did())
		}
		cancel()
		synctest.Wait()
		time.Sleep(time.Second) // the fake's callbacks end
	})
}
