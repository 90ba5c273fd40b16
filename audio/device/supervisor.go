package device

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"intercomd/beat"
	"intercomd/words"
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

// Opened is an open device, from both its sides: capture or playback.
type Opened interface {
	Ring() *Ring
	// Start is called when the rate of the device is known, before publish.
	Start(rate int)
	// publish gives the device to the pump, or takes it away.
	publish(on bool)
}

// Slot is one side of the sound, a microphone or a loudspeaker that may be
// there or not.
type Slot struct {
	dir    Direction
	wanted string
	xruns  atomic.Uint64 // of streams that were closed
	state  atomic.Pointer[Status]
	rests  atomic.Bool // it is closed, and opened as soon as somebody needs it
	make   func() Opened

	// Of the supervisor.
	dev     Opened // nil: not open
	stream  Stream
	trial   bool          // whether it works is not known: it is opened, needed or not
	since   time.Duration // when it was opened
	needed  time.Duration // when somebody needed it last
	retryAt time.Duration
}

// NewSlot returns the slot of the device of that name, which may be [Default] or [None]. mk
// makes what stands for it each time that it is opened.
func NewSlot(d Direction, wanted string, mk func() Opened) *Slot {
	if wanted == "" {
		wanted = Default
	}
	there := wanted != None
	ep := &Slot{dir: d, wanted: wanted, make: mk, trial: there}
	ep.rests.Store(there)
	ep.set(Status{OK: wanted == None})
	return ep
}

// Status tells the state of the device, to any goroutine.
func (d *Slot) Status() Status { return *d.state.Load() }

// Overruns counts the under- and overruns of the devices that were open here before.
func (d *Slot) Overruns() uint64 { return d.xruns.Load() }

// AtRest reports that it is closed, and opened as soon as somebody needs it.
func (d *Slot) AtRest() bool { return d.rests.Load() }

func (d *Slot) set(s Status) {
	s.Wanted = d.wanted
	if s.OK {
		s.Problem = words.Message{}
	}
	d.state.Store(&s)
}

// Supervisor opens the devices when they are needed, lets them rest when they are not, watches
// and reopens them, which may take seconds. Every call of the driver is made from its goroutine.
type Supervisor struct {
	Supervision
	wake  chan struct{} // buffered
	hung  bool          // the sound system does not answer any more
	tried time.Duration // when devices that rest were tried last
}

// Supervision is what a [supervisor] looks after, and whom it tells. The functions are
// called from its goroutine and must not block.
type Supervision struct {
	Driver  Driver
	Log     *slog.Logger
	Clock   func() time.Duration
	Slots   [2]*Slot
	Wants   func(Direction) bool // somebody needs the device
	Opened  func(Direction)      // told of each that was not at rest before; nil tells nobody
	Changed func()               // a device was opened, cannot be opened, or was closed
	Hung    func()               // the sound system does not answer any more
}

// NewSupervisor returns a supervisor that does nothing before its run.
func NewSupervisor(s Supervision) *Supervisor {
	return &Supervisor{Supervision: s, wake: make(chan struct{}, 1)}
}

// Look makes the supervisor see what is needed now. It does not block.
func (k *Supervisor) Look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run looks after the devices until ctx ends, then closes them.
func (k *Supervisor) Run(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		for _, d := range k.Slots {
			k.watch(d)
		}
		k.refresh()
		for _, d := range k.Slots {
			if ctx.Err() == nil {
				k.settle(d)
			}
		}
		t.Reset(k.next())
		select {
		case <-ctx.Done():
			for _, d := range k.Slots {
				k.close(d)
				d.set(Status{})
			}
			return
		case <-k.wake:
		case <-t.C:
		}
	}
}

// next is how long nothing has to be looked at.
func (k *Supervisor) next() time.Duration {
	next := beat.Until(time.Now(), cardsEvery)
	for _, d := range k.Slots {
		switch {
		case d.dev != nil:
			next = min(next, watchEvery)
		case k.due(d):
			next = min(next, max(d.retryAt-k.Clock(), time.Millisecond))
		}
	}
	return next
}

// due tells whether a device is to be open.
func (k *Supervisor) due(d *Slot) bool {
	return !k.hung && d.wanted != None && (d.trial || k.Wants(d.dir))
}

// settle opens a device that is needed, and closes one that is not. One that is only tried is
// closed as soon as it has shown that it works.
func (k *Supervisor) settle(d *Slot) {
	now := k.Clock()
	if k.Wants(d.dir) {
		d.needed = now
	}
	switch {
	case k.due(d):
		k.open(d)
	case d.dev != nil && (d.needed == 0 || now-d.needed >= linger):
		s := d.Status()
		d.rests.Store(!k.hung)
		k.close(d)
		s.Open = false
		d.set(s)
		if !k.hung {
			k.Log.Debug("sound device at rest", "direction", d.dir.String())
		}
	case d.dev == nil && now-k.tried >= tryEvery:
		k.tried = now
		for _, d := range k.Slots {
			k.try(d)
		}
	}
}

// try finds out whether a device that rests could still be opened. No sample is read for it.
func (k *Supervisor) try(d *Slot) {
	if k.hung || d.dev != nil || d.wanted == None {
		return
	}
	if err := k.Driver.Try(d.dir, d.wanted); err != nil {
		d.trial, d.retryAt = true, k.Clock()
		k.failed(d, err)
	}
}

// watch notices a device that has stopped: unplugging is not reported otherwise.
func (k *Supervisor) watch(d *Slot) {
	if d.dev == nil {
		return
	}
	now, last := k.Clock(), time.Duration(d.dev.Ring().mem.Last.Load())
	if last == 0 && now-d.since < firstCall || last != 0 && now-last < lostAfter {
		d.trial = d.trial && last == 0
		return
	}
	k.Log.Warn("sound device stopped delivering", "direction", d.dir.String(), "device", d.Status().Name)
	k.close(d)
	d.set(Status{Problem: words.New("device-stopped")})
	d.trial, d.retryAt = true, now
}

// refresh tries all devices anew when sound cards came or went. The sound system looks only
// while nothing is open; so what runs is closed if something else is missing, and else left
// alone until it comes to rest.
func (k *Supervisor) refresh() {
	if k.hung || !k.Driver.Stale() {
		return
	}
	runs, missing := false, false
	for _, d := range k.Slots {
		runs = runs || d.dev != nil
		missing = missing || d.dev == nil && k.due(d)
	}
	if runs && !missing {
		return
	}
	for _, d := range k.Slots {
		k.close(d)
		d.trial, d.retryAt = d.wanted != None, k.Clock()
	}
}

func (k *Supervisor) open(d *Slot) {
	if d.dev != nil || k.Clock() < d.retryAt {
		return
	}
	dev := d.make()
	s, err := k.Driver.Open(d.dir, d.wanted, dev.Ring())
	now := k.Clock()
	if err != nil {
		d.trial, d.retryAt = true, now+retryEvery
		k.failed(d, err)
		return
	}
	i := s.Info()
	d.dev, d.stream, d.since, k.tried = dev, s, now, now
	dev.Start(i.Rate)
	dev.publish(true)
	d.set(Status{OK: true, Open: true, Name: i.Device, Rate: i.Rate, Latency: i.Latency})
	d.rests.Store(false)
	k.Changed()
	if !d.trial {
		k.Log.Debug("sound device runs", "direction", d.dir.String())
		return
	}
	k.Log.Info("sound device open", "direction", d.dir.String(), "device", i.Device,
		"rate", i.Rate, "latency", i.Latency)
	if k.Opened != nil {
		k.Opened(d.dir)
	}
}

// failed notes that a device cannot be opened.
func (k *Supervisor) failed(d *Slot, err error) {
	why := problem(err)
	if old := d.Status(); old.Problem != why {
		k.Log.Warn("sound device cannot be opened", "direction", d.dir.String(), "device", d.wanted, "error", err)
	}
	d.set(Status{Problem: why})
	d.rests.Store(false)
	k.Changed()
	k.check(err)
}

// close closes a device. What its state is then, the caller says.
func (k *Supervisor) close(d *Slot) {
	if d.dev == nil {
		return
	}
	d.dev.publish(false)
	k.Changed()
	d.xruns.Add(d.dev.Ring().mem.Xruns.Load())
	err := d.stream.Close()
	d.dev, d.stream = nil, nil
	if err != nil {
		k.Log.Warn("sound device failed to close", "direction", d.dir.String(), "error", err)
		k.check(err)
	}
}

// check notes that the sound system is gone for good.
func (k *Supervisor) check(err error) {
	if k.hung || !errors.Is(err, ErrHung) {
		return
	}
	k.hung = true
	for _, d := range k.Slots {
		d.rests.Store(false)
	}
	k.Log.Error("sound is lost until the program is restarted", "error", err)
	k.Hung()
}
