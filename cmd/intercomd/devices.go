package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"intercomd/audio/alsamixer"
	"intercomd/audio/device"
	"intercomd/audio/portaudio"
	"intercomd/board/gpio"
)

// devicesCommand lists what can be named in the configuration. What cannot be
// listed is said, and why; the rest is still worth seeing.
func devicesCommand(_ context.Context, _ []string, io streams) int {
	code := exitOK
	fmt.Fprintln(io.out, "Sound devices (audio.input, audio.output):")
	sound := portaudio.New(slog.New(slog.DiscardHandler))
	defer func() { _ = sound.Close() }() // a list needs no orderly end
	if err := listSound(io.out, sound); err != nil {
		fmt.Fprintln(io.out, "  none:", err)
		code = exitFailed
	}
	fmt.Fprintln(io.out, "\nMixer (card and control of [[mixer]], level now):")
	if err := listMixers(io.out); err != nil {
		fmt.Fprintln(io.out, "  none:", err)
	}
	fmt.Fprintln(io.out, "\nGPIO lines (chip and line of [[button]], [[lamp]], [[relay]]):")
	chips, err := gpio.List()
	for _, c := range chips {
		listLines(io.out, c)
	}
	if err != nil {
		fmt.Fprintln(io.out, "  "+err.Error())
		code = exitFailed
	}
	return code
}

func listSound(w io.Writer, drv device.Driver) error {
	all, err := drv.Devices()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("no sound card was found; plug one in, and see that this user is in the group audio")
	}
	for _, d := range all {
		var can []string
		if d.Inputs > 0 {
			can = append(can, "input")
		}
		if d.Outputs > 0 {
			can = append(can, "output")
		}
		if d.Default {
			can = append(can, "default")
		}
		fmt.Fprintf(w, "  %-40q %s, %d Hz\n", d.Name, strings.Join(can, ", "), d.Rate)
	}
	return nil
}

// listMixers lists the levels of every card.
func listMixers(w io.Writer) error {
	cards, names, err := alsamixer.Cards()
	if err != nil {
		return err
	}
	if len(cards) == 0 {
		return errors.New("no sound card has a mixer")
	}
	for i, card := range cards {
		fmt.Fprintf(w, "  card = %q (%s)\n", card, names[i])
		list, err := alsamixer.Controls(card)
		if err != nil {
			fmt.Fprintln(w, "    "+err.Error())
		}
		for _, c := range list {
			fmt.Fprintln(w, "    "+controlLine(c))
		}
	}
	return nil
}

// controlLine describes a control in the words of the configuration.
func controlLine(c alsamixer.Control) string {
	line := fmt.Sprintf("control = %-24q", c.Name)
	if c.Playback >= 0 {
		line += fmt.Sprintf(" playback %d%%", c.Playback)
	}
	if c.Capture >= 0 {
		line += fmt.Sprintf(" capture %d%%", c.Capture)
	}
	if c.Muted {
		line += " off"
	}
	return line
}

func listLines(w io.Writer, c gpio.Chip) {
	fmt.Fprintf(w, "  chip = %q (%s)\n", c.Label, c.Path)
	for _, l := range c.Lines {
		fmt.Fprintf(w, "    line = %-3d %s", l.Offset, l.Name)
		if l.Consumer != "" {
			fmt.Fprintf(w, " (in use by %s)", l.Consumer)
		}
		fmt.Fprintln(w)
	}
}
