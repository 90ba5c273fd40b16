package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"intercomd/update"
	"intercomd/update/slot"
	"intercomd/web"
	"intercomd/words"
)

// This file takes bundles that come as a stream, from the page or from a USB stick.

// bundleStall is how long a streamed bundle may be without a byte.
const bundleStall = 30 * time.Second

// bundleAPI takes a bundle as the body of a request and has it installed.
//
//	PUT /bundle          answered with update.Info
//	PUT /bundle?newer=1  only if it is newer than what runs
func bundleAPI(s *update.Spool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := web.Patient(w, r, bundleStall, bundleStall+2*inspectLimit)
		info, err := s.Take(r.Context(), body, r.ContentLength, r.URL.Query().Get("newer") != "")
		answer(w, info, err)
	})
}

// upload streams a bundle to the agent.
func (c agentClient) upload(ctx context.Context, r io.Reader, size int64, newer bool) (info update.Info, err error) {
	path := "/bundle"
	if newer {
		path += "?newer=1"
	}
	return info, c.send(ctx, http.MethodPut, path, r, size, &info)
}

// stickCommand installs the newest bundle of a USB stick (intercom-stick@.service): what lies at
// its top and ends with .raucb.
func stickCommand(ctx context.Context, h slot.Host, device string, io streams) error {
	boot, err := h.Started()
	if err != nil {
		return err
	}
	if strings.HasPrefix(device, boot.Disk) {
		return nil // the board has started from it
	}
	dir, unmount, err := mountFor(device, "/run/intercom/stick", "vfat", "exfat")
	if err != nil {
		fmt.Fprintln(io.out, "not a stick with files:", err)
		return nil
	}
	defer unmount()
	return agentClient(updateSocket).fromStick(ctx, dir, io)
}

func (c agentClient) fromStick(ctx context.Context, dir string, io streams) error {
	name, err := update.NewestBundle(dir)
	if err != nil {
		return err
	}
	if name == "" {
		fmt.Fprintln(io.out, "there is no bundle on the stick")
		return nil
	}
	f, err := os.Open(filepath.Join(dir, name)) //nolint:gosec // of a stick that was put in
	if err != nil {
		return fmt.Errorf("the stick: %w", err)
	}
	defer f.Close()
	size, err := f.Stat()
	if err != nil {
		return fmt.Errorf("the stick: %w", err)
	}
	info, err := c.upload(ctx, f, size.Size(), true)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(io.out, "%s is to be installed: version %s\n", name, info.Version)
	return nil
}

// updatePage is the update agent as the page sees it.
type updatePage struct{ agent agentClient }

// Status is how the update stands.
func (u updatePage) Status(ctx context.Context) (out web.UpdateStatus, err error) {
	var st update.Status
	if err := u.agent.call(ctx, http.MethodGet, "/status", nil, &st); err != nil {
		return out, err
	}
	return web.UpdateStatus{Running: st.Running, Slot: st.Slot, Stage: string(st.Stage), Version: st.Version, Source: st.Source, Percent: st.Progress.Percent,
		Waits: st.Waits, Trouble: st.Trouble}, nil
}

// Install asks for an update from a server.
func (u updatePage) Install(ctx context.Context, source string) error {
	s, err := url.Parse(source)
	if err != nil || s.Scheme != "https" && s.Scheme != "http" || s.Host == "" {
		return &words.Error{Message: words.New("update-no-address")}
	}
	return u.agent.call(ctx, http.MethodPost, "/install", update.Bundle{Source: source}, nil)
}

// Upload streams a bundle.
func (u updatePage) Upload(ctx context.Context, r io.Reader, size int64) error {
	_, err := u.agent.upload(ctx, r, size, false)
	return err
}
