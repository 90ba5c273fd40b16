// Package store is the state directory of a door: small files that must survive a restart and
// a power cut.
//
// Files are replaced whole, and read without waiting for whatever may have come to be in their
// place. What is in them is the affair of those who keep it: the package knows nothing of
// doors, and imports nothing of ours.
package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// Dir is a state directory. Its methods may be called by any number of goroutines, but only one
// at a time for the same file.
type Dir struct {
	dir  string
	jobs chan func() error // for Run
	held *os.File          // the lock; nil: not taken
}

// Files that the package itself knows.
const (
	instanceFile = "instance"
	clockFile    = "clock"
	lockFile     = "lock"
)

// Open makes the directory if it is not there. What a power cut has left of files that were
// being written is removed: a directory has one program that writes to it.
func Open(dir string) (*Dir, error) {
	if dir == "" {
		return nil, errors.New("no state directory is configured")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && unfinished(e.Name()) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // the next start tries again
		}
	}
	return &Dir{dir: dir, jobs: make(chan func() error, jobsKept)}, nil
}

// Take makes the directory this program's own until it ends or calls Release: two that write
// over each other would forget which codes have been used. The lock is the kernel's, so that
// none is left after a crash or a power cut. A directory that nobody can write to needs none:
// that it keeps nothing is told at the first write.
func (s *Dir) Take() error {
	f, err := os.OpenFile(s.Path(lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		who, _ := io.ReadAll(io.LimitReader(f, 20))
		_ = f.Close()
		return fmt.Errorf("%s is in use by another intercomd, process %s: stop that one, or give this one a directory of its own (dir under [state])",
			s.dir, cmp.Or(string(bytes.TrimSpace(who)), "unknown"))
	}
	if err == nil && f.Truncate(0) == nil {
		_, _ = f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0) // for people; the lock holds without
	}
	s.held = f
	return nil
}

// Release gives the directory back.
func (s *Dir) Release() {
	if s.held != nil {
		_ = s.held.Close()
		s.held = nil
	}
}

// jobsKept is how many writes may wait for a slow card.
const jobsKept = 64

// Run carries out what was handed to Later until ctx ends, and then the rest. told hears of
// each write how it went.
func (s *Dir) Run(ctx context.Context, told func(error)) {
	do := func(job func() error) { told(job()) }
	for {
		select {
		case job := <-s.jobs:
			do(job)
		case <-ctx.Done():
			for len(s.jobs) > 0 {
				do(<-s.jobs)
			}
			return
		}
	}
}

// Later hands a write to Run without waiting for the card. It never blocks.
func (s *Dir) Later(log *slog.Logger, job func() error) {
	select {
	case s.jobs <- job:
	default:
		log.Error("state could not be saved: the card is too slow")
	}
}

// Clock is the latest time that was kept; zero if none was.
func (s *Dir) Clock() time.Time {
	data, err := s.Read(clockFile)
	if err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, string(bytes.TrimSpace(data)))
	if err != nil {
		return time.Time{}
	}
	return t
}

// SaveClock keeps a time that has surely passed.
func (s *Dir) SaveClock(t time.Time) error {
	return s.Replace(clockFile, []byte(t.UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// maxKept is far above the size of anything that is kept, but logs.
const maxKept = 1 << 20

// Read reads what was kept; see [ReadFile].
func (s *Dir) Read(name string) ([]byte, error) { return ReadFile(s.Path(name), maxKept) }

// Path is where a file is kept.
func (s *Dir) Path(name string) string { return filepath.Join(s.dir, name) }

// Load reads JSON into v. Nothing kept yet is no error and leaves v as it is; of a file that
// cannot be read v may have a part.
func (s *Dir) Load(name string, v any) error {
	data, err := s.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("read what was kept in %s: %w", s.Path(name), err)
	}
	return nil
}

// Save keeps v as JSON, whole or not at all.
func (s *Dir) Save(name string, v any, mode fs.FileMode) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.Path(name), err)
	}
	return s.Replace(name, data, mode)
}

// Replace writes a file whole, or not at all; see [WriteFile].
func (s *Dir) Replace(name string, data []byte, mode fs.FileMode) error {
	return WriteFile(s.Path(name), data, mode)
}

// Instance is the urn:uuid by which servers know this very device (RFC 5626
// section 4.1), made once.
func (s *Dir) Instance() (string, error) {
	data, err := s.Read(instanceFile)
	if id, perr := uuid.ParseBytes(bytes.TrimSpace(data)); err == nil && perr == nil {
		return id.URN(), nil
	}
	id := uuid.New()
	return id.URN(), s.Replace(instanceFile, []byte(id.String()+"\n"), 0o600)
}
