package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"intercomd/provision"
	"intercomd/update/slot"
)

// cardFiles are the files of the card's first partition, which is not mounted: what is in them
// is overwritten in place, sector by sector.
type cardFiles struct{ card slot.Device }

func (c cardFiles) Read(name string) ([]byte, error) { return slot.ReadSettings(c.card, name) }

func (c cardFiles) Overwrite(name string, data []byte) error {
	return slot.Overwrite(c.card, name, data)
}

func (c cardFiles) Scrub(ctx context.Context) (int, error) { return slot.Scrub(ctx, c.card) }

var _ provision.Card = cardFiles{}

// onFiles does something with the files of the card, which is ours alone in the meantime.
func onFiles(h slot.Host, do func(provision.Card) error) error {
	boot, err := h.Started()
	if err != nil {
		return err
	}
	m, done, err := h.Manager(boot)
	if err != nil {
		return err
	}
	defer done()
	return do(cardFiles{m.Card})
}

// sealCard takes the secrets out of the card's file if the start of the machine has found that the
// installer wants that. It is a unit of its own, after the door has started.
func sealCard(ctx context.Context, h slot.Host, run, kept string, io streams) int {
	log := slog.New(slog.NewTextHandler(io.out, nil))
	err := onFiles(h, func(c provision.Card) error { return provision.Seal(ctx, c, run, kept, log) })
	if err != nil {
		fmt.Fprintln(io.err, "intercomd provision seal:", err)
		return exitFailed
	}
	return exitOK
}

// pageCode is what [codeAPI] takes.
type pageCode struct {
	Code string `json:"code"` // "" takes it off the card
}

// codeAPI puts the one-time code of the page onto the card (PUT /code of the update agent, which may
// write to the card as the daemon may not).
func codeAPI(h slot.Host) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p pageCode
		err := decode(w, r, &p)
		if err == nil {
			err = onFiles(h, func(c provision.Card) error { return provision.ShowCode(c, p.Code) })
		}
		answer(w, struct{}{}, err)
	})
}

// showCode puts the one-time code of the page onto the card, where there is one with a file
// for it; an empty one takes it off. The caller says it on the console and in the log as well.
func (c agentClient) showCode(ctx context.Context, code string) error {
	return c.call(ctx, http.MethodPut, "/code", pageCode{code}, nil)
}
