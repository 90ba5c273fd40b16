package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"intercomd/board"
)

// host is the chips of this machine.
type host struct {
	chips    []chip
	problems []error // chips that are there and cannot be used
}

// chip is a GPIO chip.
type chip struct {
	Chip
	pin func(offset int) pin
}

// Chip is a GPIO chip for people to choose from.
type Chip struct {
	Name  string     // "gpiochip0": may change between kernels
	Label string     // "pinctrl-bcm2711": stays
	Path  string     // "/dev/gpiochip0"
	Lines []LineInfo // by offset
}

// LineInfo is a line of a [Chip].
type LineInfo struct {
	Offset   int
	Name     string // "" for lines without one
	Consumer string // who used it when the program started; "" if nobody
}

// List tells the GPIO chips and their lines. The error says why some of them, or all,
// are missing.
func List() ([]Chip, error) {
	h := probe()
	var list []Chip
	for _, c := range h.chips {
		list = append(list, c.Chip)
	}
	if len(list) > 0 {
		return list, errors.Join(h.problems...)
	}
	return nil, h.fault()
}

// fault says why there is no chip to use, or nil.
func (h host) fault() error {
	if len(h.chips) > 0 {
		return nil
	}
	if len(h.problems) > 0 {
		return h.problems[0]
	}
	return &board.FaultError{
		Text:   "this machine has no GPIO chip (no /dev/gpiochip*)",
		Remedy: `run on a board with GPIO lines, or set driver = "sim" or "none" under [board]`,
		Err:    fs.ErrNotExist,
	}
}

// found is a line that exists.
type found struct {
	chip   chip
	offset int
}

func (f found) String() string {
	s := fmt.Sprintf("line %d", f.offset)
	if n := f.chip.Lines[f.offset].Name; n != "" {
		s += " (" + n + ")"
	}
	return s + " of " + f.chip.String()
}

func (c Chip) String() string {
	if c.Label == "" || c.Label == c.Name {
		return c.Name
	}
	return c.Name + " (" + c.Label + ")"
}

// find looks a line up. chips is where to look when the line names no chip.
func (h host) find(l Line, chips []string) (found, error) {
	if err := h.fault(); err != nil {
		return found{}, err
	}
	own := len(l.Chips) > 0
	if own {
		chips = l.Chips
	}
	c, err := h.choose(chips)
	if err == nil {
		if l.Name == "" {
			return at(c, l.Offset)
		}
		if i := c.named(l.Name); i >= 0 {
			return found{c, i}, nil
		}
	}
	if l.Name != "" && !own {
		return h.search(l.Name)
	}
	if err == nil {
		err = &board.FaultError{
			Text:   fmt.Sprintf("no line of %s is named %q", c, l.Name),
			Remedy: "`intercomd devices` lists the lines; a line can also be given by its number",
		}
	}
	return found{}, err
}

// choose finds the first chip of a list of labels, names or paths.
func (h host) choose(wanted []string) (chip, error) {
	for _, w := range wanted {
		var match []chip
		for _, c := range h.chips {
			if w == c.Label || w == c.Name || w == c.Path {
				match = append(match, c)
			}
		}
		if len(match) == 1 {
			return match[0], nil
		}
		if len(match) > 1 {
			return chip{}, &board.FaultError{
				Text:   fmt.Sprintf("%d GPIO chips are labelled %q", len(match), w),
				Remedy: fmt.Sprintf("name one of them by its path, such as %s", match[0].Path),
			}
		}
	}
	for _, p := range h.problems {
		return chip{}, p // the chip is probably that one
	}
	return chip{}, &board.FaultError{
		Text:   fmt.Sprintf("there is no GPIO chip %s; this machine has %s", either(wanted), h.names()),
		Remedy: "`intercomd devices` lists the chips; set chips under [board], or chip of the button, lamp or relay, to the label of the right one",
	}
}

// search finds a line by its name on all chips.
func (h host) search(name string) (found, error) {
	var all []found
	for _, c := range h.chips {
		if i := c.named(name); i >= 0 {
			all = append(all, found{c, i})
		}
	}
	switch len(all) {
	case 1:
		return all[0], nil
	case 0:
		if len(h.problems) > 0 {
			return found{}, h.problems[0]
		}
		return found{}, &board.FaultError{
			Text:   fmt.Sprintf("no GPIO line is named %q", name),
			Remedy: "`intercomd devices` lists the lines; a line can also be given by its number on the chip",
		}
	}
	return found{}, &board.FaultError{
		Text:   fmt.Sprintf("%d GPIO lines are named %q, on %s and %s", len(all), name, all[0].chip, all[1].chip),
		Remedy: "say which chip is meant with chip = \"label\"",
	}
}

func at(c chip, offset int) (found, error) {
	if offset < 0 || offset >= len(c.Lines) {
		return found{}, &board.FaultError{
			Text:   fmt.Sprintf("%s has no line %d", c, offset),
			Remedy: fmt.Sprintf("its lines are 0 to %d", len(c.Lines)-1),
		}
	}
	return found{c, offset}, nil
}

// named finds a line by its name: -1 if there is none. The driver puts the name of
// the chip before names that another chip has too.
func (c chip) named(name string) int {
	return slices.IndexFunc(c.Lines, func(l LineInfo) bool {
		return l.Name == name || l.Name == c.Name+"-"+name
	})
}

func (h host) names() string {
	var s []string
	for _, c := range h.chips {
		s = append(s, c.String())
	}
	return strings.Join(s, ", ")
}

func either(words []string) string {
	var s []string
	for _, w := range words {
		s = append(s, fmt.Sprintf("%q", w))
	}
	if len(s) == 0 {
		return "given"
	}
	return strings.Join(s, " or ")
}

// unusable says why a chip that is there cannot be opened.
func unusable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &board.FaultError{
			Text:   "no permission to open GPIO chip " + path,
			Remedy: "put the user of the service into group gpio, install the udev rule of the package, then restart the service",
			Err:    err,
		}
	}
	return &board.FaultError{
		Text:   fmt.Sprintf("GPIO chip %s cannot be used: %v", path, err),
		Remedy: "restart the service; if that does not help, see the kernel's log (journalctl -k)",
		Err:    err,
	}
}

// refused says why the kernel did not give or change a line. periph passes on only the
// text of the system's error.
func refused(f found, doing string, err error) error {
	is := func(e unix.Errno) bool {
		return errors.Is(err, e) || strings.Contains(err.Error(), e.Error())
	}
	e := &board.FaultError{Err: err}
	switch {
	case is(unix.EBUSY):
		e.Text = f.String() + " is in use"
		if c := f.chip.Lines[f.offset].Consumer; c != "" {
			e.Text += " by " + c
		}
		e.Remedy = "stop the other program or device-tree overlay that uses it (gpioinfo shows which), or choose another line"
	case is(unix.EPERM), is(unix.EACCES), errors.Is(err, fs.ErrPermission):
		e.Text = "no permission to use " + f.String()
		e.Remedy = "the user of the service must be in group gpio"
	case is(unix.ENODEV), is(unix.EBADF):
		e.Text = f.chip.String() + " is gone"
		e.Remedy = "plug it in again and restart the service"
	case is(unix.EINVAL), is(unix.ENXIO), is(unix.EOPNOTSUPP):
		e.Text = f.String() + " cannot be used as " + doing
		e.Remedy = "choose a line that can, or another pull"
	default:
		e.Text = fmt.Sprintf("%s cannot be used as %s: %v", f, doing, err)
		e.Remedy = "see the kernel's log (journalctl -k)"
	}
	return e
}
