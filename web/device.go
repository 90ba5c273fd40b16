package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/machine"
)

// This file is the machine under the door: what somebody who cannot stand in front of it asks first.

// factGroup is some facts under a heading.
type factGroup struct {
	Head  string
	Facts []fact
}

// getDevice shows the machine, or tells programs of it.
func (s *Server) getDevice(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	f := s.cfg.Machine()
	if wantsJSON(r) {
		s.sendList(w, r, "machine", f)
		return
	}
	t, now := s.renderer(r), time.Now()
	at, opened := s.lastOpened()
	groups := t.machineWords(f, s.snapshot(), at, opened, now)
	s.document(w, r, http.StatusOK, "device", struct {
		frame
		Groups  []factGroup
		Support bool
	}{s.frame(r, t.Text("nav.device"), ""), groups, visitorOf(r).person.Role.Covers(accounts.Admin) && s.cfg.Support != nil})
}

// lastOpened is the last time that somebody opened something.
func (s *Server) lastOpened() (at time.Time, e station.Released) {
	if s.cfg.Past == nil {
		return at, e
	}
	events, _ := s.cfg.Past.Events() // what can be read will do
	for _, p := range events {
		if p.Kind != (station.Released{}).Kind() {
			continue
		}
		if n, err := station.ReadNews(p.Kind, p.Data); err == nil {
			if r, ok := n.(station.Released); ok && r.OK {
				return p.At, r
			}
		}
	}
	return at, e
}

// glance is what the live page shows of the machine.
type glance struct {
	facts    machine.Facts
	openedAt time.Time
	opened   station.Released
}

// How old a glance may be. To read the machine costs some milliseconds, and all of the history more: it is read
// again when something has happened.
const (
	glanceMost  = 30 * time.Second
	glanceLeast = 2 * time.Second
)

// glanced is the last glance, shared by all who watch.
type glanced struct {
	mu     sync.Mutex
	last   glance
	read   time.Time // the facts
	looked time.Time // for who opened last
	events uint64    // of the door, then
}

// glance is how the machine fares, and who opened last, as of a few seconds ago.
func (s *Server) glance(snap *station.Snapshot, now time.Time) glance {
	g := &s.glanced
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.read) >= glanceMost {
		g.last.facts, g.read = s.cfg.Machine(), now
	}
	if age := now.Sub(g.looked); age >= glanceMost || age >= glanceLeast && snap.Events != g.events {
		g.last.openedAt, g.last.opened = s.lastOpened()
		g.looked, g.events = now, snap.Events
	}
	return g.last
}

// glanceWords is what somebody far away asks of a machine in the first minute. The rest is on its own page.
func (t teller) glanceWords(g glance, snap *station.Snapshot, now time.Time) (out []fact) {
	rest := []string{"version", "serial", "system", "up", "host", "load", "memory", "clock", "offset", "last-sync"}
	for _, group := range t.machineWords(g.facts, snap, g.openedAt, g.opened, now) {
		for _, f := range group.Facts {
			if f.Tone == "" && slices.Contains(rest, f.key) {
				continue
			}
			if f.key == "clock-source" { // without the heading that it has there
				f.Name = t.Text("device.clock")
			}
			out = append(out, f)
		}
	}
	return out
}

// deviceFact is a fact of the machine that is told apart by its key.
func (t teller) deviceFact(key, value string) fact {
	return fact{key: key, Name: t.Text("device." + key), Value: value}
}

func (t teller) machineWords(f machine.Facts, snap *station.Snapshot, openedAt time.Time, opened station.Released, now time.Time) []factGroup {
	var out []factGroup
	group := func(head string, facts ...fact) {
		var known []fact
		for _, one := range facts {
			one.Value = clean(one.Value, maxText)
			if one.Value != "" {
				known = append(known, one)
			}
		}
		if len(known) > 0 {
			out = append(out, factGroup{head, known})
		}
	}
	who := ""
	if !openedAt.IsZero() {
		said, _ := t.newsWords(opened)
		at := openedAt.In(now.Location())
		who = t.moment(at, now)
		if ago := t.ago(at, now); ago != "" {
			who += ", " + ago
		}
		who += " · " + said
	}
	version := snap.Version
	if version != "" {
		version = "intercomd " + version
	}
	group(t.Text("nav.device"),
		t.deviceFact("opened", who),
		t.deviceFact("version", version),
		t.deviceFact("board", f.Board),
		t.deviceFact("serial", f.Serial),
		t.deviceFact("system", strings.TrimSpace(f.System+" · "+f.Kernel+" · "+f.Arch)),
		t.deviceFact("up", t.since(f.Booted, now)))
	facts := []fact{{Name: t.Text("device.host"), Value: f.Host}}
	for _, i := range f.Interfaces {
		v := fact{Name: clean(i.Name, maxName), Value: join(strings.Join(i.Addresses, ", "), i.MAC)}
		if !i.Up {
			v.Tone, v.Value = warn, join(v.Value, "– "+t.Text("device.no-link"))
		}
		facts = append(facts, v)
	}
	group(t.Text("device.network"), facts...)
	facts = nil
	if f.Temperature != 0 {
		v := t.deviceFact("temperature", decimal(f.Temperature, "°C"))
		if f.Temperature >= 80 {
			v.Tone = warn
		}
		facts = append(facts, v)
	}
	if f.Supply.Known {
		facts = append(facts, t.supplyWords(f.Supply))
	}
	memory := t.spaceWords(t.Text("device.memory"), f.Memory, false)
	memory.key = "memory"
	facts = append(facts, t.deviceFact("load", strconv.FormatFloat(f.Load, 'f', 2, 64)), memory)
	for _, st := range f.Storage {
		facts = append(facts, t.spaceWords(st.Path, st.Space, st.ReadOnly))
	}
	group(t.Text("device.health"), facts...)
	c := f.Clock
	at := t.deviceFact("clock", c.Time.Format("2006-01-02 15:04:05")+" "+c.Zone)
	synced := t.deviceFact("clock-source", orElse(c.Source, t.Text("page.unknown")))
	if !c.Synced {
		synced.Tone, synced.Value = warn, synced.Value+" · "+t.Text("device.not-synced")
	}
	offset := ""
	if c.Synced {
		offset = decimal(float64(c.Offset)/float64(time.Millisecond), "ms")
		if c.MaxError > 0 {
			offset += " (± " + decimal(float64(c.MaxError)/float64(time.Millisecond), "ms") + ")"
		}
	}
	last := ""
	if !c.LastSync.IsZero() {
		last = t.moment(c.LastSync.In(now.Location()), now)
	}
	group(t.Text("device.time"), at, synced, t.deviceFact("offset", offset), t.deviceFact("last-sync", last))
	return out
}

func (t teller) supplyWords(s machine.Supply) fact {
	v := t.deviceFact("supply", t.Text("device.supply-good"))
	switch {
	case s.Low:
		v.Tone, v.Value = bad, t.Text("device.supply-low")
	case s.WasLow:
		v.Tone, v.Value = warn, t.Text("device.supply-was-low")
	}
	if s.Throttled {
		v.Value += " · " + t.Text("device.throttled")
	}
	return v
}

func (t teller) spaceWords(name string, s machine.Space, readOnly bool) fact {
	if s.Total == 0 {
		return fact{}
	}
	v := fact{Name: clean(name, maxName), Value: t.Text("device.free", "free", megabytes(s.Free), "total", megabytes(s.Total))}
	if s.Free < s.Total/20 {
		v.Tone = warn
	}
	if readOnly {
		v.Value += " · " + t.Text("device.read-only")
	}
	return v
}

func megabytes(n uint64) string {
	if n >= 10<<30 {
		return strconv.FormatUint(n>>30, 10) + " GB"
	}
	return strconv.FormatUint(n>>20, 10) + " MB"
}
