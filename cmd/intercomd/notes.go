package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"intercomd/provision"
	"intercomd/station"
	"intercomd/words"
)

// notesDir is where the parts of a card image that start before the daemon leave what it
// should show: a file for each, named after what it is about. Its first line is a code of the
// catalogue of words, lines such as name=value after it are parameters.
const notesDir = "/run/intercom/notes"

// mostNotes and longestNote bound what a broken system can put onto the page.
const (
	mostNotes   = 16
	longestNote = 1500
)

// noteCodes are what those parts have to say.
func noteCodes() []string {
	return append([]string{"card-data-repaired", "card-data-new", "card-data-lost", "card-data-full", "card-odd", "went-back"}, provision.Codes()...)
}

// systemNotes are the faults of the system below. A machine that was not started from a
// card image has none.
func systemNotes(dir string, log *slog.Logger) (out []station.Fault) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if len(out) == mostNotes {
			break
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // root wrote it
		if err != nil {
			log.Warn("a note of the system cannot be read", "error", err)
			continue
		}
		if m := parseNote(data[:min(len(data), longestNote)]); !m.None() {
			out = append(out, station.Fault{Key: "system." + e.Name(), Blinks: station.FaultLesser, Message: m})
		}
	}
	return out
}

// parseNote reads one note. What has no words is told as it is, so that nothing gets lost
// between a system and a daemon of different versions.
func parseNote(data []byte) words.Message {
	text := strings.TrimSpace(strings.ToValidUTF8(string(data), ""))
	code, rest, _ := strings.Cut(text, "\n")
	code = strings.TrimSpace(code)
	if text == "" {
		return words.Message{}
	}
	if !slices.Contains(noteCodes(), code) {
		return words.New("system-note", "detail", strings.Join(strings.Fields(text), " "))
	}
	m := words.New(code)
	for line := range strings.Lines(rest) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			m = m.With(name, value)
		}
	}
	return m
}
