package audio

import (
	"time"

	"intercomd/audio/pcm"
	"intercomd/audio/resample"
	"intercomd/audio/tone"
)

// prompt is a recorded sound, kept at its own rate and as it was to save memory.
type prompt struct {
	rate int
	pcm  []int16
}

const (
	// toneBefore is the longest tone that words wait for: the ringing of North America.
	toneBefore = 2 * time.Second
	// breath is the silence between tone and words.
	breath = 150 * time.Millisecond
)

// beforeWords returns t as it is played before words, and how many frames later they
// begin: first the tone, which tells at once, then what it means. A tone that repeats
// goes on under the words; of one that does not, up to two seconds are heard.
func beforeWords(t tone.Tone) (tone.Tone, int) {
	var round, heard time.Duration
	for _, s := range t.Steps {
		if round += s.Duration; len(s.Freqs) > 0 && round <= toneBefore {
			heard = round
		}
	}
	if heard == 0 {
		heard = toneBefore
	}
	if t.Times > 1 && round > 0 {
		t.Times = max(1, min(t.Times, int(toneBefore/round)))
		heard += time.Duration(t.Times-1) * round
	}
	return t, int((heard + breath) / pcm.FrameTime)
}

// announcer plays a prompt, repeating it or not.
type announcer struct {
	prompt prompt
	pos    int
	loop   bool
	wait   int                 // frames until it begins
	rs     *resample.Resampler // nil: nothing plays
	stop   bool                // fade out in the next frame
	in     []float32
	out    [pcm.Frame]float32
}

// start plays p in place of what was playing, after so many frames of silence.
func (a *announcer) start(p prompt, loop bool, after int) {
	*a = announcer{prompt: p, loop: loop, wait: after, in: a.in}
	if len(p.pcm) > 0 {
		a.rs = resample.New(float64(p.rate), pcm.SampleRate, p.rate/10)
		a.in = make([]float32, p.rate/10)
	}
}

// end fades out.
func (a *announcer) end() { a.stop = true }

func (a *announcer) active() bool { return a.rs != nil }

// mix adds 10 ms to frame.
func (a *announcer) mix(frame []float32) {
	if a.rs == nil {
		return
	}
	if a.wait > 0 {
		if a.wait--; a.stop {
			a.rs = nil
		}
		return
	}
	in := a.in[:a.rs.Need(pcm.Frame)]
	n := 0
	for n < len(in) {
		k := min(len(in)-n, len(a.prompt.pcm)-a.pos)
		pcm.ToFloat(in[n:n+k], a.prompt.pcm[a.pos:a.pos+k])
		n, a.pos = n+k, a.pos+k
		if a.pos < len(a.prompt.pcm) {
			continue
		}
		if !a.loop {
			break
		}
		a.pos = 0
	}
	clear(in[n:])
	a.rs.Feed(in)
	a.rs.Pull(a.out[:])
	last := a.stop || n == 0 // n == 0: what was left in the filter has been heard
	for i, v := range a.out {
		if last {
			v *= float32(len(a.out)-i) / float32(len(a.out))
		}
		frame[i] += v
	}
	if last {
		a.rs = nil
	}
}
