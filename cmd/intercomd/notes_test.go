package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"intercomd/provision"
	"intercomd/station"
	"intercomd/words"
)

func TestSystemNotes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"data":    "card-data-lost\n",
		"empty":   "\n\n",
		"long":    strings.Repeat("ü", longestNote),
		"params":  "card-data-full\nfree=a=b\nnonsense\n",
		"unknown": "of-tomorrow\ndetail=x\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := map[string]station.Fault{}
	for _, f := range systemNotes(dir, slog.New(slog.DiscardHandler)) {
		got[f.Key] = f
	}
	if len(got) != 4 {
		t.Fatalf("%d faults: %+v", len(got), got)
	}
	if want := (station.Fault{Key: "system.data", Blinks: station.FaultLesser, Message: words.New("card-data-lost")}); got["system.data"] != want {
		t.Errorf("got %+v, want %+v", got["system.data"], want)
	}
	if want := words.New("card-data-full", "free", "a=b"); got["system.params"].Message != want {
		t.Errorf("got %+v, want %+v", got["system.params"].Message, want)
	}
	if s := got["system.unknown"].String(); s != "of-tomorrow detail=x" {
		t.Errorf("a code without words is told as %q", s)
	}
	if n := len(got["system.long"].String()); n != longestNote {
		t.Errorf("a long note has %d bytes", n)
	}
	for i := range 3 * mostNotes {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("more", i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := systemNotes(dir, slog.New(slog.DiscardHandler)); len(got) != mostNotes {
		t.Errorf("%d faults", len(got))
	}
	if got := systemNotes(filepath.Join(dir, "none"), slog.New(slog.DiscardHandler)); got != nil {
		t.Errorf("no image, but %+v", got)
	}
}

// What the scripts of the card image note has words.
func TestNotesOfTheImageHaveWords(t *testing.T) {
	script, err := os.ReadFile("../../image/root/usr/lib/intercom/data")
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := os.ReadFile("../intercomd-init/main.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\s*note ([a-z-]+)$|leaveNote\("[a-z]+", "([a-z-]+)"`).FindAllStringSubmatch(string(script)+string(initrd), -1)
	for _, code := range provision.Codes() {
		codes = append(codes, []string{"", code, ""})
	}
	if len(codes) != len(noteCodes()) {
		t.Errorf("there are %d notes, and %d are known", len(codes), len(noteCodes()))
	}
	for _, c := range codes {
		code := c[1] + c[2]
		for _, family := range []string{"problem.", "remedy."} {
			if !words.English().Has(family+code) || !slices.Contains(noteCodes(), code) {
				t.Errorf("there are no words for %s%s", family, code)
			}
		}
	}
}
