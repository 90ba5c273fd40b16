package provision

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"intercomd/configs"
	"intercomd/store"
	"intercomd/words"
)

// Places are the folders that [Settle] works with.
type Places struct {
	Card string // the partition that people write to; "" if it could not be read
	Why  error  // why it could not
	Kept string // on the data partition: the last good settings
	Run  string // in memory, of this start
	// Default is the configuration of a door that never had one; "" is none.
	Default string
	// Group is the number of the group that may read the settings; -1 leaves it.
	Group int
}

// Settled is what a door starts with.
type Settled struct {
	File   string          // the configuration, in Places.Run
	Config *configs.Config // what is in it, complete in any case
	Good   bool            // it has no faults that keep the door from calling
	Notes  []Note
}

// settingsName is the folder of the settings that are in force, in Places.Run. It is part of
// what people read in faults.
const settingsName = "card"

// Limits of what is copied from a card: it stays in memory.
const (
	maxFile   = 1<<20 + 1 // one more than configs takes, so that it says so
	maxBeside = 24 << 20  // of all files beside the configuration
	maxInDir  = 250       // recordings
)

// Settle finds the configuration on the card, or else the last good one, and copies it with
// the files that it names into Places.Run, where the daemon reads it. A good one from the
// card becomes the last good one. An error means that nothing could be put there.
func Settle(p Places, log *slog.Logger, judges ...configs.Judge) (*Settled, error) {
	s := &settler{Places: p, log: log, judges: judges}
	return s.settle()
}

type settler struct {
	Places
	log    *slog.Logger
	judges []configs.Judge
	notes  []Note
}

func (s *settler) note(code string, params ...string) {
	s.notes = append(s.notes, Note{Code: code, Params: params})
	s.log.Error(code, anys(params)...)
}

func anys(params []string) (out []any) {
	for _, p := range params {
		out = append(out, p)
	}
	return out
}

// trial is a configuration with what it names, copied to where it can be judged.
type trial struct {
	name   string // on the card
	dir    string
	faults configs.Faults
	hash   string
}

// good reports whether the door can call with it.
func (t *trial) good() bool {
	return !slices.ContainsFunc(t.faults, func(f configs.Fault) bool { return !f.Optional })
}

func (s *settler) settle() (*Settled, error) {
	if err := os.MkdirAll(s.Run, 0o755); err != nil { //nolint:gosec // the daemon may read it
		return nil, err
	}
	best, all := s.fromCard()
	defer func() {
		for _, t := range all {
			_ = os.RemoveAll(t.dir)
		}
	}()
	if best != nil && best.good() {
		s.keep(best)
		s.wishSeal(best)
		return s.use(best)
	}
	if last, err := s.lastGood(); err == nil {
		all = append(all, last)
		s.sayWhyNot(best)
		return s.use(last)
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.note(NoteNotKept, "detail", err.Error())
	}
	if best != nil { // its faults are told by the daemon, which reads it
		s.log.Error("the configuration on the card has faults, and there is no earlier good one", "file", best.name, "faults", best.faults.Error())
		return s.use(best)
	}
	s.sayWhyNot(nil)
	if s.Default == "" {
		return nil, errors.New("there is no configuration at all")
	}
	t, err := s.try(filepath.Dir(s.Default), filepath.Base(s.Default), len(all))
	if err != nil {
		return nil, err
	}
	all = append(all, t)
	return s.use(t)
}

// fromCard judges each candidate on the card and returns the best, or nil if there is none.
func (s *settler) fromCard() (best *trial, all []*trial) {
	if s.Card == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.Card)
	if err != nil {
		s.Card, s.Why = "", err
		return nil, nil
	}
	list, like := find(entries)
	for _, name := range like {
		s.log.Warn("a file on the card looks like a configuration and is not read", "file", name, "remedy", "name it "+FileName+", or remove it")
	}
	for i, c := range list {
		t, err := s.try(s.Card, c.name, i)
		if err != nil {
			s.log.Error("a file of the card cannot be read", "file", c.name, "error", err)
			s.Why = err
			continue
		}
		all = append(all, t)
		if best == nil || t.good() && !best.good() {
			best = t
		}
	}
	var others []string
	for _, t := range all {
		if t != best && t.hash != best.hash {
			s.log.Warn("a second configuration on the card is not used", "file", t.name, "used", best.name, "good", t.good())
			if t.good() {
				others = append(others, t.name)
			}
		}
	}
	if len(others) > 0 && best.good() {
		s.note(NoteTwice, "used", best.name, "others", strings.Join(others, ", "))
	}
	return best, all
}

// sayWhyNot notes why the settings of the card are not in force.
func (s *settler) sayWhyNot(best *trial) {
	switch {
	case best != nil:
		f := worst(best.faults)
		s.notes = append(s.notes, because(NoteBroken, f.Message, "place", f.Place(), "key", f.Key))
		for _, f := range best.faults {
			s.log.Error("the configuration on the card has a fault", "fault", f.String())
		}
	case s.Why != nil:
		s.note(NoteUnreadable, "detail", plainError(s.Why))
	default:
		like := ""
		if entries, err := os.ReadDir(s.Card); err == nil {
			_, names := find(entries)
			like = strings.Join(names[:min(len(names), 3)], ", ")
		}
		s.note(NoteMissing, "like", like)
	}
}

// worst is the fault to tell where there is room for one: of those that keep the door from
// calling one with a place, since what is missing is often only said in a line that is wrong.
func worst(faults configs.Faults) configs.Fault {
	merit := func(f configs.Fault) (n int) {
		if !f.Optional {
			n += 4
		}
		if !strings.HasPrefix(f.Code, "config-missing-") {
			n += 2
		}
		if f.Line > 0 {
			n++
		}
		return n
	}
	return slices.MaxFunc(faults, func(a, b configs.Fault) int { return cmp.Compare(merit(a), merit(b)) })
}

// plainError is an error without the path that the installer does not know.
func plainError(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// try copies a configuration with what it names and judges the copy.
func (s *settler) try(dir, name string, n int) (*trial, error) {
	t := &trial{name: name, dir: filepath.Join(s.Run, fmt.Sprintf("%s.new%d", settingsName, n))}
	if err := os.RemoveAll(t.dir); err != nil {
		return nil, err
	}
	if err := s.mkdir(t.dir); err != nil {
		return nil, err
	}
	if err := s.copySettings(dir, name, t.dir); err != nil {
		_ = os.RemoveAll(t.dir)
		return nil, err
	}
	var err error
	if t.hash, err = store.HashTree(t.dir); err != nil {
		_ = os.RemoveAll(t.dir)
		return nil, err
	}
	s.judge(t)
	return t, nil
}

// judge looks at what was copied. Faults are told as if it still lay on the card.
func (s *settler) judge(t *trial) {
	_, err := configs.Load(filepath.Join(t.dir, FileName), s.judges...)
	if faults, bad := errors.AsType[configs.Faults](err); bad {
		for _, f := range faults {
			f.File = t.name
			f.Message = t.onCard(f.Message)
			t.faults = append(t.faults, f)
		}
	}
}

// onCard is a message about the copy as if it were about the card.
func (t *trial) onCard(m words.Message) words.Message {
	params := m.Params.Map()
	for name, v := range params {
		params[name] = strings.NewReplacer(t.dir+string(filepath.Separator), "", t.dir, "").Replace(v)
	}
	return words.Message{Code: m.Code, Params: words.ParamsOf(params)}
}

// use puts a trial where the daemon reads it.
func (s *settler) use(t *trial) (*Settled, error) {
	dir := filepath.Join(s.Run, settingsName)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(t.dir, dir); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, FileName)
	config, _ := configs.Load(file, s.judges...) // the paths are others now
	return &Settled{File: file, Config: config, Good: t.good(), Notes: s.notes}, nil
}

// copySettings copies a configuration and the files beside it that it names. What cannot be
// copied is missing in the copy, and the loader says so.
func (s *settler) copySettings(from, name, to string) error {
	data, err := readSome(filepath.Join(from, name), maxFile)
	if err != nil {
		return err
	}
	data = s.unseal(name, data)
	if err := s.write(filepath.Join(to, FileName), data); err != nil {
		return err
	}
	config, _ := configs.Parse(name, data)
	room := maxBeside
	beside := func(path string) error {
		data, err := readSome(filepath.Join(from, path), room+1)
		switch {
		case err != nil:
			s.log.Warn("a file on the card cannot be read", "file", path, "error", err)
			return nil
		case len(data) > room:
			s.log.Warn("the files on the card are too large together", "file", path, "limit", maxBeside)
			return nil
		}
		room -= len(data)
		if err := s.mkdir(filepath.Dir(filepath.Join(to, path))); err != nil {
			return err
		}
		return s.write(filepath.Join(to, path), data)
	}
	files, folders := config.Files()
	for _, path := range files {
		if filepath.IsLocal(path) && !isSettings(path) {
			if err := beside(path); err != nil {
				return err
			}
		}
	}
	for _, path := range folders {
		if !filepath.IsLocal(path) {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(from, path))
		if err != nil {
			continue
		}
		if err := s.mkdir(filepath.Join(to, path)); err != nil {
			return err
		}
		for _, e := range entries[:min(len(entries), maxInDir)] {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && !isSettings(filepath.Join(path, e.Name())) {
				if err := beside(filepath.Join(path, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	for _, name := range toolFiles() {
		if data, err := readSome(filepath.Join(from, name), maxTool+1); err == nil {
			if err := s.write(filepath.Join(to, name), data); err != nil {
				return err
			}
		}
	}
	return nil
}

// isSettings tells the configuration itself, which nothing that it names replaces.
func isSettings(path string) bool { return strings.EqualFold(filepath.Clean(path), FileName) }

func (s *settler) mkdir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return s.give(dir)
}

func (s *settler) write(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o640); err != nil { //nolint:gosec // the group of the daemon may read it
		return err
	}
	return s.give(path)
}

func (s *settler) give(path string) error {
	if s.Group < 0 {
		return nil
	}
	return os.Chown(path, -1, s.Group)
}

// readSome reads a regular file up to a size.
func readSome(path string, most int) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // below a folder that the caller chose
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a folder, not a file")}
	}
	return io.ReadAll(io.LimitReader(f, int64(most)))
}
