package system

import (
	"testing"
	"time"

	"intercomd/test/lab"
)

// The lab itself must be sound before it may judge: tones pass through the
// virtual cards, and two web phones hear each other without the daemon.

func TestLabTonePassesThroughTheCard(t *testing.T) {
	s := need(t)
	// What is played into the microphone of this card comes out of the same sink's
	// monitor, which is what a daemon records from.
	card := s.pulse.Card("indoor")
	rec, err := card.RecordMic()
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Stop()
	begin := time.Now()
	p, err := card.Play(doorTone, -12)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	at, err := rec.Heard(within(t, 10*time.Second), begin, doorTone, -15)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tone heard %v after it was started, %.1f dBFS", at.Sub(begin).Round(time.Millisecond), lab.Level(rec.Last(300*time.Millisecond), doorTone))
}

func TestLabWebPhonesHearEachOther(t *testing.T) {
	s := need(t)
	ctx := within(t, 60*time.Second)
	a, err := s.browser.OpenPhone(ctx, s.phones.URL, s.wss(), "1003", "ring")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := s.browser.OpenPhone(ctx, s.phones.URL, s.wss(), "1004", "answer")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	begin := time.Now()
	if err := a.Do(ctx, `phone.call("1004")`, nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*lab.WebPhone{a, b} {
		level, err := p.Hears(ctx, pageTone, audible)
		if err != nil {
			t.Fatalf("web phone %s: %v\n%s", p.User, err, lab.Ladder(s.kam.Since(begin)))
		}
		t.Logf("web phone %s hears %.1f dBFS", p.User, level)
	}
	if err := a.Do(ctx, `phone.hangup()`, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Saw(ctx, "bye"); err != nil {
		t.Fatal(err)
	}
	t.Logf("on the wire:\n%s", lab.Ladder(s.kam.Since(begin)))
}
