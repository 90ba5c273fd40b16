package pwm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/board"
)

// chip makes a chip with one exported channel as sysfs shows it.
func chip(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "pwmchip0", "pwm1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pwm1/duty_cycle", "pwm1/period", "pwm1/enable", "export", "unexport"} {
		if err := os.WriteFile(filepath.Join(root, "pwmchip0", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// value is what was written into a file; those of sysfs keep the last value only, a
// plain file keeps the tail of a longer one before it.
func value(t *testing.T, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "pwmchip0", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestChannel(t *testing.T) {
	for _, tt := range []struct {
		low   bool
		level float64
		want  string
	}{{false, 0.25, "250000"}, {true, 0.25, "750000"}, {false, 1, "1000000"}, {false, 7, "1000000"}, {true, 0, "1000000"}} {
		root := chip(t)
		out, err := Open(root, Channel{"pwmchip0", 1}, tt.low)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(root, "pwmchip0/pwm1/duty_cycle"), 0); err != nil {
			t.Fatal(err)
		}
		if err := out.Set(tt.level); err != nil {
			t.Fatal(err)
		}
		if got := value(t, root, "pwm1/duty_cycle"); got != tt.want {
			t.Errorf("level %v, active low %v: duty cycle %q, want %q", tt.level, tt.low, got, tt.want)
		}
		if p, e := value(t, root, "pwm1/period"), value(t, root, "pwm1/enable"); p != "1000000" || e != "1" {
			t.Errorf("period %q, enable %q", p, e)
		}
		if !out.(board.Dimmer).Dims() {
			t.Error("does not dim")
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFaults(t *testing.T) {
	root := chip(t)
	check := func(err error, words ...string) {
		t.Helper()
		f, ok := errors.AsType[*board.FaultError](err)
		if !ok || f.Remedy() == "" {
			t.Errorf("%v: no fault with a remedy", err)
			return
		}
		for _, w := range words {
			if !strings.Contains(f.Error(), w) {
				t.Errorf("%q does not say %q", f, w)
			}
		}
	}
	_, err := Open(root, Channel{"pwmchip3", 0}, false)
	check(err, "there is no PWM chip pwmchip3", "dtoverlay")
	_, err = Open(root, Channel{"pwmchip0", 5}, false) // exported, and nothing appears
	check(err, "pwmchip0/5")
	o := &output{channel: Channel{"pwmchip0", 1}}
	check(o.refused(fs.ErrPermission), "no permission", "udev")
	check(o.refused(errors.New("write: read-only file system")), "read-only", "ReadWritePaths")
	check(o.refused(errors.New("write: device or resource busy")), "in use")
	check(o.refused(errors.New("write: no such device")), "has no channel 1")
}

func TestExportedChannelsAreGivenBack(t *testing.T) {
	root := chip(t)
	o := &output{channel: Channel{"pwmchip0", 1}, chip: filepath.Join(root, "pwmchip0"), dir: filepath.Join(root, "pwmchip0/pwm1"), exported: true}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if e, u := value(t, root, "pwm1/enable"), value(t, root, "unexport"); e != "0" || u != "1" {
		t.Errorf("enable %q, unexport %q", e, u)
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]Channel{"pwmchip0/1": {"pwmchip0", 1}, "pwmchip12/0": {"pwmchip12", 0}} {
		if got, err := Parse(s); err != nil || got != want || got.String() != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "pwmchip0", "pwmchip0/", "pwmchip/1", "pwmchip0/-1", "../x/1", "pwmchip../1", "pwmchip0/1/2", "pwmchip0/999"} {
		if got, err := Parse(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("pwmchip0/1")
	f.Add("pwmchip/../1")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err == nil && strings.ContainsAny(c.Chip, "/.") {
			t.Errorf("%q leads to %q", s, c.Chip)
		}
	})
}
