package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"

	"intercomd/audio"
	"intercomd/test/lab"
	"intercomd/test/voice"
)

const fs = 48000

// sentences are what people say at doors; a seed puts them into its own order.
var sentences = []string{
	"Good morning, this is the parcel service, I have a delivery for the second floor.",
	"Please come up, the door is open, the lift is on your left hand side.",
	"Could you tell me whether the doctor is in this afternoon?",
	"I can hear you very well, but a lorry is just passing by.",
	"We are five people and would like to visit the exhibition on the ground floor.",
	"Just leave it with the neighbours, they will be at home until seven o'clock.",
	"My name is Jacqueline Fischer, I have an appointment with Mister Wu.",
	"The heating has not been working since Thursday and the plumber should look at it.",
	"Press the button with the star, then the number of the flat, and wait a moment.",
	"Which of the two gates do you mean, the green one or the one beside the garage?",
	"Yes, of course, I will open for you, push the door when you hear the buzzer.",
	"There is nobody here at the moment, please try again after half past three.",
	"The large box goes to the yard, the small ones can stay in the hall.",
	"She asked for eight fresh rolls, cheese, a jar of honey and the yellow flowers.",
}

// voices are those of espeak-ng; languages bend the sounds, variants the throat.
var voices = map[string]string{"ann": "en-us+f2", "bob": "en-gb+m3", "cleo": "en-gb-scotland+f4", "dan": "en-us+m7"}

// speakers makes speech and remembers it.
type speakers struct {
	seed uint64
	said map[string][]float64
}

// voice is about a minute of a speaker at 48 kHz, with pauses of at most 0.35 s and
// an RMS of 1 while it speaks.
func (s *speakers) voice(who string) ([]float64, error) {
	if x := s.said[who]; x != nil {
		return x, nil
	}
	r := rand.New(rand.NewPCG(s.seed, uint64(len(who))*31+uint64(who[0])))
	var text strings.Builder
	for _, i := range r.Perm(len(sentences)) {
		text.WriteString(sentences[i] + "\n")
	}
	cmd := exec.Command(lab.Tool("espeak-ng"), "-v", voices[who], "-s", strconv.Itoa(140+r.IntN(40)), "-p", strconv.Itoa(30+r.IntN(40)), "--stdout", text.String())
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("espeak-ng: %w", err)
	}
	wav, err := audio.ReadWAV(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("espeak-ng: %w", err)
	}
	x := level(highpass(stretch(wav.Samples, wav.Rate), 80))
	s.said[who] = x
	return x, nil
}

// stretch changes the rate to 48 kHz by cubic interpolation: the voices have nothing
// above 8 kHz.
func stretch(x []float32, rate int) []float64 {
	y := make([]float64, len(x)*fs/rate)
	for i := range y {
		y[i] = cubic(func(k int) float64 {
			if k < 0 || k >= len(x) {
				return 0
			}
			return float64(x[k])
		}, float64(i)*float64(rate)/fs)
	}
	return y
}

// cubic interpolates between samples (Catmull and Rom).
func cubic(at func(int) float64, p float64) float64 {
	k := int(math.Floor(p))
	f := p - float64(k)
	a, b, c, d := at(k-1), at(k), at(k+1), at(k+2)
	return b + 0.5*f*(c-a+f*(2*a-5*b+4*c-d+f*(3*(b-c)+d-a)))
}

// level shortens pauses and brings what is spoken to an RMS of 1.
func level(x []float64) []float64 {
	const frame, pause = fs / 100, 35
	var e []float64
	for at := 0; at+frame <= len(x); at += frame {
		e = append(e, power(x[at:at+frame]))
	}
	floor := voice.Percentile(e, 95) * 1e-3
	var y []float64
	var spoken, frames float64
	for i, quiet := 0, 0; i < len(e); i++ {
		if quiet++; e[i] > floor {
			quiet = 0
			spoken, frames = spoken+e[i], frames+1
		}
		if quiet <= pause {
			y = append(y, x[i*frame:(i+1)*frame]...)
		}
	}
	scale(y, 1/math.Sqrt(spoken/max(frames, 1)))
	return y
}

func power(x []float64) (s float64) {
	for _, v := range x {
		s += v * v
	}
	return s / float64(max(1, len(x)))
}

func scale(x []float64, g float64) {
	for i := range x {
		x[i] *= g
	}
}

// talk is who speaking for seconds within the spans, at dBFS.
func (s *speakers) talk(who string, seconds float64, spans []span, dBFS float64) ([]float64, error) {
	v, err := s.voice(who)
	if err != nil {
		return nil, err
	}
	y := make([]float64, int(seconds*fs))
	pos := 0
	g := math.Pow(10, dBFS/20)
	const fade = fs / 50
	for _, p := range spans {
		from, to := int(p.from*fs), min(len(y), int(p.to*fs))
		for i := from; i < to; i++ {
			edge := min(1, float64(min(i-from, to-1-i))/fade)
			y[i] = g * edge * v[pos%len(v)]
			pos++
		}
	}
	return y, nil
}
