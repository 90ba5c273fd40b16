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
	a := Audit{Call: s.rec.ID, User: who.user, How: "code", Name: dec.name, Relay: dec.relay}
	switch dec.verdict {
	case Incomplete:
	case Opens:
		s.release(dec.relay, a)
		s.save()
	case Wrong, WrongEndsCall:
		a.Why = "wrong code"
		s.audit(a)
		s.voice.Play(ToneCongestion)
		s.save()
		if s.access.mem.LockedUntil != locked {
			s.log.Warn("too many wrong codes: keypad locked", "until", s.access.mem.LockedUntil, "call", a.Call, "user", a.User)
			s.notify(NoticeAlarm, "codes", "too many wrong codes: the keypad is locked", false)
		}
		if dec.verdict == WrongEndsCall {
			return CauseCodes
		}
	case Locked, NotAllowed:
		a.Why = map[Verdict]string{Locked: "the keypad is locked", NotAllowed: "this party may not open the door"}[dec.verdict]
		s.log.Warn("digit ignored", "call", a.Call, "user", a.User, "why", a.Why)
	}
	return ""
}

// release pulses a relay, unless tampering has blocked it.
func (s *Station) release(relay string, a Audit) {
	a.Relay = relay
	pulse := s.cfg.Door.Pulses[relay]
	if slices.Contains(s.cfg.Door.Lights, relay) {
		if err := s.board.PulseRelay(relay, pulse); err != nil {
			s.log.Error("relay could not be switched", "relay", relay, "by", a.User, "error", err)
		}
		return
	}
	err := s.blocked(time.Now())
	if err == nil {
		err = s.board.PulseRelay(relay, pulse)
	}
	if err != nil {
		a.Why = err.Error()
		s.audit(a)
		s.voice.Play(ToneCongestion)
		return
	}
	now := time.Now()
	s.open[relay] = now.Add(pulse)
	if s.rec != nil {
		s.rec.Opened = now
	}
	a.OK = true
	s.audit(a)
	s.voice.Play(ToneOpen)
}

// toggle switches a relay that has no business with security, such as a light.
func (s *Station) toggle(relay, button string) {
	on := !s.board.RelayOn(relay)
	if err := s.board.SwitchRelay(relay, on); err != nil {
		s.log.Error("relay could not be switched", "relay", relay, "button", button, "error", err)
		return
	}
	s.log.Info("relay switched", "relay", relay, "on", on, "button", button)
}

// blocked says why no relay may be released at this time, nil if it may.
func (s *Station) blocked(now time.Time) error {
	if until := s.access.mem.TamperUntil; now.Before(until) {
		return fmt.Errorf("blocked after tampering until %s", until.Format("15:04"))
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

// clamp bounds what was saved by another clock: no lock outlasts its own length.
func (a *access) clamp(now time.Time, tamper time.Duration) {
	if most := now.Add(a.cfg.Lock); a.mem.LockedUntil.After(most) {
		a.mem.LockedUntil = most
	}
	if most := now.Add(tamper); a.mem.TamperUntil.After(most) {
		a.mem.TamperUntil = most
	}
}
