package station

import (
	"fmt"
	"slices"
	"time"
)

// digit takes a DTMF digit of the answered call. It returns a cause if the call
// must end because of it.
func (s *Station) digit(d rune) Cause {
	who := party{user: s.rec.Peer.User, called: s.chosen}
	locked := s.access.mem.LockedUntil
	dec := s.access.digit(d, who, time.Now())
	a := Audit{Call: s.rec.ID, User: who.user, How: "code", Name: dec.name, Relay: dec.action.Relay}
	switch dec.verdict {
	case Incomplete:
	case Opens:
		s.relay(dec.action, a)
		s.save()
	case Wrong, WrongEndsCall:
		a.Why = "wrong code"
		s.audit(a)
		s.save()
		if s.access.mem.LockedUntil.Equal(locked) {
			s.say(ToneCongestion)
		} else {
			s.say(ToneLocked)
			s.log.Warn("too many wrong codes: keypad locked", "until", s.access.mem.LockedUntil, "call", a.Call, "user", a.User)
			s.notify(NoticeAlarm, "codes", "too many wrong codes: the keypad is locked", false)
		}
		if dec.verdict == WrongEndsCall {
			return CauseCodes
		}
	case Locked, NotAllowed:
		if !dec.first {
			break // one attempt, one line
		}
		a.Why = map[Verdict]string{Locked: "the keypad is locked", NotAllowed: "this party may not open the door"}[dec.verdict]
		s.audit(a)
		if dec.verdict == Locked {
			s.say(ToneLocked)
		}
	}
	return ""
}

// relay does what an action asks of a relay. The length of all that opens something is
// kept by the board.
func (s *Station) relay(do Action, a Audit) {
	switch do.Do {
	case Release:
		pulse := s.cfg.Door.Pulses[do.Relay]
		s.release(do.Relay, pulse, a, func() error { return s.board.PulseRelay(do.Relay, pulse) })
	case Flash:
		f := s.cfg.Door.Flashes[do.Relay]
		s.release(do.Relay, time.Duration(f.Count)*(f.On+f.Off), a, func() error { return s.board.FlashRelay(do.Relay, f.On, f.Off, f.Count) })
	case Toggle:
		s.switchRelay(do.Relay, !s.board.RelayOn(do.Relay), a.User)
	case SwitchOn, SwitchOff:
		s.switchRelay(do.Relay, do.Do == SwitchOn, a.User)
	default: // nothing else is about relays
	}
}

// release opens something for a time, unless tampering has blocked it.
func (s *Station) release(relay string, length time.Duration, a Audit, open func() error) {
	a.Relay = relay
	if slices.Contains(s.cfg.Door.Lights, relay) {
		if err := open(); err != nil {
			s.log.Error("relay could not be switched", "relay", relay, "by", a.User, "error", err)
		}
		return
	}
	if err := s.blocked(time.Now()); err != nil {
		a.Why = err.Error()
		s.audit(a)
		s.say(ToneLocked)
		return
	}
	if err := open(); err != nil {
		a.Why = err.Error()
		s.audit(a)
		s.say(ToneCongestion)
		return
	}
	now := time.Now()
	s.open[relay] = now.Add(length)
	if s.rec != nil {
		s.rec.Opened = now
	}
	a.OK = true
	s.audit(a)
	s.say(ToneOpen)
}

// switchRelay switches a relay that has no business with security, such as a light.
func (s *Station) switchRelay(relay string, on bool, by string) {
	if err := s.board.SwitchRelay(relay, on); err != nil {
		s.log.Error("relay could not be switched", "relay", relay, "by", by, "error", err)
		return
	}
	s.log.Info("relay switched", "relay", relay, "on", on, "by", by)
}

// blocked says why no relay may be released at this time, nil if it may.
func (s *Station) blocked(now time.Time) error {
	if until := s.access.mem.TamperUntil; now.Before(until) {
		return fmt.Errorf("blocked after tampering until %s", asSeen(until, now).Format("15:04"))
	}
	return nil
}

// tampered blocks the relays, and ends what is released: whoever has the door
// station open can reach them.
func (s *Station) tampered(e Edge) {
	now := time.Now()
	s.access.mem.TamperUntil = now.Add(s.cfg.Door.TamperBlock)
	for relay, until := range s.open {
		if now.Before(until) {
			if err := s.board.PulseRelay(relay, 0); err != nil {
				s.log.Error("relay could not be released", "relay", relay, "error", err)
			}
			s.open[relay] = now
		}
	}
	s.log.Warn("tampering: relays blocked", "input", e.Input, "until", s.access.mem.TamperUntil)
	s.save()
}

// audit writes an attempt to open something down.
func (s *Station) audit(a Audit) {
	a.At = time.Now()
	s.log.Info("door release", "ok", a.OK, "how", a.How, "user", a.User, "name", a.Name, "relay", a.Relay, "call", a.Call, "why", a.Why)
	if s.cfg.Ports.Audit != nil {
		s.cfg.Ports.Audit(a)
	}
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

// keep writes running locks down now and then.
func (s *Station) keep(now time.Time) {
	m := &s.access.mem
	if (now.Before(m.LockedUntil) || now.Before(m.TamperUntil)) && now.Sub(s.savedAt) >= saveEvery {
		s.save()
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
