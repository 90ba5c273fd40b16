package station

import "intercomd/words"

// WhyNotReady says why a press would not lead to a talk now; none if it would: somebody is called,
// and both are heard. A door in a call is as ready as it will be after it.
func WhyNotReady(s *Snapshot) words.Message {
	switch reg := s.Registration; {
	case s.State == Stopped:
		return words.New("door-stopped")
	case reg.State != RegRegistered && reg.Problem.None():
		return words.New("not-registered-yet")
	case reg.State != RegRegistered:
		return words.New("not-registered").Because(reg.Problem)
	}
	if m := deadBell(s); !m.None() {
		return m
	}
	in, out := &s.Sound.Input, &s.Sound.Output
	switch {
	case !in.Problem.None():
		return words.New("no-microphone").Because(in.Problem)
	case in.Wanted == NoDevice:
		return words.New("microphone-off")
	case !out.Problem.None():
		return words.New("no-loudspeaker").Because(out.Problem)
	case out.Wanted == NoDevice:
		return words.New("loudspeaker-off")
	case !in.OK, !out.OK:
		return words.New("sound-not-open")
	case s.Door.DoNotDisturb:
		return words.New("do-not-disturb")
	}
	return words.Message{}
}

// NoDevice is the name of a sound device that is deliberately none.
const NoDevice = "none"

// deadBell says why no button calls anybody; none if one does.
func deadBell(s *Snapshot) words.Message {
	why := words.New("no-bell")
	for _, b := range s.Buttons {
		if b.Does != Dial {
			continue
		}
		if !s.Board.Problem.None() {
			why = words.New("bell-fails", "input", b.Input).Because(s.Board.Problem)
			continue
		}
		in, ok := inputOf(s.Board.Inputs, b.Input)
		switch {
		case !ok:
			why = words.New("bell-missing", "input", b.Input)
		case !in.Problem.None():
			why = words.New("bell-fails", "input", b.Input).Because(in.Problem)
		case in.Stuck:
			why = words.New("input-stuck", "input", b.Input)
		default:
			return words.Message{}
		}
	}
	return why
}

func inputOf(all []Input, name string) (Input, bool) {
	for _, in := range all {
		if in.Name == name {
			return in, true
		}
	}
	return Input{}, false
}
