package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"intercomd/update"
)

// replaceAll takes a folder off the paths in a text.
func replaceAll(text, dir string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, dir+string(filepath.Separator), ""), dir, "the server")
}

// channel asks for the index of the door's channel, and has the update agent install what it
// names if this door is to have that.
func (a *Agent) channel(ctx context.Context, st State, p *polled) {
	name := "channel/" + a.cfg.Channel + ".json"
	ans, err := a.cfg.Server.Get(ctx, name, a.index.ETag, mostIndex)
	switch {
	case err != nil:
		p.index = err
		return
	case ans.Unchanged:
		ans = a.index
	case !ans.Missing:
		a.index = ans
	default:
		p.index = fmt.Errorf("%s: the server has no such file", name)
		return
	}
	x, err := ParseIndex(ans.Body)
	if err != nil {
		p.index = err
		return
	}
	base, err := url.Parse(a.cfg.URLOf(name))
	source := ""
	if err == nil {
		source, err = x.source(base)
	}
	if err != nil {
		p.index = err
		return
	}
	p.version = x.Version
	if a.cfg.Updates == nil {
		return
	}
	p.did, p.index = a.install(ctx, st, x, source, p)
}

// install has an update installed that the door is to have. It returns what came of it.
func (a *Agent) install(ctx context.Context, st State, x Index, source string, p *polled) (did string, wrong error) {
	now, err := a.cfg.Updates.Status(ctx)
	if errors.Is(err, ErrNoUpdates) {
		return "this system does not update itself", nil
	}
	if err != nil {
		return "", err
	}
	want := Asked{Version: x.Version, Source: source, Hash: x.Hash}
	last := st.Asked
	same := last.Version == want.Version && last.Source == want.Source && last.Hash == want.Hash
	switch {
	case update.Compare(x.Version, now.Running) == 0:
		return "the door has it", nil
	case !x.Wants(a.cfg.Serial, now.Running):
		return "not for this door, or not yet", nil
	case a.trial:
		return "waits: the configuration is on trial", nil
	case now.Stage == update.Wanted, now.Stage == update.Installing, now.Stage == update.Installed, now.Stage == update.OnTrial:
		return "an update is under way", nil
	case same && (last.Back || now.Stage == update.WentBack && now.Version == x.Version):
		p.asked.Back = true // also when people have forgotten it
		return "it was tried, and rolled back", nil
	case same && time.Since(last.At) < askAgain && !last.At.After(time.Now()):
		return "it was asked for", nil
	}
	info, err := a.cfg.Updates.Inspect(ctx, source)
	if err != nil {
		return "", err
	}
	// What the bundle says is signed; what the index says is not.
	switch {
	case info.Version != x.Version:
		return "", fmt.Errorf("the bundle is version %q and not %q, as the index says", info.Version, x.Version)
	case x.Hash != "" && info.Hash != "" && info.Hash != x.Hash:
		return "", errors.New("the bundle is another one than the index says (sha256 of its manifest)")
	}
	if err := a.cfg.Updates.Install(ctx, update.Bundle{Source: source, Hash: x.Hash}); err != nil {
		return "", err
	}
	want.At = time.Now().Round(time.Second)
	p.asked = want
	a.cfg.Log.Info("fleet: update requested", "version", x.Version, "source", source)
	return "it was asked for", nil
}
