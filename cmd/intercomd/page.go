package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/history"
	"intercomd/station"
	"intercomd/update/slot"
	"intercomd/web"
	"intercomd/words"
)

// pageEvery is how often an address is tried that the page cannot have.
const pageEvery = 10 * time.Second

// showPage serves the page until ctx ends. Without it the door works on, and whoever has its
// address may give it back.
func showPage(ctx context.Context, cfg *configs.Config, d *door.Door, t *tuning, metrics http.Handler, log *slog.Logger) {
	var panel web.Panel
	if p := d.Panel(); p != nil {
		panel = p // a nil *sim.Board would be a panel
	}
	var updates web.Updates
	if slot.OnCard() {
		updates = updatePage{agentClient(updateSocket)}
	}
	st := d.Station()
	var beside sync.WaitGroup
	defer beside.Wait()
	conf := web.Config{
		Process: process{ctx, d, &beside},
		Listen:  cfg.Web.Listen, Names: cfg.Web.Names, Proxies: proxies(cfg.Web.Proxies), Metrics: metrics, Updates: updates, Setup: setupPage{t}, Log: log,
		Starved: func(error) { lookAtDescriptors(st) },
		Trace: func(call string) (out []web.SIPMessage) {
			for _, m := range d.SIPMessages(call) {
				out = append(out, web.SIPMessage{At: m.At, Sent: m.Sent, Skipped: m.Skipped, Text: m.Text})
			}
			return out
		},
	}
	tellOfMachine(cfg, &conf, t)
	if h := d.Past(); h != nil {
		conf.Past = past{h}
	}
	err := openAccess(ctx, cfg, &conf, t, st, &beside, log)
	for last := ""; err == nil; {
		page := web.New(conf, st, panel)
		serr := page.Listen(ctx)
		if serr == nil {
			last = ""
			st.ClearFault("web")
			serr = page.Run(ctx)
		}
		if serr == nil || ctx.Err() != nil {
			return
		}
		if errors.Is(serr, web.ErrAnew) {
			continue
		}
		if serr.Error() != last {
			last = serr.Error()
			log.Error("the status page is off", "error", serr)
			st.SetFault(pageFault(serr))
		}
		select {
		case <-time.After(pageEvery):
		case <-ctx.Done():
			return
		}
	}
	// Accounts that cannot be read are not none: nobody is served rather than everybody.
	log.Error("the status page is off", "error", err)
	st.SetFault(station.Fault{Key: "web", Blinks: station.FaultLesser, Message: words.Because(words.New("page-accounts"), err)})
}

// pageFault says why there is no status page; it is seen in the log, on the lamp
// and in systemd's status line.
func pageFault(err error) station.Fault {
	why := words.Because(words.New("page-error"), err)
	if le, ok := errors.AsType[*web.ListenError](err); ok {
		why = le.Message
	}
	return station.Fault{Key: "web", Blinks: station.FaultLesser, Message: words.New("page-off").Because(why)}
}

// past is the door's history as the page reads it.
type past struct{ h *history.History }

func (p past) Calls() ([]station.Record, error) {
	all, err := p.h.Past()
	return all.Calls, err
}

func (p past) Events() ([]web.PastEvent, error) {
	all, err := p.h.Past()
	out := make([]web.PastEvent, len(all.Events))
	for i, e := range all.Events {
		out[i] = web.PastEvent(e)
	}
	return out, err
}

func (p past) Erase(before time.Time) error { return p.h.Erase(before) }

// process is this program as the page sees it.
type process struct {
	ctx    context.Context //nolint:containedctx // of what waits for the end of a call
	door   *door.Door
	beside *sync.WaitGroup
}

// Restart implements [web.Process].
func (m process) Restart(now bool) {
	if now {
		m.door.End(errAnew)
		return
	}
	m.beside.Go(func() { m.door.EndWhenIdle(m.ctx, errAnew) })
}

// Reset implements [web.Process].
func (m process) Reset(by station.Principal) error {
	if err := m.door.WishReset(by); err != nil {
		return err
	}
	m.Restart(false)
	return nil
}
