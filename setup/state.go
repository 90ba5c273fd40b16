package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/store"
	"intercomd/words"
)

// Files of the folder.
const (
	stateFile = "state.json"
	// ResetFile is what somebody at the machine leaves to have the installer's file back: an empty
	// file, which needs no right but that to the folder.
	ResetFile = "reset"
	textEnd   = ".toml" // of a version: NUMBER.toml

	mostState = 256 << 10
	mostText  = 1 << 20
	kept10    = 10 // versions that are kept
)

// Outcome is what became of a version: a stable code.
type Outcome string

// The outcomes.
const (
	OnTrial  Outcome = "trial"
	Kept     Outcome = "kept"     // it is, or was, in force
	Back     Outcome = "back"     // tried and taken back
	Original Outcome = "original" // the installer's file, as it was before the first change
)

// Outcomes lists the outcomes.
func Outcomes() []Outcome { return []Outcome{OnTrial, Kept, Back, Original} }

// How is the way that a version came by: a stable code.
type How string

// The ways.
const (
	ByFile    How = "file" // of [Original]
	ByText    How = "text"
	ByForm    How = "form"
	ByPeople  How = "people"
	ByRestore How = "restore" // of a backup
	ByHistory How = "history" // an older version once more
)

// Ways lists the ways.
func Ways() []How { return []How{ByFile, ByText, ByForm, ByPeople, ByRestore, ByHistory} }

// Who is a person or program, and where it is.
type Who struct {
	Name string `json:"name,omitempty"`
	From string `json:"from,omitempty"`
}

// Version is one configuration that was tried.
type Version struct {
	ID      int           `json:"id"`
	Hash    string        `json:"hash"` // of its text
	At      time.Time     `json:"at"`
	By      Who           `json:"by,omitzero"`
	How     How           `json:"how"`
	Outcome Outcome       `json:"outcome"`
	Why     words.Message `json:"why,omitzero"` // it was taken back
}

// state is what survives a restart.
type state struct {
	Next     int           `json:"next"`           // ID of the next version
	InForce  int           `json:"inForce"`        // ID; 0: the installer's file
	Base     string        `json:"base,omitempty"` // hash of the file that InForce was derived from
	Note     words.Message `json:"note,omitzero"`  // why InForce is not what it was
	Versions []Version     `json:"versions"`       // the oldest first
}

// hashOf is a name for a text.
func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

func (s *state) version(id int) *Version {
	for i := range s.Versions {
		if s.Versions[i].ID == id {
			return &s.Versions[i]
		}
	}
	return nil
}

// clone is a copy that shares nothing.
func (s *state) clone() state {
	c := *s
	c.Versions = slices.Clone(s.Versions)
	return c
}

func textName(id int) string { return strconv.Itoa(id) + textEnd }

// textOf reads a version, if the card still has all of it.
func textOf(dir string, v *Version) ([]byte, error) {
	if v == nil {
		return nil, fs.ErrNotExist
	}
	text, err := store.ReadFile(filepath.Join(dir, textName(v.ID)), mostText)
	if err == nil && hashOf(text) != v.Hash {
		err = errors.New("the card has lost some of it")
	}
	return text, err
}

// load reads the state; of a door that has none it is empty.
func load(dir string) (s state, err error) {
	data, err := store.ReadFile(filepath.Join(dir, stateFile), mostState)
	if errors.Is(err, fs.ErrNotExist) {
		return state{Next: 1}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return state{Next: 1}, fmt.Errorf("what the page has set up: %w", err)
	}
	s.Next = max(s.Next, 1)
	for _, v := range s.Versions {
		s.Next = max(s.Next, v.ID+1)
	}
	return s, nil
}

// save replaces the state whole, and then removes the texts that it does not name any more.
func save(dir string, s *state) error {
	for len(s.Versions) > kept10 {
		i := slices.IndexFunc(s.Versions, func(v Version) bool { return v.ID != s.InForce && v.Outcome != OnTrial })
		if i < 0 {
			break
		}
		s.Versions = slices.Delete(s.Versions, i, i+1)
	}
	data, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = store.WriteFile(filepath.Join(dir, stateFile), data, 0o600)
	}
	if err != nil {
		return err
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		id, cut := strings.CutSuffix(e.Name(), textEnd)
		if n, err := strconv.Atoi(id); cut && err == nil && s.version(n) == nil {
			_ = os.Remove(filepath.Join(dir, e.Name())) // the next one tries again
		}
	}
	return nil
}

// settle brings a state up to date with the installer's file, at a start: changed tells that it
// is another one now.
func (s *state) settle(dir string, file []byte) (changed bool) {
	for i := range s.Versions {
		if v := &s.Versions[i]; v.Outcome == OnTrial {
			v.Outcome, v.Why, changed = Back, words.New("setup-restarted"), true
		}
	}
	if s.InForce == 0 {
		return changed
	}
	_, lost := textOf(dir, s.version(s.InForce))
	_, reset := os.Lstat(filepath.Join(dir, ResetFile))
	switch {
	case reset == nil:
		s.Note = words.New("setup-reset")
	case s.Base != hashOf(file):
		s.Note = words.New("setup-file-edited")
	case lost != nil:
		s.Note = words.New("setup-lost", "detail", lost.Error())
	default:
		return changed
	}
	s.InForce, s.Base = 0, ""
	return true
}

// InForce is the text that is in force beside the installer's file, as a start of the door would
// find it; nothing is changed. ok is false where the file itself is in force.
func InForce(dir string, file []byte) (text []byte, v Version, ok bool) {
	s, err := load(dir)
	if err != nil {
		return nil, v, false
	}
	s.settle(dir, file)
	kept := s.version(s.InForce)
	if text, err = textOf(dir, kept); err != nil {
		return nil, v, false
	}
	return text, *kept, true
}
