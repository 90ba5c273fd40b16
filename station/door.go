package station

import (
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
		s.relay(dec.action, a)
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
// kept by the board.
func (s *Station) relay(do Action, a Released) {
	switch do.Do {
	case Release:
		pulse := s.cfg.Door.Pulses[do.Relay]
		s.release(do, pulse, a, func() error { return s.board.PulseRelay(do.Relay, pulse) })
	case Flash:
		f := s.cfg.Door.Flashes[do.Relay]
		s.release(do, time.Duration(f.Count)*(f.On+f.Off), a, func() error { return s.board.FlashRelay(do.Relay, f.On, f.Off, f.Count) })
	case Toggle:
		s.switchRelay(do, !s.board.RelayOn(do.Relay), a.By)
	case SwitchOn, SwitchOff:
		s.switchRelay(do, do.Do == SwitchOn, a.By)
	default: // nothing else is about relays
	}
}

// release opens something for a time, unless tampering has blocked it.
func (s *Station) release(do Action, length time.Duration, a Released, open func() error) {
	now := time.Now()
	a.Relay = do.Relay
	if slices.Contains(s.cfg.Door.Lights, do.Relay) {
		s.tell(Switched{Relay: do.Relay, Does: do.Do, By: a.By, Detail: detail(open())})
		return
	}
	if until := s.access.mem.TamperUntil; now.Before(until) {
		a.Why, a.Until = RefusedBlocked, asSeen(until, now)
		s.tell(a)
		s.say(ToneLocked)
		return
	}
	if err := open(); err != nil {
		a.Why, a.Detail = RefusedRelay, err.Error()
		s.tell(a)
		s.say(ToneCongestion)
		return
	}
	s.open[do.Relay] = now.Add(length)
	if c := s.call(); c != nil {
		c.rec.Opened = now
	}
	a.OK = true
	s.tell(a)
	s.say(ToneOpen)
}

// switchRelay switches a relay that has no business with security, such as a light.
func (s *Station) switchRelay(do Action, on bool, by Principal) {
	err := s.board.SwitchRelay(do.Relay, on)
	does := SwitchOff
	if on {
		does = SwitchOn
	}
	s.tell(Switched{Relay: do.Relay, Does: does, By: by, Detail: detail(err)})
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
