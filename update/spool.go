package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a bundle that is streamed.
const (
	mostBundle  = 512 << 20   // many times what a system takes
	spareData   = 32 << 20    // of the data partition stays free
	spaceEvery  = 1 << 20     // bytes between looks at what is free
	inspectTime = time.Minute // to read what a bundle is
	bundleName  = "upload.raucb"
	bundleEnd   = ".raucb"
)

// Errors of [Spool.Take]. Their texts are codes.
var (
	ErrTooLarge = errors.New("update-too-large")
	ErrNoRoom   = errors.New("update-no-room")
	ErrNotNewer = errors.New("update-not-newer")
)

// Spool takes bundles that come as a stream. The installer wants a file, which lies on the data
// partition as long as it is needed; a bundle is never in memory.
type Spool struct {
	agent *Agent
	dir   string
	free  func(dir string) (int64, error)
	busy  sync.Mutex // one at a time
}

// NewSpool makes one that keeps bundles for an agent in a folder, which [Spool.Take] makes.
func NewSpool(agent *Agent, dir string) *Spool {
	return &Spool{agent: agent, dir: dir, free: freeBytes}
}

func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("room of the data partition: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ by architecture
}

// path is where the bundle lies.
func (s *Spool) path() string { return filepath.Join(s.dir, bundleName) }

// part is where it comes to lie.
func (s *Spool) part() string { return s.path() + ".part" }

// write writes a bundle of size bytes, -1 if that is not known, in place of the one before.
func (s *Spool) write(r io.Reader, size int64) error {
	if size > mostBundle {
		return ErrTooLarge
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil { //nolint:gosec // RAUC reads it as a user without rights
		return fmt.Errorf("taking the bundle: %w", err)
	}
	s.sweep()
	if free, err := s.free(s.dir); err != nil {
		return err
	} else if free-max(size, 0) < spareData {
		return ErrNoRoom
	}
	f, err := os.Create(s.part())
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
			return ErrNoRoom
		}
		return fmt.Errorf("taking the bundle: %w", err)
	}
	return nil
}

func (s *Spool) copy(w io.Writer, r io.Reader) error {
	for got := int64(0); ; {
		n, err := io.CopyN(w, r, spaceEvery)
		got += n
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case got > mostBundle:
			return ErrTooLarge
		}
		if free, err := s.free(s.dir); err != nil {
			return err
		} else if free < spareData {
			return ErrNoRoom
		}
	}
}

// sweep removes what lies there.
func (s *Spool) sweep() {
	for _, path := range []string{s.path(), s.part()} {
		_ = os.Remove(path) // the next one tries again
	}
}

// needed reports whether the agent still wants what lies there.
func (s *Spool) needed(st Status) bool {
	return st.Source == s.path() && (st.Stage == Wanted || st.Stage == Installing)
}

// Take has a bundle of size bytes installed, -1 if that is not known; if newer is set, only one
// that is newer than what runs. It returns when the bundle has come and its signature was checked.
func (s *Spool) Take(ctx context.Context, r io.Reader, size int64, newer bool) (info Info, err error) {
	if !s.busy.TryLock() {
		return info, ErrBusy
	}
	defer s.busy.Unlock()
	st, err := s.agent.Status(ctx)
	switch {
	case err != nil:
		return info, err
	case st.Stage == OnTrial:
		return info, ErrOnTrial
	case st.Stage == Wanted, st.Stage == Installing:
		return info, ErrBusy
	}
	if err := s.write(r, size); err != nil {
		return info, err
	}
	limit, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	info, err = s.agent.Inspect(limit, s.path())
	if err == nil && newer && Compare(info.Version, st.Running) <= 0 {
		err = ErrNotNewer
	}
	if err == nil {
		err = s.agent.Install(ctx, Bundle{Source: s.path(), Hash: info.Hash})
	}
	if err != nil {
		s.sweep()
	}
	return info, err
}

// lost tells of a bundle that was coming when the power went: whoever sent it has heard nothing.
func (s *Spool) lost() {
	if !s.busy.TryLock() {
		return // the next one comes already
	}
	defer s.busy.Unlock()
	if is, err := os.Stat(s.part()); err == nil {
		s.agent.cfg.Log.Warn("update: a bundle broke off while it was sent, as the power went; what had come of it is removed", "bytes", is.Size())
		_ = os.Remove(s.part())
	}
}

// Run removes a bundle when it is not needed any more, until ctx ends.
func (s *Spool) Run(ctx context.Context) {
	s.lost()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if st, err := s.agent.Status(ctx); err == nil && !s.needed(st) && s.busy.TryLock() {
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

// NewestBundle finds the bundle at the top of a folder whose name has the highest version; "" if
// there is none.
func NewestBundle(dir string) (string, error) {
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
	return slices.MaxFunc(names, Compare), nil
}
