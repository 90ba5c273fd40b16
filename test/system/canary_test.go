package system

import (
	"testing"
	"time"

	"intercomd/test/lab"
)

// A canary call through the server to a station that sends back what it hears, because its
// loudspeaker is wired to its microphone; then the wire is cut. Nobody sees a call at the door. A
// test call is one, and is marked.
func TestCanaryAndTestCall(t *testing.T) {
	s := need(t)
	far := doorConfig(t, s, map[string]string{"call.target": `"1000"`, "incoming.answer": `"auto"`, "audio.echo_canceller": `"off"`,
		"audio.noise_suppression": `"off"`, "audio.agc": "false", "audio.duplex": `"full"`})
	far.User, far.Card = "1001", s.pulse.Card("indoor")
	echo := startDoor(t, far)
	d := startDoor(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`, "canary.target": `"1001"`}))
	for _, one := range []*lab.Door{echo, d} {
		if err := one.Registered(within(t, 20*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	undo, err := far.Card.Couple(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	coupled := true
	defer func() {
		if coupled {
			_ = undo()
		}
	}()
	canary := func(want string) lab.Status {
		t.Helper()
		if err := d.Do(within(t, 10*time.Second), "canary", nil); err != nil {
			t.Fatal(err)
		}
		st, err := d.Wait(within(t, 60*time.Second), "canary call "+want, func(st lab.Status) bool { return st.Canary.State == want })
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := canary("passed")
	t.Logf("answered after %.0f ms, echo after %.0f ms", st.Canary.AnswerMS, st.Canary.EchoMS)
	if len(st.Calls) != 0 || st.Sound.Input.Open {
		t.Errorf("the canary is a call of the door: %+v", st.Calls)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	coupled = false
	if st = canary("failed"); st.Canary.Problem.Code != "canary-no-echo" || len(st.Faults) == 0 {
		t.Errorf("%+v, faults %+v", st.Canary, st.Faults)
	}

	// A press in the middle of one calls at once. The far end, a door with one line, may have heard
	// of it before the end of the canary, and be busy.
	if err := d.Do(within(t, 10*time.Second), "canary", nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	if _, err := d.Press(within(t, 5*time.Second), "bell"); err != nil {
		t.Fatal(err)
	}
	st, err = d.Wait(within(t, 15*time.Second), "the visitor's call", func(st lab.Status) bool { return st.Call != nil || len(st.Calls) > 0 })
	if err != nil {
		t.Fatal(err)
	}
	if st.Call != nil {
		_ = d.Hangup(within(t, 5*time.Second)) // it may be over meanwhile
	}
	if _, err := d.InState(within(t, 10*time.Second), "idle"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := d.Do(within(t, 10*time.Second), "test-call", map[string][]string{"target": {"1001"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InState(within(t, 20*time.Second), "talking"); err != nil {
		t.Fatal(err)
	}
	if err := d.Hangup(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	r, err := d.Over(within(t, 10*time.Second), begin)
	if err != nil || !r.Test {
		t.Errorf("the test call is not marked: %+v, %v", r, err)
	}
}
