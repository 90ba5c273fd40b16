package system

import (
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// Whatever is done to the page, a press calls: 5,000 connections, 200 streams of which half are
// never read, and bodies without end, under the limits of the unit. How fast it calls
// is measured by test/bench.
func TestGreedyPageClients(t *testing.T) {
	s := need(t)
	d := startDoor(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`}))
	if err := d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := lab.LimitAsUnit(d.Pid, "../../systemd/intercomd.service"); err != nil {
		t.Fatal(err)
	}
	before, err := lab.UsageOf(d.Pid)
	if err != nil {
		t.Fatal(err)
	}
	g := &lab.Greed{Addr: strings.Trim(strings.TrimPrefix(d.URL, "http://"), "/"), Idle: 5000, Streams: 200, Bodies: 4}
	defer g.Stop()
	if err := g.Start(within(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	var most int
	for i := range 3 {
		pressed, err := d.Press(within(t, 10*time.Second), "bell")
		if err != nil {
			t.Fatalf("press %d: %v", i, err)
		}
		if _, err := s.kam.Wait(within(t, 10*time.Second), pressed, func(m lab.Message) bool {
			return m.Method == "INVITE" && m.Status == 0 && m.From == "1000"
		}); err != nil {
			t.Fatalf("press %d: no INVITE: %v", i, err)
		}
		if _, err := d.Over(within(t, 20*time.Second), pressed); err != nil {
			t.Fatal(err)
		}
		if u, err := lab.UsageOf(d.Pid); err == nil {
			most = max(most, u.Files)
		}
	}
	if most > before.Files+280 {
		t.Errorf("%d descriptors, %d before: the page takes more than its share", most, before.Files)
	}
	served, full, other := g.Answers()
	t.Logf("streams: %d served, %d told that the page is full, %d neither; %d descriptors at most", served, full, other, most)
	if served < 100 || full == 0 {
		t.Error("want 100 viewers served, and the rest told so")
	}
	if st, err := d.Status(within(t, 10*time.Second)); err != nil || len(st.Faults) != 0 {
		t.Errorf("faults %v, %v", st.Faults, err)
	}
	g.Stop()
	// The places are free again, and so is the memory.
	end := time.Now().Add(2 * time.Minute)
	for {
		u, err := lab.UsageOf(d.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if u.RSS-before.RSS < 10<<10 && u.Files <= before.Files+4 {
			t.Logf("memory %d kB before, %d kB after", before.RSS, u.RSS)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("2 min later: %d kB, %d descriptors; before %d kB, %d", u.RSS, u.Files, before.RSS, before.Files)
		}
		time.Sleep(time.Second)
	}
}
