package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"intercomd/test/lab"
)

const (
	chirpEvery = 500 * time.Millisecond
	lagLimit   = 450 * time.Millisecond // of a chirp; less than the time between two
	settle     = 5 * time.Second        // of a call before it is measured
	rounds     = 3                      // calls of each kind, in turn
)

// mouthToEar measures how late the ear at one end hears what the mouth at the other
// says: chirps into a virtual microphone, found again at a virtual loudspeaker. Two
// daemons over the server, then two pages with SIP.js over the same server and the
// same kind of card, whose microphone processing is off; in turn. alone leaves the pages out.
func mouthToEar(ctx context.Context, binary string, length time.Duration, alone bool) error {
	site, err := lab.StartSite(ctx, binary, lab.Address, 7443, "door", "callee")
	defer site.Stop()
	if err != nil {
		return err
	}
	var pages *pages
	if !alone {
		if pages, err = startPages(ctx, site); err != nil {
			return err
		}
	}
	station, err := site.Station(ctx, callee, "callee", 8081, map[string]string{
		"call.target": `"` + door + `"`, "incoming.answer": `"auto"`, "log.level": `"info"`, "audio.noise_suppression": "",
	}, "")
	if err != nil {
		return err
	}
	d, err := site.Station(ctx, door, "door", 8080, map[string]string{
		"call.target": `"` + callee + `"`, "call.talk_time": `"10m"`, "log.level": `"info"`, "audio.noise_suppression": "",
	}, "")
	if err != nil {
		return err
	}
	ends := daemons{door: d, station: station}
	var ours, back, theirs []float64
	for i := range rounds {
		there, again, flaws, err := ends.call(ctx, length)
		if err != nil {
			return fmt.Errorf("call %d of the daemons: %w", i, err)
		}
		var page []float64
		if !alone {
			if page, err = pages.call(ctx, length); err != nil {
				return fmt.Errorf("call %d of the pages: %w", i, err)
			}
		}
		fmt.Printf("call %d   door to station %.1f ms of %d, station to door %.1f ms of %d, page to page %.1f ms of %d; %s\n", i,
			median(there), len(there), median(again), len(again), median(page), len(page), flaws)
		ours, back, theirs = append(ours, there...), append(back, again...), append(theirs, page...)
	}
	report([]result{
		{what: "mouth to ear, door to station", unit: "ms", ours: median(ours), ref: median(theirs), limit: 70, ratioLimit: 0.8},
		{what: "mouth to ear, station to door", unit: "ms", ours: median(back), ref: median(theirs), limit: 70, ratioLimit: 0.8},
	}, "Yardstick: SIP.js 0.15.11 in Chromium, page to page over the same server in the same run.")
	return nil
}

// lags plays chirps into one card for some time and finds them at another.
func lags(ctx context.Context, mouth, ear *lab.Card, length time.Duration) ([]float64, error) {
	voice, err := mouth.Play(chirpTone, -120)
	if err != nil {
		return nil, err
	}
	defer voice.Stop()
	voice.Chirps(chirpEvery)
	if err := wait(ctx, settle); err != nil {
		return nil, err
	}
	said, err := mouth.RecordMic()
	if err != nil {
		return nil, err
	}
	defer said.Stop()
	heard, err := ear.Record()
	if err != nil {
		return nil, err
	}
	defer heard.Stop()
	if err := wait(ctx, length); err != nil {
		return nil, err
	}
	m, mouthAt := said.All()
	e, earAt := heard.All()
	found := lab.Lags(m, e, mouthAt, earAt, chirpEvery, lagLimit)
	if len(found) == 0 {
		return nil, errors.New("nothing of what was said was heard")
	}
	return found, nil
}

// chirpTone is never heard: a player begins with a tone.
const chirpTone = 1000.0

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// daemons are two stations.
type daemons struct{ door, station *lab.Door }

// call measures one call in both directions, one after the other. said is what could be heard of
// it but should not have been there.
func (p daemons) call(ctx context.Context, length time.Duration) (there, back []float64, said string, err error) {
	before, err := p.flaws(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	if _, err = p.door.Press(ctx, "bell"); err != nil {
		return nil, nil, "", err
	}
	live := func(s lab.Status) bool { return s.State == "talking" && s.Sound.MicLive }
	talk, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if _, err = p.station.Wait(talk, "talking", live); err != nil {
		return nil, nil, "", err
	}
	if there, err = lags(ctx, p.door.Config.Card, p.station.Config.Card, length); err != nil {
		return nil, nil, "", fmt.Errorf("door to station: %w", err)
	}
	if back, err = lags(ctx, p.station.Config.Card, p.door.Config.Card, length); err != nil {
		return nil, nil, "", fmt.Errorf("station to door: %w", err)
	}
	after, err := p.flaws(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	said = fmt.Sprintf("made up %d and %d ms, %d under- and overruns", after.door, after.station, after.xruns-before.xruns)
	if err = p.door.Hangup(ctx); err != nil {
		return nil, nil, "", err
	}
	_, err = p.station.InState(ctx, "idle")
	return there, back, said, err
}

// flaws counts what door and station had to make up in this call, in ms, and what all of their devices
// missed since the start.
type flaws struct{ door, station, xruns uint64 }

func (p daemons) flaws(ctx context.Context) (f flaws, err error) {
	d, err := p.door.Status(ctx)
	if err != nil {
		return f, err
	}
	s, err := p.station.Status(ctx)
	a, b := d.Gauges.Stats, s.Gauges.Stats
	return flaws{10 * a.Concealed, 10 * b.Concealed, a.Xruns + b.Xruns}, err
}

// pages are two web phones, each in a browser with a sound card of its own.
type pages struct {
	caller, callee *lab.WebPhone
	mouth, ear     *lab.Card
}

func startPages(ctx context.Context, site *lab.Site) (*pages, error) {
	phones, err := lab.ServePhones()
	if err != nil {
		return nil, err
	}
	site.Defer(phones.Stop)
	p := &pages{}
	if p.caller, p.mouth, err = startPage(ctx, site, phones.URL, web, "ring"); err != nil {
		return nil, err
	}
	p.callee, p.ear, err = startPage(ctx, site, phones.URL, bare, "answer")
	return p, err
}

// startPage opens a phone in a browser of its own, since a browser has one microphone
// and one loudspeaker for all its pages.
func startPage(ctx context.Context, site *lab.Site, url, user, incoming string) (*lab.WebPhone, *lab.Card, error) {
	pulse, err := lab.StartPulse(ctx, filepath.Join(site.Dir, "pulse-"+user), "web")
	if err != nil {
		return nil, nil, err
	}
	site.Defer(func() { _ = pulse.Stop(2 * time.Second) })
	card := pulse.Card("web")
	if err := card.MakeDefault(); err != nil {
		return nil, nil, err
	}
	browser, err := lab.StartBrowserAt(context.WithoutCancel(ctx), filepath.Join(site.Dir, "chromium-"+user), card)
	if err != nil {
		return nil, nil, err
	}
	site.Defer(browser.Stop)
	phone, err := browser.OpenPhone(ctx, url, site.WSS(), user, incoming)
	return phone, card, err
}

func (p *pages) call(ctx context.Context, length time.Duration) ([]float64, error) {
	if err := p.caller.Incoming(ctx, "ring"); err != nil {
		return nil, err
	}
	if err := p.caller.Do(ctx, fmt.Sprintf("phone.call(%q)", bare), nil); err != nil {
		return nil, err
	}
	talk, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := p.caller.Until(talk, "phone.talking"); err != nil {
		return nil, err
	}
	found, err := lags(ctx, p.mouth, p.ear, length)
	if err != nil {
		return nil, err
	}
	if err := p.caller.Do(ctx, "phone.hangup()", nil); err != nil {
		return nil, err
	}
	end, cancelEnd := context.WithTimeout(ctx, 20*time.Second)
	defer cancelEnd()
	return found, p.callee.Until(end, "phone.session === null")
}
