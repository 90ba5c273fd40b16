package vm

import (
	"fmt"
	"strings"
	"testing"
)

// levels is what [[mixer]] asks of snd-dummy, a card of the kernel that has nothing but a
// mixer to speak of: each control goes from -45 to 0 dB in steps of 0.3, and what it
// records has a switch. amixer reads them.
var levels = []struct{ control, side, level, want string }{
	{"Master", "playback", "-6dB", "[87%] [-6.00dB]"},
	{"CD", "playback", "-20dB", "[56%] [-19.80dB]"}, // the next step above
	{"Mic", "capture", "70%", "[70%] [-13.50dB] Capture [on]"},
	{"Line", "capture", "off", "Capture [off]"},
}

// TestMixerOfTheKernel sets levels in dB and in percent, and switches, at the start and
// again when the card was away. It says what it cannot set.
func TestMixerOfTheKernel(t *testing.T) {
	d := install(t)
	d.sh(t, "modprobe snd-dummy")
	t.Cleanup(func() { d.sh(t, "modprobe -r snd-dummy") }) // after the daemon has stopped
	more := ""
	for _, l := range levels {
		more += fmt.Sprintf("[[mixer]]\ncard = \"hw:Dummy\"\ncontrol = %q\nside = %q\nlevel = %q\n", l.control, l.side, l.level)
	}
	for _, odd := range []string{"control = \"Bass\"\nlevel = \"80%\"", "control = \"Synth\"\nside = \"playback\"\nlevel = \"9dB\""} {
		more += "[[mixer]]\ncard = \"hw:Dummy\"\n" + odd + "\n"
	}
	const device = "Dummy: PCM (hw:1,0)"
	d.sh(t, "amixer -q -c Dummy sset Line cap")
	d.run(config{sound: device, more: more})
	d.haveLevels()
	s := d.until("telling what cannot be set", func(s status) bool {
		return s.Fault("sound.mixer.5") != "" && s.Fault("sound.mixer.6") != ""
	})
	for key, says := range map[string]string{"sound.mixer.5": "have=Master, ", "sound.mixer.6": "high=0.0 low=-45.0"} {
		if !strings.Contains(s.Fault(key), says) {
			t.Errorf("%s: %s", key, s.Fault(key))
		}
	}
	for i := range levels {
		if f := s.Fault(fmt.Sprintf("sound.mixer.%d", i+1)); f != "" {
			t.Errorf("%s: %s", levels[i].control, f)
		}
	}

	const driver = "/sys/bus/platform/drivers/snd_dummy"
	d.until("in possession of the card", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	d.sh(t, "timeout 30 sh -c 'echo snd_dummy.0 > "+driver+"/unbind'")
	d.until("telling that the card is gone", func(s status) bool { return !s.Sound.Input.OK && !s.Sound.Output.OK })
	d.sh(t, "echo snd_dummy.0 > "+driver+"/bind")
	d.until("in possession of the card again", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	d.haveLevels()
}

// haveLevels waits until the card has all levels.
func (d *daemon) haveLevels() {
	d.Helper()
	for _, l := range levels {
		// Both channels, whatever amixer writes between them.
		d.sh(d.T, fmt.Sprintf(`for i in $(seq 100); do
	out=$(amixer -c Dummy sget %s); [ "$(echo "$out" | grep -cF '%s')" = 2 ] && exit 0
	sleep 0.2
done
echo "$out"; exit 1`, l.control, l.want))
	}
}
