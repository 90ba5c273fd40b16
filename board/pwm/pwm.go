// Package pwm is lamps on hardware pulse-width modulation, through the kernel's
// /sys/class/pwm: dimmed without flicker and without any work of the processor.
//
// It refuses to know what a lamp shows. Reference: Documentation/driver-api/pwm.rst
// and Documentation/ABI/testing/sysfs-class-pwm of the kernel.
package pwm

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"intercomd/board"
	"intercomd/words"
)

// Root is where the kernel shows its PWM chips.
const Root = "/sys/class/pwm"

// period is 1 kHz: above what an eye can see, or a camera shows as bands (IEEE 1789).
const period = time.Millisecond

// Channel is one output of a PWM chip.
type Channel struct {
	Chip   string // "pwmchip0"
	Number int
}

// Parse reads "pwmchip0/1".
func Parse(s string) (Channel, error) {
	chip, number, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 8)
	digits, isChip := strings.CutPrefix(chip, "pwmchip")
	if _, bad := strconv.ParseUint(digits, 10, 8); !ok || err != nil || !isChip || bad != nil {
		return Channel{}, fmt.Errorf("%q is not a PWM channel such as \"pwmchip0/1\"", s)
	}
	return Channel{chip, int(n)}, nil
}

// String is the channel as [Parse] reads it.
func (c Channel) String() string { return c.Chip + "/" + strconv.Itoa(c.Number) }

// output is a channel that is in use.
type output struct {
	channel   Channel
	chip      string // its folder
	dir       string // that of the channel
	activeLow bool
	exported  bool // by us: to be given back
}

// exportWait is how long udev may take to give the files of a new channel to our group.
const exportWait = 500 * time.Millisecond

// Open takes a channel below root ([Root] outside of tests) and leaves it dark. Where the
// kernel does not offer its chip the error is [fs.ErrNotExist].
func Open(root string, c Channel, activeLow bool) (board.Output, error) {
	o := &output{channel: c, chip: filepath.Join(root, c.Chip), activeLow: activeLow}
	o.dir = filepath.Join(o.chip, "pwm"+strconv.Itoa(c.Number))
	if _, err := os.Stat(o.chip); err != nil {
		return nil, &board.FaultError{Message: words.New("pwm-chip-unknown", "chip", c.Chip), Err: fs.ErrNotExist}
	}
	if _, err := os.Stat(o.dir); errors.Is(err, fs.ErrNotExist) {
		if err := write(o.chip, "export", strconv.Itoa(c.Number)); err != nil {
			return nil, o.refused(err)
		}
		o.exported = true
	}
	if err := o.prepare(); err != nil {
		_ = o.Close() // the first error tells more
		return nil, o.refused(err)
	}
	return o, nil
}

// prepare sets the period, dark, and turns the channel on.
func (o *output) prepare() error {
	var err error
	for begin := time.Now(); ; time.Sleep(exportWait / 20) {
		// A period shorter than the duty cycle is refused, and so is any duty cycle of a
		// channel that has no period yet.
		if err = write(o.dir, "duty_cycle", "0"); !errors.Is(err, fs.ErrPermission) || time.Since(begin) > exportWait {
			break
		}
	}
	if err == nil || errors.Is(err, syscall.EINVAL) {
		err = write(o.dir, "period", strconv.FormatInt(period.Nanoseconds(), 10))
	}
	if err == nil {
		err = o.Set(0)
	}
	if err == nil {
		err = write(o.dir, "enable", "1")
	}
	return err
}

// Dims implements [board.Dimmer].
func (o *output) Dims() bool { return true }

// Set implements [board.Output].
func (o *output) Set(level float64) error {
	level = min(max(level, 0), 1)
	if o.activeLow {
		level = 1 - level
	}
	duty := int64(math.Round(level * float64(period.Nanoseconds())))
	if err := write(o.dir, "duty_cycle", strconv.FormatInt(duty, 10)); err != nil {
		return o.refused(err)
	}
	return nil
}

// Close implements [board.Output]. The channel keeps its level, which is dark.
func (o *output) Close() error {
	if !o.exported {
		return nil
	}
	o.exported = false
	if o.activeLow {
		return nil // given back it would fall to low, and shine
	}
	return errors.Join(write(o.dir, "enable", "0"), write(o.chip, "unexport", strconv.Itoa(o.channel.Number)))
}

func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0) //nolint:gosec // below the root of the kernel's chips
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// refused says why a channel cannot be used.
func (o *output) refused(err error) error {
	code := "pwm-fails"
	switch text := err.Error(); {
	case errors.Is(err, fs.ErrPermission):
		code = "pwm-forbidden"
	case strings.Contains(text, "read-only file system"):
		code = "pwm-read-only"
	case strings.Contains(text, "device or resource busy"):
		code = "pwm-busy"
	case strings.Contains(text, "no such device"):
		code = "pwm-channel-unknown"
	}
	return &board.FaultError{Err: err, Message: words.New(code, "channel", o.channel.String(), "chip", o.channel.Chip,
		"number", strconv.Itoa(o.channel.Number), "detail", err.Error())}
}

var _ board.Dimmer = (*output)(nil)
