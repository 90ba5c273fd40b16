package machine

import (
	"testing"
	"testing/fstest"
	"time"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestFactsOfARaspberryPi(t *testing.T) {
	synced := time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)
	r := Reader{Paths: []string{t.TempDir(), "/nowhere"}, Root: fstest.MapFS{
		"sys/firmware/devicetree/base/model":                  file("Raspberry Pi Zero 2 W Rev 1.0\x00"),
		"sys/firmware/devicetree/base/serial-number":          file("00000000deadbeef\x00"),
		"usr/lib/os-release":                                  file("NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n"),
		"proc/sys/kernel/osrelease":                           file("6.12.0\n"),
		"proc/sys/kernel/hostname":                            file("door\n"),
		"proc/uptime":                                         file("3600.55 7000.1\n"),
		"proc/loadavg":                                        file("0.25 0.1 0.1 1/100 7\n"),
		"proc/meminfo":                                        file("MemTotal:         524288 kB\nMemFree:  1 kB\nMemAvailable:     262144 kB\n"),
		"sys/class/thermal/thermal_zone0/temp":                file("48312\n"),
		"sys/devices/platform/soc/soc:firmware/get_throttled": file("50005\n"),
		"run/systemd/timesync/synchronized":                   {ModTime: synced},
		"etc/timezone":                                        file("Europe/Berlin\n"),
	}, Bus: func() (string, time.Duration, bool) { return "ntp.example.lan", 3 * time.Millisecond, true }}
	f := r.Read()
	if f.Board != "Raspberry Pi Zero 2 W Rev 1.0" || f.Serial != "00000000deadbeef" || f.System != "Debian GNU/Linux 13 (trixie)" || f.Kernel != "6.12.0" || f.Host != "door" {
		t.Errorf("%+v", f)
	}
	if up := time.Since(f.Booted); up < time.Hour-time.Minute || f.Load != 0.25 || f.Temperature != 48.312 || f.Memory != (Space{512 << 20, 256 << 20}) {
		t.Errorf("up %v, %+v", up, f)
	}
	if f.Supply != (Supply{Known: true, Low: true, WasLow: true, Throttled: true}) {
		t.Errorf("%+v", f.Supply)
	}
	if c := f.Clock; !c.Synced || c.Source != "systemd-timesyncd (ntp.example.lan)" || !c.LastSync.Equal(synced) || c.Offset != 3*time.Millisecond || c.RTC {
		t.Errorf("%+v", c)
	}
	if len(f.Storage) != 1 || f.Storage[0].Total == 0 {
		t.Errorf("%+v", f.Storage)
	}
}

// A machine that tells nothing, or nonsense, costs no more than the facts.
func TestFactsOfNoMachine(t *testing.T) {
	for _, root := range []fstest.MapFS{{}, {
		"proc/uptime": file("nan"), "proc/meminfo": file("MemTotal: x\n:\n"), "sys/class/thermal/thermal_zone0/temp": file("999999999"),
		"sys/devices/platform/soc/soc:firmware/get_throttled": file("zz"), "proc/loadavg": file("\x00"), "sys/class/hwmon/hwmon3/name": file("rpi_volt\n"), "sys/class/hwmon/hwmon3/in0_lcrit_alarm": file("1\n"),
	}} {
		r := Reader{Root: root}
		f := r.Read()
		if f.Board != "" || !f.Booted.IsZero() || f.Temperature != 0 || f.Memory.Total != 0 || f.Interfaces == nil || f.Storage == nil {
			t.Errorf("%+v", f)
		}
		if want := (Supply{Known: len(root) > 0, Low: len(root) > 0, WasLow: len(root) > 0}); f.Supply != want {
			t.Errorf("%+v", f.Supply)
		}
	}
}

func TestThisMachine(t *testing.T) {
	r := Reader{Paths: []string{"/"}}
	if f := r.Read(); f.Kernel == "" || f.Memory.Total == 0 || f.Clock.Time.IsZero() {
		t.Errorf("%+v", f)
	}
}

// What the kernel has made and nobody uses is nothing to be told of.
func TestWhichInterfacesAreUsed(t *testing.T) {
	at := []string{"192.0.2.1/24"}
	for name, tt := range map[string]struct {
		i    Interface
		real bool
		want bool
	}{
		"a card":                    {Interface{MAC: "x", Addresses: at, Up: true}, true, true},
		"a card without a cable":    {Interface{MAC: "x"}, true, true},
		"a bridge":                  {Interface{MAC: "x", Addresses: at, Up: true}, false, true},
		"a bridge without a port":   {Interface{MAC: "x", Addresses: at}, false, true},
		"a tunnel":                  {Interface{Addresses: at, Up: true}, false, true},
		"ifb0":                      {Interface{MAC: "x"}, false, false},
		"dummy0, up":                {Interface{MAC: "x", Up: true}, false, true},
		"sit0, which is for nobody": {Interface{}, false, false},
	} {
		if got := tt.i.used(tt.real); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
