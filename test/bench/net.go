package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"intercomd/test/lab"
)

// badLine plays n calls over a line that loses and delays packets, and then cuts it: once
// for each length, and waits for the registration. The callee and the server are at the
// good end.
func badLine(ctx context.Context, binary string, n int) error {
	line, err := lab.NewLine()
	if err != nil {
		return err
	}
	defer line.Close()
	site, err := lab.StartSite(ctx, binary, lab.NearAddress, 7443)
	defer site.Stop()
	if err != nil {
		return err
	}
	indoor, err := site.Station(ctx, callee, "", 8081, map[string]string{
		"call.target": `"` + door + `"`, "incoming.answer": `"auto"`, "log.level": `"info"`,
	}, "")
	if err != nil {
		return err
	}
	d, err := lab.StartDoor(ctx, lab.DoorConfig{
		Binary: site.Binary, Dir: filepath.Join(site.Dir, "far"), User: door, Server: site.WSS(), CAFile: site.CA.CertFile, Port: 8080,
		Keys: map[string]string{"call.target": `"` + callee + `"`, "log.level": `"info"`}, Line: line,
	})
	if err != nil {
		return err
	}
	site.Defer(func() { _ = d.Stop(6 * time.Second) })
	if err := registeredWithin(ctx, d, 20*time.Second); err != nil {
		return err
	}

	line.Set(lab.Weather{Loss: 0.05, Delay: 30 * time.Millisecond, Jitter: 30 * time.Millisecond})
	var answered, media []float64
	failed := 0
	for i := range n {
		r, err := lineCall(ctx, d, indoor)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failed++
			fmt.Printf("call %3d: %v\n", i, err)
			continue
		}
		answered = append(answered, ms(r.Answered.Sub(r.Pressed)))
		media = append(media, ms(r.MediaUp.Sub(r.Pressed)))
	}
	passed, lost := line.Packets()
	fmt.Printf("\n5 %% loss, 30 ms +- 30 ms each way (%d packets came through, %d were lost)\n", passed, lost)
	fmt.Printf("calls set up: %d of %d\n", n-failed, n)
	if len(answered) > 0 {
		fmt.Printf("press to answer:      p50 %4.0f ms, p95 %4.0f ms, most %4.0f ms (goal: p95 at most 1000)\n", share(answered, 50), share(answered, 95), share(answered, 100))
		fmt.Printf("press to media ready: p50 %4.0f ms, p95 %4.0f ms, most %4.0f ms\n", share(media, 50), share(media, 95), share(media, 100))
	}

	line.Set(lab.Weather{})
	for _, length := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute} {
		took, err := cut(ctx, line, d, length)
		if err != nil {
			return err
		}
		fmt.Printf("cut of %5v: registered %4.0f ms after it (goal: at most 3000)\n", length, ms(took))
	}
	return nil
}

// lineCall makes a call, waits until its media are ready, hangs up, and returns its record.
func lineCall(ctx context.Context, d, indoor *lab.Door) (lab.CallRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	begin := time.Now()
	if _, err := d.Press(ctx, "bell"); err != nil {
		return lab.CallRecord{}, err
	}
	up, err := d.Wait(ctx, "through to the callee", func(s lab.Status) bool {
		return s.Call != nil && !s.Call.Answered.IsZero() && !s.Call.MediaUp.IsZero() || s.Call == nil && len(s.Calls) > 0 && s.Calls[0].Ended.After(begin)
	})
	if err != nil {
		return lab.CallRecord{}, err
	}
	if up.Call == nil { // over already
		return lab.CallRecord{}, errors.New("it ended by itself: " + up.Calls[0].Ending.Cause)
	}
	if err := d.Hangup(ctx); err != nil {
		return lab.CallRecord{}, err
	}
	if _, err := indoor.InState(ctx, "idle"); err != nil {
		return lab.CallRecord{}, err
	}
	return d.Over(ctx, begin)
}

// cut cuts the line for a while and returns how long after it the door was registered.
func cut(ctx context.Context, line *lab.Line, d *lab.Door, length time.Duration) (time.Duration, error) {
	line.Set(lab.Weather{Cut: true})
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	line.Set(lab.Weather{})
	healed := time.Now()
	err := registeredWithin(ctx, d, time.Minute)
	return time.Since(healed), err
}

func registeredWithin(ctx context.Context, d *lab.Door, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return d.Registered(ctx)
}

// share is the value below which so many percent are.
func share(v []float64, percent int) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[max(0, (len(s)*percent+99)/100-1)]
}
