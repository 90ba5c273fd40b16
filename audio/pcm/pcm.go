// Package pcm is the form that all sound of audio has inside: mono, 48 kHz, float32 of full
// scale ±1, in frames of 10 ms, with the arithmetic that every room of audio does on it. It
// knows neither devices nor packets, and allocates nothing.
package pcm

import (
	"math"
	"time"
)

// SampleRate is the rate of all samples inside, in Hz.
const SampleRate = 48000

// Frame is the number of samples that are processed together: 10 ms.
const Frame = SampleRate / 100

// FrameTime is the duration of a frame.
const FrameTime = 10 * time.Millisecond

// Loudest is what may occur inside: twice full scale, the overshoot of a decoder.
const Loudest = 2

// Seam is the length of the fades where audio was cut out, in samples: 2.5 ms.
const Seam = SampleRate / 400

// Samples is how many samples d lasts.
func Samples(d time.Duration) int { return int(d * SampleRate / time.Second) }

// Duration is how long so many samples last.
func Duration(samples int) time.Duration {
	return time.Duration(samples) * time.Second / SampleRate
}

// Peak is the largest amplitude of a frame; NaN if there is one. Amplitudes are compared as the integers
// that their bits are, which are in the same order, four at a time: that of numbers asks for NaN and signs of
// zero each time.
func Peak(frame []float32) float32 {
	const sign = 1 << 31
	var p0, p1, p2, p3 uint32
	for ; len(frame) >= 4; frame = frame[4:] {
		p0 = max(p0, math.Float32bits(frame[0])&^sign)
		p1 = max(p1, math.Float32bits(frame[1])&^sign)
		p2 = max(p2, math.Float32bits(frame[2])&^sign)
		p3 = max(p3, math.Float32bits(frame[3])&^sign)
	}
	for _, v := range frame {
		p0 = max(p0, math.Float32bits(v)&^sign)
	}
	return math.Float32frombits(max(p0, p1, p2, p3))
}

// RMS is the mean amplitude of a frame.
func RMS(frame []float32) float32 { return Sqrt(Dot(frame, frame) / float32(len(frame))) }

// Sqrt is the square root.
func Sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }

// Bound bounds what foreign data made a decoder produce, in place: amplitudes to [Loudest].
// NaN and infinities, which no arithmetic would ever get rid of, become silence.
func Bound(frame []float32) {
	if Peak(frame) <= Loudest {
		return
	}
	for i, v := range frame {
		switch {
		case v-v != 0:
			frame[i] = 0
		case v > Loudest:
			frame[i] = Loudest
		case v < -Loudest:
			frame[i] = -Loudest
		}
	}
}

// FadeIn fades all of x in, in place.
func FadeIn(x []float32) {
	for i := range x {
		x[i] *= float32(i+1) / float32(len(x)+1)
	}
}

// FadeOut fades all of x out, in place.
func FadeOut(x []float32) {
	for i := range x {
		x[i] *= float32(len(x)-i) / float32(len(x)+1)
	}
}

// ToInt16 writes the samples of s to d, which is as long; what exceeds full scale is clipped.
func ToInt16(d []int16, s []float32) {
	const whole = 3 << 22 // a number of this size has no places behind the point: adding it rounds, to even
	d = d[:len(s)]
	for i, v := range s {
		v *= 32768
		if v > 32767 {
			v = 32767
		} else if v < -32768 {
			v = -32768
		}
		d[i] = int16(math.Float32bits(v + whole))
	}
}

// ToFloat writes the samples of s to d, which is as long.
func ToFloat(d []float32, s []int16) {
	for i, v := range s {
		d[i] = float32(v) * (1. / 32768)
	}
}
