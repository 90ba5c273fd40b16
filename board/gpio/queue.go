package gpio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/board"
)

// edge is an edge of a line.
type edge struct {
	high bool      // the level after it
	at   time.Time // when the kernel saw it
}

// queue reads the edges of one line from the kernel, which keeps up to 16 of them
// (the newest) for a reader that is late.
type queue struct {
	file *os.File
	buf  [eventSize]byte
}

// struct gpio_v2_line_event of linux/gpio.h: __aligned_u64 timestamp_ns, then __u32
// id, offset, seqno, line_seqno, padding[6]. The time is that of CLOCK_MONOTONIC.
const (
	eventSize   = 48
	eventID     = 8
	risingEdge  = 1
	fallingEdge = 2
)

// newQueue reads edges from a descriptor of a line. It takes a duplicate: the
// descriptor stays with its owner.
func newQueue(fd int, name string) (*queue, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate the descriptor of %s: %w", name, err)
	}
	if err := unix.SetNonblock(dup, true); err != nil {
		_ = unix.Close(dup) // the first error tells more
		return nil, fmt.Errorf("make reads of %s return: %w", name, err)
	}
	return &queue{file: os.NewFile(uintptr(dup), name)}, nil
}

func (q *queue) close() error { return q.file.Close() }

// next returns the next edge, see [board.Source]. A queued edge comes before the
// deadline, which Go's files would do the other way round.
func (q *queue) next(deadline time.Time) (edge, error) {
	if e, ok, err := q.poll(); ok || err != nil {
		return e, err
	}
	if err := q.file.SetReadDeadline(deadline); err != nil {
		return edge{}, q.explain(err)
	}
	n, err := q.file.Read(q.buf[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e, ok, err := q.poll()
		if !ok && err == nil {
			err = board.ErrTimeout
		}
		return e, err
	}
	if err != nil {
		return edge{}, q.explain(err)
	}
	return q.decode(n)
}

// poll returns an edge that is queued.
func (q *queue) poll() (e edge, ok bool, err error) {
	conn, err := q.file.SyscallConn()
	if err != nil {
		return edge{}, false, q.explain(err)
	}
	var n int
	var readErr error
	err = conn.Control(func(fd uintptr) {
		for {
			n, readErr = unix.Read(int(fd), q.buf[:])
			if !errors.Is(readErr, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case err != nil:
		return edge{}, false, board.ErrClosed // the only reason for Control not to run
	case errors.Is(readErr, unix.EAGAIN):
		return edge{}, false, nil
	case readErr != nil:
		return edge{}, false, readErr
	}
	e, err = q.decode(n)
	return e, err == nil, err
}

func (q *queue) decode(n int) (edge, error) {
	if n == 0 {
		return edge{}, unix.ENODEV
	}
	if n != eventSize {
		return edge{}, fmt.Errorf("read %d bytes of an edge: %w", n, io.ErrUnexpectedEOF)
	}
	id := binary.NativeEndian.Uint32(q.buf[eventID:])
	if id != risingEdge && id != fallingEdge {
		return edge{}, fmt.Errorf("the kernel reports an edge of unknown kind %d", id)
	}
	return edge{high: id == risingEdge, at: wallTime(int64(binary.NativeEndian.Uint64(q.buf[:])))}, nil
}

func (q *queue) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrClosed):
		return board.ErrClosed
	case errors.Is(err, io.EOF):
		return unix.ENODEV
	}
	return err
}

// wallTime converts a time of CLOCK_MONOTONIC in ns. The date comes from now, not
// from a base kept since the start: the clock may have been set since.
func wallTime(ns int64) time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Now()
	}
	now := time.Now()
	age := time.Duration(ts.Nano() - ns)
	if age < 0 || age > time.Hour {
		return now // not that clock: kernels before 5.7 used the real time
	}
	return now.Add(-age)
}
