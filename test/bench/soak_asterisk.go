package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"intercomd/test/lab"
)

// soakAsterisk is the crowd of a soak against Asterisk, which has a channel and the
// media of every call itself, and lets the calls of the door end.
func soakAsterisk(ctx context.Context, site *lab.Site, root string) (*crowd, []kind, error) {
	cert, key, err := site.CA.Issue(site.Dir, "asterisk", site.Address)
	if err != nil {
		return nil, nil, err
	}
	a, err := lab.StartAsterisk(ctx, lab.AsteriskConfig{
		Root: root, Dir: filepath.Join(site.Dir, "asterisk"), Address: site.Address,
		WSSPort: 8089, HTTPPort: 8088, ManagerPort: 5038, CertFile: cert, KeyFile: key,
		Users: []lab.AsteriskUser{{Name: door, Password: lab.Password(door), Codecs: "opus,ulaw"}},
	})
	if err != nil {
		return nil, nil, err
	}
	site.Defer(func() { _ = a.Stop(5 * time.Second) })
	m, err := a.Manager(ctx)
	if err != nil {
		return nil, nil, err
	}
	site.Defer(m.Close)
	// Events of thousands of calls are of no use here.
	if _, err := m.Do(ctx, lab.Packet{"Action": "Events", "EventMask": "off"}); err != nil {
		return nil, nil, err
	}
	p := &crowd{ladder: a.Ladder}
	p.door, err = lab.StartDoor(ctx, lab.DoorConfig{
		Binary: site.Binary, Dir: filepath.Join(site.Dir, "station-"+door), User: door, CAFile: site.CA.CertFile, Port: 8080,
		Server: fmt.Sprintf("wss://%s:8089/ws", site.Address), Card: site.Pulse.Card("door"),
		Keys: map[string]string{"call.target": `"tone"`, "incoming.auto_answer": `["2222"]`, "log.level": `"info"`},
		Tables: `
[[button]]
name = "takes"
line = 17
target = "brief"

[[button]]
name = "turns"
line = 23
target = "reject"

[[button]]
name = "rings"
line = 24
target = "rings"
`,
	})
	if err != nil {
		return nil, nil, err
	}
	site.Defer(func() { _ = p.door.Stop(6 * time.Second) })
	answered := func(ctx context.Context) error {
		t, err := p.door.Press(ctx, "takes")
		if err != nil {
			return err
		}
		return p.over(ctx, t, "hung-up")
	}
	cancelled := func(ctx context.Context) error {
		t, err := p.door.Press(ctx, "rings")
		if err != nil {
			return err
		}
		ringing := func(s lab.Status) bool { return s.Call != nil && !s.Call.Ringing.IsZero() }
		if _, err := p.door.Wait(ctx, "ringing there", ringing); err != nil {
			return err
		}
		if _, err := p.door.Press(ctx, "rings"); err != nil {
			return err
		}
		return p.over(ctx, t, "cancelled")
	}
	incoming := func(ctx context.Context) error {
		t := time.Now()
		if err := m.Originate(ctx, door, "tone", "2222"); err != nil {
			return err
		}
		if err := p.mediaUp(ctx); err != nil {
			return err
		}
		if err := p.door.Hangup(ctx); err != nil {
			return err
		}
		return p.over(ctx, t, "hung-up")
	}
	refused := func(ctx context.Context) error {
		t, err := p.door.Press(ctx, "turns")
		if err != nil {
			return err
		}
		return p.over(ctx, t, "refused")
	}
	kinds := []kind{{"answered", answered}, {"refused", refused}, {"cancelled", cancelled}, {"incoming", incoming}}
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return p, kinds, p.door.Registered(wait)
}
