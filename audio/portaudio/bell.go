package portaudio

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/audio/device"
)

// bell is a pipe that the callbacks of a microphone write to, in C, and that the pump reads. It is
// not an eventfd, since that would wake Go's poller also when it is read.
type bell struct {
	out   *os.File
	rung  atomic.Bool // by the program itself
	timed bool        // a wait may have an end that the next one must not have
	read  [64]byte

	mu sync.Mutex
	in int // negative: closed
}

func newBell() (*bell, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	return &bell{out: os.NewFile(uintptr(fds[0]), "pipe"), in: fds[1]}, nil
}

// Ring implements [device.Bell]. It does not write to the pipe: who reads there is made ready without the kernel.
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
	if !b.rung.Load() {
		_, err := b.out.Read(b.read[:]) // rung, or late
		b.timed = b.timed || err != nil
	} else {
		b.timed = true // Ring's end may come, or have come, after that which was set here
	}
	b.rung.Store(false) // what it was rung for is seen to now
}

// close is for when no device is open any more, and nobody waits.
func (b *bell) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.out.Close()
	_ = unix.Close(b.in)
	b.in = -1
}
