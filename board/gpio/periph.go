package gpio

import (
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/host/v3/gpioioctl"
)

// devices is where the kernel shows its GPIO chips.
const devices = "/dev/gpiochip*"

// probe finds the chips of this machine as they are now. periph describes those that were there
// when it looked, once in the life of a process; those that came later, or were given to our
// group later, are described by the kernel's own calls.
func probe() host {
	var h host
	paths, err := filepath.Glob(devices)
	if err != nil {
		return h // the pattern is right
	}
	slices.Sort(paths)
	known := firstChips()
	names := map[string]bool{}
	for _, path := range paths {
		c, err := describe(path, known[path])
		if err != nil {
			h.problems = append(h.problems, unusable(path, err))
			continue
		}
		if names[c.Name] {
			continue // gpiochip4 is a link to gpiochip0 on a Pi 5
		}
		names[c.Name] = true
		h.chips = append(h.chips, chip{Chip: c, pin: func(offset int) pin {
			return &line{path: path, offset: offset, name: c.Lines[offset].Name, fd: -1}
		}})
	}
	return h
}

// firstChips is what periph found when it looked, by path.
//
//nolint:gochecknoglobals // periph's list is one for the process
var firstChips = sync.OnceValue(func() map[string]Chip {
	chips := map[string]Chip{}
	if _, err := driverreg.Init(); err != nil {
		return chips // describe will do
	}
	for _, c := range gpioioctl.Chips {
		out := Chip{Name: c.Name(), Label: c.Label(), Path: c.Path()}
		for i, l := range c.Lines() {
			out.Lines = append(out.Lines, LineInfo{Offset: i, Name: l.Name(), Consumer: l.Consumer()})
		}
		chips[c.Path()] = out
	}
	return chips
})

// describe tells what chip there is at a path. known is the one that was there before: its
// description serves while it is still the same.
func describe(path string, known Chip) (Chip, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Chip{}, err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	info, err := wire{fd}.chip()
	if err != nil {
		return Chip{}, err
	}
	c := Chip{Name: text(info.name), Label: text(info.label), Path: path}
	if c.Label == "" {
		c.Label = c.Name
	}
	if known.Name == c.Name && known.Label == c.Label && len(known.Lines) == int(info.lines) {
		return known, nil
	}
	for i := range info.lines {
		l, err := wire{fd}.line(i)
		if err != nil {
			return Chip{}, err
		}
		c.Lines = append(c.Lines, LineInfo{Offset: int(i), Name: text(l.name), Consumer: text(l.consumer)})
	}
	return c, nil
}

// line is a line of a chip. It is used by one goroutine at a time.
type line struct {
	path   string // of the chip
	offset int
	name   string
	fd     int // negative: not taken
}

// take requests the line from the kernel, in place of an earlier request.
func (l *line) take(flags uint64, high bool) error {
	l.Close()
	chip, err := unix.Open(l.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(chip) }() // the line has a descriptor of its own
	l.fd, err = wire{chip}.request(l.offset, flags, high)
	return err
}

// input implements pin.
func (l *line) input(p Pull) (*queue, error) {
	bias := uint64(flagNoBias)
	switch p {
	case PullUp:
		bias = flagPullUp
	case PullDown:
		bias = flagPullDown
	}
	if err := l.take(flagInput|flagEdgeRising|flagEdgeFalling|bias, false); err != nil {
		return nil, err
	}
	return newQueue(l.fd, l.name)
}

// output implements pin. The line is never at another level than the one that it begins with.
func (l *line) output(high, openDrain bool) (driver, error) {
	flags := uint64(flagOutput)
	if openDrain {
		flags |= flagOpenDrain
	}
	if err := l.take(flags, high); err != nil {
		return nil, err
	}
	return newWire(l.fd)
}

// high implements pin. A line that cannot be read is low: its edges tell that it is gone.
func (l *line) high() bool {
	high, err := wire{l.fd}.get()
	return err == nil && high
}

// Close implements pin.
func (l *line) Close() {
	if l.fd >= 0 {
		_ = unix.Close(l.fd) // nothing can be done about it
		l.fd = -1
	}
}
