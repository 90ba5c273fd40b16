package system

import (
	"fmt"
	"testing"
	"time"

	"intercomd/test/lab"
)

// A door at the far end of a bad line, and an indoor station that answers at once beside
// the server. There are no sound devices: what is looked at is signalling and the path of
// the media. The figures of a hundred calls are those of "make bench-net".
func TestBadLine(t *testing.T) {
	s := need(t)
	line, err := lab.NewLine()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	kam, err := lab.StartKamailio(within(t, 20*time.Second), s.lineServer("line"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kam.Stop(3 * time.Second) })
	near := doorConfig(t, s, map[string]string{"call.target": `"1000"`, "incoming.answer": `"auto"`})
	near.User = "1001"
	far := doorConfig(t, s, map[string]string{"call.target": `"1001"`})
	far.Line = line
	for _, c := range []*lab.DoorConfig{&near, &far} {
		c.Card, c.Server = nil, fmt.Sprintf("wss://%s:%d", lab.NearAddress, kam.Config.WSSPort)
	}
	startDoor(t, near)
	d := startDoor(t, far)
	if err := d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}

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

// lineServer is a server at the near end of a line.
func (s *shared) lineServer(name string) lab.KamailioConfig {
	c := s.server(name, 10443)
	c.Addresses = []string{lab.NearAddress}
	return c
}
