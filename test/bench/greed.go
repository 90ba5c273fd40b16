package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"intercomd/test/lab"
)

// greedRatio is how much slower a press may call, and somebody be told of it, while the page is
// under siege.
const greedRatio = 1.2

// greed measures what those who look at the page cost (see [watched]), and then how soon a press is an INVITE on
// the wire and at a webhook, in turn without and with greedy clients of the page: idle connections,
// streams that are not read, bodies without end. The daemon has the descriptors that its unit gives it.
func greed(ctx context.Context, binary string, runs int, length time.Duration) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door", "callee")
	defer site.Stop()
	if err != nil {
		return err
	}
	hook, err := startHook()
	if err != nil {
		return err
	}
	site.Defer(hook.stop)
	d, err := site.Station(ctx, door, "door", 8080, map[string]string{"call.target": `"` + callee + `"`, "log.level": `"info"`},
		"\n[[notify]]\nwebhook = \""+hook.url+"\"\nkinds = [\"ring\"]\n")
	if err != nil {
		return err
	}
	if err := lab.LimitAsUnit(d.Pid, "systemd/intercomd.service"); err != nil {
		return err
	}
	rows, err := watched(ctx, d, length)
	if err != nil {
		return err
	}
	var quiet, siege, told, toldLate []float64
	for i := range runs + 1 {
		a, err := inviteAfter(ctx, site, d, hook)
		if err != nil {
			return err
		}
		g := &lab.Greed{Addr: strings.Trim(strings.TrimPrefix(d.URL, "http://"), "/"), Idle: 5000, Streams: 200, Bodies: 4}
		if err := g.Start(ctx); err != nil {
			g.Stop()
			return err
		}
		b, err := inviteAfter(ctx, site, d, hook)
		served, full, other := g.Answers()
		g.Stop()
		if err != nil {
			return err
		}
		fmt.Printf("call %2d   quiet %5.1f ms, webhook %5.1f   under siege %5.1f ms, webhook %5.1f   streams: %d served, %d told that the page is full, %d neither\n",
			i, a.invite, a.hook, b.invite, b.hook, served, full, other)
		if i == 0 { // it warms up
			continue
		}
		quiet, siege = append(quiet, a.invite), append(siege, b.invite)
		if a.hook > 0 {
			told = append(told, a.hook)
		}
		if b.hook > 0 {
			toldLate = append(toldLate, b.hook)
		}
	}
	report(append(rows,
		result{what: "press to INVITE under siege", unit: "ms", ours: median(siege), ref: median(quiet), limit: 50, ratioLimit: greedRatio},
		result{what: "press to webhook under siege", unit: "ms", ours: median(toldLate), ref: median(told), ratioLimit: greedRatio},
		result{what: "webhooks under siege that came", unit: "% of presses", ours: 100 * float64(len(toldLate)) / float64(runs), ref: 100 * float64(len(told)) / float64(runs)}),
		"Yardstick: the same door in the same run, alone. Siege: 5,000 connections, 200 streams, 4 bodies without end.")
	return nil
}

// pressed is when things were, after a press, ms.
type pressed struct{ invite, hook float64 }

// inviteAfter presses and returns when the INVITE was on the wire, and the webhook delivered; 0 is a
// webhook that did not come before the call was over.
func inviteAfter(ctx context.Context, site *lab.Site, d *lab.Door, h *hook) (pressed, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	at, err := d.Press(ctx, "bell")
	if err != nil {
		return pressed{}, err
	}
	m, err := site.Kamailio.Wait(ctx, at, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 0 && m.From == door })
	if err != nil {
		return pressed{}, err
	}
	p := pressed{invite: ms(m.At.Sub(at))}
	if _, err := d.Over(ctx, at); err != nil { // nobody is registered there
		return p, err
	}
	select {
	case came := <-h.rang:
		p.hook = ms(came.Sub(at))
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return p, ctx.Err()
	}
	return p, nil
}

// hook is a web service that is told of presses.
type hook struct {
	url  string
	rang chan time.Time // when each came
	stop func()
}

func startHook() (*hook, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hook{url: "http://" + l.Addr().String() + "/", rang: make(chan time.Time, 100)}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		var body map[string]any
		if r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&body) == nil {
			h.rang <- at
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // until it is closed
	}()
	h.stop = func() {
		_ = srv.Close()
		<-done
	}
	return h, nil
}
