package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"intercomd/test/lab"
)

// Who is who, and their tones.
const (
	door    = "1000"
	callee  = "1001" // an indoor station that answers at once: the same for everybody
	web     = "1002" // SIP.js in Chromium
	bare    = "1003" // baresip
	tone    = 1000.0 // Hz, what the callee says
	loud    = -12.0  // dBFS
	audible = -40.0  // dBFS
)

// result is one line of the table: medians in the unit of the goal.
type result struct {
	what       string
	unit       string
	ours, ref  float64 // ref 0: nothing to compare with
	limit      float64 // of ours; 0: none
	ratioLimit float64 // of ours/ref; 0: none
}

// bench runs everything and prints the table.
func bench(ctx context.Context, binary string, runs, seconds int) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door", "callee", "bare")
	defer site.Stop()
	if err != nil {
		return err
	}
	st, err := stations(ctx, site)
	if err != nil {
		return err
	}
	setup, err := st.setup(ctx, runs)
	if err != nil {
		return err
	}
	cost, err := st.cost(ctx, time.Duration(seconds)*time.Second)
	if err != nil {
		return err
	}
	report(append(setup, cost...), "Yardsticks: SIP.js 0.15.11 in Chromium for times, baresip for cost; the same callee in the same run.")
	return nil
}

// callCost is the part of bench that measures what a call costs. The microphones of the door and of baresip hear
// noise of so many dBFS, if that is not 0: no real one is as silent as a virtual one, which some coders have next
// to nothing to do for.
func callCost(ctx context.Context, binary string, length time.Duration, place float64) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door", "callee", "bare")
	defer site.Stop()
	if err != nil {
		return err
	}
	p, err := talkers(ctx, site, "auto")
	if err != nil {
		return err
	}
	voice, err := p.callee.Config.Card.Play(tone, loud)
	if err != nil {
		return err
	}
	site.Defer(voice.Stop)
	if place != 0 {
		for _, card := range []string{"door", "bare"} {
			noise, err := site.Pulse.Card(card).Play(tone, place)
			if err != nil {
				return err
			}
			noise.Noise(place)
			site.Defer(noise.Stop)
		}
	}
	rows, err := p.cost(ctx, length)
	if err == nil {
		report(rows, "Yardstick: baresip; the same callee in the same run.")
	}
	return err
}

// rings is how long the callee rings: less than people take, and enough for the devices of both ends to run.
const rings = time.Second

// stationsOnly starts a door and its callee, which answers like this.
func stationsOnly(ctx context.Context, site *lab.Site, answer string) (*parties, error) {
	p := &parties{site: site}
	var err error
	if p.callee, err = site.Station(ctx, callee, "callee", 8081, map[string]string{
		"call.target": `"` + door + `"`, "incoming.answer": `"` + answer + `"`, "incoming.auto_answer_delay": fmt.Sprintf("%q", rings.String()), "log.level": `"info"`,
	}, ""); err != nil {
		return nil, err
	}
	return p, p.startDoor(ctx, nil)
}

// talkers is the same with a baresip beside them.
func talkers(ctx context.Context, site *lab.Site, answer string) (*parties, error) {
	p, err := stationsOnly(ctx, site, answer)
	if err != nil {
		return nil, err
	}
	p.baresip, err = site.StartBaresip(ctx, bare, "bare")
	return p, err
}

type parties struct {
	site         *lab.Site
	door, callee *lab.Door
	web          *lab.WebPhone
	ear          *lab.Recorder // at the door's loudspeaker
	baresip      *lab.Baresip
}

func stations(ctx context.Context, site *lab.Site) (*parties, error) {
	p, err := stationsOnly(ctx, site, "auto")
	if err != nil {
		return nil, err
	}
	voice, err := p.callee.Config.Card.Play(tone, loud)
	if err != nil {
		return nil, err
	}
	site.Defer(voice.Stop)
	if p.ear, err = p.door.Config.Card.Record(); err != nil {
		return nil, err
	}
	site.Defer(p.ear.Stop)

	wav := filepath.Join(site.Dir, "web.wav")
	if err := lab.WriteTone(wav, 5, 440, loud); err != nil {
		return nil, err
	}
	browser, err := lab.StartBrowser(context.WithoutCancel(ctx), filepath.Join(site.Dir, "chromium"), wav)
	if err != nil {
		return nil, err
	}
	site.Defer(browser.Stop)
	phones, err := lab.ServePhones()
	if err != nil {
		return nil, err
	}
	site.Defer(phones.Stop)
	if p.web, err = browser.OpenPhone(ctx, phones.URL, site.WSS(), web, "ring"); err != nil {
		return nil, err
	}
	p.baresip, err = site.StartBaresip(ctx, bare, "bare")
	return p, err
}

// setup measures the set-up of calls, door and web phone in turn; the first of
// each warms up and does not count.
func (p *parties) setup(ctx context.Context, runs int) ([]result, error) {
	var invite, heard, speaker, webInvite, webHeard []float64
	for i := range runs + 1 {
		d, err := p.doorCall(ctx)
		if err != nil {
			return nil, fmt.Errorf("call %d of the door: %w", i, err)
		}
		w, err := p.webCall(ctx)
		if err != nil {
			return nil, fmt.Errorf("call %d of the web phone: %w", i, err)
		}
		fmt.Printf("call %2d   door: INVITE %5.1f ms, answer to sound %5.1f ms (loudspeaker %5.1f)   SIP.js: %5.1f, %5.1f\n", i, d.invite, d.heard, d.speaker, w.invite, w.heard)
		if i == 0 {
			continue
		}
		invite, heard, speaker = append(invite, d.invite), append(heard, d.heard), append(speaker, d.speaker)
		webInvite, webHeard = append(webInvite, w.invite), append(webHeard, w.heard)
	}
	return []result{
		{what: "press to INVITE on the wire", unit: "ms", ours: median(invite), ref: median(webInvite), limit: 50, ratioLimit: 0.3},
		{what: "answer to first audio, handed to the device", unit: "ms", ours: median(heard), ref: median(webHeard), limit: 100, ratioLimit: 0.5},
		{what: "answer to first audio, out of the loudspeaker", unit: "ms", ours: median(speaker), limit: 100},
	}, nil
}

type timing struct{ invite, heard, speaker float64 } // ms

// press presses the bell of the door, and waits for its INVITE.
func (p *parties) press(ctx context.Context) (pressed time.Time, invite lab.Message, err error) {
	if pressed, err = p.door.Press(ctx, "bell"); err == nil {
		invite, err = p.site.Kamailio.Wait(ctx, pressed, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 0 && m.From == door })
	}
	return pressed, invite, err
}

func (p *parties) doorCall(ctx context.Context) (timing, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pressed, invite, err := p.press(ctx)
	if err != nil {
		return timing{}, err
	}
	ok, err := p.site.Kamailio.Wait(ctx, pressed, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 200 && m.From == door })
	if err != nil {
		return timing{}, err
	}
	at, err := p.ear.Heard(ctx, ok.At, tone, audible)
	if err != nil {
		return timing{}, err
	}
	if err := p.door.Hangup(ctx); err != nil {
		return timing{}, err
	}
	r, err := p.door.Over(ctx, pressed)
	if err != nil {
		return timing{}, err
	}
	if _, err := p.callee.InState(ctx, "idle"); err != nil {
		return timing{}, err
	}
	return timing{invite: ms(invite.At.Sub(pressed)), heard: ms(r.Heard.Sub(ok.At)), speaker: ms(at.Sub(ok.At))}, nil
}

func (p *parties) webCall(ctx context.Context) (timing, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := p.web.Incoming(ctx, "ring"); err != nil {
		return timing{}, err
	}
	begin := time.Now()
	if err := p.web.Do(ctx, fmt.Sprintf("phone.call(%q)", callee), nil); err != nil {
		return timing{}, err
	}
	if err := p.web.Until(ctx, `probe.events.some(e => e.name === "first-audio")`); err != nil {
		return timing{}, fmt.Errorf("%w\n%s", err, lab.Ladder(p.site.Kamailio.Since(begin)))
	}
	events, err := p.web.Events(ctx)
	if err != nil {
		return timing{}, err
	}
	ok, err := p.site.Kamailio.Wait(ctx, begin, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 200 && m.From == web })
	if err != nil {
		return timing{}, err
	}
	m, err := p.site.Kamailio.Wait(ctx, begin, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 0 && m.From == web })
	if err != nil {
		return timing{}, err
	}
	var t timing
	for _, e := range events {
		switch e.Name {
		case "call":
			t.invite = ms(m.At.Sub(e.At()))
		case "first-audio":
			t.heard = ms(e.At().Sub(ok.At))
		}
	}
	if err := p.web.Do(ctx, "phone.hangup()", nil); err != nil {
		return timing{}, err
	}
	if err := p.web.Until(ctx, "phone.session === null"); err != nil {
		return timing{}, err
	}
	_, err = p.callee.InState(ctx, "idle")
	return t, err
}

// cost measures what a call costs the door and what it costs baresip, one after
// the other with the same callee; then the door once more without its echo
// canceller, since baresip has none.
func (p *parties) cost(ctx context.Context, length time.Duration) ([]result, error) {
	ours, err := p.doorCost(ctx, "in a call", length)
	if err != nil {
		return nil, err
	}
	if err := p.baresip.Command(ctx, "dial", "sip:"+callee+"@"+lab.Domain); err != nil {
		return nil, err
	}
	ref, err := p.measure(ctx, "baresip", p.baresip.Pid, length, func(int, lab.Thread) string { return "all of them" })
	if err != nil {
		return nil, err
	}
	if err := p.baresip.Command(ctx, "hangup", ""); err != nil {
		return nil, err
	}
	if _, err := p.callee.InState(ctx, "idle"); err != nil {
		return nil, err
	}
	_ = p.door.Stop(5 * time.Second)
	if err := p.startDoor(ctx, map[string]string{"audio.echo_canceller": `"off"`}); err != nil {
		return nil, err
	}
	plain, err := p.doorCost(ctx, "in a call, without echo canceller", length)
	if err != nil {
		return nil, err
	}
	return []result{
		{what: "memory in a call (RSS)", unit: "MB", ours: ours.rss, ref: ref.rss, limit: 40},
		{what: "memory in a call (PSS)", unit: "MB", ours: ours.pss, ref: ref.pss},
		{what: "memory in a call that is in no file", unit: "MB", ours: ours.anon, ref: ref.anon},
		{what: "CPU in a call", unit: "% of a core", ours: ours.cpu, ref: ref.cpu, ratioLimit: 2.5},
		{what: "wake-ups in a call", unit: "per second", ours: ours.wakes, ref: ref.wakes, limit: 600},
		{what: "CPU without echo canceller", unit: "% of a core", ours: plain.cpu, ref: ref.cpu, ratioLimit: 1.5},
		{what: "wake-ups without echo canceller", unit: "per second", ours: plain.wakes, ref: ref.wakes},
	}, nil
}

// knows is how long a door must have listened to know how loud its place is.
const knows = rings + 4*time.Second

// doorCost plays one call of the door and measures it. A first one lets it know its place: until
// then it takes noise away that may not be there. It has come to rest in between, as a door has before a call.
func (p *parties) doorCost(ctx context.Context, what string, length time.Duration) (load, error) {
	if _, err := p.door.Press(ctx, "bell"); err != nil {
		return load{}, err
	}
	if err := wait(ctx, knows); err != nil {
		return load{}, err
	}
	if err := p.door.Hangup(ctx); err != nil {
		return load{}, err
	}
	if _, err := p.callee.InState(ctx, "idle"); err != nil {
		return load{}, err
	}
	if err := wait(ctx, restSettle); err != nil {
		return load{}, err
	}
	if _, err := p.door.Press(ctx, "bell"); err != nil {
		return load{}, err
	}
	cost, err := p.measure(ctx, what, p.door.Pid, length, lab.DoorThreads)
	if err != nil {
		return load{}, err
	}
	if err := p.door.Hangup(ctx); err != nil {
		return load{}, err
	}
	_, err = p.callee.InState(ctx, "idle")
	return cost, err
}

// startDoor starts the door with further keys of its configuration.
func (p *parties) startDoor(ctx context.Context, keys map[string]string) error {
	all := map[string]string{"call.target": `"` + callee + `"`, "log.level": `"info"`, "audio.noise_suppression": ""}
	maps.Copy(all, keys)
	var err error
	p.door, err = p.site.Station(ctx, door, "door", 8080, all, "")
	return err
}

type load struct{ rss, pss, anon, cpu, wakes float64 } // MB three times, percent of a core, per second

// measure waits until the callee talks and then watches a process, and prints who of its threads
// took what.
func (p *parties) measure(ctx context.Context, what string, pid int, length time.Duration, group func(int, lab.Thread) string) (load, error) {
	talk, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	_, err := p.callee.Wait(talk, "talking", func(s lab.Status) bool { return s.State == "talking" && s.Sound.MicLive })
	if err != nil {
		return load{}, err
	}
	begin := time.Now()
	from, err := lab.ThreadsOf(pid)
	if err != nil {
		return load{}, err
	}
	if err := wait(ctx, length); err != nil {
		return load{}, err
	}
	to, err := lab.ThreadsOf(pid)
	if err != nil {
		return load{}, err
	}
	account := lab.Account(from, to, time.Since(begin), group)
	printAccount(what, account)
	cpu, wakes := sum(account)
	u, err := lab.UsageOf(pid)
	return load{rss: float64(u.RSS) / 1000, pss: float64(u.PSS) / 1000, anon: float64(u.Anon) / 1000, cpu: cpu, wakes: wakes}, err
}

// report prints the table. A goal that is missed is marked, not an error: a busy
// machine misses them all.
func report(rows []result, yardstick string) {
	fmt.Printf("\n%-50s %9s %9s %6s   %s\n", "", "intercomd", "yardstick", "ratio", "goal")
	for _, r := range rows {
		ratio, goal := "", ""
		if r.ref > 0 {
			ratio = fmt.Sprintf("%.2f", r.ours/r.ref)
		}
		met := true
		if r.limit > 0 {
			goal = fmt.Sprintf("at most %g %s", r.limit, r.unit)
			met = r.ours <= r.limit
		}
		if r.ratioLimit > 0 {
			if goal != "" {
				goal += ", "
			}
			goal += fmt.Sprintf("ratio at most %g", r.ratioLimit)
			met = met && (r.ref == 0 || r.ours/r.ref <= r.ratioLimit)
		}
		switch {
		case goal == "":
		case met:
			goal += ": met"
		default:
			goal += ": MISSED"
		}
		ref := ""
		if r.ref > 0 {
			ref = figure(r.ref)
		}
		fmt.Printf("%-50s %9s %9s %6s   %s\n", r.what+", "+r.unit, figure(r.ours), ref, ratio, goal)
	}
	fmt.Println("\n" + yardstick)
}

// figure is a number as it is printed: small ones are not all 0.0.
func figure(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
