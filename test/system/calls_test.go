package system

import (
	"fmt"
	"testing"
	"time"

	"intercomd/test/lab"
)

// stage is what one row of the table plays on.
type stage struct {
	*testing.T
	peers *shared
	door  *lab.Door
	page  *lab.WebPhone // 1001, whom the door calls
	other *lab.WebPhone // 1002, a second caller
	mic   *lab.Player   // the tone in front of the door's microphone
	ear   *lab.Recorder // the door's loudspeaker
	begin time.Time
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v\non the wire:\n%s", err, lab.Ladder(s.peers.kam.Since(s.begin)))
	}
}

// press presses the bell.
func (s *stage) press() {
	s.Helper()
	_, err := s.door.Press(within(s.T, 5*time.Second), "bell")
	s.must(err)
}

// do lets the page do something.
func (s *stage) do(js string) {
	s.Helper()
	s.must(s.page.Do(within(s.T, 10*time.Second), js, nil))
}

// saw waits until the page noted an event.
func (s *stage) saw(name string) {
	s.Helper()
	s.must(s.page.Saw(within(s.T, 15*time.Second), name))
}

// door waits until the door is in a state.
func (s *stage) inState(state string) lab.Status {
	s.Helper()
	st, err := s.door.InState(within(s.T, 15*time.Second), state)
	s.must(err)
	return st
}

// wire waits until the server has received a request of the method from a user.
func (s *stage) wire(method, from string) {
	s.Helper()
	_, err := s.peers.kam.Wait(within(s.T, 10*time.Second), s.begin, func(m lab.Message) bool {
		return m.Method == method && m.Status == 0 && m.From == from
	})
	s.must(err)
}

// talk waits until both sides hear each other's tone, and go on hearing it for
// half a second.
func (s *stage) talk() {
	s.Helper()
	s.inState("talking")
	at, err := s.ear.Heard(within(s.T, 15*time.Second), s.begin, pageTone, audible)
	s.must(err)
	level, err := s.page.Hears(within(s.T, 15*time.Second), doorTone, steady)
	s.must(err)
	var back float64
	s.must(lab.Poll(within(s.T, 15*time.Second), func() error {
		if back = lab.Level(s.ear.Last(500*time.Millisecond), pageTone); back < steady {
			return fmt.Errorf("the door hears the page at %.1f dBFS only", back)
		}
		return nil
	}))
	s.Logf("page hears %.1f dBFS, door hears %.1f dBFS, first %v after the start", level, back, at.Sub(s.begin).Round(time.Millisecond))
}

// muted mutes the door for two seconds: packets go on, and nothing is in them.
func (s *stage) muted() {
	s.Helper()
	s.must(s.door.Mute(within(s.T, 5*time.Second), true))
	var level float64
	s.must(lab.Poll(within(s.T, 15*time.Second), func() (err error) {
		if level, err = s.page.Tone(s.Context(), doorTone); err == nil && level > inaudible {
			err = fmt.Errorf("the page hears %.1f dBFS of a muted door", level)
		}
		return err
	}))
	before := s.inState("talking").Gauges.Stats
	time.Sleep(2 * time.Second) // nothing gets through meanwhile
	again, err := s.page.Tone(s.Context(), doorTone)
	s.must(err)
	after := s.inState("talking")
	if again > inaudible || after.Sound.MicLive || !after.Sound.Muted || after.Gauges.Stats.Sent < before.Sent+50 {
		s.Errorf("muted: the page hears %.1f dBFS; %+v, then %+v", again, before, after.Gauges.Stats)
	}
	if back := lab.Level(s.ear.Last(500*time.Millisecond), pageTone); back < steady {
		s.Errorf("the muted door hears the page at %.1f dBFS only", back)
	}
	s.Logf("muted, the page hears %.1f, then %.1f dBFS, and got %d packets", level, again, after.Gauges.Stats.Sent-before.Sent)
	s.must(s.door.Mute(within(s.T, 5*time.Second), false))
}

// calls says how a door and a page can meet and part. Each row plays its story;
// then the door's record must name the cause.
var calls = []struct {
	name  string
	play  func(s *stage)
	cause string
	by    string
}{
	// The door calls the page.
	{name: "door calls, page answers, page hangs up", cause: "hung-up", by: "far-end", play: func(s *stage) {
		s.incoming("ring")
		s.press()
		s.saw("incoming")
		s.do("phone.answer()")
		s.talk()
		s.do("phone.hangup()")
	}},
	{name: "door calls, page answers, door hangs up", cause: "hung-up", by: "door", play: func(s *stage) {
		s.incoming("answer")
		s.press()
		s.talk()
		s.press()
		s.saw("bye")
	}},
	{name: "door calls, page answers, door is muted for a while, page hangs up", cause: "hung-up", by: "far-end", play: func(s *stage) {
		s.incoming("answer")
		s.press()
		s.talk()
		s.muted()
		s.talk()
		s.do("phone.hangup()")
	}},
	{name: "door calls, page is busy", cause: "busy", by: "far-end", play: func(s *stage) {
		s.incoming("busy")
		s.press()
		s.saw("terminated")
	}},
	{name: "door calls, page rejects", cause: "refused", by: "far-end", play: func(s *stage) {
		s.incoming("reject")
		s.press()
		s.saw("terminated")
	}},
	{name: "door calls, nobody answers", cause: "no-answer", by: "door", play: func(s *stage) {
		s.incoming("ring")
		s.press()
		s.saw("incoming")
		s.saw("cancel")
		s.wire("CANCEL", "1000")
	}},
	{name: "door calls, door cancels", cause: "cancelled", by: "door", play: func(s *stage) {
		s.incoming("ring")
		s.press()
		s.saw("incoming")
		s.inState("calling")
		s.press()
		s.saw("cancel")
		s.wire("CANCEL", "1000")
	}},
	// The page calls the door.
	{name: "page calls, door answers, page hangs up", cause: "hung-up", by: "far-end", play: func(s *stage) {
		s.do(`phone.call("1000")`)
		s.saw("progress")
		s.inState("ringing")
		s.press()
		s.talk()
		s.do("phone.hangup()")
	}},
	{name: "page calls, door answers, door hangs up", cause: "hung-up", by: "door", play: func(s *stage) {
		s.do(`phone.call("1000")`)
		s.inState("ringing")
		s.press()
		s.talk()
		s.press()
		s.saw("bye")
	}},
	{name: "page calls, door is busy", cause: "hung-up", by: "door", play: func(s *stage) {
		s.incoming("answer")
		s.press()
		s.talk()
		s.must(s.other.Incoming(within(s.T, 5*time.Second), "ring"))
		s.must(s.other.Do(within(s.T, 5*time.Second), `phone.call("1000")`, nil))
		s.must(s.other.Until(within(s.T, 10*time.Second), `phone.events.some(e => e.name === "rejected" && e.status === 486)`))
		// The first call lives on.
		s.inState("talking")
		s.press()
	}},
	{name: "page calls, door rejects", cause: "refused", by: "command", play: func(s *stage) {
		s.do(`phone.call("1000")`)
		s.inState("ringing")
		s.must(s.door.Hangup(within(s.T, 5*time.Second)))
		s.saw("rejected")
	}},
	{name: "page calls, nobody answers", cause: "no-answer", by: "door", play: func(s *stage) {
		s.do(`phone.call("1000")`)
		s.inState("ringing")
		s.saw("rejected")
	}},
	{name: "page calls, page cancels", cause: "cancelled", by: "far-end", play: func(s *stage) {
		s.do(`phone.call("1000")`)
		s.saw("progress")
		s.inState("ringing")
		s.do("phone.hangup()")
		s.wire("CANCEL", "1001")
	}},
}

// incoming says what the page does with the call that comes.
func (s *stage) incoming(what string) {
	s.Helper()
	s.must(s.page.Incoming(within(s.T, 5*time.Second), what))
}

func TestCalls(t *testing.T) {
	p := need(t)
	s := stage{T: t, peers: p, door: registered(t, doorConfig(t, p, map[string]string{
		"call.target": `"1001"`, "call.ring_time": `"5s"`,
	}))}
	s.page, s.other = openPhone(t, p, "1001", "ring"), openPhone(t, p, "1002", "ring")
	var err error
	if s.mic, err = s.door.Config.Card.Play(doorTone, -12); err != nil {
		t.Fatal(err)
	}
	defer s.mic.Stop()
	if s.ear, err = s.door.Config.Card.Record(); err != nil {
		t.Fatal(err)
	}
	defer s.ear.Stop()

	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			s := s
			s.T = t
			s.rest()
			s.begin = time.Now()
			c.play(&s)
			r, err := s.door.Over(within(t, 15*time.Second), s.begin)
			s.must(err)
			if r.Ending.Cause != c.cause || r.Ending.By != c.by {
				t.Errorf("the record says %q by %q (%d %s), want %q by %q\non the wire:\n%s", r.Ending.Cause, r.Ending.By,
					r.Ending.Status, r.Ending.Reason, c.cause, c.by, lab.Ladder(p.kam.Since(s.begin)))
			}
			s.must(s.page.Until(within(t, 10*time.Second), "phone.session === null"))
			s.quiet()
			t.Log(ledger(r))
		})
	}
}

// rest brings everybody to rest, whatever the row before left behind.
func (s *stage) rest() {
	s.Helper()
	_ = s.door.Hangup(within(s.T, 5*time.Second)) // there may be nothing to hang up
	s.inState("idle")
	s.must(s.page.Until(within(s.T, 10*time.Second), "phone.session === null"))
	s.incoming("ring")
	s.must(lab.Poll(within(s.T, 5*time.Second), func() error {
		if level := lab.Level(s.ear.Last(200*time.Millisecond), pageTone); level > audible {
			return fmt.Errorf("the door still plays the page's tone at %.1f dBFS", level)
		}
		return nil
	}))
}

// quiet makes sure that the microphone is off after a call.
func (s *stage) quiet() {
	s.Helper()
	st, err := s.door.Status(within(s.T, 5*time.Second))
	s.must(err)
	if st.Sound.MicLive {
		s.Error("the microphone is still live after the call")
	}
}

// ledger is a call record in a line, times in ms after the press.
func ledger(r lab.CallRecord) string {
	line := r.Direction
	for _, e := range []struct {
		name string
		at   time.Time
	}{
		{"sent", r.Sent}, {"ringing", r.Ringing}, {"answered", r.Answered}, {"media", r.MediaUp},
		{"heard", r.Heard}, {"spoken", r.Spoken}, {"ended", r.Ended},
	} {
		if !e.at.IsZero() {
			line += fmt.Sprintf(", %s %d ms", e.name, e.at.Sub(r.Pressed).Milliseconds())
		}
	}
	return line + ": " + r.Ending.Cause + " by " + r.Ending.By
}
