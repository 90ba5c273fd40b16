package slot

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"unicode"
)

// State is what is known of the system in a slot.
type State string

// The states of a slot.
const (
	New  State = "new"  // written, never proven
	Good State = "good" // was committed, or shipped
	Bad  State = "bad"  // failed its trial, broke later, or is being written
)

// StartsLimit is how many starts in a row a committed system may have without once
// proving itself before the other one gets its turn.
const StartsLimit = 4

// Record is what is remembered from one start to the next.
type Record struct {
	Pending Slot   // wanted next, on trial
	Tried   bool   // Pending has been started
	Counted Slot   // whose starts are counted
	Starts  int    // in a row without a good mark
	A, B    State  // empty: nothing is known
	Why     string // why the last change was undone, for people; one line
}

// State of a slot.
func (r *Record) State(s Slot) State {
	if s == B {
		return r.B
	}
	return r.A
}

// SetState notes it.
func (r *Record) SetState(s Slot, st State) {
	switch s {
	case A:
		r.A = st
	case B:
		r.B = st
	}
}

// Begin is what a start means for the record: current was started, on trial or not. If
// it returns true, the start must not go on: the other slot is to be committed and started.
//
// The order in which commit and record are written does not matter to it: the record is
// believed only as far as it agrees with what was really started.
func (r *Record) Begin(current Slot, trial bool) (goBack bool) {
	if trial {
		if r.Pending == current {
			r.Tried = true
		}
		return false
	}
	switch {
	case r.Pending == 0:
	case r.Pending == current: // the power went between commit and note
		r.committed(current)
	case r.Tried:
		r.SetState(r.Pending, Bad)
		if r.Why == "" {
			r.Why = fmt.Sprintf("the trial of slot %s ended without a word", r.Pending)
		}
		r.Pending, r.Tried = 0, false
	}
	if r.Counted != current {
		r.Counted, r.Starts = current, 0
	}
	if r.Starts < StartsLimit {
		r.Starts++
		return false
	}
	return r.State(current.Other()) == Good
}

// WentBack notes that the other slot was committed because current kept restarting
// or cannot be started.
func (r *Record) WentBack(current Slot, why string) {
	r.SetState(current, Bad)
	r.Counted, r.Starts = current.Other(), 0
	r.Pending, r.Tried = 0, false
	r.Why = why
}

// committed notes that s proved itself and is what starts.
func (r *Record) committed(s Slot) {
	r.SetState(s, Good)
	r.Pending, r.Tried = 0, false
	r.Counted, r.Starts = s, 0
}

// The record lies twice in the gap before the first partition. Writing takes turns, so
// that a torn write leaves the one before it.
var recordAt = [2]uint32{2048, 4096} //nolint:gochecknoglobals // a constant

const recordHead = "intercom-record 1"

// maxWhy keeps a record within its sector.
const maxWhy = 240

func (r *Record) encode(seq uint64) []byte {
	why := strings.ToValidUTF8(r.Why, "?")
	why = strings.Join(strings.FieldsFunc(why, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if len(why) > maxWhy {
		why = strings.ToValidUTF8(why[:maxWhy], "")
	}
	body := fmt.Sprintf("%s\nseq %d\npending %s\ntried %t\ncounted %s\nstarts %d\nA %s\nB %s\nwhy %s\n",
		recordHead, seq, r.Pending, r.Tried, r.Counted, r.Starts, r.A, r.B, why)
	body += fmt.Sprintf("crc %08x\n", crc32.ChecksumIEEE([]byte(body)))
	return append([]byte(body), make([]byte, SectorSize-len(body))...)
}

func decodeRecord(sector []byte) (r Record, seq uint64, ok bool) {
	text, _, _ := strings.Cut(string(sector), "\x00")
	i := strings.LastIndex(text, "\ncrc ") + 1
	body, crc := text[:i], strings.TrimPrefix(text[i:], "crc ")
	if !strings.HasPrefix(body, recordHead+"\n") || strings.TrimSpace(crc) != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) {
		return r, 0, false
	}
	for line := range strings.Lines(body) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "seq":
			seq, _ = strconv.ParseUint(value, 10, 64)
		case "pending":
			r.Pending, _ = ParseSlot(value)
		case "tried":
			r.Tried = value == "true"
		case "counted":
			r.Counted, _ = ParseSlot(value)
		case "starts":
			r.Starts, _ = strconv.Atoi(value)
		case "A":
			r.A = State(value)
		case "B":
			r.B = State(value)
		case "why":
			r.Why = value
		}
	}
	return r, seq, true
}

// ReadRecord reads what is remembered. A card without a record, such as a new one, has
// an empty one.
func ReadRecord(d Device) (Record, error) {
	r, _, _, err := newestRecord(d)
	return r, err
}

// newestRecord also returns its number and which of the two places may be overwritten.
func newestRecord(d Device) (r Record, seq uint64, free uint32, err error) {
	free = recordAt[0]
	var failed error
	for i, lba := range recordAt {
		sector, err := readSector(d, lba)
		if err != nil {
			failed = err
			continue
		}
		if one, n, ok := decodeRecord(sector); ok && n > seq {
			r, seq, free = one, n, recordAt[1-i]
		}
	}
	if seq == 0 && failed != nil {
		return Record{}, 0, free, failed
	}
	return r, seq, free, nil
}

// WriteRecord remembers r. A power cut in it leaves the record before.
func WriteRecord(d Device, r Record) error {
	t, err := ReadTable(d)
	if err != nil {
		return err
	}
	for _, p := range t.Partitions {
		if p.Start <= recordAt[1] {
			return fmt.Errorf("%w: partition %d begins at sector %d, where the record lies", ErrNotOurs, p.Number, p.Start)
		}
	}
	old, seq, free, err := newestRecord(d)
	if err != nil {
		return err
	}
	if seq > 0 && old == r {
		return nil
	}
	if seq+1 == 0 {
		return errors.New("the record is full") // after 2^64 starts
	}
	return writeSector(d, free, r.encode(seq+1))
}
