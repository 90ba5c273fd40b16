package portaudio

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/audio/device"
)

// bell is a pipe that the callbacks of a microphone write to, in C, and that the pump reads. It is
// not an eventfd, since that would wake Go's poller also when it is read. Go does not write to it: a deadline
// of the pump's read that has passed makes the pump ready without the kernel.
type bell struct {
	in    int // for C
	out   *os.File
	rung  atomic.Bool // by Go
	timed bool        // a wait may have a deadline that the next one must not have
	read  [64]byte
}

func newBell() (*bell, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	return &bell{in: fds[1], out: os.NewFile(uintptr(fds[0]), "pipe")}, nil
}

// Ring implements [device.Bell].
func (b *bell) Ring() {
	b.rung.Store(true)
	_ = b.out.SetReadDeadline(time.Unix(1, 0)) // an error: it is closed
}

// Wait implements [device.Bell].
func (b *bell) Wait(d time.Duration) {
	switch {
	case d < device.ForEver:
		b.timed = b.out.SetReadDeadline(time.Now().Add(d)) == nil
	case b.timed:
		b.timed = b.out.SetReadDeadline(time.Time{}) != nil
	}
	if b.rung.Load() {
		b.timed = true // the deadline of Ring has come already, or comes yet
	} else {
		_, err := b.out.Read(b.read[:]) // rung, or late
		b.timed = b.timed || err != nil
	}
	b.rung.Store(false) // what it was rung for is seen to now
}

// close is for when no device is open any more, and nobody waits.
func (b *bell) close() {
	_ = b.out.Close()
	_ = unix.Close(b.in)
}
