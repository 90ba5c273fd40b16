package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The last good settings are a folder on the data partition, named after what is in it, and
// a link to it that is replaced in one step. A power cut leaves the old or the new ones;
// what a card has forgotten of either is noticed by the name.

const (
	goodLink = "good"
	prefix   = "settings-"
)

// keep makes a trial the last good settings. Without that the door works on.
func (s *settler) keep(t *trial) {
	if err := s.tryToKeep(t); err != nil {
		s.note(NoteNotKept, "detail", plainError(err))
	}
}

func (s *settler) tryToKeep(t *trial) error {
	name := prefix + t.hash
	dir := filepath.Join(s.Kept, name)
	link := filepath.Join(s.Kept, goodLink)
	if old, err := os.Readlink(link); err == nil && old == name {
		if h, err := hashOf(dir); err == nil && h == t.hash {
			return nil // as it was: a card is not written to at every start
		}
	}
	if err := s.mkdir(s.Kept); err != nil {
		return err
	}
	fresh := filepath.Join(s.Kept, "new")
	for _, path := range []string{fresh, dir} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	if err := s.copyTree(t.dir, fresh); err != nil {
		_ = os.RemoveAll(fresh) // a full partition has use for the room
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return err
	}
	if err := syncPath(s.Kept); err != nil {
		return err
	}
	next := link + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(name, next); err != nil {
		return err
	}
	if err := os.Rename(next, link); err != nil {
		return err
	}
	if err := syncPath(s.Kept); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.Kept)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.Name() != name {
			_ = os.RemoveAll(filepath.Join(s.Kept, e.Name())) // the next start tries again
		}
	}
	return nil
}

// lastGood copies the last good settings. Their name is in its place of the card's.
func (s *settler) lastGood() (*trial, error) {
	name, err := os.Readlink(filepath.Join(s.Kept, goodLink))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	dir := filepath.Join(s.Kept, filepath.Base(name))
	hash, err := hashOf(dir)
	if err != nil {
		return nil, err
	}
	if prefix+hash != name {
		return nil, errors.New("the settings of before are damaged")
	}
	t := &trial{name: FileName, dir: filepath.Join(s.Run, settingsName+".kept"), hash: hash}
	if err := os.RemoveAll(t.dir); err != nil {
		return nil, err
	}
	return t, s.copyTree(dir, t.dir)
}

// copyTree copies files and folders, safely on the medium when it returns.
func (s *settler) copyTree(from, to string) error {
	return walk(from, func(path string, d fs.DirEntry) error {
		target := filepath.Join(to, path)
		if d.IsDir() {
			return s.mkdir(target)
		}
		data, err := fs.ReadFile(os.DirFS(from), path)
		if err != nil {
			return err
		}
		if err := s.write(target, data); err != nil {
			return err
		}
		return syncPath(target)
	}, func(path string) error { return syncPath(filepath.Join(to, path)) })
}

// walk calls each for every folder and file below dir, with their paths in it, in order;
// then after for every folder, the inner ones first.
func walk(dir string, each func(path string, d fs.DirEntry) error, after func(path string) error) error {
	var folders []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			folders = append(folders, path)
		}
		return each(path, d)
	})
	for i := len(folders) - 1; i >= 0 && err == nil; i-- {
		err = after(folders[i])
	}
	return err
}

func syncPath(path string) error {
	f, err := os.Open(path) //nolint:gosec // a path of our own
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// hashOf is a name for all that is in a folder.
func hashOf(dir string) (string, error) {
	h := sha256.New()
	err := walk(dir, func(path string, d fs.DirEntry) error {
		if d.IsDir() {
			_, err := fmt.Fprintf(h, "dir %q\n", path)
			return err
		}
		data, err := fs.ReadFile(os.DirFS(dir), path)
		if err == nil {
			_, err = fmt.Fprintf(h, "file %q %d\n", path, len(data))
		}
		if err == nil {
			_, err = h.Write(data)
		}
		return err
	}, func(string) error { return nil })
	return hex.EncodeToString(h.Sum(nil)[:16]), err
}
