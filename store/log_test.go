package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

type entry struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func numbers(t *testing.T, l *Log) (out []int) {
	t.Helper()
	lines, err := l.Lines()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil || e.N == 0 {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, e.N)
	}
	return out
}

func TestLogsAreBounded(t *testing.T) {
	s := open(t)
	const limit = 1 << 20
	l := s.Log("audit.log", limit)
	for i := range 40 {
		if err := l.Append(entry{i + 1, strings.Repeat("1", 100_000)}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(s.dir)
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Size() > limit+200_000 {
			t.Errorf("%s: %v, %v", f.Name(), info, err)
		}
	}
	if got := numbers(t, l); len(got) < 10 || got[len(got)-1] != 40 || got[0] != 41-len(got) {
		t.Errorf("kept %v", got)
	}
	if err := l.Append(); err != nil {
		t.Error(err)
	}
}

// A thousand power cuts, before and after every step of an Append and in the middle of its
// writes: what was appended is there, in its order, and no half line is ever read.
func TestLogThroughPowerCuts(t *testing.T) {
	s := open(t)
	const limit = 2000
	r := rand.New(rand.NewPCG(1, 2))
	steps := []string{"opened", "written", "synced", "renamed"}
	file := s.Path("calls.log")
	size := func() int64 {
		info, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	var kept []int // what Append has said to be on the card
	cuts, next := 0, 0
	for cuts < 1000 {
		l := s.Log("calls.log", limit) // the next start
		for range r.IntN(4) {
			next++
			if err := l.Append(entry{next, strings.Repeat("x", r.IntN(200))}); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, next)
		}
		before, at := size(), steps[r.IntN(len(steps))]
		l.step = func(step string) error {
			if step == at {
				return errCut
			}
			return nil
		}
		next++
		err := l.Append(entry{next, strings.Repeat("x", r.IntN(200))})
		switch {
		case err == nil: // there was nothing to rename
			kept = append(kept, next)
			continue
		case !errors.Is(err, errCut):
			t.Fatal(err)
		case at == "written": // of what was not synced the card may have a part
			if n := size(); n > before {
				if err := os.Truncate(file, before+r.Int64N(n-before+1)); err != nil {
					t.Fatal(err)
				}
			}
		case at == "synced", at == "renamed":
			kept = append(kept, next)
		}
		cuts++
		got := numbers(t, s.Log("calls.log", limit))
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Fatalf("cut %d, %s: order %v", cuts, at, got)
			}
		}
		there := map[int]bool{}
		for _, n := range got {
			there[n] = true
		}
		// At least the limit is kept; a line has 230 bytes at most.
		for _, n := range kept[max(0, len(kept)-limit/230):] {
			if !there[n] {
				t.Fatalf("cut %d, %s: %d is lost; there are %v", cuts, at, n, got)
			}
		}
	}
	t.Logf("%d power cuts, %d lines appended", cuts, len(kept))
}

// What is in place of a log and is none delays nobody.
func TestOddLogs(t *testing.T) {
	s := open(t)
	put(t, s.Path("damaged"), "\x00\x00\x00\n{\"n\":1,\"text\":\"\"}\n{\"n\":2")
	l := s.Log("damaged", 1000)
	if err := l.Append(entry{N: 3}); err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, l); len(got) != 2 || got[0] != 1 || got[1] != 3 {
		t.Errorf("of a damaged log %v", got)
	}
	if err := syscall.Mkfifo(s.Path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "folder"} {
		l := s.Log(name, 1000)
		if err := l.Append(entry{N: 1}); err == nil {
			t.Errorf("%s: appended", name)
		}
		if _, err := l.Lines(); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// A thousand power cuts while lines are dropped and appended: every line that is to stay is there,
// and what is dropped is dropped whole or not at all.
func TestRewriteThroughPowerCuts(t *testing.T) {
	s := open(t)
	r := rand.New(rand.NewPCG(3, 4))
	steps := []string{"made", "written", "synced", "renamed"}
	cuts, next, from := 0, 0, 1 // lines from that number on are to stay
	var bytes int64
	for cuts < 1000 {
		l := s.Log("history.log", 1<<20)
		var values []any
		for range 1 + r.IntN(5) {
			next++
			values = append(values, entry{next, strings.Repeat("x", r.IntN(200))})
		}
		if err := l.Append(values...); err != nil {
			t.Fatal(err)
		}
		before := numbers(t, l)
		drop := max(from, next-r.IntN(10))
		at := steps[r.IntN(len(steps))]
		l.step = func(step string) error {
			if step == at {
				return errCut
			}
			return nil
		}
		err := l.Rewrite(func(line []byte) bool {
			var e entry
			return json.Unmarshal(line, &e) == nil && e.N >= drop
		})
		if err != nil && !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if err != nil {
			cuts++
		}
		if s, err = Open(s.dir); err != nil { // the next start
			t.Fatal(err)
		}
		after := numbers(t, s.Log("history.log", 1<<20))
		first := before[0]
		if err == nil && at == "renamed" || len(after) > 0 && after[0] == drop {
			first = drop
		}
		if len(after) != next-first+1 || after[0] != first || after[len(after)-1] != next {
			t.Fatalf("cut %d, %s: of %d to %d, of which those from %d on were to stay, there are %v", cuts, at, before[0], next, drop, after)
		}
		from = after[0]
		bytes = s.Log("history.log", 1<<20).Size()
	}
	if bytes == 0 || bytes > 10_000 {
		t.Errorf("%d bytes at the end", bytes)
	}
}
