package station

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// publication is a snapshot and the news that it has been replaced.
type publication struct {
	snap    *Snapshot
	changed chan struct{} // closed when the next one is out
}

// Snapshot returns the newest published state. It is shared: do not change it.
func (s *Station) Snapshot() *Snapshot { return s.pub.Load().snap }

// Changed returns a channel that is closed when the present snapshot has been
// replaced. Ask for the channel first and for the snapshot then, and no change
// is missed.
func (s *Station) Changed() <-chan struct{} { return s.pub.Load().changed }

// refresh takes a look at sound and board, works out what is wrong, and brings
// lamps and snapshot up to date.
func (s *Station) refresh() {
	now := time.Now()
	sound, board := s.voice.Sound(), s.board.State()
	sound.MicLive, sound.Muted = s.micLive(), s.muted()
	sound.FarSilent = s.farSilent(sound.FarSilent, now)
	if s.cfg.Call.PushToTalk {
		sound.Duplex = Duplex{Mode: DuplexPush}
	}
	s.faults.derive(s.reg, sound, board, s.doorState(now), now)
	s.showLamps()
	s.publish(now, sound, board)
}

// quietAfter is how long nothing may come from the far end before that is worth a word:
// telephones with silence suppression send nothing for a while.
const quietAfter = 5 * time.Second

// farSilent says since when the far end of the running call has not been heard; last is
// when its last packet came. Before the answer nobody has to be heard.
func (s *Station) farSilent(last, now time.Time) time.Time {
	if s.state != Talking || s.rec == nil || last.IsZero() {
		return time.Time{}
	}
	if last.Before(s.rec.Answered) {
		last = s.rec.Answered
	}
	if now.Sub(last) < quietAfter {
		return time.Time{}
	}
	return last
}

// publish makes a new snapshot of everything.
func (s *Station) publish(now time.Time, sound Sound, board BoardState) {
	s.seq++
	snap := &Snapshot{
		Seq: s.seq, Time: now, Name: s.cfg.Name, Version: s.cfg.Version, Started: s.started,
		State: s.state, Calls: s.calls, Waiting: s.waitingNow(), Texts: s.texts, Registration: s.reg,
		Sound: sound, Board: board, Faults: s.faults.list(),
	}
	if s.rec != nil {
		rec := *s.rec
		snap.Call = &rec
	}
	snap.SelfTest = s.test.shown
	snap.SelfTest.Next = s.test.due
	snap.Door, snap.Runtime = s.doorState(now), cost()
	snap.Buttons, snap.Contacts = s.meanings, s.contacts.show()
	next := &publication{snap: snap, changed: make(chan struct{})}
	if old := s.pub.Swap(next); old != nil {
		close(old.changed)
	}
}

// meanings says what every button does.
func meanings(cfg *Config) (out []Button) {
	for _, b := range cfg.Buttons {
		v := Button{Input: b.Input, Label: b.Label, Does: b.Press.Do.word(), Target: b.Press.Target, Relay: b.Press.Relay}
		for _, t := range cfg.Targets {
			if t.Name == v.Target {
				v.TargetLabel = t.Label
			}
		}
		out = append(out, v)
	}
	return out
}

func (s *Station) doorState(now time.Time) DoorState {
	d := DoorState{DoNotDisturb: s.access.mem.DoNotDisturb}
	if t := s.access.mem.LockedUntil; now.Before(t) {
		d.LockedUntil = asSeen(t, now)
	}
	if t := s.access.mem.TamperUntil; now.Before(t) {
		d.BlockedUntil = asSeen(t, now)
	}
	return d
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
