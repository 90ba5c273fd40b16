package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"

	"intercomd/station"
)

// store keeps the little that must survive a restart as small files in the
// state directory. Files are replaced whole, so that a power cut leaves the old
// or the new one, never half of it.
type store struct {
	dir  string
	jobs chan func() error // for run
}

const (
	memoryFile   = "memory.json"
	instanceFile = "instance"
	auditFile    = "audit.log"
	oldAudit     = "audit.log.1"
	clockFile    = "clock"
)

// openStore makes the state directory if it is not there.
func openStore(dir string) (*store, error) {
	if dir == "" {
		return nil, errors.New("no state directory is configured")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return &store{dir: dir, jobs: make(chan func() error, jobsKept)}, nil
}

// jobsKept is how many writes may wait for a slow card.
const jobsKept = 64

// run carries out what was handed to later until ctx ends, and then the rest. told hears of
// each write how it went.
func (s *store) run(ctx context.Context, told func(error)) {
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

// later hands a write to run without waiting for the card.
func (s *store) later(log *slog.Logger, job func() error) {
	select {
	case s.jobs <- job:
	default:
		log.Error("state could not be kept: the card does not keep up")
	}
}

// clock is the latest time that was kept; zero if none was.
func (s *store) clock() time.Time {
	data, err := s.read(clockFile)
	if err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, string(bytes.TrimSpace(data)))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (s *store) saveClock(t time.Time) error {
	return s.replace(clockFile, []byte(t.UTC().Format(time.RFC3339)+"\n"))
}

// maxKept is far above the size of anything that is kept, but the audit log.
const maxKept = 1 << 20

// read reads what was kept. It waits for nothing and takes no more memory than there is,
// whatever has come to be in place of the file: the door must start.
func (s *store) read(name string) ([]byte, error) {
	f, err := os.OpenFile(s.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: this is no file", s.path(name))
	case info.Size() > maxKept:
		return nil, fmt.Errorf("%s: this is too large", s.path(name))
	}
	return io.ReadAll(io.LimitReader(f, maxKept))
}

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// memory reads what the station asked to keep; nothing kept yet is no error.
func (s *store) memory() (station.Memory, error) {
	var m station.Memory
	data, err := s.read(memoryFile)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return station.Memory{}, fmt.Errorf("read what was kept in %s: %w", s.path(memoryFile), err)
	}
	return m, nil
}

func (s *store) saveMemory(m station.Memory) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("keep the door's memory: %w", err)
	}
	return s.replace(memoryFile, data)
}

// instance is the urn:uuid by which servers know this very device (RFC 5626
// section 4.1), made once.
func (s *store) instance() (string, error) {
	data, err := s.read(instanceFile)
	if id, perr := uuid.ParseBytes(bytes.TrimSpace(data)); err == nil && perr == nil {
		return id.URN(), nil
	}
	id := uuid.New()
	return id.URN(), s.replace(instanceFile, []byte(id.String()+"\n"))
}

// maxAudit is the size of the audit log in bytes at which it becomes the old one
// and the one before is dropped: at some 150 bytes a line, thousands of openings.
const maxAudit = 1 << 20

// audit appends one attempt to open something.
func (s *store) audit(a audit) error {
	line, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	f, err := os.OpenFile(s.path(auditFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600) // not to wait for the reader of a pipe
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	info, serr := f.Stat()
	err = errors.Join(err, serr, f.Sync(), f.Close())
	if err == nil && info.Size() >= maxAudit {
		err = os.Rename(s.path(auditFile), s.path(oldAudit))
	}
	return err
}

// replace writes a file whole, or not at all.
func (s *store) replace(name string, data []byte) error {
	f, err := os.CreateTemp(s.dir, name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path(name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	return nil
}
