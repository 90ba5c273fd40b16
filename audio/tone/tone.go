// Package tone makes the sounds of a telephone and of a door: ringback, busy,
// chimes and warnings, in the cadences that callers of a region know.
//
// It makes samples and nothing else; what a tone means and when it sounds is
// decided by those who start it.
package tone

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// SampleRate is the rate of the samples made here, in Hz.
const SampleRate = 48000

// Step is a stretch of sound or, without frequencies, of silence.
type Step struct {
	Freqs    []float64 // Hz, sounding together
	Duration time.Duration
}

// Tone is a sequence of steps.
type Tone struct {
	Steps []Step
	// Times is how often the steps are played; 0 repeats them until stopped.
	Times int
}

// The names of the tones in every table.
const (
	Calling    = "calling"    // the press was heard, somebody is being called: repeats
	Ringback   = "ringback"   // the far end rings: repeats
	Busy       = "busy"       // about 4 s
	Congestion = "congestion" // about 4 s
	Incoming   = "incoming"   // somebody calls the door: repeats
	Waiting    = "waiting"    // a press waits for the network: repeats
	Nobody     = "nobody"     // nobody answers
	Connected  = "connected"  // microphone live
	Open       = "open"       // the door is open
	Warning    = "warning"    // talk time ends soon
	End        = "end"        // the call is over
	Error      = "error"      // no registration
	Disturb    = "dnd"        // do not disturb
	Locked     = "locked"     // too many wrong codes, or tampering
	Alarm      = "alarm"      // at the door: repeats
	Locate     = "locate"     // where is this door: repeats
)

// Regions lists the regions that [Table] knows.
func Regions() []string { return []string{"eu", "de", "fr", "uk", "us", "cn"} }

// Table returns the tones of a region by name.
//
// Frequencies and cadences are those of the ITU's list of national tones
// (Various tones used in national networks, annex to Operational Bulletin 781,
// according to ITU-T Recommendation E.180) and, for eu, of the harmonised ones in
// ETSI TR 101 041-2. The tones of the door itself are the same everywhere.
func Table(region string) (map[string]Tone, error) {
	t := map[string]Tone{
		Incoming: {Steps: slices.Concat(
			notes(220, 784, 659), notes(380, 523), pause(1200))},
		Waiting:   {Steps: slices.Concat(notes(70, 523), pause(930))},
		Nobody:    {Times: 2, Steps: slices.Concat(notes(260, 523, 440, 349), pause(400))},
		Connected: {Times: 1, Steps: notes(110, 659, 880)},
		Open:      {Times: 1, Steps: notes(150, 523, 659, 784)},
		// 1400 Hz is the warning tone of E.180 section 10.
		Warning: {Times: 1, Steps: slices.Concat(
			notes(200, 1400), pause(150), notes(200, 1400))},
		End: {Times: 1, Steps: notes(130, 659, 494)},
		// Two notes close together and a long rest: not the ringback of any region.
		Calling: {Steps: slices.Concat(notes(60, 880), pause(60), notes(60, 880), pause(1320))},
		Error:   {Times: 3, Steps: slices.Concat(notes(350, 587), notes(350, 370), pause(200))},
		Disturb: {Times: 2, Steps: slices.Concat(notes(500, 587), pause(150), notes(500, 587), pause(600))},
		Locked:  {Times: 5, Steps: slices.Concat(notes(90, 466), pause(90))},
		Alarm:   {Steps: slices.Concat(notes(300, 932), notes(300, 740))},
		// High and short: easily told where it comes from.
		Locate: {Steps: slices.Concat(notes(120, 2093), pause(80), notes(120, 2093), pause(680))},
	}
	switch strings.ToLower(region) {
	case "eu", "":
		t[Ringback] = cadence(0, []float64{425}, 1000, 4000)
		t[Busy] = cadence(4, []float64{425}, 500, 500)
		t[Congestion] = cadence(10, []float64{425}, 200, 200)
	case "de":
		t[Ringback] = cadence(0, []float64{425}, 1000, 4000)
		t[Busy] = cadence(4, []float64{425}, 480, 480)
		t[Congestion] = cadence(8, []float64{425}, 240, 240)
	case "fr":
		t[Ringback] = cadence(0, []float64{440}, 1500, 3500)
		t[Busy] = cadence(4, []float64{440}, 500, 500)
		t[Congestion] = cadence(8, []float64{440}, 250, 250)
	case "uk":
		t[Ringback] = cadence(0, []float64{400, 450}, 400, 200, 400, 2000)
		t[Busy] = cadence(5, []float64{400}, 375, 375)
		t[Congestion] = cadence(3, []float64{400}, 400, 350, 225, 525)
	case "us":
		t[Ringback] = cadence(0, []float64{440, 480}, 2000, 4000)
		t[Busy] = cadence(4, []float64{480, 620}, 500, 500)
		t[Congestion] = cadence(8, []float64{480, 620}, 250, 250)
	case "cn":
		t[Ringback] = cadence(0, []float64{450}, 1000, 4000)
		t[Busy] = cadence(6, []float64{450}, 350, 350)
		t[Congestion] = cadence(3, []float64{450}, 700, 700)
	default:
		return nil, fmt.Errorf("tone region %q is not known: use one of %s", region, strings.Join(Regions(), ", "))
	}
	return t, nil
}

// cadence alternates between freqs and silence, for the given ms each.
func cadence(times int, freqs []float64, ms ...int) Tone {
	t := Tone{Times: times}
	for i, d := range ms {
		s := Step{Duration: time.Duration(d) * time.Millisecond}
		if i%2 == 0 {
			s.Freqs = freqs
		}
		t.Steps = append(t.Steps, s)
	}
	return t
}

func notes(ms int, freqs ...float64) []Step {
	var s []Step
	for _, f := range freqs {
		s = append(s, Step{[]float64{f}, time.Duration(ms) * time.Millisecond})
	}
	return s
}

func pause(ms int) []Step { return []Step{{nil, time.Duration(ms) * time.Millisecond}} }

const (
	amplitude = 0.25                     // peak of one tone, full scale 1: -12 dBFS
	ramp      = SampleRate * 5 / 1000    // 5 ms fades keep the switching silent
	maxFreqs  = 4                        // sounding together
	turn      = 2 * math.Pi / SampleRate // radians per sample and Hz
)

// Player plays one tone at a time. It belongs to one goroutine and does not
// allocate.
type Player struct {
	tone   Tone
	step   int // in tone.Steps
	pos    int // samples into the step
	round  int
	active bool
	stop   int // samples left of the fade after Stop; 0 = not stopping
	phase  [maxFreqs]float64
}

// Start plays t in place of what was playing. A tone that lasts no time is not
// played.
func (p *Player) Start(t Tone) {
	*p = Player{tone: t, active: t.length() > 0}
}

func (t Tone) length() (n int) {
	for _, s := range t.Steps {
		n += s.samples()
	}
	return n
}

// Stop fades the tone out within 5 ms.
func (p *Player) Stop() {
	if p.active && p.stop == 0 {
		p.stop = ramp
	}
}

// Active tells whether a tone is playing.
func (p *Player) Active() bool { return p.active }

// Mix adds the tone to frame, mono at [SampleRate], full scale ±1.
func (p *Player) Mix(frame []float32) {
	for i := range frame {
		if !p.active {
			return
		}
		frame[i] += p.next()
	}
}

func (s Step) samples() int { return int(s.Duration * SampleRate / time.Second) }

func (p *Player) next() float32 {
	for p.pos >= p.tone.Steps[p.step].samples() {
		if !p.advance() {
			return 0
		}
	}
	s := p.tone.Steps[p.step]
	n := s.samples()
	v := 0.0
	for k, f := range s.Freqs[:min(len(s.Freqs), maxFreqs)] {
		v += math.Sin(p.phase[k])
		if p.phase[k] += f * turn; p.phase[k] > 2*math.Pi {
			p.phase[k] -= 2 * math.Pi
		}
	}
	if len(s.Freqs) > 0 {
		v *= amplitude / float64(len(s.Freqs)) * fade(min(p.pos, n-1-p.pos))
	}
	p.pos++
	if p.stop > 0 {
		p.stop--
		v *= fade(p.stop)
		p.active = p.stop > 0
	}
	return float32(v)
}

// fade is the gain n samples from an edge.
func fade(n int) float64 {
	if n >= ramp {
		return 1
	}
	return 0.5 - 0.5*math.Cos(math.Pi*float64(n)/ramp)
}

// advance goes to the next step; false when the tone is over.
func (p *Player) advance() bool {
	p.pos, p.phase = 0, [maxFreqs]float64{}
	if p.step++; p.step < len(p.tone.Steps) {
		return true
	}
	p.step = 0
	p.round++
	p.active = p.tone.Times == 0 || p.round < p.tone.Times
	return p.active
}
