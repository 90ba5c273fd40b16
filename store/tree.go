package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Sync brings a file, or the names in a folder, to the card.
func Sync(path string) error {
	f, err := os.Open(path) //nolint:gosec // a path of the program's own
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}

// HashTree is a name for all that is in a folder: its files with what is in them, and its
// folders. A folder that bears this name shows by it whether the card has lost some of it.
func HashTree(dir string) (string, error) {
	h := sha256.New()
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := fmt.Fprintf(h, "dir %q\n", path)
			return err
		}
		data, err := fs.ReadFile(files, path)
		if err == nil {
			_, err = fmt.Fprintf(h, "file %q %d\n%s", path, len(data), data)
		}
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:16]), err
}
