package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"intercomd/audio"
	"intercomd/audio/codec"
)

// trace is what a line does to the packets of 20 ms of a call.
type trace struct {
	name    string
	share   float64       // of the packets that are lost
	burst   int           // how many in a row; 1 is each by itself
	gilbert bool          // burst is the mean of a length that varies (Gilbert, 1960)
	jitter  time.Duration // either way, each packet by itself
	goal    float64       // least intelligibility beside that of the same call without loss; 0 is none
}

// traces are those that the goals speak of, and some beside them. The bursts of 60 ms are of three packets.
func traces() []trace {
	return []trace{
		{name: "none", burst: 1},
		{name: "1 %", share: 0.01, burst: 1},
		{name: "5 %", share: 0.05, burst: 1, goal: 0.95},
		{name: "10 %", share: 0.1, burst: 1, goal: 0.95},
		{name: "20 %", share: 0.2, burst: 1, goal: 0.88},
		{name: "60 ms, 5 %", share: 0.05, burst: 3, goal: 0.95},
		{name: "60 ms, 10 %", share: 0.1, burst: 3, goal: 0.95},
		{name: "60 ms, 20 %", share: 0.2, burst: 3, goal: 0.88},
		{name: "Gilbert 60 ms, 10 %", share: 0.1, burst: 3, gilbert: true},
		{name: "30 ms of jitter", burst: 1, jitter: 30 * time.Millisecond},
		{name: "10 %, 30 ms of jitter", share: 0.1, burst: 1, jitter: 30 * time.Millisecond},
		{name: "60 ms, 10 %, 30 ms", share: 0.1, burst: 3, jitter: 30 * time.Millisecond},
	}
}

// fate is what becomes of one packet.
type fate struct {
	delay time.Duration
	lost  bool
}

// fates are those of n packets. Nothing is lost at the very beginning, so that all calls begin alike.
func (t trace) fates(seed uint64, n int) []fate {
	r := rand.New(rand.NewPCG(seed, 77))
	out := make([]fate, n)
	left := 0 // of a burst
	for i := range out {
		out[i].delay = lineDelay + time.Duration((2*r.Float64()-1)*float64(t.jitter))
		begins := r.Float64() < t.share/(float64(t.burst)*(1-t.share))
		goesOn := r.Float64() < 1-1/float64(t.burst)
		switch {
		case i < 25 || t.share == 0:
		case t.burst == 1:
			out[i].lost = r.Float64() < t.share
		case left > 0:
			out[i].lost = true
			if left--; t.gilbert {
				left = 0
				if goesOn {
					left = 1
				}
			}
		case begins:
			out[i].lost = true
			left = t.burst - 1
			if t.gilbert && !goesOn {
				left = 0
			}
		}
	}
	return out
}

func network(f []fate) audio.Network {
	return func(seq int) (time.Duration, bool) {
		x := f[min(seq, len(f)-1)]
		return x.delay, !x.lost
	}
}

// coding is a way to send the same voice.
type coding struct {
	name   string
	format codec.Format
	copies []int
	judged bool // the goals are for it
}

func codings() []coding {
	return []coding{
		{name: "Opus", format: codec.Format{Name: "opus"}},
		{name: "Opus, clean", format: codec.Format{Name: "opus", FEC: true, Clean: true}},
		{name: "Opus, FEC", format: codec.Format{Name: "opus", FEC: true}, judged: true},
		{name: "Opus, RED", format: codec.Format{Name: "opus", FEC: true, Copies: 2}, copies: []int{1, 3}, judged: true},
		{name: "PCMU", format: codec.Format{Name: "PCMU"}},
	}
}

// Against NetEq: by how much STOI may be less, since either is right to the last packet by luck, and by
// how much longer it may take, ms, since both ask every 10 ms.
const (
	worse  = 0.005
	longer = 2.
)

// lossReport prints what each coding makes of each trace, and what NetEq makes of the same packets,
// if there is a program for that.
func lossReport(ctx context.Context, who *speakers, name, only, program string) error {
	x, err := who.voice(name)
	if err != nil {
		return err
	}
	pcm := make([]float32, min(len(x), 40*fs))
	for i := range pcm {
		pcm[i] = float32(0.1 * x[i])
	}
	fmt.Printf("seed %d\n\n%-22s %-9s %7s %6s %11s %5s %4s %16s %6s | %-6s %5s %4s %6s\n", who.seed,
		"loss", "coding", "goal", "STOI", "of it", "late", "p95", "lost, FEC, RED", "made", "NetEq", "late", "p95", "made")
	for _, c := range codings() {
		packets, err := encoded(c, pcm)
		if err != nil {
			return err
		}
		clean := math.NaN()
		for _, t := range traces() {
			if !strings.Contains(t.name, only) && (t.share > 0 || t.jitter > 0) {
				continue
			}
			if c.format.Clean && t.share > 0.01 {
				continue // the line is not clean then
			}
			f := t.fates(who.seed, len(packets)+50)
			var theirs netHeard
			if program != "" {
				if theirs, err = neteq(ctx, program, c, packets, f); err != nil {
					return err
				}
			}
			if clean, err = lossLine(t, c, f, pcm, clean, theirs); err != nil {
				return err
			}
		}
	}
	return nil
}

// lossLine prints one line. clean is the STOI of the coding without loss, NaN if this is that.
func lossLine(t trace, c coding, f []fate, pcm []float32, clean float64, theirs netHeard) (float64, error) {
	h, err := audio.Simulate(audio.Config{}, c.format, audio.Sound{Rate: fs, Samples: pcm}, audio.Line{Network: network(f), Copies: c.copies})
	if err != nil {
		return clean, err
	}
	s, late, p95 := understood(pcm, h.Sound.Samples)
	if math.IsNaN(clean) {
		clean = s
	}
	goal, verdict := "", ""
	if c.judged && t.goal > 0 {
		goal, verdict = fmt.Sprintf("≥ %g", t.goal), "pass"
		if s < t.goal*clean {
			verdict = "MISS"
		}
	}
	fmt.Printf("%-22s %-9s %7s %6.3f %6.3f %4s %5.0f %4.0f %6d %4d %4d %6d", t.name, c.name, goal, s, s/clean, verdict,
		late, p95, h.Lost, h.Repaired, h.Mended, 10*h.Concealed)
	if theirs.sound != nil {
		n, theirLate, theirP95 := understood(pcm, theirs.sound)
		verdict = "pass"
		if s < n-worse || late > theirLate+longer {
			verdict = "MISS"
		}
		fmt.Printf(" | %6.3f %5.0f %4.0f %6d %s", n, theirLate, theirP95, theirs.made.Milliseconds(), verdict)
	}
	fmt.Println()
	return clean, nil
}
