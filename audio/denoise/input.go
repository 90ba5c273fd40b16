package denoise

import (
	"math"

	"intercomd/audio/pcm"
)

const (
	// unheard is the level of noise that nobody needs to be rid of, -75 dBFS: noise is
	// not lowered below it, so that a voice in a quiet place stays as it is.
	unheard = 1.7783e-4
	// floorWindow is the frames whose quietest one is the noise: a sentence has a pause
	// in one of two such windows.
	floorWindow = 150

	// Below faint, -60 dBFS, the correction of the gains does not count, above plain, -50 dBFS,
	// it does: it was trained in noise, and would cost a voice in a quiet place some of its truth.
	// So it is with all that the large network says, but where it is quieter, -65 to -57 dBFS: without it
	// nothing is suppressed.
	faint, plain           = 1e-6, 1e-5
	largeFaint, largePlain = 3.2e-7, 2e-6
)

// trust is how much counts what was trained in noise where noise has that power, 0..1.
func trust(noise, faint, plain float32) float32 {
	return min(1, max(0, (noise/(32768*32768)-faint)/(plain-faint)))
}

// highPass scales to what the networks were trained with and takes away what
// lies below the voice. Anything that is no number becomes silence.
type highPass struct {
	memory [2]float32
	x      [Frame]float32 // the newest frame
	nobody bool           // it is a digital silence: no microphone heard it
}

func (h *highPass) take(frame []float32) {
	const a0, a1, b0, b1 = -1.99599, 0.99600, -2, 1
	m0, m1 := float64(h.memory[0]), float64(h.memory[1])
	h.nobody = true
	for i, v := range frame {
		if !(v >= -8 && v <= 8) {
			v = 0
		}
		h.nobody = h.nobody && v == 0
		x := float64(v) * 32768
		y := x + m0
		m0 = m1 + b0*x - a0*y
		m1 = b1*x - a1*y
		h.x[i] = float32(y)
	}
	h.memory = [2]float32{float32(m0), float32(m1)}
}

// floor follows the noise and decides how much of the input is mixed back: all of
// it where the noise is not heard anyway.
type floor struct {
	share  float32    // that is mixed back, amplitude
	least  float32    // by level
	quiet  [2]float32 // power of the quietest frame of this window and of the one before
	frames int        // in this window
}

func newFloor(level Level) floor {
	f := floor{least: level.share()}
	f.forget()
	return f
}

// forget takes the noise for as loud as can be until something was heard.
func (f *floor) forget() {
	f.quiet, f.frames = [2]float32{1e9, 1e9}, 0
	f.share = f.least
}

// listen takes a frame and returns the power of the noise.
func (f *floor) listen(x []float32) float32 {
	power := pcm.Dot(x, x) / Frame
	if f.frames++; f.frames > floorWindow {
		f.quiet[1], f.quiet[0], f.frames = f.quiet[0], power, 1
	}
	f.quiet[0] = min(f.quiet[0], power)
	noise := min(f.quiet[0], f.quiet[1])
	wanted := float32(32768 * unheard)
	want := min(1, max(f.least, wanted/float32(math.Sqrt(float64(noise)+1e-9))))
	f.share += 0.02 * (want - f.share) // half a second: no pumping
	return noise
}
