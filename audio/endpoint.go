package audio

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	watchEvery = 250 * time.Millisecond  // how often devices are looked after
	retryEvery = 1500 * time.Millisecond // between attempts to open one
	lostAfter  = 500 * time.Millisecond  // without a callback a device is gone
	firstCall  = 2 * time.Second         // but one that was just opened may take this long
)

// opened is an open device, from both its sides: capture or playback.
type opened interface {
	exchange() *Exchange
	// start is called when the rate of the device is known, before publish.
	start(rate int)
	// publish gives the device to the pump, or takes it away.
	publish(on bool)
}

// endpoint is one side of the sound, a microphone or a loudspeaker that may be
// there or not.
type endpoint struct {
	dir    Direction
	wanted string
	xruns  atomic.Uint64 // of streams that were closed
	state  atomic.Pointer[DeviceStatus]
	make   func() opened

	// Of the keeper.
	dev     opened // nil: not open
	stream  Stream
	since   time.Duration // when it was opened
	retryAt time.Duration
}

func newEndpoint(d Direction, wanted string, mk func() opened) *endpoint {
	if wanted == "" {
		wanted = DefaultDevice
	}
	ep := &endpoint{dir: d, wanted: wanted, make: mk}
	ep.set(DeviceStatus{OK: wanted == NoDevice, Error: NotOpened})
	return ep
}

func (d *endpoint) status() DeviceStatus { return *d.state.Load() }

func (d *endpoint) set(s DeviceStatus) {
	s.Wanted = d.wanted
	if s.OK {
		s.Error = ""
	}
	d.state.Store(&s)
}

// keeper opens, watches and reopens the devices, which may take seconds. Every
// call of the driver is made from its goroutine.
type keeper struct {
	drv    Driver
	log    *slog.Logger
	clock  func() time.Duration
	ends   [2]*endpoint
	onOpen func(Direction) // nil: nobody wants to know
	onHung func()
	hung   bool // the sound system does not answer any more
}

// run looks after the devices until ctx ends, then closes them.
func (k *keeper) run(ctx context.Context) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		for _, d := range k.ends {
			k.watch(d)
		}
		k.refresh()
		for _, d := range k.ends {
			if ctx.Err() == nil {
				k.open(d)
			}
		}
		select {
		case <-ctx.Done():
			for _, d := range k.ends {
				k.close(d)
			}
			return
		case <-t.C:
		}
	}
}

// watch notices a device that has stopped: unplugging is not reported otherwise.
func (k *keeper) watch(d *endpoint) {
	if d.dev == nil {
		return
	}
	now, last := k.clock(), time.Duration(d.dev.exchange().mem.Last.Load())
	if last == 0 && now-d.since < firstCall || last != 0 && now-last < lostAfter {
		return
	}
	k.log.Warn("sound device stopped delivering", "direction", d.dir.String(), "device", d.status().Name)
	k.close(d)
	d.set(DeviceStatus{Error: "the device stopped delivering; was it unplugged?"})
	d.retryAt = now
}

// refresh frees all devices if one is wanted that appeared since the sound
// system was last looked at: it looks only when nothing is open.
func (k *keeper) refresh() {
	missing := false
	for _, d := range k.ends {
		missing = missing || d.dev == nil && d.wanted != NoDevice
	}
	if k.hung || !missing || !k.drv.Stale() {
		return
	}
	for _, d := range k.ends {
		k.close(d)
		d.retryAt = k.clock()
	}
}

func (k *keeper) open(d *endpoint) {
	if k.hung || d.dev != nil || d.wanted == NoDevice || k.clock() < d.retryAt {
		return
	}
	dev := d.make()
	s, err := k.drv.Open(d.dir, d.wanted, dev.exchange())
	now := k.clock()
	d.retryAt = now + retryEvery
	if err != nil {
		if old := d.status(); old.Error != err.Error() {
			k.log.Warn("sound device cannot be opened", "direction", d.dir.String(), "device", d.wanted, "error", err)
		}
		d.set(DeviceStatus{Error: err.Error()})
		k.check(err)
		return
	}
	i := s.Info()
	d.dev, d.stream, d.since = dev, s, now
	dev.start(i.Rate)
	dev.publish(true)
	d.set(DeviceStatus{OK: true, Name: i.Device, Rate: i.Rate, Latency: i.Latency})
	k.log.Info("sound device open", "direction", d.dir.String(), "device", i.Device,
		"rate", i.Rate, "latency", i.Latency)
	if k.onOpen != nil {
		k.onOpen(d.dir)
	}
}

func (k *keeper) close(d *endpoint) {
	if d.dev == nil {
		return
	}
	d.dev.publish(false)
	d.xruns.Add(d.dev.exchange().mem.Xruns.Load())
	err := d.stream.Close()
	d.dev, d.stream = nil, nil
	d.set(DeviceStatus{Error: "closed"})
	if err != nil {
		k.log.Warn("sound device failed to close", "direction", d.dir.String(), "error", err)
		k.check(err)
	}
}

// check notes that the sound system is gone for good.
func (k *keeper) check(err error) {
	if k.hung || !errors.Is(err, ErrDeviceHung) {
		return
	}
	k.hung = true
	k.log.Error("sound is lost until the program is restarted", "error", err)
	k.onHung()
}
