package gpio

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// devices is where the kernel shows its GPIO chips.
const devices = "/dev/gpiochip*"

// Watch notices chips that the program cannot use because they came, or were given to
// its group, after periph had looked for them. periph does that once in the life of a
// process: only a new process can use them.
type Watch struct {
	glob string
	open func(path string) error
	used map[string]bool // chips that could be opened when the board began
}

// NewWatch notes which chips can be opened now. It belongs right after [Await] and
// before [Open].
func NewWatch() *Watch { return newWatch(devices, tryOpen) }

func newWatch(glob string, open func(string) error) *Watch {
	w := &Watch{glob: glob, open: open, used: map[string]bool{}}
	for _, path := range w.paths() {
		w.used[path] = open(path) == nil
	}
	return w
}

// Late names a chip that can be opened now and could not be when the watch began; "" if
// there is none. A chip that opens and is no use all the same is not late: a new
// process would not be wiser.
func (w *Watch) Late() string {
	for _, path := range w.paths() {
		if !w.used[path] && w.open(path) == nil {
			return path
		}
	}
	return ""
}

func (w *Watch) paths() []string {
	paths, err := filepath.Glob(w.glob)
	if err != nil {
		return nil // the pattern is right
	}
	return paths
}

func tryOpen(path string) error {
	f, err := os.Open(path) //nolint:gosec // a device of the kernel
	if err != nil {
		return err
	}
	return f.Close()
}

// Await waits up to d for udev to hand chips that exist over to the group of this
// program, as it does late while the system starts.
func Await(ctx context.Context, d time.Duration) { await(ctx, d, devices, tryOpen) }

func await(ctx context.Context, d time.Duration, glob string, open func(string) error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for w := newWatch(glob, open); ; {
		shut := false
		for _, path := range w.paths() {
			shut = shut || errors.Is(open(path), fs.ErrPermission)
		}
		if !shut {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
