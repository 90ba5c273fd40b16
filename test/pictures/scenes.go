package main

import (
	"time"

	"intercomd/station"
	"intercomd/words"
)

// scene is a door in a state worth a picture.
type scene struct {
	name     string
	onPhone  bool // the documents show it at the width of a telephone
	dark     bool // and in the dark
	lost     bool // the door goes away while one looks
	snapshot func(now time.Time) *station.Snapshot
}

func scenes() []scene {
	return []scene{
		{name: "idle", snapshot: idle},
		{name: "calling", onPhone: true, dark: true, snapshot: calling},
		{name: "talking", snapshot: talking},
		{name: "muted", onPhone: true, snapshot: muted},
		{name: "fault", snapshot: faulty},
		{name: "lost", lost: true, snapshot: idle},
	}
}

const silence = -100 // dBFS

// idle is a door that is well and has had calls.
func idle(now time.Time) *station.Snapshot {
	usb := station.Device{Wanted: "USB", Name: "USB Speakerphone: Audio (hw:1,0)", OK: true}
	return &station.Snapshot{
		Seq: 7, Time: now, Name: "Front door", Version: "0.1.0", Started: now.Add(-76 * time.Hour), State: station.Idle,
		Registration: station.Registration{State: station.RegRegistered, Server: "wss://pbx.example.lan:7443", User: "1000@pbx.example.lan",
			Since: now.Add(-5 * time.Hour), Expires: now.Add(6 * time.Minute)},
		Sound: station.Sound{Input: usb, Output: usb, Duplex: station.Duplex{Mode: station.DuplexFull}},
		Gauges: station.Gauges{Mic: station.Level{Peak: -44, RMS: -58}, Speaker: station.Level{Peak: silence, RMS: silence},
			Stats:   station.AudioStats{ERLE: 38.1, EchoDelay: 63.2, Noise: -58},
			Runtime: station.Runtime{Goroutines: 24, HeapBytes: 6 << 20},
			Inputs: []station.InputCount{
				{Name: "bell", Presses: 214, Glitches: 3, Bounces: 61, Widths: station.Widths{0, 2, 1, 0, 38, 170, 6, 0, 0}},
				{Name: "leaf", Presses: 97},
			}},
		SelfTest: station.SelfTest{State: "passed", At: now.Add(-11 * time.Hour), Next: now.Add(13 * time.Hour), Commissioned: now.Add(-76 * time.Hour),
			Chirps: 1, Level: -31.2, Noise: -57.6, Coupling: -11.4, DelayMS: 62.8},
		Board: station.BoardState{Driver: "sim", Simulated: true,
			Inputs: []station.Input{{Name: "bell"}, {Name: "leaf"}},
			Lamps:  []station.Lamp{{Name: "status", Pattern: station.LampPulse}, {Name: "mic", Pattern: station.LampOff}},
			Relays: []station.Relay{{Name: "door"}, {Name: "light"}}},
		Buttons:  []station.Button{{Input: "bell", Label: "Miller family", Does: "call", Target: "family", TargetLabel: "Miller family"}},
		Contacts: []station.Contact{{Input: "leaf", Label: "Front door", Watches: "door", Since: now.Add(-27 * time.Minute)}},
		Calls: []station.Record{
			outgoing(now.Add(-31*time.Minute), "1001", "Kitchen", station.Ending{Cause: station.CauseHangup, By: station.ByPeer}, 34*time.Second, true),
			outgoing(now.Add(-76*time.Minute), "1001", "Kitchen", station.Ending{Cause: station.CauseNoAnswer, By: station.ByDoor}, 0, false),
			incoming(now.Add(-3*time.Hour), "1002", "Office"),
			outgoing(now.Add(-26*time.Hour), "1001", "Kitchen", station.Ending{Cause: station.CauseNotReachable, By: station.ByPeer, Status: 480, Reason: "Temporarily Unavailable"}, 0, false),
			outgoing(now.Add(-31*time.Hour), "1003", "", station.Ending{Cause: station.CauseBusy, By: station.ByPeer, Status: 486, Reason: "Busy Here"}, 0, false),
		},
	}
}

// outgoing is a call that the door made; talk is 0 if nobody answered.
func outgoing(at time.Time, user, name string, e station.Ending, talk time.Duration, opened bool) station.Record {
	r := station.Record{ID: user + at.Format("150405"), Direction: station.Outgoing, Button: "bell", Ending: e,
		Peer:    station.Peer{URI: "sip:" + user + "@pbx.example.lan", User: user, Name: name},
		Pressed: at, Sent: at.Add(11 * time.Millisecond), Ringing: at.Add(94 * time.Millisecond), Ended: at.Add(30 * time.Second)}
	if talk > 0 {
		r.Answered = at.Add(6 * time.Second)
		r.MediaUp, r.Spoken, r.Heard = r.Answered.Add(19*time.Millisecond), r.Answered.Add(23*time.Millisecond), r.Answered.Add(48*time.Millisecond)
		r.Ended = r.Answered.Add(talk)
	}
	if opened {
		r.Opened, r.Digits = r.Answered.Add(20*time.Second), 1
	}
	return r
}

// incoming is a call that somebody made to the door.
func incoming(at time.Time, user, name string) station.Record {
	r := outgoing(at, user, name, station.Ending{Cause: station.CauseHangup, By: station.ByDoor}, 75*time.Second, false)
	r.Direction, r.Button, r.Sent = station.Incoming, "", time.Time{}
	return r
}

func calling(now time.Time) *station.Snapshot {
	s := idle(now)
	at := now.Add(-4 * time.Second)
	s.State, s.Sound.Tone = station.Calling, station.ToneRingback
	s.Gauges.Speaker = station.Level{Peak: -12, RMS: -18}
	s.Board.Lamps[0].Pattern = station.LampSlow
	r := outgoing(at, "1001", "Kitchen", station.Ending{}, 0, false)
	r.Ended = time.Time{}
	s.Call = &r
	return s
}

func talking(now time.Time) *station.Snapshot {
	s := idle(now)
	at := now.Add(-49 * time.Second)
	s.State = station.Talking
	r := outgoing(at, "1001", "Kitchen", station.Ending{}, time.Second, true)
	r.Opened, r.Ended = at.Add(47*time.Second), time.Time{}
	s.Call = &r
	s.Sound.Codec, s.Sound.MicLive = "Opus", true
	s.Gauges.Mic, s.Gauges.Speaker = station.Level{Peak: -10, RMS: -21}, station.Level{Peak: -5, RMS: -13}
	s.Gauges.Stats = station.AudioStats{Received: 2151, Lost: 9, Concealed: 12, Sent: 2148, JitterMS: 32.5, ERLE: 41.3, EchoDelay: 63.2, DoubleTalk: 0.12, Noise: -58}
	s.Board.Lamps[0].Pattern, s.Board.Lamps[1].Pattern = station.LampOn, station.LampOn
	s.Board.Relays[0].On, s.Board.Relays[0].Until = true, now.Add(time.Second)
	s.Waiting = []station.Waiting{{ID: "w", Peer: station.Peer{URI: "sip:1002@pbx.example.lan", User: "1002", Name: "Office"}, Since: now.Add(-12 * time.Second)}}
	return s
}

func muted(now time.Time) *station.Snapshot {
	s := talking(now)
	s.Sound.MicLive, s.Sound.Muted = false, true
	s.Board.Lamps[1].Pattern = station.LampOff
	s.Waiting = nil
	return s
}

func faulty(now time.Time) *station.Snapshot {
	s := idle(now)
	since := now.Add(-4 * time.Minute)
	s.Registration = station.Registration{State: station.RegRefused, Server: "wss://pbx.example.lan:7443", User: "1000@pbx.example.lan", Since: since,
		Retry: now.Add(80 * time.Second), Problem: words.New("registration-refused-account", "status", "403", "phrase", "Forbidden")}
	s.Sound.Input = station.Device{Wanted: "USB", Problem: words.New("device-missing", "wanted", "USB", "found", "default")}
	s.SelfTest = station.SelfTest{State: "failed", At: now.Add(-11 * time.Hour), Next: now.Add(10 * time.Minute), Commissioned: now.Add(-76 * time.Hour), Chirps: 3,
		Level: -57, Noise: -57.6, Problem: words.New("test-not-heard")}
	s.Board.Lamps[0].Pattern = station.Blink(2)
	s.Board.Inputs[1].Problem = words.New("line-busy", "line", "24", "chip", "gpiochip0 (pinctrl-bcm2711)", "user", "gpio-keys")
	s.Faults = []station.Fault{
		{Key: "registration", Blinks: 2, Since: since, Message: words.New("not-registered").Because(s.Registration.Problem)},
		{Key: "sound.input", Blinks: 3, Since: since, Message: words.New("no-microphone").Because(s.Sound.Input.Problem)},
		{Key: "sound.selftest", Blinks: 3, Since: s.SelfTest.At, Message: words.New("selftest-failed").Because(s.SelfTest.Problem)},
		{Key: "board.leaf", Blinks: 4, Since: since, Message: words.New("input-fails", "input", "leaf").Because(s.Board.Inputs[1].Problem)},
	}
	return s
}
