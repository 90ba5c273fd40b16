// Package benchmark measures what a call costs on the machine that it runs on, stage by stage,
// and judges whether that machine carries it and what would make it lighter.
//
// Each stage is the code of a call itself, fed with sound of its own making, and timed by the
// processor time of one thread, so that what else runs is not counted but noticed. It opens no
// sound device, needs no daemon and no network, and knows neither configuration files nor words:
// what it says is figures and codes.
package benchmark

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/audio"
)

// Settings are what decides what a call costs, in the words of the configuration.
type Settings struct {
	Echo       string // "kalman", "speexdsp", "off"
	Noise      string // "off", "low", "high", "max"
	Complexity int    // of Opus, 1 to 10
	Opus       bool   // a codec that is offered
	Duplex     string // "auto", "full", "switched", "push-to-talk"
	AGC        bool
}

// Parts are what a call is made of and this package does not know.
type Parts struct {
	// Microphone makes the canceller and the suppressor that are called so; either may be nil.
	Microphone func(echo, noise, duplex string) (audio.Config, error)
	// Password does the computing of a sign-in at the page.
	Password func()
}

// Effort is how long is measured.
type Effort struct {
	Each  time.Duration // for each stage
	Block time.Duration // after which the clock is read; the median of blocks counts
	// Between is called after each stage; it may be nil. It looks at the machine.
	Between func()
}

// Usual takes some 15 s.
func Usual() Effort { return Effort{Each: 900 * time.Millisecond, Block: 15 * time.Millisecond} }

// Cost is what a stage takes: processor time of one core.
type Cost struct {
	Code    string        // see the constants
	Variant string        // which of several: "kalman", "5"; "" if there is one
	CPU     time.Duration // per frame of 10 ms; of Once the whole
	Once    bool          // it happens once, not in each frame
	Counted bool          // it is part of what a call costs as configured
}

// The stages.
const (
	Canceller  = "canceller"
	Suppressor = "suppressor"
	Levels     = "levels"    // automatic gain, limiter, meters, and what watches the duplex
	Resampler  = "resampler" // against clocks that differ
	Transform  = "fft"       // a forward and an inverse transform of 320, of which the canceller has many
	Encoder    = "encoder"
	Decoder    = "decoder"
	Encryption = "srtp" // of a packet sent and one received
	DTLS       = "dtls-handshake"
	TLS        = "tls-handshake"
	Password   = "password"
)

// Report is what was measured.
type Report struct {
	Stages []Cost
	// Taken is the share of its time in which the measurement had to wait for others, 0..1.
	Taken float64
	// Slower is how much more the first stage took at the end than at the beginning: 0.1 is a tenth.
	Slower float64
}

// Run measures all stages of a call as s has it, and those that could take their place. It
// locks its goroutine to a thread meanwhile.
func Run(ctx context.Context, s Settings, parts Parts, effort Effort) (Report, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stages, err := newStages(s, parts)
	if err != nil {
		return Report{}, err
	}
	defer stages.close()
	var (
		r    Report
		wall time.Duration
		cpu  time.Duration
	)
	for _, st := range stages.list {
		t, err := measure(ctx, st, effort)
		if err != nil {
			return Report{}, fmt.Errorf("benchmark: measuring %s %s: %w", st.Code, st.Variant, err)
		}
		st.CPU = t.perRun / time.Duration(max(st.frames, 1))
		r.Stages = append(r.Stages, st.Cost)
		if !st.Once {
			wall, cpu = wall+t.wall, cpu+t.cpu
		}
		if effort.Between != nil {
			effort.Between()
		}
	}
	again, err := measure(ctx, stages.list[0], effort)
	if err != nil {
		return Report{}, fmt.Errorf("benchmark: measuring again: %w", err)
	}
	if first := r.Stages[0].CPU; first > 0 {
		r.Slower = float64(again.perRun)/float64(first) - 1
	}
	if wall > 0 {
		r.Taken = max(0, 1-float64(cpu)/float64(wall))
	}
	return r, nil
}

// stage is a cost and how to come by it.
type stage struct {
	Cost
	frames int // that one run handles; 0 with Once
	run    func() error
	// ends is for work that does not keep to a thread: the processor time of the whole program
	// counts, divided by so many ends of a connection that do the same; 0 is the thread's.
	ends int
}

type timing struct{ perRun, wall, cpu time.Duration }

// measure runs a stage in blocks and takes the median of what they took.
func measure(ctx context.Context, st stage, effort Effort) (timing, error) {
	clock := int32(unix.CLOCK_THREAD_CPUTIME_ID)
	if st.ends > 0 {
		clock = unix.CLOCK_PROCESS_CPUTIME_ID
	}
	// What has to be learned and mapped first is no part of it.
	if err := st.run(); err != nil {
		return timing{}, err
	}
	var (
		each  []time.Duration
		t     timing
		start = time.Now()
	)
	for len(each) == 0 || time.Since(start) < effort.Each {
		if err := ctx.Err(); err != nil {
			return timing{}, err
		}
		n, from, began := 0, now(clock), time.Now()
		for n == 0 || time.Since(began) < effort.Block && !st.Once {
			if err := st.run(); err != nil {
				return timing{}, err
			}
			n++
		}
		took := now(clock) - from
		t.wall, t.cpu = t.wall+time.Since(began), t.cpu+took
		each = append(each, took/time.Duration(n*max(st.ends, 1)))
	}
	slices.Sort(each)
	t.perRun = each[len(each)/2]
	return t, nil
}

// now reads a clock of processor time, which every Linux has.
func now(clock int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(clock, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
