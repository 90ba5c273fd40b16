package gpio

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/driver/driverreg"
	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"

	"intercomd/board"
	"intercomd/words"
)

// probe finds the chips of this machine. periph looks for them once in the life of a
// process: chips that come later need a restart.
func probe() host {
	var h host
	if _, err := driverreg.Init(); err != nil {
		h.problems = append(h.problems, &board.FaultError{
			Message: words.New("gpio-driver", "detail", err.Error()), Err: err})
	}
	names := make(map[string]bool)
	paths := make(map[string]bool)
	for _, c := range gpioioctl.Chips {
		names[filepath.Base(c.Path())], names[c.Name()], paths[c.Path()] = true, true, true
		h.chips = append(h.chips, adapt(c))
	}
	// periph only logs which chips it could not open.
	all, err := filepath.Glob("/dev/gpiochip*")
	if err != nil {
		return h // the pattern is right
	}
	slices.Sort(all)
	for _, path := range all {
		target, err := filepath.EvalSymlinks(path)
		if err == nil && (paths[path] || names[filepath.Base(target)]) {
			continue // gpiochip4 is a link to gpiochip0 on a Pi 5
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(fd) // opened for the error only
			err = errors.New("it does not answer like a GPIO chip, or came after the start of the program")
		}
		h.problems = append(h.problems, unusable(path, err))
	}
	return h
}

func adapt(c *gpioioctl.GPIOChip) chip {
	out := chip{Chip: Chip{Name: c.Name(), Label: c.Label(), Path: c.Path()}}
	for i, l := range c.Lines() {
		out.Lines = append(out.Lines, LineInfo{Offset: i, Name: l.Name(), Consumer: l.Consumer()})
	}
	out.pin = func(offset int) pin { return line{c.Lines()[offset]} }
	return out
}

// line is a line of periph, with what periph cannot do. It is used by one goroutine.
type line struct {
	*gpioioctl.GPIOLine
}

// input implements pin. periph's WaitForEdge drops the time of an edge and the edge
// itself, and takes a lost chip for a time-out; so the edges are read here, from the
// descriptor that periph got from the kernel.
func (l line) input(p Pull) (*queue, error) {
	pull := pgpio.PullNoChange
	switch p {
	case PullUp:
		pull = pgpio.PullUp
	case PullDown:
		pull = pgpio.PullDown
	}
	if err := l.In(pull, pgpio.BothEdges); err != nil {
		return nil, err
	}
	fd, err := descriptor(l.GPIOLine)
	if err != nil {
		return nil, err
	}
	if p == PullNone {
		// periph would leave what was there before.
		if err := (wire{fd}).configure(flagInput|flagEdgeRising|flagEdgeFalling|flagNoBias, false); err != nil {
			return nil, err
		}
	}
	return newQueue(fd, l.Name())
}

// output implements pin. periph's Out drives a line low before it drives it high: an
// active-low relay would be energised for a moment. So periph takes the line as an
// input, and here it becomes an output with the right level from the start.
func (l line) output(high, openDrain bool) (driver, error) {
	if err := l.In(pgpio.PullNoChange, pgpio.NoEdge); err != nil {
		return nil, err
	}
	fd, err := descriptor(l.GPIOLine)
	if err != nil {
		return nil, err
	}
	w, err := newWire(fd)
	if err != nil {
		return nil, err
	}
	flags := uint64(flagOutput)
	if openDrain {
		flags |= flagOpenDrain
	}
	if err := w.configure(flags, high); err != nil {
		_ = w.close() // the first error tells more
		return nil, err
	}
	return w, nil
}

// high implements pin.
func (l line) high() bool { return bool(l.Read()) }

// descriptor is the descriptor of a line that periph has requested. periph keeps it to
// itself; a test holds that this way to it exists in the pinned version.
func descriptor(l *gpioioctl.GPIOLine) (int, error) {
	f := reflect.ValueOf(l).Elem().FieldByName("fd")
	if !f.IsValid() || !f.CanInt() {
		return 0, errors.New("this version of periph hides the descriptor of a line")
	}
	if f.Int() <= 0 {
		return 0, errors.New("the line has not been requested")
	}
	return int(f.Int()), nil
}
