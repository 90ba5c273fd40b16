package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Errors of [ReadFile] and [ReadNamed].
var (
	ErrNoFile   = errors.New("this is no file")
	ErrTooLarge = errors.New("this is too large")
	ErrNothing  = errors.New("this is a pipe, and nothing came out of it")
)

// ReadFile reads a small file that the program wrote. It waits for nothing and takes no more
// than limit bytes, whatever has come to be in place of the file: a pipe, a device or a file
// without end is an error.
func ReadFile(path string, limit int64) ([]byte, error) { return read(path, limit, 0) }

// pipePatience is how long a pipe may take to give what is in it.
const pipePatience = 5 * time.Second

// ReadNamed is [ReadFile] for a file that a person named: it may be a pipe too, which has
// seconds to give what is in it.
func ReadNamed(path string, limit int64) ([]byte, error) { return read(path, limit, pipePatience) }

func read(path string, limit int64, patience time.Duration) ([]byte, error) {
	// Without O_NONBLOCK the mere opening of a pipe waits for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	pipe := info.Mode()&fs.ModeNamedPipe != 0 && patience > 0
	switch {
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !info.Mode().IsRegular() && !pipe:
		return nil, fmt.Errorf("%s: %w", path, ErrNoFile)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	case pipe:
		if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), pipe && err == nil && len(data) == 0:
		return nil, fmt.Errorf("%s: %w", path, ErrNothing)
	case err != nil:
		return nil, err
	case int64(len(data)) > limit: // it has grown, or comes out of a pipe
		return nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	}
	return data, nil
}

// WriteFile writes a file whole, or not at all: after a power cut there is the old one or the
// new one, never half of it. When it returns, the file and its name are on the card.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	err := write(path, data, mode, func(string) error { return nil })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// errCut is what a test says at a step where the power goes.
var errCut = errors.New("power cut")

// write is [WriteFile]; step is told what was done last.
func write(path string, data []byte, mode fs.FileMode, step func(string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+unfinishedEnd)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !errors.Is(err, errCut) {
			_ = os.Remove(f.Name())
		}
	}()
	if err = step("made"); err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = step("written")
	}
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := step("synced"); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := step("renamed"); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
}

// unfinishedEnd is how the names of files end that are being written.
const unfinishedEnd = ".unfinished"

// unfinished reports whether a file was being written when the power went.
func unfinished(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, unfinishedEnd)
}
