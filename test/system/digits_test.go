package system

import (
	"testing"
	"time"

	"intercomd/test/lab"
)

func TestDigitOfTheCalledPageOpensTheDoor(t *testing.T) {
	s := need(t)
	page := openPhone(t, s, "1001", "answer")
	d := registered(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`, "door.key": `"5"`}))
	if err := page.Incoming(t.Context(), "answer"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := d.Press(t.Context(), "bell"); err != nil {
		t.Fatal(err)
	}
	if err := page.Until(within(t, 15*time.Second), "phone.canDial()"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InState(within(t, 15*time.Second), "talking"); err != nil {
		t.Fatal(err)
	}
	// A wrong digit first: it must not open.
	if err := page.Do(t.Context(), `phone.dtmf("4")`, nil); err != nil {
		t.Fatal(err)
	}
	st, err := d.Wait(within(t, 10*time.Second), "told of a digit", func(s lab.Status) bool { return s.Call != nil && s.Call.Digits == 1 })
	if err != nil {
		t.Fatal(err)
	}
	if st.Relay("door") {
		t.Fatal("a wrong digit opened the door")
	}
	if err := page.Do(t.Context(), `phone.dtmf("5")`, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(within(t, 10*time.Second), "opening the door", func(s lab.Status) bool { return s.Relay("door") }); err != nil {
		t.Fatalf("%v\n%s", err, lab.Ladder(s.kam.Since(begin)))
	}
	if err := page.Do(t.Context(), "phone.hangup()", nil); err != nil {
		t.Fatal(err)
	}
	r, err := d.Over(within(t, 15*time.Second), begin)
	if err != nil {
		t.Fatal(err)
	}
	if r.Opened.IsZero() || r.Digits != 2 {
		t.Errorf("the record says opened %v, %d digits; want a time and 2", r.Opened, r.Digits)
	}
	// The relay falls back by itself.
	if _, err := d.Wait(within(t, 15*time.Second), "closing the door", func(s lab.Status) bool { return !s.Relay("door") }); err != nil {
		t.Fatal(err)
	}
}
