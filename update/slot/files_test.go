package slot_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"intercomd/update/slot"
	"intercomd/update/slot/fattest"
)

func lines(n int) []byte { return []byte(strings.Repeat("# a line of a file\n", n)) }

func TestOverwriteInPlace(t *testing.T) {
	for _, n := range []int{1, 26, 27, 28, 200} {
		c := fattest.New()
		c.Put("README.txt", lines(3))
		c.Put("intercom.toml", lines(n))
		c.Put("a file with a long name of many parts.txt", lines(2))
		old, err := slot.ReadSettings(c, "INTERCOM.toml")
		if err != nil || !bytes.Equal(old, lines(n)) {
			t.Fatalf("%d lines: %d bytes, %v", n, len(old), err)
		}
		fresh := bytes.ToUpper(old)
		// The power goes before each write, and in the middle of it: each sector is the old or the
		// new one but the last, and the second try finishes.
		for left := 0; ; left++ {
			cut := *c
			cut.Data = bytes.Clone(c.Data)
			cut.Left, cut.Torn = left, 100
			err := slot.Overwrite(&cut, "intercom.toml", fresh)
			if err == nil {
				break
			}
			if !errors.Is(err, fattest.ErrPower) {
				t.Fatal(err)
			}
			cut.On()
			got, err := slot.ReadSettings(&cut, "intercom.toml")
			if err != nil || len(got) != len(old) {
				t.Fatalf("after %d writes: %v", left, err)
			}
			for i := range got {
				if got[i] != old[i] && got[i] != fresh[i] {
					t.Fatalf("after %d writes byte %d is neither", left, i)
				}
			}
			if err := slot.Overwrite(&cut, "intercom.toml", fresh); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string][]byte{"intercom.toml": fresh, "readme.txt": lines(3), "A file with a long name of many parts.txt": lines(2)} {
				if got, err := slot.ReadSettings(&cut, name); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s after a cut: %v", name, err)
				}
			}
		}
		if err := slot.Overwrite(c, "intercom.toml", fresh[1:]); err == nil {
			t.Error("a file of another length is written")
		}
	}
	if _, err := slot.ReadSettings(fattest.New(), "intercom.toml"); err == nil {
		t.Error("a file that is not there is read")
	}
}

// What editors leave behind is gone, and nothing else is.
func TestScrub(t *testing.T) {
	c := fattest.New()
	c.Put("intercom.toml", append(lines(100), "canary-one"...))
	c.Put("other.txt", lines(50))
	c.Put("intercom.toml", append(lines(70), "canary-two"...))
	c.Put("gone.toml", []byte("canary-three"))
	c.Remove("gone.toml")
	c.Put("intercom.toml", lines(70))
	c.Put("big.bin", bytes.Repeat([]byte("x"), 100*512))
	for _, canary := range []string{"canary-one", "canary-two", "canary-three"} {
		if !c.Has(canary) {
			t.Fatalf("%s is not left behind", canary)
		}
	}
	c.Left = 3
	if _, err := slot.Scrub(t.Context(), c); !errors.Is(err, fattest.ErrPower) {
		t.Fatal(err)
	}
	c.On()
	n, err := slot.Scrub(t.Context(), c)
	if err != nil || n == 0 {
		t.Fatalf("%d sectors, %v", n, err)
	}
	if c.Has("canary") {
		t.Error("something is left")
	}
	for name, want := range map[string][]byte{"intercom.toml": lines(70), "other.txt": lines(50), "big.bin": bytes.Repeat([]byte("x"), 100*512)} {
		if got, err := slot.ReadSettings(c, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := slot.Scrub(t.Context(), c); err != nil || n != 0 {
		t.Errorf("a second time: %d sectors, %v", n, err)
	}
}

// Whatever a partition holds, nothing breaks and nothing outside of it is written.
func FuzzFiles(f *testing.F) {
	c := fattest.New()
	c.Put("intercom.toml", lines(40))
	f.Add(uint16(0), c.Data[64*512:66*512])
	f.Fuzz(func(t *testing.T, at uint16, junk []byte) {
		c := fattest.New()
		c.Put("intercom.toml", lines(40))
		copy(c.Data[64*512+int(at)%(200*512):], junk)
		head := bytes.Clone(c.Data[:64*512])
		if data, err := slot.ReadSettings(c, "intercom.toml"); err == nil {
			_ = slot.Overwrite(c, "intercom.toml", bytes.ToUpper(data))
		}
		_, _ = slot.Scrub(t.Context(), c)
		if !bytes.Equal(head, c.Data[:64*512]) {
			t.Error("written outside of the partition")
		}
	})
}
