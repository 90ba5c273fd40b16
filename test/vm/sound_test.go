package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// The simulated card is a cable: what is played on one of its two devices is
// recorded from the other. The daemon has device 0, the air around it is device 1.
const (
	card = "Loopback: PCM (hw:0,0)" // as the daemon calls it
	air  = "hw:Loopback,1,0"
)

// hum plays a tone into the daemon's microphone until the test ends.
func (d *daemon) hum() {
	d.Helper()
	file := filepath.Join(d.TempDir(), "tone.wav")
	if err := lab.WriteTone(file, 60, doorTone, -12); err != nil {
		d.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		d.Fatal(err)
	}
	d.put(d.T, "/tmp/tone.wav", 0o644, data)
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _, _ = d.script(ctx, "while :; do aplay -q -D plug"+air+" /tmp/tone.wav || sleep 1; done")
	}()
	d.Cleanup(func() { cancel(); <-ended })
}

// hear records what the daemon's loudspeaker plays and returns it.
func (d *daemon) hear(seconds string) []int16 {
	d.Helper()
	resp, err := d.ask(within(d.T, settle), http.MethodPost, "/exec",
		strings.NewReader("arecord -q -D plug"+air+" -t raw -f S16_LE -r 48000 -c 1 -d "+seconds+" 2>/dev/null"))
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.Fatal(err)
	}
	samples := make([]int16, len(raw)/2)
	if err := binary.Read(bytes.NewReader(raw[:2*len(samples)]), binary.LittleEndian, samples); err != nil {
		d.Fatal(err)
	}
	return samples
}

// indoorVoice starts an indoor station with sound: a tone is in front of its microphone,
// and what its loudspeaker plays is recorded.
func indoorVoice(t *testing.T) (*lab.Door, *lab.Recorder) {
	t.Helper()
	server(t)
	indoorCard := peers.pulse.Card("indoor")
	in := indoor(t, indoorCard)
	voice, err := indoorCard.Play(indoorTone, -12)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(voice.Stop)
	ear, err := indoorCard.Record()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ear.Stop)
	return in, ear
}

// TestCallWithSound rings through to an indoor station on the host: the tone in
// front of either microphone must come out of the other loudspeaker. How well it
// sounds is nothing to be judged on an emulated processor.
func TestCallWithSound(t *testing.T) {
	d := install(t)
	in, ear := indoorVoice(t)
	d.run(config{target: indoorUser, sound: card})
	d.hum()
	d.until("in possession of the sound card", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	begin := time.Now()
	d.call()
	at, err := ear.Heard(within(t, settle), begin, doorTone, audible)
	if err != nil {
		t.Errorf("the indoor station does not hear the door: %v", err)
	} else {
		t.Logf("the indoor station heard the door %.1f s after the press", at.Sub(begin).Seconds())
	}
	heard := d.hear("3")
	level := lab.Level(heard, indoorTone)
	t.Logf("the door plays the indoor station at %.1f dBFS, everything at %.1f dBFS", level, lab.RMS(heard))
	if level < audible {
		t.Errorf("the door plays the indoor station at %.1f dBFS", level)
	}
	s := d.until("up", func(status) bool { return true })
	if s.Sound.Codec == "" || !s.Sound.MicLive {
		t.Errorf("sound of the call: %+v", s.Sound)
	}
	d.press()
	over, err := in.Over(within(t, settle), begin)
	if err != nil || over.Ending.Cause != "hung-up" {
		t.Errorf("the call ended with %q, %v", over.Ending.Cause, err)
	}
	t.Log("cost of the daemon: ", d.sh(t, "systemctl show -p CPUUsageNSec -p MemoryPeak intercomd"))
}

// TestSoundCardGone takes the sound card away and puts it back while the daemon
// runs: it says so, goes on ringing, and has sound again by itself.
func TestSoundCardGone(t *testing.T) {
	d := install(t)
	d.run(config{sound: card})
	d.until("in possession of the sound card", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	const driver = "/sys/bus/platform/drivers/snd_aloop"
	back := func() { d.sh(t, "[ -e "+driver+"/snd_aloop.0 ] || echo snd_aloop.0 > "+driver+"/bind") }
	defer back()
	// While it plays: what has the card open then must let go of it, or the kernel waits for that.
	d.sh(t, "systemctl restart intercomd; for i in $(seq 500); do grep -q RUNNING /proc/asound/Loopback/pcm0p/sub0/status && break; sleep 0.02; done; timeout 30 sh -c 'echo snd_aloop.0 > "+driver+"/unbind'")
	// A fault, and not only devices that are not open: those of a daemon that has just started are neither.
	s := d.until("telling that the card is gone", func(s status) bool {
		return !s.Sound.Input.OK && !s.Sound.Output.OK && s.Fault("sound.input") != "" && s.Fault("sound.output") != ""
	})
	t.Log(s.Sound.Input.Problem, " ", s.Fault("sound.input"))
	before := s.presses()
	d.press()
	d.until("pressed all the same", func(s status) bool { return s.presses() == before+1 })
	back()
	d.until("in possession of the card again", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	t.Log("restarts: ", d.sh(t, "systemctl show -p NRestarts --value intercomd"))
}

// TestReloadInACall is what an upgrade of the package does while people talk: the call goes
// on, and after it the service has a new process.
func TestReloadInACall(t *testing.T) {
	d := install(t)
	in, _ := indoorVoice(t)
	d.run(config{target: indoorUser, sound: card})
	d.hum()
	begin := time.Now()
	d.call()
	process := d.sh(t, "systemctl show -P MainPID intercomd")
	d.sh(t, "systemctl reload intercomd")
	d.hear("3") // time for everything that might go wrong
	if s := d.until("there", func(status) bool { return true }); s.State != "talking" || d.sh(t, "systemctl show -P MainPID intercomd") != process {
		t.Errorf("the door is %s after a reload", s.State)
	}
	d.press()
	over, err := in.Over(within(t, settle), begin)
	if err != nil || over.Ending.Cause != "hung-up" {
		t.Errorf("the call ended with %q, %v", over.Ending.Cause, err)
	}
	d.sh(t, "for i in $(seq 150); do now=$(systemctl show -P MainPID intercomd); [ $now != 0 ] && [ $now != "+strings.TrimSpace(process)+" ] && exit 0; sleep 0.2; done; exit 1")
	d.registered()
	if out := d.sh(t, "systemctl show -P Result intercomd"); out != "success\n" {
		t.Errorf("the service ended with %s", out)
	}
}
