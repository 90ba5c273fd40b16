package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"intercomd/door"
	"intercomd/station"
	"intercomd/web"
	"intercomd/words"
)

// pageEvery is how often an address is tried that the page cannot have.
const pageEvery = 10 * time.Second

// showPage serves the page until ctx ends. Without it the door works on, and whoever has its
// address may give it back.
func showPage(ctx context.Context, listen string, d *door.Door, metrics http.Handler, log *slog.Logger) {
	var panel web.Panel
	if p := d.Panel(); p != nil {
		panel = p // a nil *sim.Board would be a panel
	}
	messages := func(call string) (out []web.SIPMessage) {
		for _, m := range d.SIPMessages(call) {
			out = append(out, web.SIPMessage{At: m.At, Sent: m.Sent, Skipped: m.Skipped, Text: m.Text})
		}
		return out
	}
	var updates web.Updates
	if onCard() {
		updates = updatePage{agentClient(updateSocket)}
	}
	st := d.Station()
	for last := ""; ; {
		page := web.New(web.Config{
			Listen: listen, Ladder: messages, Metrics: metrics, Updates: updates, Log: log, Starved: func(error) { lookAtDescriptors(st) },
		}, st, panel)
		err := page.Listen(ctx)
		if err == nil {
			last = ""
			st.ClearFault("web")
			err = page.Run(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != last {
			last = err.Error()
			log.Error("the status page is off", "error", err)
			st.SetFault(pageFault(err))
		}
		select {
		case <-time.After(pageEvery):
		case <-ctx.Done():
			return
		}
	}
}

// pageFault says why there is no status page; it is seen in the log, on the lamp
// and in systemd's status line.
func pageFault(err error) station.Fault {
	why := words.New("page-error", "detail", err.Error())
	if le, ok := errors.AsType[*web.ListenError](err); ok {
		why = le.Message
	}
	return station.Fault{Key: "web", Blinks: station.FaultLesser, Message: words.New("page-off").Because(why)}
}
