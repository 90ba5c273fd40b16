package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"intercomd/test/lab"
)

// What calls may leave behind: nothing, but memory of a collected heap moves.
const (
	spareGoroutines = 2
	spareFiles      = 1
	spareMemory     = 4000 // kB
)

// kind is a kind of call that the soak plays.
type kind struct {
	name string
	play func(context.Context) error
}

// soakCalls plays n calls of four kinds in turn and compares the daemon before
// and after. The first calls warm up and do not count. asterisk is the folder of an
// Asterisk to play against, "" for other intercoms behind Kamailio.
func soakCalls(ctx context.Context, binary string, n int, asterisk string) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door")
	defer site.Stop()
	if err != nil {
		return err
	}
	var p *crowd
	var kinds []kind
	if asterisk == "" {
		p, err = soakers(ctx, site)
		kinds = []kind{{"answered", p.answered}, {"refused", p.refused}, {"cancelled", p.cancelled}, {"incoming", p.incoming}}
	} else {
		p, kinds, err = soakAsterisk(ctx, site, asterisk)
	}
	if err != nil {
		return err
	}
	const warm = 8
	var before state
	begin := time.Now()
	for i := range warm + n {
		if i == warm {
			if before, err = p.rest(ctx, state{}); err != nil {
				return err
			}
			fmt.Println("before:", before)
			begin = time.Now()
		}
		k := kinds[i%len(kinds)]
		call, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := k.play(call)
		cancel()
		if err != nil {
			return fmt.Errorf("call %d (%s): %w", i, k.name, err)
		}
		if done := i - warm + 1; done > 0 && done%max(50, n/20) == 0 {
			now, err := p.look(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("after %3d calls: %v\n", done, now)
		}
	}
	after, err := p.rest(ctx, before)
	fmt.Printf("after:  %v (%d calls in %v)\n", after, n, time.Since(begin).Round(time.Second))
	return err
}

// crowd is the door and those whom it calls.
type crowd struct {
	ladder                    func(time.Time) string // what was on the wire
	door, takes, turns, rings *lab.Door
}

func soakers(ctx context.Context, site *lab.Site) (*crowd, error) {
	p := &crowd{ladder: func(t time.Time) string { return lab.Ladder(site.Kamailio.Since(t)) }}
	for _, s := range []struct {
		user, answer string
		port         int
		door         **lab.Door
	}{{"1001", "auto", 8081, &p.takes}, {"1002", "reject", 8082, &p.turns}, {"1003", "button", 8083, &p.rings}} {
		var err error
		if *s.door, err = site.Station(ctx, s.user, "", s.port, map[string]string{
			"call.target": `"` + door + `"`, "incoming.answer": `"` + s.answer + `"`, "log.level": `"info"`,
		}, ""); err != nil {
			return nil, err
		}
	}
	var err error
	p.door, err = site.Station(ctx, door, "door", 8080, map[string]string{
		"call.target": `"1001"`, "incoming.auto_answer": `["1001"]`, "log.level": `"info"`,
	}, `
[[button]]
name = "takes"
line = 17
target = "1001"

[[button]]
name = "turns"
line = 23
target = "1002"

[[button]]
name = "rings"
line = 24
target = "1003"
`)
	return p, err
}

// over waits for the door's record of the call that began at t.
func (p *crowd) over(ctx context.Context, t time.Time, cause string, others ...*lab.Door) error {
	r, err := p.door.Over(ctx, t)
	if err == nil && r.Ending.Cause != cause {
		err = fmt.Errorf("the record says %q, want %q", r.Ending.Cause, cause)
	}
	for _, d := range others {
		if err == nil {
			_, err = d.InState(ctx, "idle")
		}
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.ladder(t))
	}
	return nil
}

// mediaUp waits until the door's call is up with audio.
func (p *crowd) mediaUp(ctx context.Context) error {
	_, err := p.door.Wait(ctx, "talking with audio", func(s lab.Status) bool {
		return s.State == "talking" && s.Call != nil && !s.Call.MediaUp.IsZero()
	})
	return err
}

func (p *crowd) answered(ctx context.Context) error {
	t, err := p.door.Press(ctx, "takes")
	if err != nil {
		return err
	}
	if err := p.mediaUp(ctx); err != nil {
		return err
	}
	if err := p.takes.Hangup(ctx); err != nil {
		return err
	}
	return p.over(ctx, t, "hung-up", p.takes)
}

func (p *crowd) refused(ctx context.Context) error {
	t, err := p.door.Press(ctx, "turns")
	if err != nil {
		return err
	}
	return p.over(ctx, t, "refused", p.turns)
}

func (p *crowd) cancelled(ctx context.Context) error {
	t, err := p.door.Press(ctx, "rings")
	if err != nil {
		return err
	}
	if _, err := p.rings.InState(ctx, "ringing"); err != nil {
		return err
	}
	if _, err := p.door.Press(ctx, "rings"); err != nil {
		return err
	}
	return p.over(ctx, t, "cancelled", p.rings)
}

func (p *crowd) incoming(ctx context.Context) error {
	t, err := p.takes.Press(ctx, "bell")
	if err != nil {
		return err
	}
	if err := p.mediaUp(ctx); err != nil {
		return err
	}
	if err := p.door.Hangup(ctx); err != nil {
		return err
	}
	return p.over(ctx, t, "hung-up", p.takes)
}

// state is what must not grow.
type state struct{ goroutines, files, rss int }

func (s state) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.1f MB RSS", s.goroutines, s.files, float64(s.rss)/1000)
}

func (p *crowd) look(ctx context.Context) (state, error) {
	st, err := p.door.Status(ctx)
	if err != nil {
		return state{}, err
	}
	u, err := lab.UsageOf(p.door.Pid)
	return state{goroutines: st.Gauges.Runtime.Goroutines, files: u.Files, rss: u.RSS}, err
}

// rest waits until the door is back at a state, or for a while when there is
// none yet: transactions of the last call live on for 32 s (RFC 3261, timers H
// and J).
func (p *crowd) rest(ctx context.Context, want state) (state, error) {
	const patience = 45 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience+5*time.Second)
	defer cancel()
	begin := time.Now()
	var now state
	err := lab.Poll(ctx, func() error {
		var err error
		if now, err = p.look(ctx); err != nil {
			return err
		}
		settled := want != (state{}) && now.goroutines <= want.goroutines+spareGoroutines &&
			now.files <= want.files+spareFiles && now.rss <= want.rss+spareMemory
		if settled || time.Since(begin) > patience {
			return nil
		}
		return errors.New("not yet at rest")
	})
	if err != nil || want == (state{}) {
		return now, err
	}
	switch {
	case now.goroutines > want.goroutines+spareGoroutines:
		return now, fmt.Errorf("%d goroutines were left behind", now.goroutines-want.goroutines)
	case now.files > want.files+spareFiles:
		return now, fmt.Errorf("%d descriptors were left behind", now.files-want.files)
	case now.rss > want.rss+spareMemory:
		return now, fmt.Errorf("%d kB of memory were left behind", now.rss-want.rss)
	}
	return now, nil
}
