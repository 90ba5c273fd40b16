package provision

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"intercomd/store"
)

// The last good settings are a folder on the data partition, named after what is in it, and
// a link to it that is replaced in one step. A power cut leaves the old or the new ones;
// what a card has forgotten of either is noticed by the name. Those before them are kept too:
// a system that went back to an older version may not know what the last ones set.

const (
	goodLink   = "good"
	beforeLink = "before"
	prefix     = "settings-"
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
		if h, err := store.HashTree(dir); err == nil && h == t.hash {
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
	if err := store.Sync(s.Kept); err != nil {
		return err
	}
	names := []string{name}
	if old, err := os.Readlink(link); err == nil && old != name {
		if err := point(filepath.Join(s.Kept, beforeLink), old); err != nil {
			return err
		}
	}
	if old, err := os.Readlink(filepath.Join(s.Kept, beforeLink)); err == nil {
		names = append(names, old)
	}
	if err := point(link, name); err != nil {
		return err
	}
	if err := store.Sync(s.Kept); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.Kept)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && !slices.Contains(names, e.Name()) {
			_ = os.RemoveAll(filepath.Join(s.Kept, e.Name())) // the next start tries again
		}
	}
	return nil
}

// point makes a link lead to name, in one step.
func point(link, name string) error {
	next := link + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(name, next); err != nil {
		return err
	}
	return os.Rename(next, link)
}

// lastGood copies the last settings that are good, in the eyes of this version, or else the
// last ones at all. The error is [fs.ErrNotExist] if there never were any.
func (s *settler) lastGood() (last *trial, err error) {
	err = fs.ErrNotExist
	for _, link := range []string{goodLink, beforeLink} {
		t, err2 := s.kept(link)
		switch {
		case err2 == nil && t.good():
			if last != nil {
				_ = os.RemoveAll(last.dir)
			}
			return t, nil
		case err2 == nil && last == nil:
			last = t
		case err2 == nil:
			_ = os.RemoveAll(t.dir)
		case !errors.Is(err2, fs.ErrNotExist):
			s.log.Error("saved settings cannot be used", "which", link, "error", err2)
			err = err2
		}
	}
	if last != nil {
		return last, nil
	}
	return nil, err
}

// kept copies the settings that a link leads to, and judges them.
func (s *settler) kept(link string) (*trial, error) {
	name, err := os.Readlink(filepath.Join(s.Kept, link))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	dir := filepath.Join(s.Kept, filepath.Base(name))
	hash, err := store.HashTree(dir)
	if err != nil {
		return nil, err
	}
	if prefix+hash != name {
		return nil, errors.New("the settings of before are damaged")
	}
	t := &trial{name: FileName, dir: filepath.Join(s.Run, settingsName+"."+link), hash: hash}
	if err := os.RemoveAll(t.dir); err != nil {
		return nil, err
	}
	if err := s.copyTree(dir, t.dir); err != nil {
		return nil, err
	}
	s.judge(t)
	return t, nil
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
		return store.Sync(target)
	}, func(path string) error { return store.Sync(filepath.Join(to, path)) })
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
