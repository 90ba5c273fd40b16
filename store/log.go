package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Log is a file that grows line by line, each of them JSON. At its limit it becomes the old one,
// NAME.1, and the one before is dropped: so much of the past is always there, and no more than
// twice that.
//
// A power cut costs at most the lines of the Append that it interrupts: half a line that it left
// is ended before the next, and never read as one. An Append writes its lines and syncs them,
// which costs a card some 16 kB however short they are: what comes in numbers is appended in
// one go.
type Log struct {
	path  string
	limit int64
	whole bool // the file is known to end with a line
	step  func(string) error
}

// Log is the log of that name, of which at least limit bytes are kept. One goroutine at a time
// may use it.
func (s *Dir) Log(name string, limit int64) *Log {
	return &Log{path: s.Path(name), limit: limit, step: func(string) error { return nil }}
}

// Append adds values. When it returns, they are on the card.
func (l *Log) Append(values ...any) error {
	var lines []byte
	for _, v := range values {
		line, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("append to %s: %w", l.path, err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return nil
	}
	if err := l.append(lines); err != nil {
		l.whole = false
		return fmt.Errorf("append to %s: %w", l.path, err)
	}
	return nil
}

func (l *Log) append(lines []byte) error {
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_RDWR|syscall.O_NONBLOCK, 0o600) // not to wait for the reader of a pipe
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNoFile
	}
	size := int64(0)
	if err == nil {
		size = info.Size()
		if !l.whole && size > 0 {
			last := make([]byte, 1)
			if _, err = f.ReadAt(last, size-1); last[0] != '\n' {
				lines = append([]byte{'\n'}, lines...)
			}
		}
	}
	if err == nil {
		err = l.step("opened")
	}
	if err == nil {
		_, err = f.Write(lines)
	}
	if err == nil {
		err = l.step("written")
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	l.whole = true
	if err := l.step("synced"); err != nil {
		return err
	}
	if size+int64(len(lines)) < l.limit {
		return nil
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	return l.step("renamed")
}

// files are where the lines are, the older ones first.
func (l *Log) files() []string { return []string{l.path + ".1", l.path} }

// Lines returns the lines that there are, oldest first. What is no line of JSON is left out. An
// error says that a file cannot be read; the lines of the other are there all the same.
func (l *Log) Lines() (lines [][]byte, err error) {
	for _, path := range l.files() {
		of, rerr := l.read(path)
		err = errors.Join(err, rerr)
		lines = append(lines, of...)
	}
	return lines, err
}

// read returns the lines of a file; of one that is not there, none.
func (l *Log) read(path string) (lines [][]byte, err error) {
	data, err := ReadFile(path, 2*l.limit+maxKept) // the last Append went over the limit
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && json.Valid(line) {
			lines = append(lines, line)
		}
	}
	return lines, err
}

// Size is how large the newer file is, in bytes.
func (l *Log) Size() int64 {
	info, err := os.Stat(l.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Rewrite leaves only the lines that keep wants, which it is asked of from the oldest on. Wherever the
// power goes, each of the two files is what it was before or what it is to be. A file that loses
// nothing is not written.
func (l *Log) Rewrite(keep func(line []byte) bool) error {
	for _, path := range l.files() {
		lines, err := l.read(path)
		if err != nil {
			return fmt.Errorf("rewrite %s: %w", path, err)
		}
		var left []byte
		dropped := false
		for _, line := range lines {
			if !keep(line) {
				dropped = true
				continue
			}
			left = append(append(left, line...), '\n')
		}
		if !dropped {
			continue
		}
		if err := write(path, left, 0o600, l.step); err != nil {
			return fmt.Errorf("rewrite %s: %w", path, err)
		}
	}
	return nil
}
