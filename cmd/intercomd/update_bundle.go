package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/fleet"
	"intercomd/update"
	"intercomd/web"
	"intercomd/words"
)

// This file takes bundles that come as a stream, from the page or from a USB stick: RAUC wants a
// file, which lies on the data partition as long as it is needed. It is never in memory.

// Bounds of a bundle that is streamed.
const (
	mostBundle  = 512 << 20        // many times what a system takes
	spareData   = 32 << 20         // of the data partition stays free
	bundleStall = 30 * time.Second // without a byte
	spaceEvery  = 1 << 20          // bytes between looks at what is free
	bundleName  = "upload.raucb"
	bundleEnd   = ".raucb"
)

// Errors of a spool. Their texts are codes.
var (
	errBundleLarge = errors.New("update-too-large")
	errBundleRoom  = errors.New("update-no-room")
	errNotNewer    = errors.New("update-not-newer")
)

// spool is where a streamed bundle lies.
type spool struct {
	dir  string
	free func(dir string) (int64, error)
	busy sync.Mutex // one at a time
}

func newSpool(dir string) *spool { return &spool{dir: dir, free: freeBytes} }

func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("room of the data partition: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ by architecture
}

// path is where the bundle lies.
func (s *spool) path() string { return filepath.Join(s.dir, bundleName) }

// take writes a bundle of size bytes, -1 if that is not known, in place of the one before.
func (s *spool) take(r io.Reader, size int64) error {
	if size > mostBundle {
		return errBundleLarge
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil { //nolint:gosec // RAUC reads it as a user without rights
		return fmt.Errorf("taking the bundle: %w", err)
	}
	s.sweep()
	if free, err := s.free(s.dir); err != nil {
		return err
	} else if free-max(size, 0) < spareData {
		return errBundleRoom
	}
	f, err := os.Create(s.path() + ".part")
	if err != nil {
		return fmt.Errorf("taking the bundle: %w", err)
	}
	err = s.copy(f, r)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path())
	}
	if err != nil {
		_ = os.Remove(f.Name())
		if errors.Is(err, unix.ENOSPC) {
			return errBundleRoom
		}
		return fmt.Errorf("taking the bundle: %w", err)
	}
	return nil
}

func (s *spool) copy(w io.Writer, r io.Reader) error {
	for got := int64(0); ; {
		n, err := io.CopyN(w, r, spaceEvery)
		got += n
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case got > mostBundle:
			return errBundleLarge
		}
		if free, err := s.free(s.dir); err != nil {
			return err
		} else if free < spareData {
			return errBundleRoom
		}
	}
}

// sweep removes what lies there.
func (s *spool) sweep() {
	for _, name := range []string{bundleName, bundleName + ".part"} {
		_ = os.Remove(filepath.Join(s.dir, name)) // the next one tries again
	}
}

// needed reports whether the agent still wants what lies there.
func (s *spool) needed(st update.Status) bool {
	return st.Source == s.path() && (st.Stage == update.Wanted || st.Stage == update.Installing)
}

// bundleAPI takes a bundle as the body of a request and has it installed.
//
//	PUT /bundle          answered with update.Info
//	PUT /bundle?newer=1  only if it is newer than what runs
func bundleAPI(agent *update.Agent, s *spool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.busy.TryLock() {
			answer(w, nil, update.ErrBusy)
			return
		}
		defer s.busy.Unlock()
		info, err := takeBundle(agent, s, w, r)
		answer(w, info, err)
	})
}

func takeBundle(agent *update.Agent, s *spool, w http.ResponseWriter, r *http.Request) (info update.Info, err error) {
	ctx := r.Context()
	st, err := agent.Status(ctx)
	switch {
	case err != nil:
		return info, err
	case st.Stage == update.OnTrial:
		return info, update.ErrOnTrial
	case st.Stage == update.Wanted, st.Stage == update.Installing:
		return info, update.ErrBusy
	}
	rc := http.NewResponseController(w)
	if err := s.take(&web.PatientReader{Reader: r.Body, More: func() { _ = rc.SetReadDeadline(time.Now().Add(bundleStall)) }}, r.ContentLength); err != nil {
		return info, err
	}
	_ = rc.SetWriteDeadline(time.Now().Add(2 * inspectLimit))
	limit, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	info, err = agent.Inspect(limit, s.path())
	if err == nil && r.URL.Query().Get("newer") != "" && fleet.Compare(info.Version, st.Running) <= 0 {
		err = errNotNewer
	}
	if err == nil {
		err = agent.Install(ctx, update.Bundle{Source: s.path(), Hash: info.Hash})
	}
	if err != nil {
		s.sweep()
	}
	return info, err
}

// sweepSpool removes a bundle when it is not needed any more, until ctx ends.
func sweepSpool(ctx context.Context, agent *update.Agent, s *spool) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if st, err := agent.Status(ctx); err == nil && !s.needed(st) && s.busy.TryLock() {
			s.sweep()
			s.busy.Unlock()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
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
func (h slotHost) stickCommand(ctx context.Context, device string, io streams) error {
	boot, err := h.started()
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
	name, err := newestBundle(dir)
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

// newestBundle finds the bundle at the top of a folder whose name has the highest version; "" if
// there is none.
func newestBundle(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("the stick: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type()&fs.ModeType == 0 && strings.HasSuffix(strings.ToLower(e.Name()), bundleEnd) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return slices.MaxFunc(names, fleet.Compare), nil
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
		return &refusedError{words.New("update-no-address")}
	}
	return u.agent.call(ctx, http.MethodPost, "/install", update.Bundle{Source: source}, nil)
}

// Upload streams a bundle.
func (u updatePage) Upload(ctx context.Context, r io.Reader, size int64) error {
	_, err := u.agent.upload(ctx, r, size, false)
	return err
}
