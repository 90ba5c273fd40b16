package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// keptLines bounds how much output of one process is remembered.
const keptLines = 20000

// Spec says how to start a process.
type Spec struct {
	Name string   // for messages; default: Args[0]
	Args []string // program and arguments
	Env  []string // in addition to the environment of this process
	Dir  string
	Log  io.Writer    // a copy of its output; nil for none
	Line func(string) // called with each line of output from one goroutine; nil for none
}

// Proc is a running process with everything it starts itself. It dies with the
// program that started it (with the thread, in truth: no thread of the lab may end),
// and Stop ends its whole process group.
type Proc struct {
	Name string
	Pid  int

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone and its output is read
	err    error         // of Wait, valid after exited

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced at each line
}

// Start starts a process in a process group of its own.
func Start(s Spec) (*Proc, error) {
	if s.Name == "" {
		s.Name = s.Args[0]
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	_ = in.Close()
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := &Proc{Name: s.Name, Pid: cmd.Process.Pid, cmd: cmd, exited: make(chan struct{}), more: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(out, s)
	}()
	go func() {
		defer close(p.exited)
		p.err = cmd.Wait()
		// What it started may keep the output open: the group ends with its leader.
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
		select {
		case <-read:
		case <-time.After(2 * time.Second):
		}
		_ = out.Close()
	}()
	return p, nil
}

func (p *Proc) read(out io.Reader, s Spec) {
	sc := bufio.NewScanner(out)
	sc.Buffer(make([]byte, 64<<10), 4<<20)
	for sc.Scan() {
		line := sc.Text()
		if s.Log != nil {
			_, _ = fmt.Fprintln(s.Log, line)
		}
		if s.Line != nil {
			s.Line(line)
		}
		p.mu.Lock()
		if len(p.lines) >= keptLines {
			p.lines = slices.Delete(p.lines, 0, keptLines/10)
		}
		p.lines = append(p.lines, line)
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

// Exited is closed when the process is gone.
func (p *Proc) Exited() <-chan struct{} { return p.exited }

// Err is how the process ended: nil for exit code 0. Valid after Exited.
func (p *Proc) Err() error {
	<-p.exited
	return p.err
}

// Output returns the last lines that the process wrote, oldest first.
func (p *Proc) Output() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// Tail returns the last n lines of output as one text, for messages.
func (p *Proc) Tail(n int) string {
	lines := p.Output()
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// WaitLine waits until a line matches and returns it. Lines written before the
// call count too.
func (p *Proc) WaitLine(ctx context.Context, re *regexp.Regexp) (string, error) {
	for seen := 0; ; {
		p.mu.Lock()
		lines, more := p.lines, p.more
		p.mu.Unlock()
		if seen > len(lines) {
			seen = 0
		}
		for ; seen < len(lines); seen++ {
			if re.MatchString(lines[seen]) {
				return lines[seen], nil
			}
		}
		select {
		case <-more:
		case <-p.exited:
			return "", fmt.Errorf("%s ended (%w) before it wrote %q; its last words:\n%s", p.Name, orClean(p.err), re, p.Tail(20))
		case <-ctx.Done():
			return "", fmt.Errorf("%s did not write %q: %w; its last words:\n%s", p.Name, re, ctx.Err(), p.Tail(20))
		}
	}
}

// Signal sends a signal to the process alone, not to its group.
func (p *Proc) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Stop asks the process to end (SIGTERM), waits for up to grace and then kills
// its whole group. It returns how the process ended.
func (p *Proc) Stop(grace time.Duration) error {
	select {
	case <-p.exited:
		return p.err
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return p.err
	case <-time.After(grace):
	}
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	<-p.exited
	return errors.Join(fmt.Errorf("%s did not end within %v and was killed", p.Name, grace), p.err)
}

// Poll calls f every few milliseconds until it returns nil, and gives its last
// error when ctx ends first. For things outside this process that tell nobody
// when they change.
func Poll(ctx context.Context, f func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", ctx.Err(), err)
		}
	}
}

// errClean stands for a process that ended by itself without an error.
var errClean = errors.New("exit code 0")

func orClean(err error) error {
	if err == nil {
		return errClean
	}
	return err
}
