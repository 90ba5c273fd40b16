package aec

import "intercomd/audio/pcm"

// trial tells a changed echo path from double talk, which both make the error
// rise. It lets a copy of the filter believe that all of the error is a
// changed path: if that is so, the copy soon predicts the microphone better
// and takes the filter's place; if not, the near end leads it astray and it
// is dropped. (Two filters that differ in what they believe: after K. Ochiai,
// T. Araseki and T. Ogihara, "Echo canceler with two echo path models", IEEE
// Trans. Commun. 25, 1977.)
type trial struct {
	flt     *filter
	running bool
	frames  int
	wins    int     // frames in which the trial was better
	em, et  float32 // energies of the filter's and the trial's error
	echo    [lowFrame]float32
	lin     [lowFrame]float32
	sx      [bins]float32
	profile []float32
}

const (
	trialSkip  = 4  // frames before the errors are compared
	trialMin   = 12 // frames before the first verdict
	trialLimit = 35 // frames before a trial starts over
)

func newTrial(parts int) *trial {
	return &trial{flt: newFilter(parts), profile: make([]float32, parts)}
}

func (t *trial) reset() { t.running = false }

// step runs the trial for one frame and tells whether the trial has taken
// the place of main. e is the error of main, wanted whether main's error is
// large enough to doubt it.
func (t *trial) step(main *filter, h *history, mic, e []float32, wanted bool) bool {
	if !t.running {
		if wanted {
			t.start(main, h)
		}
		return false
	}
	t.flt.predict(t.echo[:], h)
	for i, v := range mic[:lowFrame] {
		t.lin[i] = v - t.echo[i]
	}
	t.flt.observe(t.lin[:], h, true)
	if t.frames++; t.frames <= trialSkip {
		return false
	}
	em, et := pcm.Dot(e, e), pcm.Dot(t.lin[:], t.lin[:])
	t.em += em
	t.et += et
	if et < em {
		t.wins++
	}
	switch {
	case 5*t.wins < 4*(t.frames-trialSkip):
	case t.frames >= trialMin && t.et < 0.4*t.em, t.frames >= 2*trialMin && t.et < 0.55*t.em:
		main.copyFrom(t.flt)
		t.running = false
		return true
	}
	t.running = t.frames < trialLimit
	return false
}

// start makes the trial a copy of main whose uncertainty explains the whole
// error, spread over the partitions as the known path is.
func (t *trial) start(main *filter, h *history) {
	t.flt.copyFrom(main)
	t.running, t.frames, t.wins, t.em, t.et = true, 0, 0, 0, 0
	var sum float32
	for q := range t.profile {
		var s float32
		for _, v := range main.w[q*bins:][:bins] {
			s += real(v)*real(v) + imag(v)*imag(v)
		}
		t.profile[q] = s
		sum += s
	}
	floor := 0.03*sum + 1e-9
	clear(t.sx[:])
	for q := range t.profile {
		t.profile[q] += floor
		for i, v := range h.x2[h.slot(q):][:bins] {
			t.sx[i] += t.profile[q] * v
		}
	}
	for i := range t.sx {
		t.sx[i] = min(2*main.es[i]/(t.sx[i]+1e-6*sum+1e-12), 2/(sum/bins+1e-9))
		t.flt.es[i] = 0.3 * main.es[i]
	}
	for q := range t.profile {
		p := t.flt.p[q*bins:][:bins]
		for i := range p {
			p[i] = max(p[i], t.profile[q]*t.sx[i])
		}
	}
}
