package system

import (
	"testing"
	"time"

	"intercomd/test/lab"
)

// The door's microphone hears its own loudspeaker as loud as it plays. Whoever talks at
// the far end does not hear himself, with the devices, clocks and callbacks of a real
// sound system in between. How well is for "make bench-audio" to say.
func TestTheFarEndDoesNotHearItself(t *testing.T) {
	s := need(t)
	indoor := doorConfig(t, s, map[string]string{"call.target": `"1000"`, "incoming.answer": `"auto"`})
	indoor.User, indoor.Card = "1001", s.pulse.Card("indoor")
	far := startDoor(t, indoor)
	d := startDoor(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`, "audio.duplex": `"full"`}))
	for _, one := range []*lab.Door{far, d} {
		if err := one.Registered(within(t, 20*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	undo, err := d.Config.Card.Couple(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = undo() }()
	voice, err := indoor.Card.Play(pageTone, -120)
	if err != nil {
		t.Fatal(err)
	}
	defer voice.Stop()
	voice.Chirps(250 * time.Millisecond)
	if _, err := d.Press(within(t, 10*time.Second), "bell"); err != nil {
		t.Fatal(err)
	}
	back, err := indoor.Card.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer back.Stop()
	said, err := d.Config.Card.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer said.Stop()

	// A busy machine tears holes into the sound, after which the path has to be found again.
	var erle, echo, played float64
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); {
		time.Sleep(2 * time.Second)
		st, err := d.Status(within(t, 10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		erle = st.Gauges.Stats.ERLE
		played, echo = lab.RMS(said.Last(2*time.Second)), lab.RMS(back.Last(2*time.Second))
		if st.State == "talking" && erle > 15 && played > -35 && echo < played-20 {
			t.Logf("played at %.1f dBFS, back at %.1f, ERLE %.1f dB", played, echo, erle)
			return
		}
	}
	t.Errorf("played at %.1f dBFS, back at %.1f, ERLE %.1f dB", played, echo, erle)
}
