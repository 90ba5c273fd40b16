package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const configfs = "/sys/kernel/config/gpio-sim"

// chip is a chip of gpio-sim (Documentation/admin-guide/gpio/gpio-sim.rst).
type chip struct {
	Label string
	Num   int            // number of lines
	Lines map[string]int // lines that the tests use: name to offset
	Named bool           // whether the kernel knows these names too
}

// step pulls a line up or down and keeps it for a while.
type step struct {
	Line string
	High bool
	Hold int64 // ns
}

// simulator owns the one simulated chip.
type simulator struct {
	mu     sync.Mutex
	chip   chip
	device string // folder of its lines in sysfs
	base   int    // number of its first line in the kernel's traces
}

func put(path, value string) error { return os.WriteFile(path, []byte(value), 0o644) }

func get(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

func (s *simulator) create(c chip) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.device != "" {
		return errors.New("there is a chip already")
	}
	top := filepath.Join(configfs, "door")
	bank := filepath.Join(top, "bank")
	if err := os.MkdirAll(bank, 0o755); err != nil {
		return err
	}
	err := errors.Join(put(bank+"/num_lines", strconv.Itoa(c.Num)), put(bank+"/label", c.Label))
	if c.Named {
		for name, offset := range c.Lines {
			line := bank + "/line" + strconv.Itoa(offset)
			err = errors.Join(err, os.MkdirAll(line, 0o755), put(line+"/name", name))
		}
	}
	if err := errors.Join(err, put(top+"/live", "1")); err != nil {
		return fmt.Errorf("make a chip: %w", err)
	}
	dev, err1 := get(top + "/dev_name")
	name, err2 := get(bank + "/chip_name")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	s.chip, s.device = c, filepath.Join("/sys/devices/platform", dev, name)
	s.base, err = base(c.Label)
	return err
}

// base finds the number that the kernel's traces give to the first line of a chip.
func base(label string) (int, error) {
	chips, err := filepath.Glob("/sys/class/gpio/gpiochip*")
	if err != nil {
		return 0, err
	}
	for _, c := range chips {
		if l, err := get(c + "/label"); err == nil && l == label {
			text, err := get(c + "/base")
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(text)
		}
	}
	return 0, fmt.Errorf("the kernel has no chip %q", label)
}

func (s *simulator) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	top := filepath.Join(configfs, "door")
	err := put(top+"/live", "0")
	for offset := range s.chip.Num {
		_ = os.Remove(top + "/bank/line" + strconv.Itoa(offset))
	}
	s.device = ""
	return errors.Join(err, os.Remove(top+"/bank"), os.Remove(top))
}

func (s *simulator) path(line string) (string, error) {
	offset, ok := s.chip.Lines[line]
	if s.device == "" || !ok {
		return "", fmt.Errorf("there is no line %q", line)
	}
	return s.device + "/sim_gpio" + strconv.Itoa(offset), nil
}

// name finds the line with that number in traces.
func (s *simulator) name(number int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, offset := range s.chip.Lines {
		if s.base+offset == number {
			return name
		}
	}
	return "#" + strconv.Itoa(number)
}

func (s *simulator) level(line string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.path(line)
	if err != nil {
		return "", err
	}
	return get(p + "/value")
}

// played is when a step was begun and when the kernel had taken it.
type played struct{ At, Done int64 }

// play plays steps. Short ones are timed by spinning: a sleeping program wakes up
// too late for the bounces of a contact.
func (s *simulator) play(steps []step) ([]played, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := map[string]*os.File{}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for _, st := range steps {
		if files[st.Line] != nil {
			continue
		}
		p, err := s.path(st.Line)
		if err != nil {
			return nil, err
		}
		f, err := os.OpenFile(p+"/pull", os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		files[st.Line] = f
	}
	var times []played
	due := now()
	for _, st := range steps {
		wait(due)
		pull := "pull-down"
		if st.High {
			pull = "pull-up"
		}
		at := now()
		if _, err := files[st.Line].WriteAt([]byte(pull), 0); err != nil {
			return nil, err
		}
		times = append(times, played{at, now()})
		due = at + st.Hold
	}
	wait(due)
	return times, nil
}

func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

const spin = int64(3 * time.Millisecond)

func wait(until int64) {
	if d := until - now() - spin; d > 0 {
		time.Sleep(time.Duration(d))
	}
	for now() < until { // spins: the kernel would come back too late
	}
}
