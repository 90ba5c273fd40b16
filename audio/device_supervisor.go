package audio

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	watchEvery = 250 * time.Millisecond  // how often devices that run are looked after
	cardsEvery = 2 * time.Second         // and how often it is asked whether cards came or went
	tryEvery   = time.Hour               // between attempts to open those that rest
	linger     = time.Second             // how long a device runs on when nobody needs it any more
	retryEvery = 1500 * time.Millisecond // between attempts to open one
	lostAfter  = 500 * time.Millisecond  // without a callback a device is gone
	firstCall  = 2 * time.Second         // but one that was just opened may take this long
)

// opened is an open device, from both its sides: capture or playback.
type opened interface {
	ring() *Ring
	// start is called when the rate of the device is known, before publish.
	start(rate int)
	// publish gives the device to the pump, or takes it away.
	publish(on bool)
}

// deviceSlot is one side of the sound, a microphone or a loudspeaker that may be
// there or not.
type deviceSlot struct {
	dir    Direction
	wanted string
	xruns  atomic.Uint64 // of streams that were closed
	state  atomic.Pointer[DeviceStatus]
	rests  atomic.Bool // it is closed, and opened as soon as somebody needs it
	make   func() opened

	// Of the supervisor.
	dev     opened // nil: not open
	stream  Stream
	trial   bool          // whether it works is not known: it is opened, needed or not
	since   time.Duration // when it was opened
	needed  time.Duration // when somebody needed it last
	retryAt time.Duration
}

func newDeviceSlot(d Direction, wanted string, mk func() opened) *deviceSlot {
	if wanted == "" {
		wanted = DefaultDevice
	}
	there := wanted != NoDevice
	ep := &deviceSlot{dir: d, wanted: wanted, make: mk, trial: there}
	ep.rests.Store(there)
	ep.set(DeviceStatus{OK: wanted == NoDevice, Error: NotOpened})
	return ep
}

func (d *deviceSlot) status() DeviceStatus { return *d.state.Load() }

func (d *deviceSlot) set(s DeviceStatus) {
	s.Wanted = d.wanted
	if s.OK {
		s.Error = ""
	}
	d.state.Store(&s)
}

// supervisor opens the devices when they are needed, lets them rest when they are not, watches
// and reopens them, which may take seconds. Every call of the driver is made from its goroutine.
type supervisor struct {
	drv      Driver
	log      *slog.Logger
	clock    func() time.Duration
	ends     [2]*deviceSlot
	wake     chan struct{}        // buffered
	wants    func(Direction) bool // somebody needs the device
	onOpen   func(Direction)      // nil: nobody wants to know
	onChange func()               // a device was opened, cannot be opened, or was closed
	onHung   func()
	hung     bool          // the sound system does not answer any more
	tried    time.Duration // when devices that rest were tried last
}

// look makes the supervisor see what is needed now. It does not block.
func (k *supervisor) look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run looks after the devices until ctx ends, then closes them.
func (k *supervisor) run(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		for _, d := range k.ends {
			k.watch(d)
		}
		k.refresh()
		for _, d := range k.ends {
			if ctx.Err() == nil {
				k.settle(d)
			}
		}
		t.Reset(k.next())
		select {
		case <-ctx.Done():
			for _, d := range k.ends {
				k.close(d)
				d.set(DeviceStatus{Error: "closed"})
			}
			return
		case <-k.wake:
		case <-t.C:
		}
	}
}

// next is how long nothing has to be looked at.
func (k *supervisor) next() time.Duration {
	// By the clock's even seconds, as station and phone do at rest: one wake-up for all.
	next := cardsEvery - time.Duration(time.Now().UnixNano())%cardsEvery
	for _, d := range k.ends {
		switch {
		case d.dev != nil:
			next = min(next, watchEvery)
		case k.due(d):
			next = min(next, max(d.retryAt-k.clock(), time.Millisecond))
		}
	}
	return next
}

// due tells whether a device is to be open.
func (k *supervisor) due(d *deviceSlot) bool {
	return !k.hung && d.wanted != NoDevice && (d.trial || k.wants(d.dir))
}

// settle opens a device that is needed, and closes one that is not. One that is only tried is
// closed as soon as it has shown that it works.
func (k *supervisor) settle(d *deviceSlot) {
	now := k.clock()
	if k.wants(d.dir) {
		d.needed = now
	}
	switch {
	case k.due(d):
		k.open(d)
	case d.dev != nil && (d.needed == 0 || now-d.needed >= linger):
		s := d.status()
		d.rests.Store(!k.hung)
		k.close(d)
		s.Open = false
		d.set(s)
		if !k.hung {
			k.log.Debug("sound device at rest", "direction", d.dir.String())
		}
	case d.dev == nil && now-k.tried >= tryEvery:
		k.tried = now
		for _, d := range k.ends {
			k.try(d)
		}
	}
}

// try finds out whether a device that rests could still be opened. No sample is read for it.
func (k *supervisor) try(d *deviceSlot) {
	if k.hung || d.dev != nil || d.wanted == NoDevice {
		return
	}
	if err := k.drv.Try(d.dir, d.wanted); err != nil {
		d.trial, d.retryAt = true, k.clock()
		k.failed(d, err)
	}
}

// watch notices a device that has stopped: unplugging is not reported otherwise.
func (k *supervisor) watch(d *deviceSlot) {
	if d.dev == nil {
		return
	}
	now, last := k.clock(), time.Duration(d.dev.ring().mem.Last.Load())
	if last == 0 && now-d.since < firstCall || last != 0 && now-last < lostAfter {
		d.trial = d.trial && last == 0
		return
	}
	k.log.Warn("sound device stopped delivering", "direction", d.dir.String(), "device", d.status().Name)
	k.close(d)
	d.set(DeviceStatus{Error: "the device stopped delivering; was it unplugged?"})
	d.trial, d.retryAt = true, now
}

// refresh tries all devices anew when sound cards came or went. The sound system looks only
// while nothing is open; so what runs is closed if something else is missing, and else left
// alone until it comes to rest.
func (k *supervisor) refresh() {
	if k.hung || !k.drv.Stale() {
		return
	}
	runs, missing := false, false
	for _, d := range k.ends {
		runs = runs || d.dev != nil
		missing = missing || d.dev == nil && k.due(d)
	}
	if runs && !missing {
		return
	}
	for _, d := range k.ends {
		k.close(d)
		d.trial, d.retryAt = d.wanted != NoDevice, k.clock()
	}
}

func (k *supervisor) open(d *deviceSlot) {
	if d.dev != nil || k.clock() < d.retryAt {
		return
	}
	dev := d.make()
	s, err := k.drv.Open(d.dir, d.wanted, dev.ring())
	now := k.clock()
	if err != nil {
		d.trial, d.retryAt = true, now+retryEvery
		k.failed(d, err)
		return
	}
	i := s.Info()
	d.dev, d.stream, d.since, k.tried = dev, s, now, now
	dev.start(i.Rate)
	dev.publish(true)
	d.set(DeviceStatus{OK: true, Open: true, Name: i.Device, Rate: i.Rate, Latency: i.Latency})
	d.rests.Store(false)
	k.onChange()
	if !d.trial {
		k.log.Debug("sound device runs", "direction", d.dir.String())
		return
	}
	k.log.Info("sound device open", "direction", d.dir.String(), "device", i.Device,
		"rate", i.Rate, "latency", i.Latency)
	if k.onOpen != nil {
		k.onOpen(d.dir)
	}
}

// failed notes that a device cannot be opened.
func (k *supervisor) failed(d *deviceSlot, err error) {
	if old := d.status(); old.Error != err.Error() {
		k.log.Warn("sound device cannot be opened", "direction", d.dir.String(), "device", d.wanted, "error", err)
	}
	d.set(DeviceStatus{Error: err.Error()})
	d.rests.Store(false)
	k.onChange()
	k.check(err)
}

// close closes a device. What its state is then, the caller says.
func (k *supervisor) close(d *deviceSlot) {
	if d.dev == nil {
		return
	}
	d.dev.publish(false)
	k.onChange()
	d.xruns.Add(d.dev.ring().mem.Xruns.Load())
	err := d.stream.Close()
	d.dev, d.stream = nil, nil
	if err != nil {
		k.log.Warn("sound device failed to close", "direction", d.dir.String(), "error", err)
		k.check(err)
	}
}

// check notes that the sound system is gone for good.
func (k *supervisor) check(err error) {
	if k.hung || !errors.Is(err, ErrDeviceHung) {
		return
	}
	k.hung = true
	for _, d := range k.ends {
		d.rests.Store(false)
	}
	k.log.Error("sound is lost until the program is restarted", "error", err)
	k.onHung()
}
