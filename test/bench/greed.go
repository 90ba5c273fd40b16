package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"intercomd/test/lab"
)

// greedRatio is how much slower a press may call while the page is under siege.
const greedRatio = 1.2

// greed measures how soon a press is an INVITE on the wire, in turn without and with greedy
// clients of the page: idle connections, streams that are not read, bodies without end. The
// daemon has the descriptors that its unit gives it.
func greed(ctx context.Context, binary string, runs int) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door", "callee")
	defer site.Stop()
	if err != nil {
		return err
	}
	d, err := site.Station(ctx, door, "door", 8080, map[string]string{"call.target": `"` + callee + `"`, "log.level": `"info"`}, "")
	if err != nil {
		return err
	}
	if err := lab.LimitAsUnit(d.Pid, "systemd/intercomd.service"); err != nil {
		return err
	}
	var quiet, siege []float64
	for i := range runs + 1 {
		a, err := inviteAfter(ctx, site, d)
		if err != nil {
			return err
		}
		g := &lab.Greed{Addr: strings.Trim(strings.TrimPrefix(d.URL, "http://"), "/"), Idle: 5000, Streams: 200, Bodies: 4}
		if err := g.Start(ctx); err != nil {
			g.Stop()
			return err
		}
		b, err := inviteAfter(ctx, site, d)
		served, full, other := g.Answers()
		g.Stop()
		if err != nil {
			return err
		}
		fmt.Printf("call %2d   quiet %5.1f ms   under siege %5.1f ms   streams: %d served, %d told that the page is full, %d neither\n", i, a, b, served, full, other)
		if i > 0 { // the first warms up
			quiet, siege = append(quiet, a), append(siege, b)
		}
	}
	report([]result{{what: "press to INVITE with 5,000 connections, 200 streams, 4 bodies without end", unit: "ms",
		ours: median(siege), ref: median(quiet), limit: 50, ratioLimit: greedRatio}}, "Yardstick: the same door in the same run without them.")
	return nil
}

// inviteAfter presses and returns when the INVITE was on the wire, ms.
func inviteAfter(ctx context.Context, site *lab.Site, d *lab.Door) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pressed, err := d.Press(ctx, "bell")
	if err != nil {
		return 0, err
	}
	m, err := site.Kamailio.Wait(ctx, pressed, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 0 && m.From == door })
	if err != nil {
		return 0, err
	}
	_, err = d.Over(ctx, pressed) // nobody is registered there
	return ms(m.At.Sub(pressed)), err
}
