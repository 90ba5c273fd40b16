package station

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"time"
)

// publication is a snapshot and the news that it has been replaced.
type publication struct {
	snap    *Snapshot
	changed chan struct{} // closed when the next one is out
}

// Snapshot returns the newest state. It is shared: do not change it.
func (s *Station) Snapshot() *Snapshot { return s.pub.Load().snap }

// Changed returns a channel that is closed when the present state has been replaced by
// another. Ask for the channel first and for the snapshot then, and no change is missed.
func (s *Station) Changed() <-chan struct{} { return s.pub.Load().changed }

// Gauges returns what moves all the time as it was when the door last looked around. It does
// so a few times a second in a call; every second while somebody asks and neither microphone nor loudspeaker
// runs, so that next to nothing moves; else every few seconds. They are shared: do not change them.
func (s *Station) Gauges() *Gauges {
	now := int64(time.Since(s.started))
	if last := s.asked.Swap(now); last == 0 || now-last > int64(lively)/2 {
		select {
		case s.poke <- struct{}{}:
		default:
		}
	}
	return s.gauges.Load()
}

// Looked is when the door last looked around: it does at least every few seconds, or its
// goroutine hangs.
func (s *Station) Looked() time.Time { return s.gauges.Load().Time }

// look is when the door next looks around if nothing happens until then.
func (s *Station) look(now time.Time) time.Time {
	at := s.asked.Load()
	asked := at != 0 && now.Sub(s.started)-time.Duration(at) < lively
	sound := &s.Snapshot().Sound
	switch {
	case s.state() != Idle, s.trial.runs(), now.Before(s.livelyUntil), asked && (sound.Input.Open || sound.Output.Open), s.pulsing():
		return now.Add(refreshEvery)
	case asked:
		// By the full seconds, as the page does: one wake-up for both.
		return now.Truncate(askedEvery).Add(askedEvery)
	default:
		// By the clock's even seconds, as phone and sound do at rest: one wake-up for all.
		return now.Truncate(restEvery).Add(restEvery)
	}
}

// pulsing tells whether a relay is about to fall back by itself.
func (s *Station) pulsing() bool {
	for _, r := range s.Snapshot().Board.Relays {
		if !r.Until.IsZero() {
			return true
		}
	}
	return false
}

// refresh takes a look at sound and board, works out what is wrong, and brings
// lamps, gauges and snapshot up to date.
func (s *Station) refresh() {
	now := time.Now()
	sound, gauges := s.voice.Sound()
	board, counts := s.board.State()
	gauges.Time, gauges.Inputs, gauges.Runtime = now, counts, cost()
	gauges.Stats.XrunsNow = s.xruns.lately(gauges.Stats.Xruns, now)
	s.gauges.Store(&gauges)
	s.hearTrial(gauges.Mic)
	s.devices(sound)
	s.faults.derive(s.reg, sound, board, s.doorState(now), now)
	for _, n := range s.faults.news() {
		s.tell(n)
	}
	s.showLamps()
	s.publish(now, sound, board)
}

// quietAfter is how long nothing may come from the far end before that is worth a word:
// telephones with silence suppression send nothing for a while.
const quietAfter = 5 * time.Second

// farSilent says since when the far end of the running call has not been heard; last is
// when its last packet came. Before the answer nobody has to be heard.
func (s *Station) farSilent(last, now time.Time) time.Time {
	if s.state() != Talking || last.IsZero() {
		return time.Time{}
	}
	if answered := s.call().rec.Answered; last.Before(answered) {
		last = answered
	}
	if now.Sub(last) < quietAfter {
		return time.Time{}
	}
	return last
}

// devices tells of microphones and loudspeakers that came, went, or are other ones.
func (s *Station) devices(now Sound) {
	for _, d := range []struct {
		role     string
		was, now *Device
	}{{"input", &s.told.Input, &now.Input}, {"output", &s.told.Output, &now.Output}} {
		now := *d.now
		now.Open = false // it does at every call, which is told already
		if *d.was == now {
			continue
		}
		*d.was = now
		s.tell(DeviceChanged{Role: d.role, Device: now})
	}
}

// publish makes a snapshot of everything, and lets it replace the one before if the state
// is another.
func (s *Station) publish(now time.Time, sound Sound, board BoardState) {
	sound.MicLive, sound.Muted = s.micLive(), s.muted()
	sound.FarSilent = s.farSilent(sound.FarSilent, now)
	if s.cfg.Call.PushToTalk {
		sound.Duplex = Duplex{Mode: DuplexPush}
	}
	board.Relays = slices.Clone(board.Relays)
	for i := range board.Relays {
		board.Relays[i].Opens = !slices.Contains(s.cfg.Door.Lights, board.Relays[i].Name)
	}
	snap := &Snapshot{
		Name: s.cfg.Name, Version: s.cfg.Version, Started: s.started,
		State: s.state(), Calls: s.calls, Waiting: s.waitingNow(), Texts: s.texts, Registration: s.reg,
		Sound: sound, SelfTest: s.test.shown, Board: board, Door: s.doorState(now),
		Canary:  s.canary.shown,
		Buttons: s.meanings, Targets: s.targets, Contacts: s.contacts.show(), Faults: s.faults.list(), Deliveries: s.deliveries,
	}
	if c := s.call(); c != nil {
		rec := *c.rec
		snap.Call = &rec
	}
	snap.SelfTest.Next = s.test.due
	snap.NotReady = WhyNotReady(snap)
	old := s.pub.Load()
	if old != nil && sameState(old.snap, snap) {
		return
	}
	s.seq++
	snap.Seq, snap.Time, snap.Events, snap.Gauges = s.seq, now, s.journal.coming(), *s.gauges.Load()
	s.pub.Store(&publication{snap: snap, changed: make(chan struct{})})
	if old != nil {
		close(old.changed)
	}
}

// sameState reports whether fresh, which has neither number nor time yet, tells the same as
// a published snapshot. A test holds it to every field.
func sameState(old, fresh *Snapshot) bool {
	a, b := old, fresh
	return a.Name == b.Name && a.Version == b.Version && a.Started.Equal(b.Started) && a.State == b.State &&
		sameCall(a.Call, b.Call) && slices.Equal(a.Calls, b.Calls) && slices.Equal(a.Waiting, b.Waiting) && slices.Equal(a.Texts, b.Texts) &&
		a.Registration == b.Registration && a.NotReady == b.NotReady && a.Sound == b.Sound && a.SelfTest == b.SelfTest && a.Canary == b.Canary && a.Door == b.Door &&
		a.Board.Driver == b.Board.Driver && a.Board.Simulated == b.Board.Simulated && a.Board.Problem == b.Board.Problem &&
		slices.Equal(a.Board.Inputs, b.Board.Inputs) && slices.Equal(a.Board.Lamps, b.Board.Lamps) && slices.Equal(a.Board.Relays, b.Board.Relays) &&
		slices.Equal(a.Buttons, b.Buttons) && slices.Equal(a.Targets, b.Targets) && slices.Equal(a.Contacts, b.Contacts) && slices.Equal(a.Faults, b.Faults) &&
		slices.Equal(a.Deliveries, b.Deliveries)
}

func sameCall(a, b *Record) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// meanings says what every button does.
func meanings(cfg *Config) (out []Button) {
	for _, b := range cfg.Buttons {
		v := Button{Input: b.Input, Label: b.Label, Does: b.Press.Do, Target: b.Press.Target, Relay: b.Press.Relay}
		for _, t := range cfg.Targets {
			if t.Name == v.Target {
				v.TargetLabel = t.Label
			}
		}
		out = append(out, v)
	}
	return out
}

// doorState is what keeps the door from opening or the bell from ringing. The clock of the
// day wavers a little against the one by which locks run: an end that is shown already
// stays until it is another one.
func (s *Station) doorState(now time.Time) DoorState {
	var shown DoorState
	if old := s.pub.Load(); old != nil {
		shown = old.snap.Door
	}
	d := DoorState{DoNotDisturb: s.access.mem.DoNotDisturb}
	if t := s.access.mem.LockedUntil; now.Before(t) {
		d.LockedUntil = steady(shown.LockedUntil, asSeen(t, now))
	}
	if t := s.access.mem.TamperUntil; now.Before(t) {
		d.BlockedUntil = steady(shown.BlockedUntil, asSeen(t, now))
	}
	return d
}

// steady is t, or what was shown for it if that is nearly the same.
func steady(shown, t time.Time) time.Time {
	if d := t.Sub(shown); d > -time.Second && d < time.Second {
		return shown
	}
	return t
}

// cost reads what the program uses, without stopping it.
func cost() Runtime {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	r := Runtime{Goroutines: runtime.NumGoroutine()}
	if sample[0].Value.Kind() == metrics.KindUint64 {
		r.HeapBytes = sample[0].Value.Uint64()
	}
	return r
}

// minute tells how far a counter went in the last minute, to a few seconds.
type minute struct {
	at    [12]time.Time
	count [12]uint64
	next  int
}

// lately notes the counter and returns how far it went.
func (m *minute) lately(count uint64, now time.Time) uint64 {
	oldest := count
	if last := (m.next + len(m.at) - 1) % len(m.at); m.at[last].IsZero() || now.Sub(m.at[last]) >= time.Minute/time.Duration(len(m.at)) {
		m.at[m.next], m.count[m.next] = now, count
		m.next = (m.next + 1) % len(m.at)
	}
	for i, at := range m.at {
		if !at.IsZero() && now.Sub(at) <= time.Minute+time.Second && m.count[i] < oldest {
			oldest = m.count[i]
		}
	}
	return count - oldest
}
