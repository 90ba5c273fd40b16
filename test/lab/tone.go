package lab

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// Rate is the sample rate of all sound in the lab, Hz.
const Rate = 48000

// block is the length over which a tone is measured: 100 ms. Short, because the
// time stretching of jitter buffers breaks the phase of long ones.
const block = Rate / 10

// hann returns the window of n samples.
func hann(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n))
	}
	return w
}

// The windows of a block and of the grain in which the beginning of a tone is
// looked for.
var (
	blockWindow = hann(block)
	onsetWindow = hann(onsetBlock)
)

// Level measures the tone of freq (Hz) in samples with Goertzel's algorithm over
// Hann-windowed blocks of 100 ms, averaged in power. 0 dBFS is a full-scale sine;
// silence and less than one block give -180.
func Level(samples []int16, freq float64) float64 { return level(samples, freq, blockWindow) }

func level(samples []int16, freq float64, window []float64) float64 {
	size := len(window)
	blocks := len(samples) / size
	if blocks == 0 {
		return -180
	}
	c := 2 * math.Cos(2*math.Pi*freq/Rate)
	var power float64
	for b := range blocks {
		var s1, s2 float64
		for i, x := range samples[b*size : (b+1)*size] {
			s1, s2 = float64(x)/32768*window[i]+c*s1-s2, s1
		}
		power += (s1*s1 + s2*s2 - c*s1*s2) * 16 / float64(size*size)
	}
	return 10 * math.Log10(power/float64(blocks)+1e-18)
}

// RMS is the level of everything in samples; 0 dBFS is a full-scale sine.
func RMS(samples []int16) float64 {
	var sum float64
	for _, x := range samples {
		sum += float64(x) * float64(x) / (32768 * 32768)
	}
	return 10 * math.Log10(2*sum/float64(max(1, len(samples)))+1e-18)
}

// Sine fills out with a sine of freq (Hz) at level (dBFS), beginning at sample n
// of the tone.
func Sine(out []int16, n int, freq, level float64) {
	amplitude := 32767 * math.Pow(10, level/20)
	for i := range out {
		out[i] = int16(amplitude * math.Sin(2*math.Pi*freq*float64(n+i)/Rate))
	}
}

// WriteTone writes a mono 16-bit WAV file of whole seconds of a sine. A whole
// number of periods makes it loop without a click.
func WriteTone(file string, seconds int, freq, level float64) error {
	samples := make([]int16, seconds*Rate)
	Sine(samples, 0, freq, level)
	data := make([]byte, 44, 44+2*len(samples))
	copy(data, "RIFF")
	binary.LittleEndian.PutUint32(data[4:], uint32(36+2*len(samples)))
	copy(data[8:], "WAVEfmt ")
	binary.LittleEndian.PutUint32(data[16:], 16)
	binary.LittleEndian.PutUint16(data[20:], 1)
	binary.LittleEndian.PutUint16(data[22:], 1)
	binary.LittleEndian.PutUint32(data[24:], Rate)
	binary.LittleEndian.PutUint32(data[28:], 2*Rate)
	binary.LittleEndian.PutUint16(data[32:], 2)
	binary.LittleEndian.PutUint16(data[34:], 16)
	copy(data[36:], "data")
	binary.LittleEndian.PutUint32(data[40:], uint32(2*len(samples)))
	for _, x := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(x))
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("write tone: %w", err)
	}
	return nil
}
