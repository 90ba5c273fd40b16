package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"intercomd/audio"
	"intercomd/board"
	"intercomd/board/gpio"
	"intercomd/board/sim"
	"intercomd/configs"
	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/station"
)

// This file maps the configuration onto the rooms, one function a room.

// stuckAfter is how long a button is pressed before that is a fault.
const stuckAfter = 30 * time.Second

func stationConfig(c *configs.Config, log *slog.Logger) station.Config {
	out := station.Config{
		Name: c.SIP.DisplayName, Version: buildVersion(), Log: log,
		Call: station.CallConfig{RingTime: c.Call.RingTime, TalkTime: c.Call.TalkTime, TalkWarning: c.Call.TalkWarning,
			ExtendKey: '#', Hold: pressHold},
		Incoming: station.IncomingConfig{Auto: c.Incoming.AutoAnswer, Delay: c.Incoming.AutoAnswerDelay},
		Door: station.DoorConfig{
			Access: station.AccessConfig{Key: c.Door.Key, Relay: c.Door.Relay, Callers: c.Incoming.AutoAnswer},
			Pulses: map[string]time.Duration{},
		},
	}
	switch c.Incoming.Answer {
	case "auto":
		out.Incoming.Mode = station.AnswerAuto
	case "reject":
		out.Incoming.Mode = station.AnswerReject
	}
	for _, b := range c.Buttons {
		target := b.Target
		if target == "" {
			target = c.Call.Target
		}
		out.Buttons = append(out.Buttons, station.ButtonConfig{Input: b.Name, Label: b.Label,
			Press: station.Action{Do: station.Dial, Target: target}, InCall: inCall(b.InCall)})
	}
	for _, l := range c.Lamps {
		out.Lamps = append(out.Lamps, station.LampConfig{Name: l.Name, Shows: station.LampRole(l.Shows)})
	}
	for _, r := range c.Relays {
		out.Door.Pulses[r.Name] = r.Pulse
	}
	return out
}

// pressHold is how long a press is kept while there is no registration.
const pressHold = 10 * time.Second

func inCall(s string) station.Action {
	if digits, ok := strings.CutPrefix(s, "dtmf:"); ok {
		return station.Action{Do: station.SendDTMF, Digits: digits}
	}
	if s == "none" {
		return station.Action{}
	}
	return station.Action{Do: station.HangUp}
}

// openBoard makes the board that the configuration asks for. panel is nil unless
// it can be pressed from the page. A board always comes back: without hardware
// it has none of its lines, and says why.
func openBoard(ctx context.Context, c *configs.Config, log *slog.Logger) (b board.Board, panel *sim.Board) {
	driver := c.Board.Driver
	missing := gpio.Available()
	if driver == "auto" {
		driver = "gpio"
		if missing != nil {
			driver = "none"
		}
	}
	switch driver {
	case "gpio":
		return gpio.Open(ctx, gpioConfig(c, log)), nil
	case "sim":
		s := sim.New(ctx, simConfig(c, log))
		return s, s
	default:
		if c.Board.Driver == "none" {
			missing = nil // as wished
		}
		return board.Start(ctx, board.Config{Driver: "none", Fault: missing, Log: log}), nil
	}
}

func gpioConfig(c *configs.Config, log *slog.Logger) gpio.Config {
	out := gpio.Config{Chips: c.Board.Chips, Relays: gpioRelays(c), Log: log}
	pulls := map[string]gpio.Pull{"up": gpio.PullUp, "down": gpio.PullDown, "none": gpio.PullNone}
	for _, b := range c.Buttons {
		out.Inputs = append(out.Inputs, gpio.Input{Name: b.Name, Line: gpioLine(b.Chip, b.Line), Pull: pulls[b.Pull],
			ActiveLow: b.Active == "low", Debounce: b.Debounce, Stuck: stuckAfter})
	}
	for _, l := range c.Lamps {
		out.Lamps = append(out.Lamps, gpio.Lamp{Name: l.Name, Line: gpioLine(l.Chip, l.Line), ActiveLow: l.Active == "low",
			OpenDrain: l.OpenDrain, SoftPWM: l.Dim})
	}
	return out
}

func gpioRelays(c *configs.Config) (out []gpio.Relay) {
	for _, r := range c.Relays {
		out = append(out, gpio.Relay{Name: r.Name, Line: gpioLine(r.Chip, r.Line), ActiveLow: r.Active == "low", OpenDrain: r.OpenDrain})
	}
	return out
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
	for _, l := range c.Lamps {
		out.Lamps = append(out.Lamps, board.LampConfig{Name: l.Name})
	}
	for _, r := range c.Relays {
		out.Relays = append(out.Relays, board.RelayConfig{Name: r.Name})
	}
	return out
}

func audioConfig(c *configs.Config, log *slog.Logger) audio.Config {
	out := audio.Config{
		Input: c.Audio.Input, Output: c.Audio.Output, InputGain: c.Audio.InputGain, OutputGain: c.Audio.OutputGain,
		Region: c.Audio.ToneRegion, Log: log,
	}
	out.NewEcho = newEcho(c.Audio.EchoCanceller, log)
	return out
}

func phoneConfig(c *configs.Config, media phone.MediaFactory, keep *store, log *slog.Logger) (phone.Config, error) {
	out := phone.Config{
		Servers: c.SIP.Servers, User: c.SIP.User, AuthUser: c.SIP.AuthUser, Password: string(c.SIP.Password),
		Domain: c.SIP.Domain, DisplayName: c.SIP.DisplayName, Expires: c.SIP.Expires,
		UserAgent: "intercomd/" + buildVersion(), Media: media, Log: log,
	}
	if c.SIP.CAFile != "" {
		pem, err := os.ReadFile(c.SIP.CAFile)
		if err != nil {
			return out, fmt.Errorf("sip.ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return out, fmt.Errorf("sip.ca_file: %s holds no certificate", c.SIP.CAFile)
		}
	}
	out.ClockFloor = built()
	if keep == nil {
		return out, nil
	}
	if t := keep.clock(); t.After(out.ClockFloor) {
		out.ClockFloor = t
	}
	id, err := keep.instance()
	out.InstanceID = id
	return out, err
}

func mediaConfig(c *configs.Config, keep *store, log *slog.Logger) rtc.Config {
	out := rtc.Config{Codecs: c.Audio.Codecs, IncludeLoopback: slices.ContainsFunc(c.SIP.Servers, onThisMachine), Log: log}
	if keep != nil {
		out.CertificateFile = keep.path("dtls.pem")
	}
	return out
}

// newLogger writes to w as the configuration asks.
func newLogger(w io.Writer, c configs.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	opt := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
