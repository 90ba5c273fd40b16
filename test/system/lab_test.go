package system

import (
	"runtime"
	"sync"
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

// A process dies with the thread that started it (prctl(2), PR_SET_PDEATHSIG): the end of a
// line must end no thread, or the sound server dies of another test.
func TestLabLineTakesNothingWithIt(t *testing.T) {
	need(t)
	var (
		threads sync.WaitGroup
		all     sync.WaitGroup
		started = make(chan *lab.Proc, 32)
	)
	// Every idle thread has started something, so the line runs on one that has.
	all.Add(cap(started))
	for range cap(started) {
		threads.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			p, err := lab.Start(lab.Spec{Args: []string{"sleep", "60"}})
			if err != nil {
				t.Error(err)
			} else {
				started <- p
			}
			all.Done()
			all.Wait()
		})
	}
	threads.Wait()
	close(started)
	line, err := lab.NewLine()
	if err != nil {
		t.Fatal(err)
	}
	line.Close()
	time.Sleep(200 * time.Millisecond)
	for p := range started {
		select {
		case <-p.Exited():
			t.Errorf("a process ended with the line: %v", p.Err())
		default:
			_ = p.Stop(time.Second)
		}
	}
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
