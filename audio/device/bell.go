package device

import "time"

// Bell is what the pump waits at.
//
// A goroutine that makes another one ready has Go wake a thread for it, which finds it running
// already: three wake-ups where one would do. So a driver may bring a bell of its own ([BellDriver])
// that its threads ring, and the pump itself is what the kernel wakes then.
type Bell interface {
	// Ring ends the wait, or the next one. It never blocks and may be called from any goroutine.
	Ring()
	// Wait returns when the bell was rung, or after d. It is called by one goroutine.
	Wait(d time.Duration)
}

// BellDriver is a driver whose microphones do not call [Ring.Wake], but ring its bell.
type BellDriver interface {
	Driver
	// Bell is called once, before a device is opened. The bell lasts as long as the driver.
	Bell() (Bell, error)
}

// ForEver is as long as a wait that only the bell ends.
const ForEver = time.Duration(1<<63 - 1)

// bell is for drivers that have none.
type bell struct {
	rung  chan struct{}
	timer *time.Timer
}

// NewBell returns a bell of which the kernel knows nothing.
func NewBell() Bell {
	b := &bell{rung: make(chan struct{}, 1), timer: time.NewTimer(0)}
	b.timer.Stop()
	return b
}

// Ring implements [Bell].
func (b *bell) Ring() {
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// Wait implements [Bell].
func (b *bell) Wait(d time.Duration) {
	if d < ForEver {
		b.timer.Reset(d)
		defer b.timer.Stop()
	}
	select {
	case <-b.rung:
	case <-b.timer.C:
	}
}
