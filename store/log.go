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

// Lines returns the lines that there are, oldest first. What is no line of JSON is left out. An
// error says that a file cannot be read; the lines of the other are there all the same.
func (l *Log) Lines() (lines [][]byte, err error) {
	for _, path := range []string{l.path + ".1", l.path} {
		data, rerr := ReadFile(path, 2*l.limit+maxKept) // the last Append went over the limit
		if rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) > 0 && json.Valid(line) {
				lines = append(lines, line)
			}
		}
	}
	return lines, err
}
