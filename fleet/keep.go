package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"intercomd/configs"
	"intercomd/store"
	"intercomd/words"
)

// What was fetched is kept as folders, each named after what is in it, so that a card that
// has lost half of one is noticed. Which of them counts stands in a file that is replaced whole.

const (
	stateFile  = "state.json"
	prefix     = "settings-"
	freshDir   = "fresh"
	sharedFile = "shared.toml" // default.toml of the server
	doorFile   = "door.toml"   // SERIAL.toml of the server

	// mostStarts is how often a configuration may be started with before the door has
	// registered with it: three, so that one power cut or two mean nothing.
	mostStarts = 3
	mostState  = 64 << 10
)

// State is what survives a restart. Configurations are named by their hashes.
type State struct {
	Good    string            `json:"good,omitempty"`    // the door has registered with it
	Before  string            `json:"before,omitempty"`  // the one before Good
	Next    string            `json:"next,omitempty"`    // is to be tried, or on trial
	Seen    string            `json:"seen,omitempty"`    // as it is on the server
	Starts  int               `json:"starts,omitempty"`  // with Next
	Tries   int               `json:"tries,omitempty"`   // of Refused, that proved nothing
	Refused *Refused          `json:"refused,omitempty"` // the last one that was not taken
	ETags   map[string]string `json:"etags,omitempty"`   // of the files of Seen
	Asked   Asked             `json:"asked,omitzero"`    // the last update that was asked for
}

// Refused is a configuration that is not in force, and why.
type Refused struct {
	Hash string        `json:"hash"`
	Why  words.Message `json:"why"`
	At   time.Time     `json:"at"`
	// Proven tells that the configuration is why. Until then the server of calls may be.
	Proven bool `json:"proven"`
}

// Asked is an update that the door has asked for.
type Asked struct {
	Version string    `json:"version,omitempty"`
	Source  string    `json:"source,omitempty"`
	Hash    string    `json:"hash,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Back    bool      `json:"back,omitempty"` // it was rolled back
}

// Choice is a configuration that was fetched.
type Choice struct {
	Hash  string
	Dir   string // where it lies
	Trial bool   // the door has not registered with it yet
}

// Layers are the files of a fetched configuration and the door's own, for
// [configs.LoadLayers]. serial is for the names in faults.
func Layers(dir, serial, own string) []configs.Layer {
	if serial == "" {
		serial = "door"
	}
	out := []configs.Layer{
		{File: filepath.Join(dir, doorFile), Name: serial + ".toml"},
		{File: own, Name: own, Own: true},
	}
	shared := filepath.Join(dir, sharedFile)
	if _, err := os.Stat(shared); err == nil {
		out = slices.Insert(out, 0, configs.Layer{File: shared, Name: "default.toml"})
	}
	return out
}

// Begin tells at the start of a door which fetched configurations to use, the first that can
// be used before the others, and counts the start if one is on trial. dir is the folder of
// the fleet. An error means that nothing could be written down; the choice is good all the same.
func Begin(dir string) ([]Choice, error) {
	st, err := load(dir)
	if err != nil {
		return nil, err
	}
	var failed error
	if st.Next != "" {
		if st.Starts >= mostStarts {
			st.refuse(words.New("fleet-ended"), false)
		} else {
			st.Starts++
		}
		was := st
		if failed = save(dir, st); failed != nil {
			was.Next = "" // never tried without a note of it
		}
		st = was
	}
	return st.choices(dir), failed
}

// Kept tells without a change what [Begin] has told the door that runs.
func Kept(dir string) []Choice {
	st, err := load(dir)
	if err != nil {
		return nil
	}
	if st.Starts == 0 {
		st.Next = ""
	}
	return st.choices(dir)
}

// choices are the configurations to use, the best first.
func (s *State) choices(dir string) (out []Choice) {
	for _, hash := range []string{s.Next, s.Good, s.Before} {
		path := filepath.Join(dir, prefix+hash)
		if hash == "" || slices.ContainsFunc(out, func(c Choice) bool { return c.Hash == hash }) {
			continue
		}
		if got, err := store.HashTree(path); err != nil || got != hash {
			continue // the card has lost some of it
		}
		out = append(out, Choice{Hash: hash, Dir: path, Trial: hash == s.Next})
	}
	return out
}

// refuse notes that Next is not to be used.
func (s *State) refuse(why words.Message, proven bool) {
	s.Refused = &Refused{Hash: s.Next, Why: why, At: time.Now().Round(time.Second), Proven: proven}
	s.Next, s.Starts = "", 0
	s.Tries++
}

func load(dir string) (s State, err error) {
	data, err := store.ReadFile(filepath.Join(dir, stateFile), mostState)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	for _, h := range []string{s.Good, s.Before, s.Next, s.Seen} {
		if strings.Trim(h, "0123456789abcdef") != "" {
			err = errors.New("it is damaged")
		}
	}
	if err != nil {
		return State{}, fmt.Errorf("what was kept of the fleet: %w", err)
	}
	return s, nil
}

// save replaces the state whole, and sweeps out what it does not name any more.
func save(dir string, s State) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = store.WriteFile(filepath.Join(dir, stateFile), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping the state of the fleet: %w", err)
	}
	keep := []string{s.Good, s.Before, s.Next, s.Seen}
	if s.Refused != nil {
		keep = append(keep, s.Refused.Hash)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if hash, ok := strings.CutPrefix(e.Name(), prefix); ok && !slices.Contains(keep, hash) {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // the next one tries again
		}
	}
	return nil
}

// settle gives a fetched folder its name.
func settle(dir, fresh string) (hash string, err error) {
	if hash, err = store.HashTree(fresh); err != nil {
		return "", err
	}
	path := filepath.Join(dir, prefix+hash)
	if got, err := store.HashTree(path); err == nil && got == hash {
		return hash, os.RemoveAll(fresh)
	}
	err = fs.WalkDir(os.DirFS(fresh), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = store.Sync(filepath.Join(fresh, p))
		}
		return err
	})
	if err == nil {
		err = os.RemoveAll(path)
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		err = store.Sync(dir)
	}
	if err != nil {
		return "", fmt.Errorf("keeping the configuration: %w", err)
	}
	return hash, nil
}
