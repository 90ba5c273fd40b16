package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Errors of [ReadFile].
var (
	ErrNoFile   = errors.New("this is no file")
	ErrTooLarge = errors.New("this is too large")
)

// ReadFile reads a small file that the program wrote. It waits for nothing and takes no more
// than limit bytes, whatever has come to be in place of the file: a pipe, a device or a file
// without end is an error.
func ReadFile(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK the mere opening of a pipe waits for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w", path, ErrNoFile)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// WriteFile writes a file whole, or not at all: after a power cut there is the old one or the
// new one, never half of it. When it returns, the file and its name are on the card.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

// syncDir brings the names in a folder to the card.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // of a file that was just written
	if err != nil {
		return fmt.Errorf("write to %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return fmt.Errorf("write to %s: %w", dir, err)
	}
	return nil
}
