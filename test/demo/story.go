package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"intercomd/test/lab"
)

// The voices of the demo: sines, so that they can be measured.
const (
	visitorTone = 700.0  // Hz, in front of the door's microphone
	indoorTone  = 1000.0 // Hz, in front of the indoor station's
	voiceLevel  = -12.0  // dBFS
	audible     = -40.0  // dBFS
)

// scene is the demo with everybody in place.
type scene struct {
	site         *lab.Site
	door, indoor *lab.Door
	visitor      *lab.Player // at the door's microphone
	resident     *lab.Player
	doorEar      *lab.Recorder // at the door's loudspeaker
	indoorEar    *lab.Recorder
}

// cast starts the two stations and their voices.
func cast(ctx context.Context, site *lab.Site) (*scene, error) {
	s := &scene{site: site}
	page := func(want int) int {
		port, err := lab.FreePort(want)
		if err != nil {
			return want
		}
		return port
	}
	var err error
	s.indoor, err = site.Station(ctx, indoorUser, "indoor", page(8081), map[string]string{
		"sip.display_name": `"Indoor station"`, "call.target": `"` + doorUser + `"`, "incoming.answer": `"auto"`,
	}, `
[[button]]
name = "open"
line = 17
label = "Open the door"
in_call = "dtmf:5"
`)
	if err != nil {
		return nil, err
	}
	s.door, err = site.Station(ctx, doorUser, "door", page(8080), map[string]string{
		"sip.display_name": `"Front door"`, "call.target": `"` + indoorUser + `"`, "door.key": `"5"`,
	}, `
[[button]]
name = "bell"
line = 17
label = "Indoor station"

[[button]]
name = "phone"
line = 23
label = "Web phone"
target = "`+phoneUser+`"
`)
	if err != nil {
		return nil, err
	}
	for _, v := range []struct {
		station *lab.Door
		freq    float64
		voice   **lab.Player
		ear     **lab.Recorder
	}{{s.door, visitorTone, &s.visitor, &s.doorEar}, {s.indoor, indoorTone, &s.resident, &s.indoorEar}} {
		if *v.voice, err = v.station.Config.Card.Play(v.freq, voiceLevel); err != nil {
			return nil, err
		}
		site.Defer((*v.voice).Stop)
		if *v.ear, err = v.station.Config.Card.Record(); err != nil {
			return nil, err
		}
		site.Defer((*v.ear).Stop)
	}
	return s, nil
}

// ledger is what happened in the call, in the order of the story.
type ledger struct {
	press time.Time
	lines []entry
}

type entry struct {
	what string
	at   time.Time // zero: did not happen
	note string
}

func (l *ledger) add(what string, at time.Time, note string) {
	l.lines = append(l.lines, entry{what, at, note})
}

// print writes the lines in the order of time; what did not happen comes last.
func (l *ledger) print(w io.Writer) {
	lines := slices.SortedStableFunc(slices.Values(l.lines), func(a, b entry) int {
		if a.at.IsZero() || b.at.IsZero() {
			return cmp.Compare(b.at.Unix(), a.at.Unix())
		}
		return a.at.Compare(b.at)
	})
	for _, e := range lines {
		at := "      --"
		if !e.at.IsZero() {
			at = fmt.Sprintf("%8.0f", float64(e.at.Sub(l.press).Microseconds())/1000)
		}
		_, _ = fmt.Fprintf(w, "%s ms  %-44s %s\n", at, e.what, e.note)
	}
}

// play plays the call: press, ring, talk, open, hang up. It returns the ledger as
// far as the story went. What was on the wire is what the server received, what
// was heard is what came out of the virtual loudspeakers.
func (s *scene) play(ctx context.Context) (*ledger, error) {
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	led := &ledger{press: time.Now()}
	wire := func(what, method, from string, status int) error {
		m, err := s.site.Kamailio.Wait(ctx, led.press, func(m lab.Message) bool {
			return m.Method == method && m.Status == status && m.From == from
		})
		led.add(what, m.At, "")
		return err
	}
	at, err := s.door.Press(ctx, "bell")
	if err != nil {
		return led, fmt.Errorf("press the bell: %w", err)
	}
	led.press = at
	led.add("press of the bell", at, "")
	if err := wire("INVITE on the wire", "INVITE", doorUser, 0); err != nil {
		return led, err
	}
	if err := wire("the indoor station rings (180)", "INVITE", doorUser, 180); err != nil {
		return led, err
	}
	if err := wire("the indoor station answers (200)", "INVITE", doorUser, 200); err != nil {
		return led, err
	}
	if err := hear(ctx, led, "the indoor station hears the door", s.indoorEar, visitorTone); err != nil {
		return led, err
	}
	if err := hear(ctx, led, "the door hears the indoor station", s.doorEar, indoorTone); err != nil {
		return led, err
	}
	if err := s.open(ctx, led); err != nil {
		return led, err
	}
	return led, s.part(ctx, led, wire)
}

// hear waits for a voice and notes when it began and how loud it is.
func hear(ctx context.Context, led *ledger, what string, ear *lab.Recorder, freq float64) error {
	at, err := ear.Heard(ctx, led.press, freq, audible)
	if err != nil {
		led.add(what, at, "")
		return err
	}
	sound, err := ear.Between(ctx, at.Add(100*time.Millisecond), 500*time.Millisecond)
	if err != nil {
		return err
	}
	level := lab.Level(sound, freq)
	led.add(what, at, fmt.Sprintf("%.0f Hz at %.1f dBFS, played at %.0f", freq, level, voiceLevel))
	if level < audible {
		return fmt.Errorf("%s for a moment only: %.1f dBFS over half a second", what, level)
	}
	return nil
}

// open has the indoor station send its digit and waits for the relay.
func (s *scene) open(ctx context.Context, led *ledger) error {
	if _, err := s.indoor.InState(ctx, "talking"); err != nil {
		return err
	}
	at, err := s.indoor.Press(ctx, "open")
	if err != nil {
		return fmt.Errorf("press the indoor station's button: %w", err)
	}
	led.add("press of the indoor station's button", at, "sends DTMF 5")
	st, err := s.door.Wait(ctx, "opened", func(st lab.Status) bool {
		return st.Relay("door") && st.Call != nil && !st.Call.Opened.IsZero()
	})
	if err != nil {
		led.add("the door opens", time.Time{}, "")
		return err
	}
	led.add("the door opens", st.Call.Opened, "relay \"door\" is energised")
	return nil
}

// part hangs up at the door and makes sure that both sides are at rest.
func (s *scene) part(ctx context.Context, led *ledger, wire func(what, method, from string, status int) error) error {
	at, err := s.door.Press(ctx, "bell")
	if err != nil {
		return fmt.Errorf("press the bell to hang up: %w", err)
	}
	led.add("press of the bell again, to hang up", at, "")
	if err := wire("BYE on the wire", "BYE", doorUser, 0); err != nil {
		return err
	}
	for _, st := range []*lab.Door{s.door, s.indoor} {
		r, err := st.Over(ctx, at)
		if err != nil {
			return err
		}
		led.add("station "+st.Config.User+" is at rest", r.Ended, r.Ending.Cause+" by the "+r.Ending.By)
	}
	return nil
}
