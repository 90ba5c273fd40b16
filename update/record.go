package update

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"intercomd/store"
	"intercomd/words"
)

// Stage is how far an update has come.
type Stage string

// The stages, in their order.
const (
	Nothing    Stage = ""           // there is none
	Wanted     Stage = "wanted"     // asked for; waits for the door to be at rest
	Installing Stage = "installing" // is being written
	Installed  Stage = "installed"  // waits for its restart
	OnTrial    Stage = "trial"      // was started
	Committed  Stage = "committed"  // is what starts
	WentBack   Stage = "back"       // was given up; the old system runs
	Failed     Stage = "failed"     // was not installed
)

// Bundle is what somebody asks to be installed.
type Bundle struct {
	Source string `json:"source"`         // path or URL
	Hash   string `json:"hash,omitempty"` // of the manifest, if it must be this one
	Now    bool   `json:"now,omitempty"`  // restart outside of the hours, too
}

// Record is the update that the system is at, or was at last. It is what must survive
// every restart.
type Record struct {
	Bundle
	Stage   Stage     `json:"stage"`
	Version string    `json:"version,omitempty"` // of the new system
	Old     string    `json:"old,omitempty"`     // version of the one before
	From    string    `json:"from,omitempty"`    // slot of the old system
	To      string    `json:"to,omitempty"`      // slot of the new one
	At      time.Time `json:"at,omitzero"`       // of the stage
	Before  *Facts    `json:"before,omitempty"`  // of the old system's door
	Trials  int       `json:"trials,omitempty"`
	Boot    string    `json:"boot,omitempty"` // start of the machine that the trial began with
	// Why it failed or went back.
	Why          words.Message `json:"why,omitzero"`
	Inconclusive bool          `json:"inconclusive,omitempty"` // the world may be why; see [Judgement]
}

// Entry is a line of the history: what became of an update.
type Entry struct {
	At      time.Time     `json:"at"`
	Stage   Stage         `json:"stage"`
	Version string        `json:"version,omitempty"`
	Old     string        `json:"old,omitempty"`
	Source  string        `json:"source,omitempty"`
	Why     words.Message `json:"why,omitzero"`
}

// Store is where an [Agent] keeps what must survive.
type Store interface {
	Load() (Record, error)
	Save(r Record) error // whole or not at all
	Append(e Entry) error
	History() ([]Entry, error) // the oldest first
}

// Dir is a [Store] in a directory.
type Dir string

const (
	recordFile  = "update.json"
	historyFile = "updates.jsonl"
	mostRecord  = 1 << 20  // bytes: far more than there ever are
	mostHistory = 64 << 10 // bytes; then the older half goes
)

// Load reads the record; none is no error.
func (d Dir) Load() (r Record, err error) {
	data, err := store.ReadFile(d.path(recordFile), mostRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return Record{}, fmt.Errorf("what was kept of the last update: %w", err)
	}
	return r, nil
}

// Save writes the record.
func (d Dir) Save(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keeping the update: %w", err)
	}
	return d.replace(recordFile, append(data, '\n'))
}

// Append adds a line to the history, and lets the older half go when it is long.
func (d Dir) Append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("history of updates: %w", err)
	}
	old, err := store.ReadFile(d.path(historyFile), 2*mostHistory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("history of updates: %w", err)
	}
	if len(old) > mostHistory {
		old = old[len(old)-mostHistory/2:]
		old = old[bytes.IndexByte(old, '\n')+1:]
	}
	if n := len(old); n > 0 && old[n-1] != '\n' {
		old = append(old, '\n')
	}
	return d.replace(historyFile, append(append(old, line...), '\n'))
}

// History reads it. Lines that are no entries are left out.
func (d Dir) History() (out []Entry, err error) {
	data, err := store.ReadFile(d.path(historyFile), 2*mostHistory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("history of updates: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Stage != Nothing {
			out = append(out, e)
		}
	}
	return out, nil
}

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// replace writes a file whole; see [store.WriteFile].
func (d Dir) replace(name string, data []byte) error {
	err := os.MkdirAll(string(d), 0o700)
	if err == nil {
		err = store.WriteFile(d.path(name), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping the update: %w", err)
	}
	return nil
}
