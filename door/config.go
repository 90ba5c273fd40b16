package door

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"intercomd/audio"
	"intercomd/board"
	"intercomd/board/gpio"
	"intercomd/board/pwm"
	"intercomd/board/sim"
	"intercomd/configs"
	"intercomd/notify"
	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/store"
)

// This file maps the configuration onto the rooms, one function a room.

const (
	stuckAfter  = 30 * time.Second // that a button is pressed before it is a fault
	longestDoor = time.Minute      // that a relay of a door may be on, whatever asks for it
)

// openBoard makes the board that the configuration asks for. panel is nil unless
// it can be pressed from the page. A board always comes back: without hardware
// it has none of its lines, and says why.
func openBoard(ctx context.Context, c *configs.Config, edge func(board.Edge), log *slog.Logger) (b board.Board, panel *sim.Board) {
	driver := c.Board.Driver
	missing := gpio.Available()
	if driver == "auto" {
		driver = "gpio" // chips that cannot be used yet may be given to us later
		if errors.Is(missing, fs.ErrNotExist) {
			driver = "none"
		}
	}
	switch driver {
	case "gpio":
		gc := gpioConfig(c, log)
		gc.Edge = edge
		return gpio.Open(ctx, gc), nil
	case "sim":
		bc := simConfig(c, log)
		bc.Edge = edge
		s := sim.New(ctx, bc)
		return s, s
	default:
		if c.Board.Driver == "none" {
			missing = nil // as wished
		}
		return board.Start(ctx, board.Config{Driver: "none", Fault: func() error { return missing }, Log: log}), nil
	}
}

func gpioConfig(c *configs.Config, log *slog.Logger) gpio.Config {
	out := gpio.Config{Chips: c.Board.Chips, Relays: GPIORelays(c), Log: log}
	pulls := map[string]gpio.Pull{"up": gpio.PullUp, "down": gpio.PullDown, "none": gpio.PullNone}
	for _, b := range c.Buttons {
		out.Inputs = append(out.Inputs, gpio.InputConfig{Name: b.Name, Line: gpioLine(b.Chip, b.Line), Pull: pulls[b.Pull],
			ActiveLow: b.Active == "low", Debounce: b.Debounce, Stuck: stuckAfter})
	}
	for _, k := range c.Contacts {
		out.Inputs = append(out.Inputs, gpio.InputConfig{Name: k.Name, Line: gpioLine(k.Chip, k.Line), Pull: pulls[k.Pull],
			ActiveLow: k.Active == "low", Debounce: k.Debounce})
	}
	for _, l := range c.Lamps {
		out.Lamps = append(out.Lamps, gpioLamp(l))
	}
	return out
}

func gpioLamp(l configs.Lamp) gpio.LampConfig {
	out := gpio.LampConfig{Name: l.Name, Line: gpioLine(l.Chip, l.Line), ActiveLow: l.Active == "low", OpenDrain: l.OpenDrain, SoftPWM: l.Dim}
	for _, ln := range l.RGB {
		out.RGB = append(out.RGB, gpioLine(l.Chip, ln))
	}
	for _, s := range l.PWM {
		if ch, err := pwm.Parse(s); err == nil { // the loader has checked it
			out.PWM = append(out.PWM, func() (board.Output, error) { return pwm.Open(pwm.Root, ch, out.ActiveLow) })
		}
	}
	return out
}

// GPIORelays are the relays on GPIO lines.
func GPIORelays(c *configs.Config) (out []gpio.RelayConfig) {
	for _, r := range c.Relays {
		out = append(out, gpio.RelayConfig{Name: r.Name, Line: gpioLine(r.Chip, r.Line), ActiveLow: r.Active == "low", OpenDrain: r.OpenDrain,
			Max: longestPulse(r), Latching: r.Latching})
	}
	return out
}

// longestPulse is the limit that the board holds a relay to; 0 for that of the board.
func longestPulse(r configs.Relay) time.Duration {
	if r.Latching {
		return 0
	}
	return longestDoor
}

func gpioLine(chip string, l configs.Line) gpio.Line {
	out := gpio.Line{Name: l.Name, Offset: l.Offset}
	if chip != "" {
		out.Chips = []string{chip}
	}
	return out
}

func simConfig(c *configs.Config, log *slog.Logger) board.Config {
	out := board.Config{Log: log}
	for _, b := range c.Buttons {
		out.Inputs = append(out.Inputs, board.InputConfig{Name: b.Name, Debounce: b.Debounce, Stuck: stuckAfter})
	}
	for _, k := range c.Contacts {
		out.Inputs = append(out.Inputs, board.InputConfig{Name: k.Name, Debounce: k.Debounce})
	}
	for _, l := range c.Lamps {
		lamp := board.LampConfig{Name: l.Name}
		if len(l.RGB) > 0 {
			lamp.RGB = make([]func() (board.Output, error), len(l.RGB)) // the simulated board fills them in
		}
		out.Lamps = append(out.Lamps, lamp)
	}
	for _, r := range c.Relays {
		out.Relays = append(out.Relays, board.RelayConfig{Name: r.Name, Max: longestPulse(r), Latching: r.Latching})
	}
	return out
}

func audioConfig(c *configs.Config, r *recordings, log *slog.Logger) audio.Config {
	out := audio.Config{
		Input: c.Audio.Input, Output: c.Audio.Output, InputGain: c.Audio.InputGain, OutputGain: c.Audio.OutputGain,
		Region: c.Audio.ToneRegion, Complexity: c.Audio.OpusComplexity, AGC: c.Audio.AGC, AmbientBoost: c.Audio.AmbientBoost, SilentAfter: c.Audio.SilentAfter, Log: log,
	}
	if d, err := duplexMode(c.Audio.Duplex); err == nil { // the loader knows the same words
		out.Duplex = d
	}
	out.NewEcho = newEcho(c.Audio.EchoCanceller, log)
	if s, err := suppressorOfCalls(c.Audio.NoiseSuppression, log); err == nil { // the loader knows the same words
		out.NewSuppressor = s
	}
	out.Prompts, out.Speech = r.prompts, r.spoken
	return out
}

// PhoneConfig is the phone of a door that knows itself by instance, "" for a new one each
// time, and that nothing dates before floor.
func PhoneConfig(c *configs.Config, owner phone.Owner, instance string, floor time.Time, log *slog.Logger) (phone.Config, error) {
	out := phone.Config{
		Servers: c.SIP.Servers, User: c.SIP.User, AuthUser: c.SIP.AuthUser, Password: string(c.SIP.Password),
		Domain: c.SIP.Domain, DisplayName: c.SIP.DisplayName, Expires: c.SIP.Expires,
		ReconnectSpread: c.SIP.ReconnectSpread,
		InstanceID:      instance, ClockFloor: floor,
		MediaTimeout: c.Call.MediaTimeout, Owner: owner, Log: log,
	}
	if c.SIP.WhenTaken == "yield" {
		out.WhenTaken = phone.Yield
	}
	switch c.Call.Transfers {
	case "partner":
		out.Transfers = phone.TransfersByPartner
	case "called":
		out.Transfers = phone.TransfersByCalled
	}
	if out.MediaTimeout == 0 {
		out.MediaTimeout = -1 // the phone takes 0 for its default
	}
	if c.SIP.CAFile != "" {
		pool, err := configs.CertPool(c.SIP.CAFile)
		if err != nil {
			return out, fmt.Errorf("sip.ca_file: %w", err)
		}
		out.RootCAs = pool
	}
	var err error
	out.Pins, err = pins(c.SIP.Pins)
	return out, err
}

// pins are the SHA-256 sums of public keys. The loader has checked them; one that were
// left out here would let any key in.
func pins(texts []string) (out [][sha256.Size]byte, err error) {
	for _, text := range texts {
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("sip.pins: %q is not a SHA-256 sum in base64", text)
		}
		out = append(out, [sha256.Size]byte(sum))
	}
	return out, nil
}

// noticesConfig is whom to tell what happens.
func noticesConfig(c *configs.Config) notify.Config {
	out := notify.Config{Door: c.SIP.DisplayName}
	for _, n := range c.Notify {
		w := notify.Way{Kinds: n.Kinds, Webhook: string(n.Webhook), Secret: string(n.Secret), Users: n.Message}
		if n.CAFile != "" {
			w.RootCAs = func() (*x509.CertPool, error) { return configs.CertPool(n.CAFile) }
		}
		out.Ways = append(out.Ways, w)
	}
	return out
}

// MediaConfig is the media of a door's calls; keep is where it keeps its certificate, nil for a new one each time.
func MediaConfig(c *configs.Config, keep *store.Dir, floor time.Time, log *slog.Logger) rtc.Config {
	out := rtc.Config{Codecs: c.Audio.Codecs, Interfaces: c.Network.Interfaces, ClockFloor: floor, IncludeLoopback: slices.ContainsFunc(c.SIP.Servers, onThisMachine), Log: log}
	if keep != nil {
		out.CertificateFile = keep.Path("dtls.pem")
	}
	return out
}
