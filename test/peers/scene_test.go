package peers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// ear is something that hears: a recorder at a loudspeaker, or what a telephone says
// that it heard.
type ear interface{ Last(d time.Duration) []int16 }

// scene is what one row of a table plays on: a door between its sound card and a
// server.
type scene struct {
	*testing.T
	door   *lab.Door
	ear    ear                    // at the door's loudspeaker
	ladder func(time.Time) string // what was on the wire, for messages
	begin  time.Time
}

// row is one feature: a story, and how the door's record must tell the end of it.
type row struct {
	name      string
	play      func(s *scene)
	cause, by string
}

// play plays the rows one after the other on the same door.
func (s *scene) play(peer string, rows []row) {
	for _, r := range rows {
		s.Run(r.name, func(t *testing.T) {
			s := *s
			s.T = t
			feature(t, peer, r.name)
			s.rest()
			s.begin = time.Now()
			r.play(&s)
			s.over(r.cause, r.by)
		})
	}
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v\non the wire:\n%s\nthe door says:\n%s", err, s.ladder(s.begin), s.door.Tail(60))
	}
}

// rest brings the door to rest, whatever the row before left behind: a tone of that
// must not be taken for one of this row.
func (s *scene) rest() {
	s.Helper()
	_ = s.door.Hangup(within(s.T, 5*time.Second)) // there may be nothing to hang up
	s.inState("idle")
	s.must(s.door.Registered(within(s.T, 20*time.Second)))
	for _, tone := range []float64{doorTone, pageTone, indoorTone, serverTone, lab.HoldTone} {
		s.deaf(tone)
	}
}

// press presses a button of the door.
func (s *scene) press(button string) {
	s.Helper()
	_, err := s.door.Press(within(s.T, 10*time.Second), button)
	s.must(err)
}

// inState waits until the door is in a state.
func (s *scene) inState(state string) {
	s.Helper()
	_, err := s.door.InState(within(s.T, 20*time.Second), state)
	s.must(err)
}

// hears waits until the door has heard a tone for half a second: in four of five
// blocks, because a busy machine loses some.
func (s *scene) hears(freq float64) {
	s.Helper()
	s.must(lab.Poll(within(s.T, 20*time.Second), func() error {
		if n := s.blocks(freq, steady); n < 4 {
			return fmt.Errorf("the door hears %.0f Hz in %d of the last 5 blocks of 100 ms", freq, n)
		}
		return nil
	}))
}

// deaf waits until the door has not heard a tone for half a second.
func (s *scene) deaf(freq float64) {
	s.Helper()
	s.must(lab.Poll(within(s.T, 20*time.Second), func() error {
		if n := s.blocks(freq, audible); n > 0 {
			return fmt.Errorf("the door still hears %.0f Hz in %d of the last 5 blocks of 100 ms", freq, n)
		}
		return nil
	}))
}

// blocks counts in how many of the last five blocks of 100 ms a tone has a level.
func (s *scene) blocks(freq, level float64) int {
	n := 0
	last := s.ear.Last(500 * time.Millisecond)
	for b := range 5 {
		if i := b * len(last) / 5; lab.Level(last[i:i+len(last)/5], freq) >= level {
			n++
		}
	}
	return n
}

// sees waits until the door's snapshot is as it should be.
func (s *scene) sees(words string, ok func(lab.Status) bool) {
	s.Helper()
	_, err := s.door.Wait(within(s.T, 20*time.Second), words, ok)
	s.must(err)
}

// opens waits until the door was opened in this call.
func (s *scene) opens() {
	s.Helper()
	s.sees("opening the door", func(st lab.Status) bool { return st.Relay("door") })
}

// over waits for the end of the call and compares the record.
func (s *scene) over(cause, by string) {
	s.Helper()
	r, err := s.door.Over(within(s.T, 20*time.Second), s.begin)
	s.must(err)
	if r.Ending.Cause != cause || r.Ending.By != by {
		s.Errorf("the record says %q by %q (%d %s), want %q by %q\non the wire:\n%s", r.Ending.Cause, r.Ending.By,
			r.Ending.Status, r.Ending.Reason, cause, by, s.ladder(s.begin))
	}
	st, err := s.door.Status(within(s.T, 5*time.Second))
	s.must(err)
	if st.Sound.MicLive {
		s.Error("the microphone is still live after the call")
	}
}

// startDoor starts a door with the keys that all of them have, which ends with the
// test. Its log is shown when the test fails.
func startDoor(t *testing.T, c lab.DoorConfig) *lab.Door {
	t.Helper()
	for k, v := range map[string]string{
		// The tones of the lab are the same all the time: an echo canceller takes one that
		// comes back for an echo.
		"audio.echo_canceller": `"off"`, "audio.duplex": `"full"`, // nor is one that comes back howling
		"call.ring_time": `"5s"`,
		"door.key":       `"5"`, "door.callers": `["1001"]`,
	} {
		if _, ok := c.Keys[k]; !ok {
			c.Keys[k] = v
		}
	}
	d, err := lab.StartDoor(within(t, 30*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(6 * time.Second); err != nil {
			t.Errorf("the daemon did not end cleanly: %v", err)
		}
		log := strings.Join(d.Output(), "\n")
		if strings.Contains(log, "panic:") || strings.Contains(log, "DATA RACE") {
			t.Error("the daemon's log shows a panic or a race")
		}
		if strings.Contains(log, lab.Password(c.User)) {
			t.Error("the password is in the log")
		}
	})
	return d
}

// buttons are the tables of a door with a bell for each target, named after it, and
// a button that sends keys during a call.
func buttons(targets ...string) string {
	var b strings.Builder
	line := 2
	for _, target := range targets {
		fmt.Fprintf(&b, "\n[[button]]\nname = %q\nline = %d\ntarget = %q\n", target, line, target)
		if line++; line == 22 { // the relay
			line++
		}
	}
	b.WriteString("\n[[button]]\nname = \"keys\"\nline = 26\npress = \"none\"\nin_call = \"dtmf:472\"\n")
	return b.String()
}

// sounds plays the door's tone into its microphone and listens to its loudspeaker.
func sounds(t *testing.T, card *lab.Card) *lab.Recorder {
	t.Helper()
	mic, err := card.Play(doorTone, -12)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mic.Stop)
	ear, err := card.Record()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ear.Stop)
	return ear
}
