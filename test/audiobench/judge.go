package main

import (
	"math"

	"intercomd/test/voice"
)

// score is what one program made of one scene. What a scene does not have is NaN.
type score struct {
	end, early, worst float64 // echo removed: at the end, from 0.5 to 3 s, worst tenth after 5 s; dB
	recovered         float64 // s from the change of the path until 20 dB stay
	afterTalk         float64 // echo removed right after both talked, dB
	talk, alone       voice.Near
	cpu               float64 // µs of a core for 10 ms
}

const half = voice.Rate / 2 // the grain of echo: half a second

// judge measures out, what was made of r.
func (s scene) judge(r recording, out []float32) score {
	n := min(len(r.mic), len(out))
	mic, near, y := voice.At16k(r.mic[:n]), voice.At16k(r.near[:n]), voice.At16k(out[:n])
	if len(s.near) > 0 {
		y = align(s, near, y)
	}
	g := score{end: math.NaN(), early: math.NaN(), worst: math.NaN(), recovered: math.NaN(), afterTalk: math.NaN()}
	if len(s.far) > 0 {
		s.judgeEcho(&g, mic, y)
	}
	g.talk = judgeNear(near, y, overlaps(shift(s.far, s.delay/1000), s.near))
	g.alone = judgeNear(near, y, overlaps(s.near, s.pauses(shift(s.far, s.delay/1000))))
	return g
}

// align brings y in time with the visitor, measured where the visitor talks first.
func align(s scene, near, y []float64) []float64 {
	from := int(s.near[0].from * voice.Rate)
	to := min(len(near), from+3*voice.Rate)
	return voice.Advance(y, voice.Delay(near[from:to], y[from:to], 800))
}

// window is half a second of echo.
type window struct {
	end     float64 // s
	mic, y  float64 // energies
	removed float64 // dB
}

// judgeEcho looks at where the far end talks alone.
func (s scene) judgeEcho(g *score, mic, y []float64) {
	late := s.delay / 1000
	var alone []span
	for _, p := range overlaps(s.far, s.pauses(s.near)) {
		alone = append(alone, span{p.from + late + 0.5, p.to})
	}
	var all []window
	for k := 0; (k+1)*half <= len(y); k++ {
		w := window{end: float64(k+1) / 2, mic: voice.Energy(mic[k*half : (k+1)*half]), y: voice.Energy(y[k*half : (k+1)*half])}
		w.removed = 10 * math.Log10(w.mic/(w.y+1e-11*half))
		if inside(w.end-0.5, w.end, alone) && w.mic > 1e-5*half {
			all = append(all, w)
		}
	}
	start := s.far[0].from + late
	upTo, lastFrom := s.seconds, s.seconds-15
	switch {
	case s.change > 0:
		upTo, lastFrom = s.change, s.change-8
		g.recovered = recovery(all, s.change)
	case len(s.near) == 1:
		upTo, lastFrom = s.near[0].from, s.near[0].from-5
	}
	g.early, g.end = removed(all, start, start+2.5), removed(all, lastFrom, upTo)
	if len(s.near) > 0 {
		end := s.near[len(s.near)-1].to
		g.afterTalk = removed(all, end+0.5, end+4)
	}
	var settled []float64
	for _, w := range all {
		if w.end > start+5 && (s.change == 0 || w.end < s.change) {
			settled = append(settled, w.removed)
		}
	}
	g.worst = voice.Percentile(settled, 10)
}

// removed is how much of the echo is gone between two times, dB.
func removed(all []window, from, to float64) float64 {
	var a, b float64
	for _, w := range all {
		if w.end > from && w.end <= to {
			a, b = a+w.mic, b+w.y
		}
	}
	if a == 0 {
		return math.NaN()
	}
	return 10 * math.Log10(a/(b+1e-9))
}

// recovery is how long after t the echo was 20 dB down and stayed so for three windows.
func recovery(all []window, t float64) float64 {
	run := 0
	for _, w := range all {
		if w.end <= t {
			continue
		}
		if run++; w.removed < 20 {
			run = 0
		}
		if run == 3 {
			return max(0, w.end-1.5-t)
		}
	}
	return math.Inf(1)
}

// judgeNear looks at the spans in which somebody talks.
func judgeNear(near, y []float64, spans []span) voice.Near {
	var a, b []float64
	for _, p := range spans {
		if p.to-p.from > 1 {
			i, j := int((p.from+0.2)*voice.Rate), min(len(y), int((p.to-0.1)*voice.Rate))
			a, b = append(a, near[i:j]...), append(b, y[i:j]...)
		}
	}
	if len(a) == 0 {
		nan := math.NaN()
		return voice.Near{SDR: nan, STOI: nan, Loss: nan, Cut: nan}
	}
	return voice.JudgeNear(a, b)
}

// pauses is the time that spans leave.
func (s scene) pauses(spans []span) (out []span) {
	t := 0.0
	for _, p := range spans {
		if p.from > t {
			out = append(out, span{t, p.from})
		}
		t = max(t, p.to)
	}
	if t < s.seconds {
		out = append(out, span{t, s.seconds})
	}
	return out
}

func shift(spans []span, by float64) []span {
	var out []span
	for _, p := range spans {
		out = append(out, span{p.from + by, p.to + by})
	}
	return out
}

// overlaps is the time that both have, in stretches of 0.3 s and more.
func overlaps(a, b []span) (out []span) {
	for _, p := range a {
		for _, q := range b {
			if o := (span{max(p.from, q.from), min(p.to, q.to)}); o.to-o.from > 0.3 {
				out = append(out, o)
			}
		}
	}
	return out
}

func inside(from, to float64, spans []span) bool {
	for _, p := range spans {
		if p.from <= from+0.01 && to <= p.to+0.01 {
			return true
		}
	}
	return false
}
