// Package gpio is a board on the lines of Linux GPIO chips, through the kernel's character
// devices, with periph's driver for them (periph.io/x/host/v3/gpioioctl).
//
// It refuses to know what the lines are for, and it never goes behind the kernel's
// back: of periph only the character-device driver is linked in, not the drivers that
// write chip registers through /dev/gpiomem.
//
// periph finds and describes the chips. The lines are taken here, by the kernel's own calls:
// periph drops the times of edges, lets no output begin at its inert level, and looks for chips
// only once (docs/decisions/gpio-lines.md).
package gpio

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"intercomd/board"
	"intercomd/words"
)

// Pull is the bias of an input.
type Pull int

// The biases. A chip that has none ignores them.
const (
	PullNone Pull = iota
	PullUp
	PullDown
)

// Line is the address of a line.
type Line struct {
	Chips  []string // labels, names or paths of chips, tried in order; none: those of Config
	Name   string   // as the kernel's device tree names it; "" addresses by offset
	Offset int      // on the chip, from 0
}

// Config describes a board on GPIO lines.
type Config struct {
	Chips  []string // for lines that name no chip
	Inputs []InputConfig
	Lamps  []LampConfig
	Relays []RelayConfig
	Edge   func(board.Edge) // see [board.Config]
	Log    *slog.Logger     // nil: none
}

// InputConfig is a button or a contact.
type InputConfig struct {
	Name      string
	Line      Line
	Pull      Pull
	ActiveLow bool          // active when the line is low
	Debounce  time.Duration // see [board.InputConfig]
	Stuck     time.Duration
}

// LampConfig is a lamp of one line, or of three for its colours.
type LampConfig struct {
	Name      string
	Line      Line
	RGB       []Line // red, green, blue in place of Line
	ActiveLow bool
	OpenDrain bool // let the line float instead of driving it high
	SoftPWM   bool // see [board.LampConfig]
	// PWM, of Line or of each of RGB, opens hardware PWM. Where it reports
	// [fs.ErrNotExist] the line is used.
	PWM []func() (board.Output, error)
}

// RelayConfig is a relay.
type RelayConfig struct {
	Name      string
	Line      Line
	ActiveLow bool
	OpenDrain bool
	Max       time.Duration // longest pulse, see [board.RelayConfig]
	Latching  bool          // see [board.RelayConfig]
}

// Open takes the lines and returns the running board. Each line that cannot be had is
// a fault of its own in the board's state, with its remedy, and is tried again; so is
// a machine without GPIO. Open itself never fails.
func Open(ctx context.Context, cfg Config) *board.Engine {
	return open(ctx, cfg, probe)
}

// Available says why no GPIO chip can be used, or nil.
func Available() error { return probe().fault() }

// Lock makes the lines of relays inert and gives them back: for the time after a
// crash, when their driver could not do it. The errors name the relays that may still
// be energised.
func Lock(relays []RelayConfig, chips []string) error { return lock(relays, chips, probe) }

// search finds the chips as they are now.
type search func() host

func open(ctx context.Context, cfg Config, look search) *board.Engine {
	c := board.Config{Driver: "gpio", Fault: func() error { return look().fault() }, Edge: cfg.Edge, Log: cfg.Log}
	for _, in := range cfg.Inputs {
		place := &place{look: look, line: in.Line, chips: cfg.Chips}
		c.Inputs = append(c.Inputs, board.InputConfig{Name: in.Name, Debounce: in.Debounce, Stuck: in.Stuck,
			Open: func() (board.Source, error) {
				ln, err := place.find("input")
				if err != nil {
					return nil, err
				}
				return openInput(ln, in)
			}})
	}
	for _, l := range cfg.Lamps {
		c.Lamps = append(c.Lamps, lampConfig(look, l, cfg.Chips))
	}
	for _, r := range cfg.Relays {
		place := &place{look: look, line: r.Line, chips: cfg.Chips}
		c.Relays = append(c.Relays, board.RelayConfig{Name: r.Name, Max: r.Max, Latching: r.Latching,
			Open: func() (board.Output, error) {
				return openOutput(place, r.ActiveLow, r.OpenDrain)
			}})
	}
	return board.Start(ctx, c)
}

// lampConfig is a lamp on hardware PWM where there is some, else on its lines.
func lampConfig(look search, l LampConfig, chips []string) board.LampConfig {
	one := func(ln Line, i int) func() (board.Output, error) {
		place := &place{look: look, line: ln, chips: chips}
		return func() (board.Output, error) {
			if i < len(l.PWM) {
				if out, err := l.PWM[i](); !errors.Is(err, fs.ErrNotExist) {
					return out, err
				}
			}
			return openOutput(place, l.ActiveLow, l.OpenDrain)
		}
	}
	out := board.LampConfig{Name: l.Name, SoftPWM: l.SoftPWM, Open: one(l.Line, 0)}
	for i, ln := range l.RGB {
		out.RGB = append(out.RGB, one(ln, i))
	}
	return out
}

func lock(relays []RelayConfig, chips []string, look search) error {
	var all []error
	for _, r := range relays {
		out, err := openOutput(&place{look: look, line: r.Line, chips: chips}, r.ActiveLow, r.OpenDrain)
		if err == nil {
			err = errors.Join(out.Set(0), out.Close())
		}
		if err != nil {
			all = append(all, &board.FaultError{Message: words.New("relay-energised", "relay", r.Name, "detail", err.Error()), Err: err})
		}
	}
	return errors.Join(all...)
}
