package web

import (
	"net/http"
	"strconv"
	"strings"
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
		who = t.moment(openedAt.In(now.Location()), now) + " · " + said
	}
	version := snap.Version
	if version != "" {
		version = "intercomd " + version
	}
	group(t.Text("nav.device"),
		fact{Name: t.Text("device.opened"), Value: who},
		fact{Name: t.Text("device.version"), Value: version},
		fact{Name: t.Text("device.board"), Value: f.Board},
		fact{Name: t.Text("device.serial"), Value: f.Serial},
		fact{Name: t.Text("device.system"), Value: strings.TrimSpace(f.System + " · " + f.Kernel + " · " + f.Arch)},
		fact{Name: t.Text("device.up"), Value: t.since(f.Booted, now)})
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
		v := fact{Name: t.Text("device.temperature"), Value: decimal(f.Temperature, "°C")}
		if f.Temperature >= 80 {
			v.Tone = warn
		}
		facts = append(facts, v)
	}
	if f.Supply.Known {
		facts = append(facts, t.supplyWords(f.Supply))
	}
	facts = append(facts, fact{Name: t.Text("device.load"), Value: strconv.FormatFloat(f.Load, 'f', 2, 64)}, t.spaceWords(t.Text("device.memory"), f.Memory, false))
	for _, st := range f.Storage {
		facts = append(facts, t.spaceWords(st.Path, st.Space, st.ReadOnly))
	}
	group(t.Text("device.health"), facts...)
	c := f.Clock
	at := fact{Name: t.Text("device.clock"), Value: c.Time.Format("2006-01-02 15:04:05") + " " + c.Zone}
	synced := fact{Name: t.Text("device.clock-source"), Value: orElse(c.Source, t.Text("page.unknown"))}
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
	group(t.Text("device.time"), at, synced, fact{Name: t.Text("device.offset"), Value: offset}, fact{Name: t.Text("device.last-sync"), Value: last})
	return out
}

func (t teller) supplyWords(s machine.Supply) fact {
	v := fact{Name: t.Text("device.supply"), Value: t.Text("device.supply-good")}
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
