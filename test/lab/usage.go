package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process takes of the machine.
type Usage struct {
	At      time.Time
	CPU     time.Duration // user and system time since its start
	RSS     int           // kB
	PSS     int           // kB; shared pages by share
	Anon    int           // kB; that are in no file: what nobody else can have
	Files   int           // open descriptors
	Threads int
	Wakes   int // voluntary context switches of all threads that live
}

// UsageOf reads the usage of a process from /proc.
func UsageOf(pid int) (Usage, error) {
	u := Usage{At: time.Now()}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	// The name of the program, in brackets, may hold blanks.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 18 {
		return u, fmt.Errorf("usage of process %d: short stat", pid)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	u.CPU = time.Duration(number(fields[11])+number(fields[12])) * tick
	u.Threads = number(fields[17])
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return u, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(rollup)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "Rss:":
			u.RSS = number(f[1])
		case "Pss:":
			u.PSS = number(f[1])
		case "Anonymous:":
			u.Anon = number(f[1])
		}
	}
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return u, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	u.Files = len(fds)
	u.Wakes = wakes(dir)
	return u, nil
}

// Load is the share of one core that was used between two readings, in percent.
func Load(from, to Usage) float64 {
	return 100 * float64(to.CPU-from.CPU) / float64(to.At.Sub(from.At))
}

// wakes sums up how often the threads of a process went to sleep by themselves.
func wakes(dir string) int {
	tasks, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	if err != nil {
		return 0
	}
	sum := 0
	for _, task := range tasks {
		sum += wakesOf(task)
	}
	return sum
}

// wakesOf reads the status of one thread; one that has ended is 0.
func wakesOf(file string) int {
	status, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			return number(strings.TrimSpace(n))
		}
	}
	return 0
}
