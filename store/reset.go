package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// resetFile is the wish to forget all that is in a directory. While it is there, the directory has
// not forgotten all of it.
const resetFile = "reset"

// WishReset lets [Reset] empty the directory at the next start; v is kept for it.
func (s *Dir) WishReset(v any) error { return s.Save(resetFile, v, 0o600) }

// Reset empties a directory of which that was wished, but for the names to keep, and reads into v
// what was kept for it. Nothing else may use the directory meanwhile. A power cut on the way leaves
// the wish, so that the next start goes on.
func Reset(dir string, v any, keep ...string) (done bool, err error) {
	wish := filepath.Join(dir, resetFile)
	data, err := ReadFile(wish, maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		_ = json.Unmarshal(data, v) // who it was is not worth a door that does not forget
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("reset: %w", err)
	}
	for _, e := range entries {
		if e.Name() == resetFile || slices.Contains(keep, e.Name()) {
			continue
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err = errors.Join(err, Sync(dir)); err == nil {
		err = errors.Join(os.Remove(wish), Sync(dir))
	}
	if err != nil {
		return false, fmt.Errorf("reset: %w", err)
	}
	return true, nil
}
