package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Thread is what one thread of a process has taken so far.
type Thread struct {
	ID    int
	Name  string
	CPU   time.Duration // on a processor, to the nanosecond
	Wakes int           // voluntary context switches
}

// ThreadsOf reads the threads of a process from /proc, the first one first.
func ThreadsOf(pid int) ([]Thread, error) {
	tasks, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*"))
	if err != nil || len(tasks) == 0 {
		return nil, fmt.Errorf("threads of process %d: there are none (%w)", pid, err)
	}
	var list []Thread
	for _, dir := range tasks {
		stat, err := os.ReadFile(filepath.Join(dir, "schedstat"))
		if err != nil {
			continue // it ended meanwhile
		}
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		t := Thread{ID: number(filepath.Base(dir)), Name: strings.TrimSpace(string(name))}
		if f := strings.Fields(string(stat)); len(f) > 0 {
			t.CPU = time.Duration(number(f[0]))
		}
		t.Wakes = wakesOf(filepath.Join(dir, "status"))
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Thread) int { return a.ID - b.ID })
	return list, nil
}

// Share is what a group of threads took in some time.
type Share struct {
	Group   string
	Threads int
	CPU     float64 // percent of a core
	Wakes   float64 // per second
}

// Account compares two readings of a process, and puts threads together that do the same: group
// tells of each what it does, by its place among the others and its name. Threads that ended in
// between are missed.
func Account(from, to []Thread, d time.Duration, group func(i int, t Thread) string) []Share {
	before := map[int]Thread{}
	for _, t := range from {
		before[t.ID] = t
	}
	var list []Share
	for i, t := range to {
		name := group(i, t)
		k := slices.IndexFunc(list, func(s Share) bool { return s.Group == name })
		if k < 0 {
			k, list = len(list), append(list, Share{Group: name})
		}
		s := &list[k]
		s.Threads++
		s.CPU += 100 * float64(t.CPU-before[t.ID].CPU) / float64(d)
		s.Wakes += float64(t.Wakes-before[t.ID].Wakes) / d.Seconds()
	}
	return list
}

// DoorThreads groups the threads of intercomd. Go's monitor is the second thread of a process,
// and those of the sound have names.
func DoorThreads(i int, t Thread) string {
	switch {
	case i == 1:
		return "Go's monitor"
	case t.Name == "intercomd":
		return "Go's workers"
	default:
		return t.Name
	}
}
