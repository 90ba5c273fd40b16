package system

import (
	"fmt"
	"maps"
	"net"
	"strconv"
	"testing"
	"time"

	"intercomd/test/lab"
)

// farAway starts a server at the near end of a line, an indoor station that answers at
// once beside it, and a door at the far end, over IPv4 or IPv6.
func farAway(t *testing.T, s *shared, port int, six bool, keys ...map[string]string) *remote {
	t.Helper()
	line, err := lab.NewLine()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	c := s.server(fmt.Sprint("line", port), port)
	address := lab.NearAddress
	if six {
		if err := line.OnlySix(); err != nil {
			t.Fatal(err)
		}
		address = lab.NearAddress6
	}
	c.Addresses = []string{address}
	kam, err := lab.StartKamailio(within(t, 20*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kam.Stop(3 * time.Second) })
	near := doorConfig(t, s, map[string]string{"call.target": `"1000"`, "incoming.answer": `"auto"`})
	for _, more := range keys {
		maps.Copy(near.Keys, more)
	}
	near.User, near.Card = "1001", s.pulse.Card("indoor")
	far := doorConfig(t, s, map[string]string{"call.target": `"1001"`})
	far.Line = line
	near.Server = "wss://" + net.JoinHostPort(address, strconv.Itoa(port))
	far.Server = near.Server
	indoor := startDoor(t, near)
	d := startDoor(t, far)
	for _, one := range []*lab.Door{indoor, d} {
		if err := one.Registered(within(t, 30*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return &remote{line, kam, d, indoor, near.Card}
}

// remote is a door at the far end of a line, and what stands at the near end.
type remote struct {
	line *lab.Line
	kam  *lab.Kamailio
	door *lab.Door
	in   *lab.Door // the indoor station
	near *lab.Card // of the indoor station
}

// ends expects that a call is over at both ends within a time from now, and who ended it.
func (r *remote) ends(t *testing.T, begin time.Time, limit time.Duration, byDoor bool) {
	t.Helper()
	now := time.Now()
	for _, d := range []*lab.Door{r.door, r.in} {
		over, err := d.Over(within(t, 40*time.Second), begin)
		if err != nil {
			t.Fatalf("%v\non the wire:\n%s", err, lab.Ladder(r.kam.Since(begin)))
		}
		by := map[bool]string{true: "command", false: "far-end"}[(d == r.door) == byDoor]
		if over.Ending.Cause != "hung-up" || over.Ending.By != by {
			t.Errorf("the record says %q by %q, want hung-up by %q", over.Ending.Cause, over.Ending.By, by)
		}
	}
	if took := time.Since(now); took > limit {
		t.Errorf("over after %v", took)
	} else {
		t.Logf("over after %v", took.Round(time.Millisecond))
	}
}

// Calls over a line with loss and jitter, and a registration over a cut. The figures of a
// hundred calls are those of "make bench-net".
func TestBadLine(t *testing.T) {
	far := farAway(t, need(t), 10443, false)
	line, d := far.line, far.door
	line.Set(lab.Weather{Loss: 0.05, Delay: 30 * time.Millisecond, Jitter: 30 * time.Millisecond})
	for i := range 8 {
		pressed, err := d.Press(within(t, 20*time.Second), "bell")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Wait(within(t, 20*time.Second), fmt.Sprint("connected in call ", i), func(st lab.Status) bool {
			return st.Call != nil && !st.Call.Answered.IsZero() && !st.Call.MediaUp.IsZero()
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.Hangup(within(t, 20*time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Over(within(t, 20*time.Second), pressed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // the BYE is on its way
	}
	if passed, lost := line.Packets(); lost == 0 || lost > passed/5 {
		t.Errorf("%d packets came through, %d were lost", passed, lost)
	}

	line.Set(lab.Weather{Cut: true})
	if _, err := d.Wait(within(t, 60*time.Second), "missing its server", func(st lab.Status) bool { return st.Registration.State != "registered" }); err != nil {
		t.Fatal(err)
	}
	line.Set(lab.Weather{})
	healed := time.Now()
	if err := d.Registered(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Logf("registered again %v after the line was mended", time.Since(healed).Round(time.Millisecond))
}

// The door gets another address in a call, as a new lease brings it: it registers from
// there, and the call finds a new path.
func TestNewAddressInACall(t *testing.T) {
	far := farAway(t, need(t), 11443, false)
	d := far.door
	voice, err := far.near.Play(pageTone, -12)
	if err != nil {
		t.Fatal(err)
	}
	defer voice.Stop()
	ear, err := d.Config.Card.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Stop()
	begin, err := d.Press(within(t, 20*time.Second), "bell")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ear.Heard(within(t, 30*time.Second), begin, pageTone, audible); err != nil {
		t.Fatal(err)
	}
	if err := far.line.Move("10.78.0.3"); err != nil {
		t.Fatal(err)
	}
	moved := time.Now()
	m, err := far.kam.Wait(within(t, 60*time.Second), moved, register)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("registered from there %v after the move", m.At.Sub(moved).Round(time.Millisecond))
	if _, err = far.kam.Wait(within(t, 60*time.Second), moved, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 200 }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // what is heard later was not on its way before
	back, err := ear.Heard(within(t, 60*time.Second), time.Now(), pageTone, audible)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("heard again %v after the move at the latest", back.Sub(moved).Round(time.Millisecond))
	if err := d.Registered(within(t, 30*time.Second)); err != nil {
		t.Error(err)
	}
	if st, err := d.Status(within(t, 5*time.Second)); err != nil || st.State != "talking" {
		t.Errorf("the door is %s, %v", st.State, err)
	}
	if err := d.Hangup(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if r, err := d.Over(within(t, 20*time.Second), begin); err != nil || r.Ending.Cause != "hung-up" {
		t.Errorf("the record says %q, %v", r.Ending.Cause, err)
	}
}

// A door that has nothing but IPv6: server, signalling and sound.
func TestOnlyIPv6(t *testing.T) {
	far := farAway(t, need(t), 12443, true)
	voice, err := far.near.Play(pageTone, -12)
	if err != nil {
		t.Fatal(err)
	}
	defer voice.Stop()
	ear, err := far.door.Config.Card.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Stop()
	begin, err := far.door.Press(within(t, 20*time.Second), "bell")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ear.Heard(within(t, 30*time.Second), begin, pageTone, audible); err != nil {
		t.Fatal(err)
	}
	if err := far.door.Hangup(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := far.door.Over(within(t, 20*time.Second), begin); err != nil {
		t.Fatal(err)
	}
}

// The WebSocket of the door is reset, or forgotten by a firewall, in a call and while the
// other end rings: the call goes on, and hanging up works on both sides. Kamailio does as
// FreeSWITCH does and sends what belongs to a call to the port that the call came from.
func TestConnectionBreaksInACall(t *testing.T) {
	far := farAway(t, need(t), 13443, false, map[string]string{"incoming.auto_answer_delay": `"3s"`})
	up := func(d *lab.Door) {
		t.Helper()
		if _, err := d.Wait(within(t, 40*time.Second), "talking", func(st lab.Status) bool {
			return st.Call != nil && !st.Call.Answered.IsZero() && !st.Call.MediaUp.IsZero()
		}); err != nil {
			t.Fatalf("%v\non the wire:\n%s", err, lab.Ladder(far.kam.Since(time.Now().Add(-time.Minute))))
		}
	}
	for _, row := range []struct {
		name   string
		breaks func()
		rings  bool // it breaks before the answer
		byDoor bool // who hangs up
		within time.Duration
	}{
		{"reset, the far end hangs up", func() { far.line.Reset() }, false, false, 5 * time.Second},
		{"reset, the door hangs up", func() { far.line.Reset() }, false, true, 5 * time.Second},
		{"reset while it rings", func() { far.line.Reset() }, true, false, 5 * time.Second},
		{"forgotten, the far end hangs up", far.line.Forget, false, false, 20 * time.Second},
		{"forgotten, the door hangs up", far.line.Forget, false, true, 20 * time.Second},
		{"forgotten while it rings", far.line.Forget, true, false, 20 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := far.door.Registered(within(t, 40*time.Second)); err != nil {
				t.Fatal(err)
			}
			begin, err := far.door.Press(within(t, 20*time.Second), "bell")
			if err != nil {
				t.Fatal(err)
			}
			if row.rings {
				if _, err := far.in.InState(within(t, 20*time.Second), "ringing"); err != nil {
					t.Fatal(err)
				}
				row.breaks()
				up(far.door)
				up(far.in)
			} else {
				up(far.door)
				up(far.in)
				row.breaks()
			}
			hangs := far.in
			if row.byDoor {
				hangs = far.door
			}
			if err := hangs.Hangup(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			far.ends(t, begin, row.within, row.byDoor)
		})
	}
}
