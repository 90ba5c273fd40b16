package door

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/board"
	"intercomd/board/sim"
	"intercomd/configs"
	"intercomd/notify"
	"intercomd/station"
)

// officeDoor is the door of the office example with everything real but telephone,
// sound and web service: configuration, station, the simulated board behind its
// debouncing and pulses, and the notices. Time is virtual.
type officeDoor struct {
	t       *testing.T
	st      *station.Station
	panel   *sim.Board
	mu      sync.Mutex // guards the two below
	calls   []*officeCall
	audit   []audit
	notices chan string // delivered
}

type officeCall struct {
	in    *station.Inbox
	user  string
	ended station.Cause // by the door
}

func (c *officeCall) ID() string                     { return "call-" + c.user }
func (c *officeCall) Incoming() bool                 { return false }
func (c *officeCall) Peer() station.Peer             { return station.Peer{User: c.user} }
func (c *officeCall) Open(station.VoiceMode)         {}
func (c *officeCall) AnswerWish() station.AnswerWish { return station.AnswerWish{} }
func (c *officeCall) Queue()                         {}
func (c *officeCall) Ring()                          {}
func (c *officeCall) Answer()                        { c.happens(station.Answered, 0) }
func (c *officeCall) End(why station.Cause)          { c.ended = why }
func (c *officeCall) SendDigits(string)              {}

func (c *officeCall) happens(k station.CallEventKind, digit rune) {
	c.in.CallEvent(c, station.CallEvent{Kind: k, At: time.Now(), Digit: digit})
}

func (d *officeDoor) Dial(user string) station.Call {
	c := &officeCall{in: d.st.Inbox, user: user}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, c)
	return c
}

func (*officeDoor) Hurry(time.Duration) {}

// silentVoice is a sound card that works and plays nothing.
type silentVoice struct{}

func (silentVoice) Play(station.Tone) {}
func (silentVoice) Silence()          {}
func (silentVoice) Prepare()          {}
func (silentVoice) Mute(bool)         {}
func (silentVoice) Close()            {}
func (silentVoice) Sound() (station.Sound, station.Gauges) {
	return station.Sound{}, station.Gauges{}
}

// atTheOffice tells a story that begins on a Monday at that time in Berlin.
func atTheOffice(t *testing.T, at time.Duration, tell func(d *officeDoor)) {
	t.Helper()
	atADoor(t, office(t), at, tell)
}

// atADoor does the same at a door with another configuration.
func atADoor(t *testing.T, c *configs.Config, at time.Duration, tell func(d *officeDoor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// The bubble begins on Saturday, 1 January 2000, at midnight UTC.
		time.Sleep(47*time.Hour + at)
		log := slog.New(slog.DiscardHandler)
		c.Board.Driver = "sim"
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := &officeDoor{t: t, notices: make(chan string, 32)}
		in := station.NewInbox()
		b, panel := openBoard(ctx, c, func(e board.Edge) { in.Edge(station.Edge(e)) }, log)
		d.panel = panel
		nc := noticesConfig(c)
		nc.Log = log
		for i, w := range nc.Ways { // the web service is not asked; somebody is told the same
			nc.Ways[i].Webhook, nc.Ways[i].Users = "", nil
			if w.Webhook != "" {
				nc.Ways[i].Users = []string{"porter"}
			}
		}
		nc.Text = func(_ context.Context, _, text string) error {
			d.notices <- strings.TrimPrefix(text, c.SIP.DisplayName+": ")
			return nil
		}
		notices, faults := notify.New(nc)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		sc := stationConfig(c)
		sc.Inbox = in
		d.st = station.New(sc, d, silentVoice{}, doorBoard{b})
		go notices.Run(ctx, d.st)
		go func() {
			for e := range d.st.Subscribe(ctx, 0) {
				if a, ok := auditOf(e); ok {
					d.mu.Lock()
					d.audit = append(d.audit, a)
					d.mu.Unlock()
				}
				notices.Tell(e)
			}
		}()
		over := make(chan struct{})
		go func() { defer close(over); d.st.Run(ctx) }()
		d.st.SetRegistration(station.Registration{State: station.RegRegistered})
		tell(d)
		cancel()
		<-over
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (d *officeDoor) press(name string, hold time.Duration) {
	d.t.Helper()
	if err := d.panel.Press(name, hold); err != nil {
		d.t.Fatal(err)
	}
	time.Sleep(hold + 100*time.Millisecond) // and the debounce time
	synctest.Wait()
}

func (d *officeDoor) set(contact string, active bool) {
	d.t.Helper()
	if err := d.panel.Set(contact, active); err != nil {
		d.t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func (d *officeDoor) last() *officeCall {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[len(d.calls)-1]
}

// audited is the audit log in short.
func (d *officeDoor) audited() (lines []string) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.audit {
		lines = append(lines, fmt.Sprintf("%s %s %s %v", a.User, a.Name, a.Relay, a.OK))
	}
	return lines
}

func (d *officeDoor) answer() *officeCall {
	c := d.last()
	c.happens(station.Answered, 0)
	synctest.Wait()
	return c
}

func (d *officeDoor) types(digits string) {
	for _, r := range digits {
		d.last().happens(station.Digit, r)
	}
	synctest.Wait()
}

// dialled is whom the door has called since the last question.
func (d *officeDoor) dialled(want string) {
	d.t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var got []string
	for _, c := range d.calls {
		got = append(got, c.user)
	}
	if g := strings.Join(got, " "); g != want {
		d.t.Errorf("dialled %q, want %q", g, want)
	}
}

func (d *officeDoor) relays() string {
	synctest.Wait()
	var on []string
	for _, r := range d.panel.State().Relays {
		if r.On {
			on = append(on, r.Name)
		}
	}
	return strings.Join(on, " ")
}

func (d *officeDoor) told() (texts []string) {
	synctest.Wait()
	for len(d.notices) > 0 {
		texts = append(texts, <-d.notices)
	}
	return texts
}

func TestVisitorAtTheOffice(t *testing.T) {
	atTheOffice(t, 9*time.Hour, func(d *officeDoor) {
		d.press("bell", 200*time.Millisecond)
		d.dialled("1001")
		time.Sleep(15 * time.Second)
		d.dialled("1001 2000")
		c := d.answer()
		d.types("240118") // nearly the code of the parcel service
		d.types("5")      // the key of the porter, not of the office
		if r := d.relays(); r != "" {
			t.Errorf("relays %q", r)
		}
		time.Sleep(6 * time.Second) // the entry is over
		d.types("471100")
		if r := d.relays(); r != "door" {
			t.Errorf("relays %q", r)
		}
		d.set("leaf", true)
		time.Sleep(4 * time.Second)
		d.set("leaf", false)
		if r := d.relays(); r != "" {
			t.Errorf("after the pulse: relays %q", r)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if c.ended != station.CauseOpened || d.st.Snapshot().State != station.Idle {
			t.Errorf("ended %q, state %s", c.ended, d.st.Snapshot().State)
		}
		if a := d.audited(); !slices.Equal(a, []string{"2000   false", "2000 anna door true"}) {
			t.Errorf("audit %q", a)
		}
		if texts := d.told(); texts != nil {
			t.Errorf("told %q", texts)
		}
	})
}

func TestOfficeOutOfHours(t *testing.T) {
	atTheOffice(t, 18*time.Hour, func(d *officeDoor) {
		d.press("bell", 200*time.Millisecond)
		d.dialled("1009")
		time.Sleep(20 * time.Second)
		d.dialled("1009 sip:porter@example.org")
		time.Sleep(20 * time.Second)
		if texts := d.told(); !slices.Equal(texts, []string{"a visitor pressed Example Ltd. and reached nobody: no answer"}) {
			t.Errorf("told %q", texts)
		}
		d.press("bell", 200*time.Millisecond)
		d.dialled("1009 sip:porter@example.org") // the pause of 3 s is not over
		time.Sleep(3 * time.Second)
		d.press("bell", 2500*time.Millisecond) // long
		d.dialled("1009 sip:porter@example.org 1009")
		d.answer()
		d.types("5")
		if r := d.relays(); r != "door" {
			t.Errorf("relays %q", r)
		}
	})
}

func TestOfficeWithoutACall(t *testing.T) {
	atTheOffice(t, 9*time.Hour, func(d *officeDoor) {
		d.press("lamp", 100*time.Millisecond)
		time.Sleep(5 * time.Minute) // longer than any pulse
		d.press("exit", 100*time.Millisecond)
		if r := d.relays(); r != "door light" {
			t.Errorf("relays %q", r)
		}
		d.set("leaf", true)
		time.Sleep(time.Minute)
		if texts := d.told(); !slices.Equal(texts, []string{"Main entrance has been open for 1 min"}) {
			t.Errorf("told %q", texts)
		}
		d.set("leaf", false)
		time.Sleep(time.Minute)
		d.set("leaf", true) // nobody opened
		if texts := d.told(); !slices.Equal(texts, []string{"Main entrance: over", "Main entrance was opened without a release"}) {
			t.Errorf("told %q", texts)
		}
		lamp := func() station.Pattern {
			for _, l := range d.st.Snapshot().Board.Lamps {
				if l.Name == "alarm" {
					return l.Pattern
				}
			}
			return ""
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if lamp() != station.LampFast {
			t.Errorf("alarm lamp %q", lamp())
		}
		d.set("housing", true)
		d.press("exit", 100*time.Millisecond)
		if r := d.relays(); r != "light" {
			t.Errorf("after tampering: relays %q", r)
		}
		if a := d.audited(); !slices.Equal(a, []string{"exit  door true", "exit  door false"}) {
			t.Errorf("audit %q", a)
		}
		d.press("lamp", 100*time.Millisecond)
		if r := d.relays(); r != "" {
			t.Errorf("relays %q", r)
		}
		d.press("lamp", 100*time.Millisecond) // on: the end of the board puts it out
	})
}
