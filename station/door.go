package station

import (
	"fmt"
	"slices"
	"time"
)

// digit takes a DTMF digit of the answered call. It returns a cause if the call
// must end because of it.
func (t *talking) digit(s *Station, d rune) Cause {
	who := party{user: t.rec.Peer.User, called: t.trusted}
	locked := s.access.mem.LockedUntil
	dec := s.access.digit(d, who, time.Now())
	a := Released{By: Principal{Via: ViaCall, Name: who.user}, Name: dec.name, Relay: dec.action.Relay}
	switch dec.verdict {
	case Incomplete:
	case Opens:
		_ = s.relay(dec.action, a) // told already
		s.persist()
	case Wrong, WrongEndsCall:
		a.Why = RefusedCode
		s.tell(a)
		s.persist()
		if s.access.mem.LockedUntil.Equal(locked) {
			s.say(ToneCongestion)
		} else {
			s.say(ToneLocked)
			s.tell(KeypadLocked{Until: asSeen(s.access.mem.LockedUntil, time.Now()), By: a.By})
		}
		if dec.verdict == WrongEndsCall {
			return CauseCodes
		}
	case Locked, NotAllowed:
		if !dec.first {
			break // one attempt, one line
		}
		a.Why = RefusedParty
		if dec.verdict == Locked {
			a.Why = RefusedLocked
		}
		s.tell(a)
		if dec.verdict == Locked {
			s.say(ToneLocked)
		}
	}
	return ""
}

// relay does what an action asks of a relay. The length of all that opens something is
// kept by the board. Everybody is told of what comes of it; the error is for who asked.
func (s *Station) relay(do Action, a Released) error {
	switch do.Do {
	case Release:
		pulse := s.cfg.Door.Pulses[do.Relay]
		return s.release(do, pulse, a, func() error { return s.board.PulseRelay(do.Relay, pulse) })
	case Flash:
		f := s.cfg.Door.Flashes[do.Relay]
		return s.release(do, time.Duration(f.Count)*(f.On+f.Off), a, func() error { return s.board.FlashRelay(do.Relay, f.On, f.Off, f.Count) })
	case Toggle:
		return s.switchRelay(do, !s.board.RelayOn(do.Relay), a.By)
	case SwitchOn, SwitchOff:
		return s.switchRelay(do, do.Do == SwitchOn, a.By)
	default: // nothing else is about relays
	}
	return nil
}

// release opens something for a time, unless tampering has blocked it.
func (s *Station) release(do Action, length time.Duration, a Released, open func() error) error {
	now := time.Now()
	a.Relay = do.Relay
	if slices.Contains(s.cfg.Door.Lights, do.Relay) {
		err := open()
		s.tell(Switched{Relay: do.Relay, Does: do.Do, By: a.By, Detail: detail(err)})
		return broken(err)
	}
	if until := s.access.mem.TamperUntil; now.Before(until) {
		a.Why, a.Until = RefusedBlocked, asSeen(until, now)
		s.tell(a)
		s.say(ToneLocked)
		return ErrBlocked
	}
	if err := open(); err != nil {
		a.Why, a.Detail = RefusedRelay, err.Error()
		s.tell(a)
		s.say(ToneCongestion)
		return broken(err)
	}
	s.open[do.Relay] = now.Add(length)
	if c := s.call(); c != nil {
		c.rec.Opened = now
	}
	a.OK = true
	s.tell(a)
	s.say(ToneOpen)
	return nil
}

// switchRelay switches a relay that has no business with security, such as a light.
func (s *Station) switchRelay(do Action, on bool, by Principal) error {
	err := s.board.SwitchRelay(do.Relay, on)
	does := SwitchOff
	if on {
		does = SwitchOn
	}
	s.tell(Switched{Relay: do.Relay, Does: does, By: by, Detail: detail(err)})
	return broken(err)
}

// broken is the error of a relay that does not work, in front of what the board says; nil of none.
func broken(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrRelay, err)
}

// detail is the text of an error, "" of none.
func detail(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// tampered blocks the relays, and ends what is released: whoever has the door
// station open can reach them.
func (s *Station) tampered(e Edge) {
	now := time.Now()
	s.access.mem.TamperUntil = now.Add(s.cfg.Door.TamperBlock)
	for relay, until := range s.open {
		if now.Before(until) {
			if err := s.board.PulseRelay(relay, 0); err != nil {
				s.tell(Switched{Relay: relay, Does: SwitchOff, By: Principal{Via: ViaDoor}, Detail: err.Error()})
			}
			s.open[relay] = now
		}
	}
	s.tell(RelaysBlocked{Input: e.Input, Until: asSeen(s.access.mem.TamperUntil, now)})
	s.persist()
}

// doorOpenUntil is the end of the latest release of any relay.
func (s *Station) doorOpenUntil() (t time.Time) {
	for _, until := range s.open {
		if until.After(t) {
			t = until
		}
	}
	return t
}

// persistLocks writes running locks down now and then.
func (s *Station) persistLocks(now time.Time) {
	m := &s.access.mem
	if (now.Before(m.LockedUntil) || now.Before(m.TamperUntil)) && now.Sub(s.persistedAt) >= persistEvery {
		s.persist()
	}
}

// clamp bounds what was saved by another clock: no lock outlasts its own length.
func (a *access) clamp(now time.Time, tamper time.Duration) {
	if most := now.Add(a.cfg.Lock); a.mem.LockedUntil.After(most) {
		a.mem.LockedUntil = most
	}
	if most := now.Add(tamper); a.mem.TamperUntil.After(most) {
		a.mem.TamperUntil = most
	}
}
