package benchmark

import (
	"slices"
	"strconv"
	"time"

	"intercomd/audio/pcm"
)

// The budget of a call: how much of a core its stages may take. What is not measured here, the
// waking up, the packets and the sound library, takes as much again (docs/benchmarks.md).
const (
	Easy = 0.25 // with room for everything else that the door does
	Most = 0.5  // beyond it frames come too late
)

// Verdict is what a machine makes of a call.
type Verdict string

// The verdicts.
const (
	Carries Verdict = "carries"
	Tight   Verdict = "tight"
	TooSlow Verdict = "too-slow"
)

func verdict(share float64) Verdict {
	switch {
	case share <= Easy:
		return Carries
	case share <= Most:
		return Tight
	}
	return TooSlow
}

// Change is a setting that makes a call lighter.
type Change struct {
	Section string        `json:"section"`
	Key     string        `json:"key"`
	Value   string        `json:"value"` // as the configuration file has it
	Saves   time.Duration `json:"-"`     // of processor time in each frame; of the first setting of a pair
}

// Judgement is what follows from a report.
type Judgement struct {
	Total   time.Duration // per frame, as configured
	Verdict Verdict
	Changes []Change
	After   time.Duration // with these changes
	Then    Verdict
}

// Share is the share of a core that so much processor time per frame is, 0..1 and more.
func Share(perFrame time.Duration) float64 { return float64(perFrame) / float64(pcm.FrameTime) }

// worth is the least that a change must save of a call to be advised: a twentieth.
const worth = 20

// Judge compares a report with the budget and looks for the mildest changes that keep it: first
// those that nobody hears, last those that cost the visitor most. What a call can do without
// only in need is given up only where it would not run at all.
func Judge(r Report, s Settings) Judgement {
	total := r.total(s)
	j := Judgement{Total: total, Verdict: verdict(Share(total)), After: total}
	j.Then = j.Verdict
	if j.Verdict == Carries {
		return j
	}
	at := s
	for _, step := range steps(s) {
		if j.Then == Carries || step.harsh && j.Then == Tight {
			break
		}
		next := at
		step.apply(&next)
		saves := r.total(at) - r.total(next)
		if next == at || saves < total/worth {
			continue
		}
		at = next
		for i, c := range step.changes {
			if i == 0 {
				c.Saves = saves
			}
			if k := slices.IndexFunc(j.Changes, func(o Change) bool { return o.Key == c.Key }); k >= 0 {
				c.Saves += j.Changes[k].Saves
				j.Changes[k] = c
			} else {
				j.Changes = append(j.Changes, c)
			}
		}
		j.After = r.total(at)
		j.Then = verdict(Share(j.After))
	}
	// Of Opus nothing need be said where it goes.
	if !at.Opus && s.Opus {
		j.Changes = slices.DeleteFunc(j.Changes, func(c Change) bool { return c.Key == "opus_complexity" })
	}
	return j
}

// Most noise suppression is Largest; lighterNoise suppresses less with a third of the computing.
const (
	Largest      = "max"
	lighterNoise = "high"
)

// WithLargest judges the same call with the largest noise suppressor.
func WithLargest(r Report, s Settings) Judgement {
	s.Noise = Largest
	return Judge(r, s)
}

type step struct {
	harsh   bool // the visitor or the far end loses something that they hear
	apply   func(*Settings)
	changes []Change
}

// steps are what can be changed, the mildest first.
func steps(s Settings) []step {
	set := func(key, value string) Change { return Change{Section: "audio", Key: key, Value: value} }
	var out []step
	for _, c := range lighter() {
		if c < s.Complexity {
			out = append(out, step{apply: func(s *Settings) { s.Complexity = c }, changes: []Change{set("opus_complexity", strconv.Itoa(c))}})
		}
	}
	if s.Noise == Largest {
		out = append(out, step{apply: func(s *Settings) { s.Noise = lighterNoise }, changes: []Change{set("noise_suppression", strconv.Quote(lighterNoise))}})
	}
	out = append(out, step{apply: func(s *Settings) { s.Noise = "off" }, changes: []Change{set("noise_suppression", `"off"`)}})
	if s.Echo == "kalman" {
		out = append(out, step{apply: func(s *Settings) { s.Echo = "speexdsp" }, changes: []Change{set("echo_canceller", `"speexdsp"`)}})
	}
	return append(out,
		step{harsh: true, apply: func(s *Settings) { s.Opus = false }, changes: []Change{set("codecs", `["pcma", "pcmu"]`)}},
		// Without a canceller one direction at a time is what keeps the echo away.
		step{harsh: true, apply: func(s *Settings) { s.Echo, s.Duplex = "off", "switched" }, changes: []Change{set("echo_canceller", `"off"`), set("duplex", `"switched"`)}})
}

// total is what a call with these settings costs in each frame.
func (r *Report) total(s Settings) (sum time.Duration) {
	variant := map[string]string{Canceller: s.Echo, Encoder: strconv.Itoa(s.Complexity), Decoder: "opus"}
	if !s.Opus {
		variant[Encoder], variant[Decoder] = "g711", "g711"
	}
	for _, c := range r.Stages {
		if c.Once || c.Code == Transform || c.Code == Suppressor && s.Noise != c.Variant {
			continue
		}
		if want, several := variant[c.Code]; several && want != c.Variant {
			continue
		}
		sum += c.CPU
	}
	return sum
}
