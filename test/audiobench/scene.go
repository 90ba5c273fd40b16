package main

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// span is a stretch of time in seconds.
type span struct{ from, to float64 }

// scene is a door in numbers.
type scene struct {
	name    string
	seconds float64
	far     []span // when the far end talks
	near    []span // when the visitor talks
	farWho  string
	nearWho string
	echo    float64 // level of the echo above the visitor's voice, dB
	tail    float64 // of the room, ms to -60 dB
	delay   float64 // of the echo, ms
	drive   float64 // of the loudspeaker's saturation
	ppm     float64 // of the clocks
	street  float64 // dB of speech above noise; 0 is a quiet microphone
	change  float64 // when the path changes, s; 0 is never
	jump    float64 // by how much it is later then, ms; 0 is another room
}

const (
	mild = 1.5 // drive that gives about 5 % of harmonics
	hard = 5.0

	nearLevel  = -26.0 // dBFS
	farLevel   = -20.0
	quietLevel = -78.0 // of the microphone itself
)

// scenes are what the goals speak of.
func scenes() []scene {
	echo := func(name string, change func(*scene)) scene {
		s := scene{name: name, seconds: 40, far: []span{{0.5, 40}}, farWho: "bob", tail: 60, delay: 60, drive: mild}
		change(&s)
		return s
	}
	both := func(name string, echo float64) scene {
		return scene{name: name, seconds: 45, far: []span{{0.5, 45}}, near: []span{{12, 35}}, farWho: "bob", nearWho: "ann",
			echo: echo, tail: 60, delay: 60, drive: mild}
	}
	other := both("talk-others", 6)
	other.farWho, other.nearWho, other.tail, other.delay = "cleo", "dan", 120, 90
	return []scene{
		echo("echo", func(*scene) {}),
		echo("echo-weak", func(s *scene) { s.echo = -6 }),
		echo("echo-strong", func(s *scene) { s.echo = 6 }),
		echo("echo-short", func(s *scene) { s.tail = 30 }),
		echo("echo-long", func(s *scene) { s.tail = 120 }),
		echo("echo-20ms", func(s *scene) { s.delay = 20 }),
		echo("echo-120ms", func(s *scene) { s.delay = 120 }),
		echo("echo-woman", func(s *scene) { s.farWho = "cleo" }),
		echo("hard", func(s *scene) { s.drive = hard }),
		echo("drift+50", func(s *scene) { s.seconds, s.far, s.ppm = 60, []span{{0.5, 60}}, 50 }),
		echo("drift-50", func(s *scene) { s.seconds, s.far, s.ppm = 60, []span{{0.5, 60}}, -50 }),
		echo("delay-250", func(s *scene) { s.delay = 250 }),
		echo("delay-480", func(s *scene) { s.delay = 480 }),
		echo("room", func(s *scene) { s.change = 20 }),
		echo("jump+40", func(s *scene) { s.change, s.jump = 20, 40 }),
		echo("jump-40", func(s *scene) { s.change, s.jump = 20, -40 }),
		both("talk-weak", -6), both("talk", 0), both("talk-strong", 6), other,
		{name: "near", seconds: 40, near: []span{{3, 20}, {24, 40}}, nearWho: "ann"},
		{name: "street", seconds: 60, farWho: "bob", nearWho: "ann", echo: 6, tail: 120, delay: 80, drive: mild, street: 10,
			far:  []span{{0.5, 8}, {15, 22}, {27, 36}, {43, 52}},
			near: []span{{7.5, 14}, {21, 28}, {30, 33}, {36, 42.5}, {46, 49}, {52, 59}}},
	}
}

// recording is a scene in samples at 48 kHz.
type recording struct{ far, mic, near []float32 }

// record makes the samples of a scene; everything follows from the seed.
func (s scene) record(who *speakers) (recording, error) {
	n := int(s.seconds * fs)
	key := fnv.New64a()
	_, _ = key.Write([]byte(s.name))
	seed := key.Sum64() ^ who.seed*0x9e3779b97f4a7c15
	far, near := make([]float64, n), make([]float64, n)
	var err error
	if len(s.far) > 0 {
		if far, err = who.talk(s.farWho, s.seconds, s.far, farLevel); err != nil {
			return recording{}, err
		}
	}
	if len(s.near) > 0 {
		if near, err = who.talk(s.nearWho, s.seconds, s.near, nearLevel); err != nil {
			return recording{}, err
		}
	}
	for i, v := range far {
		far[i] = max(-1, min(1, v))
	}
	nearWho := s.nearWho
	if nearWho == "" {
		nearWho = "ann"
	}
	usual, err := who.talk(nearWho, 15, []span{{0, 15}}, nearLevel)
	if err != nil {
		return recording{}, err
	}
	ref := active(usual)
	echo := make([]float64, n)
	if len(s.far) > 0 {
		echo = s.through(far, seed)
		scale(echo, ref*math.Pow(10, s.echo/20)/active(echo))
	}
	r := rand.New(rand.NewPCG(seed, 5))
	noise := make([]float64, n)
	for i := range noise {
		noise[i] = r.NormFloat64() * math.Pow(10, quietLevel/20)
	}
	if s.street > 0 {
		traffic := street(seed, n)
		g := ref * math.Pow(10, -s.street/20) / math.Sqrt(power(speechBand(traffic)))
		for i, v := range traffic {
			noise[i] += g * v
		}
	}
	out := recording{make([]float32, n), make([]float32, n), make([]float32, n)}
	for i := range n {
		out.far[i], out.near[i] = float32(far[i]), float32(near[i])
		out.mic[i] = float32(max(-1, min(1, near[i]+echo[i]+noise[i])))
	}
	return out, nil
}

// through is the way from far end to microphone.
func (s scene) through(far []float64, seed uint64) []float64 {
	played := loudspeaker(far, s.drive)
	echo := late(convolve(played, room(seed, s.tail)), s.delay, s.ppm)
	if s.change == 0 {
		return echo
	}
	then := s
	then.delay += s.jump
	if s.jump == 0 {
		seed++
	}
	other := late(convolve(played, room(seed, s.tail)), then.delay, s.ppm)
	at := int(s.change * fs)
	const blend = fs / 200
	for i := at - blend; i < len(echo); i++ {
		w := min(1, float64(i-at+blend)/blend)
		echo[i] += w * (other[i] - echo[i])
	}
	return echo
}

// active is the RMS, in the band of speech, of what is not a pause.
func active(x []float64) float64 {
	const frame = fs / 50
	x = speechBand(x)
	var e []float64
	most := 0.0
	for at := 0; at+frame <= len(x); at += frame {
		p := power(x[at : at+frame])
		e, most = append(e, p), max(most, p)
	}
	var sum, n float64
	for _, p := range e {
		if p > most*1e-4 {
			sum, n = sum+p, n+1
		}
	}
	return math.Sqrt(sum / max(n, 1))
}
