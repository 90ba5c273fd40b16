package slot

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// door plays the life of a card: the firmware, the initrd, the system.
type door struct {
	t     *testing.T
	card  *memory
	armed bool
	slot  Slot
	trial bool
}

func newDoor(t *testing.T) *door {
	d := &door{t: t, card: newCard(t, 32)}
	d.start()
	return d
}

// start is power on or a restart: the firmware chooses, the initrd counts. It returns
// how often the initrd sent the machine to the other slot.
func (d *door) start() int {
	d.t.Helper()
	n, err := d.tryStart()
	d.must(err)
	return n
}

func (d *door) tryStart() (wentBack int, err error) {
	for {
		c, err := ReadChoice(d.card)
		if err != nil {
			return 0, err
		}
		part := c.Start
		d.trial = d.armed && c.Trial != 0
		if d.trial {
			part = c.Trial
		}
		d.armed = false
		if d.slot = OfBootPartition(part); d.slot == 0 {
			return 0, fmt.Errorf("autoboot.txt starts partition %d: the board is dead", part)
		}
		r, err := ReadRecord(d.card)
		if err != nil {
			return 0, err
		}
		if !r.Begin(d.slot, d.trial) {
			return wentBack, WriteRecord(d.card, r)
		}
		if err := Commit(d.card, d.slot.Other()); err != nil {
			return 0, err
		}
		r.WentBack(d.slot, "it kept restarting")
		if err := WriteRecord(d.card, r); err != nil {
			return 0, err
		}
		if wentBack++; wentBack > 3 {
			return 0, errors.New("it goes to and fro")
		}
	}
}

// powerOn is a start after the power was gone: what was asked of the firmware is forgotten.
func (d *door) powerOn() {
	d.t.Helper()
	d.armed = false
	d.card = d.card.clone()
	d.start()
}

func (d *door) manager() *Manager {
	return &Manager{Card: d.card, Running: d.slot, Trial: d.trial, Arm: func(on bool) error { d.armed = on; return nil }}
}

func (d *door) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// install is what RAUC does.
func (d *door) install(s Slot) {
	d.t.Helper()
	d.must(d.manager().MarkBad(s, ""))
	d.must(d.manager().SetPrimary(s))
}

func (d *door) wants(running Slot, trial bool, committed Slot, a, b State) {
	d.t.Helper()
	st, err := d.manager().Status()
	d.must(err)
	got := fmt.Sprintf("runs %s trial %t, starts %s, A %s, B %s", d.slot, d.trial, st.Choice.Slot(), st.Record.A, st.Record.B)
	want := fmt.Sprintf("runs %s trial %t, starts %s, A %s, B %s", running, trial, committed, a, b)
	if got != want {
		d.t.Errorf("it %s\nwant %s", got, want)
	}
}

func TestGoodUpdate(t *testing.T) {
	d := newDoor(t)
	d.must(d.manager().StartIsGood())
	d.install(B)
	if p, err := d.manager().Primary(); err != nil || p != B {
		t.Errorf("primary is %s, %v", p, err)
	}
	d.wants(A, false, A, Good, New)
	d.start()
	d.wants(B, true, A, Good, New)
	d.must(d.manager().StartIsGood()) // says nothing about a trial
	d.wants(B, true, A, Good, New)
	d.must(d.manager().MarkGood(B))
	d.wants(B, true, B, Good, Good)
	d.powerOn()
	d.wants(B, false, B, Good, Good)
}

func TestTrialThatEndsByItself(t *testing.T) {
	d := newDoor(t)
	d.must(d.manager().StartIsGood())
	d.install(B)
	d.start()
	d.start() // whatever ended it
	d.wants(A, false, A, Good, Bad)
	if r, _ := ReadRecord(d.card); r.Pending != 0 || r.Why == "" {
		t.Errorf("the record is %+v", r)
	}
	d.start()
	d.wants(A, false, A, Good, Bad)
}

func TestTrialThatIsGivenUp(t *testing.T) {
	d := newDoor(t)
	d.install(B)
	d.start()
	d.must(d.manager().MarkBad(B, "no account has registered within ten minutes"))
	if d.armed {
		t.Error("it would be tried again")
	}
	d.start()
	if r, _ := ReadRecord(d.card); r.Why != "no account has registered within ten minutes" || r.B != Bad {
		t.Errorf("the record is %+v", r)
	}
}

// Between the wish and the restart the power goes: the wish is still known.
func TestWishOutlivesAPowerCut(t *testing.T) {
	d := newDoor(t)
	d.install(B)
	d.powerOn()
	d.wants(A, false, A, "", New)
	if armed, err := d.manager().Rearm(); !armed || err != nil {
		t.Fatalf("armed %t, %v", armed, err)
	}
	d.start()
	d.wants(B, true, A, "", New)
	if armed, _ := d.manager().Rearm(); armed {
		t.Error("a trial that runs is asked for again")
	}
	d.start()
	if armed, _ := d.manager().Rearm(); armed {
		t.Error("a failed trial is asked for again")
	}
}

func TestCommittedSystemThatBreaksLater(t *testing.T) {
	d := newDoor(t)
	d.must(d.manager().StartIsGood())
	d.install(B)
	d.start()
	d.must(d.manager().MarkGood(B))
	for i := range StartsLimit {
		d.start()
		if d.slot != B {
			t.Fatalf("start %d went to slot %s", i+1, d.slot)
		}
	}
	if n := d.start(); n != 1 {
		t.Errorf("sent to the other slot %d times", n)
	}
	d.wants(A, false, A, Good, Bad)
	// The old one breaks as well: there is nowhere to go.
	for range 3 * StartsLimit {
		if d.start() != 0 || d.slot != A {
			t.Fatal("it went to a slot that is known to be bad")
		}
	}
}

// A door whose power is switched on and off, but works each time, stays where it is.
func TestManyGoodStarts(t *testing.T) {
	d := newDoor(t)
	d.must(d.manager().MarkGood(B))
	for range 5 * StartsLimit {
		d.powerOn()
		d.powerOn()
		d.must(d.manager().StartIsGood())
		if d.slot != A {
			t.Fatal("it left a slot that works")
		}
	}
}

// A card with one system only has nothing to go back to.
func TestFirstSystemKeepsRestarting(t *testing.T) {
	d := newDoor(t)
	for range 5 * StartsLimit {
		if d.start() != 0 {
			t.Fatal("it went to an empty slot")
		}
	}
	if err := d.manager().MarkBad(A, ""); err == nil || !strings.Contains(err.Error(), "stays") {
		t.Errorf("giving up the only system: %v", err)
	}
	d.wants(A, false, A, "", "")
}

func TestWishIsTakenBack(t *testing.T) {
	d := newDoor(t)
	d.install(B)
	d.must(d.manager().SetPrimary(A))
	if d.armed {
		t.Error("it is still asked for")
	}
	d.start()
	d.wants(A, false, A, "", New)
}

// Every prefix of the writes of every step, and sectors torn at any byte: the board starts,
// in the old slot or the new one, and an update can be made again.
func TestPowerCuts(t *testing.T) {
	steps := []struct {
		name string
		do   func(d *door) error
	}{
		{"install", func(d *door) error {
			if err := d.manager().MarkBad(B, ""); err != nil {
				return err
			}
			return d.manager().SetPrimary(B)
		}},
		{"restart into the trial", func(d *door) error { _, err := d.tryStart(); return err }},
		{"commit", func(d *door) error { return d.manager().MarkGood(B) }},
		{"restart", func(d *door) error { _, err := d.tryStart(); return err }},
		{"breaks later", func(d *door) error {
			for range StartsLimit + 1 {
				if _, err := d.tryStart(); err != nil {
					return err
				}
			}
			return nil
		}},
	}
	ready := newDoor(t)
	ready.must(ready.manager().StartIsGood())
	cuts := 0
	for _, step := range steps {
		for left := 0; ; left++ {
			whole := false
			for torn := 0; torn < SectorSize && !whole; torn += 31 {
				d := &door{t: t, card: ready.card.clone(), armed: ready.armed, slot: ready.slot, trial: ready.trial}
				d.card.left, d.card.torn = left, torn
				whole = step.do(d) == nil
				cuts++
				checkAfterPowerCut(d, fmt.Sprintf("%s, power gone after %d writes and %d bytes", step.name, left, torn))
			}
			if whole {
				break
			}
		}
		ready.must(step.do(ready))
	}
	if ready.slot != A {
		t.Errorf("the story ended in slot %s", ready.slot)
	}
	t.Logf("%d power cuts", cuts)
}

func checkAfterPowerCut(d *door, name string) {
	d.t.Helper()
	d.powerOn()
	c, err := ReadChoice(d.card)
	if err != nil || d.slot != c.Slot() {
		d.t.Fatalf("%s: runs %s, autoboot.txt says %+v, %v", name, d.slot, c, err)
	}
	d.must(d.manager().StartIsGood())
	other := d.slot.Other()
	d.install(other)
	d.start()
	d.must(d.manager().MarkGood(other))
	d.powerOn()
	if d.slot != other {
		d.t.Fatalf("%s: an update after it does not start", name)
	}
}

func TestRecord(t *testing.T) {
	m := newCard(t, 32)
	if r, err := ReadRecord(m); err != nil || r != (Record{}) {
		t.Fatalf("a new card remembers %+v, %v", r, err)
	}
	long := strings.Repeat("wörter ", 100)
	for _, r := range []Record{
		{},
		{Pending: B, Tried: true, Counted: A, Starts: 3, A: Good, B: New, Why: "a reason"},
		{Why: "two\nlines\x00 and crc 00000000\ncrc 12345678"},
		{Why: long},
		{Why: "\xff\xfe"},
	} {
		if err := WriteRecord(m, r); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		got, err := ReadRecord(m)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		why := got.Why
		got.Why = r.Why
		if got != r {
			t.Errorf("%+v came back as %+v", r, got)
		}
		if r.Why == "a reason" && why != r.Why {
			t.Errorf("the reason came back as %q", why)
		}
	}
	// One of the two copies may be lost.
	_ = WriteRecord(m, Record{Starts: 1})
	_ = WriteRecord(m, Record{Starts: 2})
	for i, want := range []int{1, 2} {
		c := m.clone()
		_, _, free, _ := newestRecord(c)
		lost := recordAt[0] + recordAt[1] - free // the newest
		if i == 1 {
			lost = free
		}
		c.put(int64(lost), make([]byte, SectorSize))
		if r, err := ReadRecord(c); err != nil || r.Starts != want {
			t.Errorf("without one copy: %+v, %v, want %d starts", r, err, want)
		}
	}
	n := len(m.writes)
	_ = WriteRecord(m, Record{Starts: 2})
	if len(m.writes) != n {
		t.Error("what is remembered already is written again")
	}
}

func FuzzRecord(f *testing.F) {
	r := Record{Pending: B, Why: "x"}
	f.Add(r.encode(7))
	f.Fuzz(func(t *testing.T, sector []byte) {
		r, seq, ok := decodeRecord(sector)
		if !ok {
			return
		}
		again, seq2, ok := decodeRecord(r.encode(seq))
		if !ok || seq2 != seq || again.Pending != r.Pending || again.Starts != r.Starts {
			t.Errorf("%+v came back as %+v", r, again)
		}
	})
}

func TestBoot(t *testing.T) {
	want := Boot{Slot: B, Trial: true, Disk: "/dev/mmcblk0", Note: "a=b c"}
	if got, err := ParseBoot(want.String()); err != nil || got != want {
		t.Errorf("%+v came back as %+v, %v", want, got, err)
	}
	for _, text := range []string{"", "slot=A\n", "disk=/dev/sda\n", "slot=C\ndisk=/dev/sda\n"} {
		if _, err := ParseBoot(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
