package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/provision"
	"intercomd/update/slot"
	"intercomd/update/slot/fattest"
)

// sealedDoor is a card, its data partition, and a machine that starts from them.
type sealedDoor struct {
	t    *testing.T
	dir  string
	card *fattest.Card
}

func newSealedDoor(t *testing.T, text string) *sealedDoor {
	t.Helper()
	d := &sealedDoor{t: t, dir: t.TempDir(), card: fattest.New()}
	d.card.Put("README.txt", []byte("read me"))
	d.card.Put("intercom.toml", []byte(text))
	return d
}

func (d *sealedDoor) kept() string { return filepath.Join(d.dir, "kept") }
func (d *sealedDoor) run() string  { return filepath.Join(d.dir, "run") }

// start is a start of the machine: what it settles for, and with which passwords.
func (d *sealedDoor) start() (s *provision.Settled) {
	d.t.Helper()
	mnt := filepath.Join(d.dir, "mnt")
	for _, path := range []string{mnt, d.run()} {
		if err := os.RemoveAll(path); err != nil {
			d.t.Fatal(err)
		}
	}
	text, err := slot.ReadSettings(d.card, "intercom.toml")
	if err == nil {
		err = os.MkdirAll(mnt, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(mnt, "intercom.toml"), text, 0o600)
	}
	if err == nil {
		s, err = provision.Settle(provision.Places{Card: mnt, Kept: d.kept(), Run: d.run(), Group: -1}, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// expect starts, and finds the configuration of before.
func (d *sealedDoor) expect(when, sip string) {
	d.t.Helper()
	s := d.start()
	if !s.Good || len(s.Notes) > 0 || s.Config.SIP.Password != "" && string(s.Config.SIP.Password) != sip || string(s.Config.Codes[0].Digits) != codeText {
		d.t.Fatalf("%s: good %t, notes %v, %q", when, s.Good, s.Notes, string(s.Config.SIP.Password))
	}
}

// seal is the unit that seals.
func (d *sealedDoor) seal() error {
	return provision.Seal(d.t.Context(), cardFiles{d.card}, d.run(), d.kept(), slog.New(slog.DiscardHandler))
}

func (d *sealedDoor) clone(t *testing.T) *sealedDoor {
	c := *d
	c.t, c.dir = t, t.TempDir()
	card := *d.card
	card.Data = bytes.Clone(d.card.Data)
	c.card = &card
	if err := os.CopyFS(c.dir, os.DirFS(d.dir)); err != nil {
		t.Fatal(err)
	}
	return &c
}

// sealText is long enough that its secrets lie in several sectors, one on the border of two.
func sealText(sip string) string {
	head := "[system]\nseal = true\n[call]\ntarget = \"1001\"\n[sip]\nserver = \"wss://127.0.0.1:1\"\nuser = \"1000\"\n"
	for len(head) < 512-len("password = \"cana") {
		head += "#"
	}
	head = head[:512-len("\npassword = \"cana")] + "\n"
	return head + "password = \"" + sip + "\"\n" + strings.Repeat("# a line\n", 80) + "[[code]]\nname = \"anna\"\ndigits = \"471108154711\"\n"
}

const (
	canary   = "canary-of-the-pbx"
	codeText = "471108154711"
)

// The power goes before every write to the card, and in the middle of each: whenever that is, the
// next start has the same configuration, and in the end no secret is left on the card.
func TestSealingAtEveryCut(t *testing.T) {
	d := newSealedDoor(t, sealText("old-"+canary))
	d.card.Put("intercom.toml", []byte(sealText(canary))) // the editor has left the old ones behind
	d.expect("at first", canary)
	cuts := 0
	for _, torn := range []int{0, 500, 511} {
		for left := 0; ; left++ {
			c := d.clone(t)
			c.expect("before", canary)
			c.card.Left, c.card.Torn = left, torn
			err := c.seal()
			if err == nil {
				break
			}
			if !errors.Is(err, fattest.ErrPower) {
				t.Fatal(err)
			}
			cuts++
			c.card.On()
			c.expect(fmt.Sprintf("after %d writes and %d bytes", left, torn), canary)
			if err := c.seal(); err != nil {
				t.Fatal(err)
			}
			c.expect("at last", canary)
			if c.card.Has(canary) || c.card.Has(codeText) {
				t.Fatalf("cut after %d writes: a secret is left on the card", left)
			}
			for _, name := range []string{"sealing.json", "scrub"} {
				if _, err := os.Stat(filepath.Join(c.kept(), name)); err == nil {
					t.Fatalf("%s is left", name)
				}
			}
		}
	}
	if cuts < 15 {
		t.Errorf("%d cuts only", cuts)
	}
}

// The power goes between the writes to the data partition.
func TestSealingCutOnTheDataPartition(t *testing.T) {
	d := newSealedDoor(t, sealText(canary))
	d.expect("at first", canary)
	d.card.Left = 0 // all is written but the card
	full := d.clone(t)
	if err := full.seal(); !errors.Is(err, fattest.ErrPower) {
		t.Fatal(err)
	}
	order := []string{"sealed.json", "scrub", "sealing.json"}
	for n := range order {
		c := d.clone(t)
		c.card.On()
		for _, name := range order[:n] {
			data, err := os.ReadFile(filepath.Join(full.kept(), name))
			if err == nil {
				err = os.WriteFile(filepath.Join(c.kept(), name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c.expect(fmt.Sprintf("with %d files", n), canary)
		if err := c.seal(); err != nil {
			t.Fatal(err)
		}
		c.expect("sealed", canary)
		if c.card.Has(canary) {
			t.Error("a secret is left on the card")
		}
	}
}

// An edit of a sealed file: another setting, another password, one of them cut in the middle and
// then edited on a PC.
func TestEditingASealedFile(t *testing.T) {
	d := newSealedDoor(t, sealText(canary))
	d.expect("at first", canary)
	if err := d.seal(); err != nil {
		t.Fatal(err)
	}
	text, err := slot.ReadSettings(d.card, "intercom.toml")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) {
		t.Helper()
		next := strings.Replace(string(text), from, to, 1)
		if next == string(text) {
			t.Fatalf("%q is not there", from)
		}
		text = []byte(next)
		d.card.Put("intercom.toml", text)
	}
	edit(`target = "1001"`, `target = "1002"`)
	d.expect("another setting", canary)
	if s := d.start(); s.Config.Call.Target != "1002" {
		t.Errorf("target %q", s.Config.Call.Target)
	}
	edit(`password = "="`, `password = "second-canary"`)
	d.expect("another password", "second-canary")
	d.card.Left = 1
	if err := d.seal(); !errors.Is(err, fattest.ErrPower) {
		t.Fatal(err)
	}
	d.card.On()
	edit(`password = "second-canary"`, `password = "third-canary"`) // on a PC, after the cut
	d.expect("a third password", "third-canary")
	if err := d.seal(); err != nil {
		t.Fatal(err)
	}
	d.expect("sealed again", "third-canary")
	if d.card.Has("canary") {
		t.Error("a secret is left on the card")
	}
	before := d.card.Writes
	if d.expect("at rest", "third-canary"); d.seal() != nil || d.card.Writes != before {
		t.Error("a sealed card is written to")
	}
	// Another data partition: the loader says what to do, and what is there is not guessed.
	if err := os.RemoveAll(d.kept()); err != nil {
		t.Fatal(err)
	}
	if s := d.start(); s.Good {
		t.Error("a door without its secrets is good")
	}
}

// Without the wish nothing is ever written to the card.
func TestNothingIsSealedUnasked(t *testing.T) {
	d := newSealedDoor(t, strings.Replace(sealText(canary), "seal = true", "", 1))
	d.expect("at first", canary)
	if err := d.seal(); err != nil || d.card.Writes != 0 {
		t.Errorf("%v, %d writes", err, d.card.Writes)
	}
}

// The code of the page goes into a file that is there for it, and out again.
func TestCodeOnTheCard(t *testing.T) {
	card := fattest.New()
	h := slot.Host{Boot: filepath.Join(t.TempDir(), "boot"), Lock: filepath.Join(t.TempDir(), "lock"), Open: func(string) (slot.Device, io.Closer, error) { return card, io.NopCloser(nil), nil }}
	putText(t, h.Boot, "slot=A\ntrial=0\ndisk=/dev/x\nnote=\n")
	show := func(code string) error {
		return onFiles(h, func(c provision.Card) error { return provision.ShowCode(c, code) })
	}
	if err := show("ABCD-1234"); err == nil || card.Writes != 0 {
		t.Errorf("without the file: %v, %d writes", err, card.Writes)
	}
	blank, err := os.ReadFile("../../image/boot/code.txt")
	if err != nil {
		t.Fatal(err)
	}
	card.Put("code.txt", blank)
	if err := show("ABCD-1234"); err != nil || card.Writes != 1 || !card.Has("once: ABCD-1234") {
		t.Errorf("%v after %d writes", err, card.Writes)
	}
	if err := show(""); err != nil || card.Has("ABCD") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{strings.Repeat("x", 65), "a\nb", "<b>"} {
		if show(bad) == nil {
			t.Errorf("%q is written", bad)
		}
	}
	socket := agentClient(filepath.Join(t.TempDir(), "s"))
	l, err := net.Listen("unix", string(socket))
	if err != nil {
		t.Fatal(err)
	}
	agent := &http.Server{Handler: codeAPI(h), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- agent.Serve(l) }()
	if err := socket.showCode(t.Context(), "WXYZ-7"); err != nil || !card.Has("once: WXYZ-7") {
		t.Errorf("by the agent: %v", err)
	}
	if err := socket.showCode(t.Context(), "no\ncode"); err == nil {
		t.Error("the agent takes anything")
	}
	_ = agent.Close()
	<-served
	card.Put("code.txt", []byte("x"))
	if err := show("ABCD-1234"); err == nil {
		t.Error("a file without room takes a code")
	}
}
