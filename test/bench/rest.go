package main

import (
	"context"
	"fmt"
	"time"

	"intercomd/test/lab"
)

const (
	callingTone = 880.0           // Hz, that a press is answered with
	ringback    = 425.0           // Hz, that takes its place when the far end rings
	restSettle  = 8 * time.Second // after the start, and after calls
)

// atRest measures what a door costs while nobody talks, beside baresip at the same time: before
// its first call, and after some. Then how soon a press is heard at the loudspeaker, and how soon
// the call is sent.
func atRest(ctx context.Context, binary string, runs int, length time.Duration) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door", "callee", "bare")
	defer site.Stop()
	if err != nil {
		return err
	}
	p, err := talkers(ctx, site, "button") // nobody answers before the tone is heard
	if err != nil {
		return err
	}
	rows, err := p.rest(ctx, "at rest, never called", length)
	if err != nil {
		return err
	}
	if p.ear, err = p.door.Config.Card.Record(); err != nil {
		return err
	}
	var heard, invite []float64
	for i := range runs + 1 {
		t, err := p.pressHeard(ctx)
		if err != nil {
			p.ear.Stop()
			return fmt.Errorf("press %d: %w\n%s", i, err, p.door.Tail(30))
		}
		fmt.Printf("press %2d   tone %5.1f ms, INVITE %5.1f ms\n", i, t.speaker, t.invite)
		if i > 0 {
			heard, invite = append(heard, t.speaker), append(invite, t.invite)
		}
	}
	p.ear.Stop()
	after, err := p.rest(ctx, "at rest, after calls", length)
	if err != nil {
		return err
	}
	rows = append(rows, after...)
	rows = append(rows,
		result{what: "press to its tone, out of the loudspeaker", unit: "ms", ours: median(heard)},
		result{what: "press to INVITE on the wire", unit: "ms", ours: median(invite), limit: 50})
	report(rows, "Yardstick: baresip, registered and idle, in the same seconds.")
	return nil
}

// rest watches door and baresip while nothing happens.
func (p *parties) rest(ctx context.Context, when string, length time.Duration) ([]result, error) {
	if err := wait(ctx, restSettle); err != nil {
		return nil, err
	}
	pids := [2]int{p.door.Pid, p.baresip.Pid}
	var from, to [2][]lab.Thread
	var usage [2]lab.Usage
	begin := time.Now()
	for i, pid := range pids {
		var err error
		if from[i], err = lab.ThreadsOf(pid); err != nil {
			return nil, err
		}
	}
	if err := wait(ctx, length); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	for i, pid := range pids {
		var err error
		if to[i], err = lab.ThreadsOf(pid); err != nil {
			return nil, err
		}
		if usage[i], err = lab.UsageOf(pid); err != nil {
			return nil, err
		}
	}
	mics, err := p.site.Pulse.Listeners(ctx)
	if err != nil {
		return nil, err
	}
	ours := lab.Account(from[0], to[0], took, lab.DoorThreads)
	ref := lab.Account(from[1], to[1], took, func(int, lab.Thread) string { return "baresip" })
	printAccount(when, ours)
	cpu, wakes := sum(ours)
	refCPU, refWakes := sum(ref)
	return []result{
		{what: when + ": CPU", unit: "% of a core", ours: cpu, ref: refCPU, limit: 0.3},
		{what: when + ": wake-ups", unit: "per second", ours: wakes, ref: refWakes, limit: 15},
		{what: when + ": memory (RSS)", unit: "MB", ours: float64(usage[0].RSS) / 1000, ref: float64(usage[1].RSS) / 1000, limit: 30},
		{what: when + ": of it in no file", unit: "MB", ours: float64(usage[0].Anon) / 1000, ref: float64(usage[1].Anon) / 1000},
		{what: when + ": open descriptors", unit: "", ours: float64(usage[0].Files), ref: float64(usage[1].Files)},
		{what: when + ": programs that listen to a microphone", unit: "", ours: float64(mics)},
	}, nil
}

// printAccount prints who took what.
func printAccount(when string, list []lab.Share) {
	fmt.Printf("\n%s:\n", when)
	for _, s := range list {
		fmt.Printf("  %-16s %2d threads %7.2f %% %8.1f wake-ups/s\n", s.Group, s.Threads, s.CPU, s.Wakes)
	}
}

func sum(list []lab.Share) (cpu, wakes float64) {
	for _, s := range list {
		cpu, wakes = cpu+s.CPU, wakes+s.Wakes
	}
	return cpu, wakes
}

// pressHeard presses the bell of a door at rest, and waits for the tone at its loudspeaker.
func (p *parties) pressHeard(ctx context.Context) (timing, error) {
	if err := wait(ctx, 2500*time.Millisecond); err != nil { // until the devices rest again
		return timing{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pressed, invite, err := p.press(ctx)
	if err != nil {
		return timing{}, err
	}
	at, err := p.ear.Heard(ctx, pressed, ringback, audible)
	if err != nil {
		return timing{}, err
	}
	soon, stop := context.WithTimeout(ctx, 100*time.Millisecond) // it has been recorded, if it was played
	defer stop()
	if first, err := p.ear.Heard(soon, pressed, callingTone, audible); err == nil && first.Before(at) {
		at = first
	}
	if err := p.door.Hangup(ctx); err != nil {
		return timing{}, err
	}
	if _, err := p.door.InState(ctx, "idle"); err != nil {
		return timing{}, err
	}
	_, err = p.callee.InState(ctx, "idle")
	return timing{invite: ms(invite.At.Sub(pressed)), speaker: ms(at.Sub(pressed))}, err
}
