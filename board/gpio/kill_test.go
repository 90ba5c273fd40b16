package gpio

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// piLine is an output as a Raspberry Pi has it: it keeps its level when its owner dies.
// Of the dead nothing reaches it any more, and while its owner lives nobody else gets it.
type piLine struct {
	mu    sync.Mutex
	high  bool
	since time.Time
	owner int // process; 0 for nobody
}

// process is a piLine as one process has it.
type process struct {
	*piLine
	id   int
	dead *bool // guarded by piLine.mu
}

func (p process) input(Pull) (*queue, error) { return nil, unix.EINVAL }
func (p process) high() bool                 { return p.piLine.high }

func (p process) output(high, _ bool) (driver, error) {
	p.mu.Lock()
	if !*p.dead && p.owner != 0 && p.owner != p.id {
		p.mu.Unlock()
		return nil, unix.EBUSY
	}
	if !*p.dead {
		p.owner = p.id
	}
	p.mu.Unlock()
	return p, p.set(high)
}

func (p process) set(high bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !*p.dead && p.piLine.high != high {
		p.piLine.high, p.since = high, time.Now()
	}
	return nil
}

func (p process) close() error { return nil }

func (p process) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner == p.id {
		p.owner = 0
	}
}

// kill is SIGKILL: the kernel gives the lines of the dead back, at the level they have.
func (p process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.dead = true
	p.owner = 0
}

// start is the chip as a new process finds it.
func (l *piLine) start(id int) (process, search) {
	p := process{l, id, new(bool)}
	c := chip{Chip: Chip{Name: "gpiochip0", Label: "pinctrl-bcm2711", Path: "/dev/gpiochip0", Lines: make([]LineInfo, 28)}}
	c.pin = func(int) pin { return p }
	return p, func() host { return host{chips: []chip{c}} }
}

// TestKilledWithRelayOnThousandTimes kills the daemon at any moment of a pulse or of a
// train of flashes. systemd then runs "intercomd lock", some time later; the relay must
// be at rest within the pulse and half a second.
func TestKilledWithRelayOnThousandTimes(t *testing.T) {
	relays := []RelayConfig{{Name: "door", Line: Line{Offset: 22}}}
	chips := []string{"pinctrl-bcm2711"}
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		line := &piLine{}
		energised := 0
		for n := range 1000 {
			daemon, h := line.start(2*n + 1)
			b := open(context.Background(), Config{Chips: chips, Relays: relays}, h)
			pulse := 100*time.Millisecond + time.Duration(r.Int64N(int64(10*time.Second)))
			on, flashes := time.Now(), n%2 == 1
			var err error
			if flashes {
				err = b.FlashRelay("door", pulse, 100*time.Millisecond, 3)
			} else {
				err = b.PulseRelay("door", pulse)
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(r.Int64N(int64(pulse))))
			daemon.kill()
			killed := time.Now()
			if line.high {
				energised++
			}
			time.Sleep(time.Duration(r.Int64N(int64(500 * time.Millisecond))))
			locker, h := line.start(2*n + 2)
			if err := lock(relays, chips, h); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			off := line.since
			if line.high || off.After(on.Add(pulse+500*time.Millisecond)) || off.After(killed.Add(500*time.Millisecond)) || line.owner != 0 {
				t.Errorf("kill %d: on %v, pulse %v, killed after %v, at rest after %v, taken by %d", n, line.high, pulse, killed.Sub(on), off.Sub(on), line.owner)
			}
			locker.kill()
			if err := b.Close(); err != nil { // of a dead process: it reaches nothing
				t.Fatal(err)
			}
		}
		if energised < 990 {
			t.Errorf("only %d of 1000 were killed with the relay on", energised)
		}
	})
	// The line of a daemon that lives is not taken from it.
	line := &piLine{}
	_, h := line.start(1)
	b := open(t.Context(), Config{Chips: chips, Relays: relays}, h)
	defer b.Close()
	_, h = line.start(2)
	if err := lock(relays, chips, h); err == nil {
		t.Error("the line of a living daemon was taken")
	}
}
