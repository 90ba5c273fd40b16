package portaudio

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/audio/device"
)

// bell is a pipe that the microphone's thread writes to, in C, and whoever else has something for the pump, which
// reads it. It is not an eventfd, since that would wake Go's poller also when it is read. Go writes to it as well: to
// make the pump ready without the kernel would have Go wake a thread that finds it running already, while the
// goroutine that has taken a packet from the network goes back to the poller, and finds the pump there.
type bell struct {
	out   *os.File
	timed bool // a wait has a deadline that the next one may not want
	read  [64]byte

	mu sync.Mutex // close against Ring
	in int        // known to C as well; -1: closed
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.in >= 0 {
		_, _ = unix.Write(b.in, []byte{0}) // a full pipe wakes as well
	}
}

// Wait implements [device.Bell].
func (b *bell) Wait(d time.Duration) {
	switch {
	case d < device.ForEver:
		b.timed = b.out.SetReadDeadline(time.Now().Add(d)) == nil
	case b.timed:
		b.timed = b.out.SetReadDeadline(time.Time{}) != nil
	}
	_, _ = b.out.Read(b.read[:]) // rung, or late
}

// close is for when no device is open any more, and nobody waits.
func (b *bell) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.out.Close()
	_ = unix.Close(b.in)
	b.in = -1
}
