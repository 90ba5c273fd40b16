package gpio

import (
	"errors"

	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"intercomd/board"
	"intercomd/words"
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
	Consumer string // who used it when it was looked up; "" if nobody
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
	return &board.FaultError{Message: words.New("no-gpio"), Err: fs.ErrNotExist}
}

// found is a line that exists.
type found struct {
	chip   chip
	offset int
}

// line is the number of the line, and its name if it has one.
func (f found) line() string {
	s := strconv.Itoa(f.offset)
	if n := f.chip.Lines[f.offset].Name; n != "" {
		s += " (" + n + ")"
	}
	return s
}

func fault(code string, params ...string) error {
	return &board.FaultError{Message: words.New(code, params...)}
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
		err = fault("line-name-unknown", "chip", c.String(), "line", l.Name)
	}
	return found{}, err
}

// place is where a line is, looked up each time that it is opened. It is used by one goroutine.
type place struct {
	look  search
	line  Line
	chips []string // where to look when the line names no chip
	last  *found   // where it was
}

// find looks the line up. Where there was a line, and is none any more, the chip is gone.
func (p *place) find(use string) (found, error) {
	f, err := p.look().find(p.line, p.chips)
	if err == nil {
		p.last = &f
		return f, nil
	}
	if fe, ok := errors.AsType[*board.FaultError](err); ok && p.last != nil && slices.Contains([]string{"no-gpio", "chip-unknown", "line-name-unknown"}, fe.Code) {
		err = refused(*p.last, use, unix.ENODEV)
	}
	return f, err
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
			return chip{}, fault("chips-alike", "n", strconv.Itoa(len(match)), "label", w, "path", match[0].Path)
		}
	}
	for _, p := range h.problems {
		return chip{}, p // the chip is probably that one
	}
	return chip{}, fault("chip-unknown", "wanted", quoted(wanted), "have", h.names())
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
		return found{}, fault("line-name-unknown", "line", name)
	}
	return found{}, fault("lines-alike", "n", strconv.Itoa(len(all)), "line", name, "chip", all[0].chip.String(), "other", all[1].chip.String())
}

func at(c chip, offset int) (found, error) {
	if offset < 0 || offset >= len(c.Lines) {
		return found{}, fault("line-number-unknown", "chip", c.String(), "line", strconv.Itoa(offset), "last", strconv.Itoa(len(c.Lines)-1))
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

func quoted(names []string) string {
	var s []string
	for _, n := range names {
		s = append(s, strconv.Quote(n))
	}
	return strings.Join(s, ", ")
}

// unusable says why a chip that is there cannot be opened.
func unusable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &board.FaultError{Message: words.New("chip-forbidden", "chip", path), Err: err}
	}
	return &board.FaultError{Message: words.New("chip-fails", "chip", path, "detail", err.Error()), Err: err}
}

// refused says why the kernel did not give or change a line.
func refused(f found, use string, err error) error {
	is := func(e unix.Errno) bool { return errors.Is(err, e) }
	code, user := "line-fails", ""
	switch {
	case is(unix.EBUSY):
		code, user = "line-busy", f.chip.Lines[f.offset].Consumer
	case is(unix.EPERM), is(unix.EACCES), errors.Is(err, fs.ErrPermission):
		code = "line-forbidden"
	case is(unix.ENODEV), is(unix.EBADF):
		code = "chip-gone"
	case is(unix.EINVAL), is(unix.ENXIO), is(unix.EOPNOTSUPP):
		code = "line-unfit"
	}
	return &board.FaultError{Err: err, Message: words.New(code, "line", f.line(), "chip", f.chip.String(), "use", use, "user", user, "detail", err.Error())}
}
