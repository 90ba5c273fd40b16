// Package portaudio opens sound devices through PortAudio.
//
// It implements [device.Driver] and knows nothing else of the door. It exists to
// keep three habits of PortAudio away from everybody: calls that may hang are
// made on one goroutine with a time limit, devices are found by name instead of
// by an index that changes, and what the libraries below print to standard error
// is silenced.
package portaudio

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pa "github.com/gordonklaus/portaudio"

	"intercomd/audio/device"
	"intercomd/words"
)

const (
	// limit is how long a call into PortAudio may take. Initialising asks every
	// card and plugin, which takes up to a second on slow boards.
	limit = 4 * time.Second
	// micPeriod is what is fetched of a microphone at a time: a packet. Nothing leaves
	// before one is full.
	micPeriod = 20 * time.Millisecond
	// period is what a card plays before it takes more, and periods how many its buffer has.
	// How much of that is used, the engine decides.
	period  = 10 * time.Millisecond
	periods = 9
)

// Driver is PortAudio. A process should have one.
type Driver struct {
	log   *slog.Logger
	calls chan func()
	bell  *bell // nil: nobody waits for a microphone

	turn chan struct{} // full while somebody calls; guards the next
	hung bool          // a call did not return, or the driver is closed; nothing can be called any more

	lost []*stream // that could not be closed because of that: their threads may use what they have for as long as the process lives

	initialised bool
	cards       string // what the kernel listed when PortAudio looked
	open        int    // streams
}

// New returns a driver. Nothing is asked of the sound system yet.
func New(log *slog.Logger) *Driver {
	d := &Driver{log: log, calls: make(chan func()), turn: make(chan struct{}, 1)}
	go func() {
		for f := range d.calls {
			f()
		}
	}()
	return d
}

// Close frees PortAudio. Streams must be closed before. Like every method it
// returns in bounded time.
func (d *Driver) Close() error {
	err := d.do("terminate", d.terminate)
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if !d.hung { // else a thread may ring it yet
		d.hung = true
		close(d.calls)
		if d.bell != nil {
			d.bell.close()
		}
	}
	return err
}

// Bell implements [device.BellDriver]. It is always the same.
func (d *Driver) Bell() (device.Bell, error) {
	if d.bell == nil {
		b, err := newBell()
		if err != nil {
			return nil, err
		}
		d.bell = b
	}
	return d.bell, nil
}

// do runs f where PortAudio is called from, and waits for it within the limit.
// The library is not safe for concurrent use, and some calls of it hang when a
// device disappears at the wrong moment.
func (d *Driver) do(what string, f func() error) error {
	d.turn <- struct{}{} // waits for as long as the limit: who gave up waiting for the engine may close already
	defer func() { <-d.turn }()
	if d.hung {
		return fmt.Errorf("portaudio: %s: %w", what, device.ErrHung)
	}
	done := make(chan error, 1)
	t := time.NewTimer(limit)
	defer t.Stop()
	d.calls <- func() { done <- f() }
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("portaudio: %s: %w", what, err)
		}
		return nil
	case <-t.C:
		d.hung = true
		close(d.calls) // the goroutine ends if the call ever returns
		return fmt.Errorf("portaudio: %s took more than %v: %w", what, limit, device.ErrHung)
	}
}

// keep keeps what a stream shares with its thread, when it is not known whether that has ended.
func (d *Driver) keep(s *stream) {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	d.lost = append(d.lost, s)
}

// initialise makes PortAudio look for devices, again if they have changed and
// none is in use.
func (d *Driver) initialise() error {
	if d.initialised && (d.open > 0 || !d.changed()) {
		return nil
	}
	if err := d.terminate(); err != nil {
		return err
	}
	if !alsaConfigured() {
		return &words.Error{Message: words.New("device-unconfigured"), Kind: device.ErrNotFound}
	}
	quiet()
	d.cards = cards()
	if err := pa.Initialize(); err != nil {
		return err
	}
	d.initialised = true
	return nil
}

// alsaConfigured tells whether ALSA knows any device at all, be it one that does
// not answer: else PortAudio ends the process (assertion in BuildDeviceList).
func alsaConfigured() bool {
	paths := os.Getenv("ALSA_CONFIG_PATH")
	if paths == "" {
		paths = filepath.Join(cmp.Or(os.Getenv("ALSA_CONFIG_DIR"), "/usr/share/alsa"), "alsa.conf")
	}
	for path := range strings.SplitSeq(paths, ":") {
		if i, err := os.Stat(path); err == nil && i.Size() > 0 {
			return true
		}
	}
	return false
}

func (d *Driver) terminate() error {
	if !d.initialised {
		return nil
	}
	d.initialised = false
	return pa.Terminate()
}

// cards is the kernel's list of sound cards.
func cards() string {
	b, err := os.ReadFile("/proc/asound/cards")
	if err != nil {
		return ""
	}
	return string(b)
}

func (d *Driver) changed() bool { return cards() != d.cards }

// Stale tells whether sound cards came or went since PortAudio looked.
func (d *Driver) Stale() bool { return d.initialised && d.changed() }

// Devices lists the devices that PortAudio knows.
func (d *Driver) Devices() ([]device.Info, error) {
	var list []device.Info
	err := d.do("list devices", func() error {
		if d.open == 0 {
			if err := d.terminate(); err != nil {
				return err
			}
		}
		if err := d.initialise(); err != nil {
			return err
		}
		devs, err := pa.Devices()
		if err != nil {
			return err
		}
		in, _ := pa.DefaultInputDevice()
		out, _ := pa.DefaultOutputDevice()
		for _, v := range devs {
			list = append(list, device.Info{
				Name: v.Name, Inputs: v.MaxInputChannels, Outputs: v.MaxOutputChannels,
				Default: v == in || v == out, Rate: int(v.DefaultSampleRate), System: v.HostApi.Name,
			})
		}
		return nil
	})
	if err != nil {
		return nil, err // list may still be written if the call hangs
	}
	return list, nil
}

// find returns the device that a name in the configuration means.
func find(dir device.Direction, name string) (*pa.DeviceInfo, error) {
	if name == device.Default {
		if dir == device.In {
			return pa.DefaultInputDevice()
		}
		return pa.DefaultOutputDevice()
	}
	devs, err := pa.Devices()
	if err != nil {
		return nil, err
	}
	devs = slices.DeleteFunc(slices.Clone(devs), func(v *pa.DeviceInfo) bool { return channels(v, dir) == 0 })
	var names []string
	for _, v := range devs {
		names = append(names, v.Name)
	}
	i, err := match(name, names)
	if err != nil {
		return nil, err
	}
	return devs[i], nil
}

// match returns the index of the name that is meant: the same one, else the only
// one that contains it, in any case of letters.
func match(name string, names []string) (int, error) {
	if i := slices.Index(names, name); i >= 0 {
		return i, nil
	}
	found, full := -1, ""
	for i, n := range names {
		switch {
		case !strings.Contains(strings.ToLower(n), strings.ToLower(name)):
		case found < 0:
			found, full = i, n
		case n != full:
			return 0, &words.Error{Message: words.New("device-ambiguous", "wanted", name, "one", full, "other", n), Kind: device.ErrNotFound}
		}
	}
	if found >= 0 {
		return found, nil
	}
	if len(names) == 0 {
		return 0, &words.Error{Message: words.New("device-none"), Kind: device.ErrNotFound}
	}
	return 0, &words.Error{Message: words.New("device-missing", "wanted", name, "found", strings.Join(names, ", ")), Kind: device.ErrNotFound}
}

func channels(v *pa.DeviceInfo, dir device.Direction) int {
	if dir == device.In {
		return v.MaxInputChannels
	}
	return v.MaxOutputChannels
}

// Open starts a stream.
func (d *Driver) Open(dir device.Direction, name string, x *device.Ring) (device.Stream, error) {
	var s *stream
	err := d.with(dir, name, func(dev *pa.DeviceInfo) (err error) {
		if s, err = d.openStream(dir, dev, x); err != nil {
			return err
		}
		if err = s.start(); err == nil {
			d.open++
		}
		return err
	})
	if err != nil {
		return nil, err // s may still be written if the call hangs
	}
	return s, nil
}

// Try opens a device and closes it again. The stream is never started.
func (d *Driver) Try(dir device.Direction, name string) error {
	return d.with(dir, name, func(dev *pa.DeviceInfo) error {
		s, err := d.openStream(dir, dev, device.NewRing(func() time.Duration { return 0 }, func() {}))
		if err != nil {
			return err
		}
		return s.close()
	})
}

// with runs f where PortAudio is called from, with the device that is meant.
func (d *Driver) with(dir device.Direction, name string, f func(*pa.DeviceInfo) error) error {
	var missing error // said in the words of whoever wrote the configuration
	err := d.do("open "+dir.String(), func() error {
		if err := d.initialise(); err != nil {
			return err
		}
		dev, err := find(dir, name)
		if missing = noDevice(err); missing != nil || err != nil {
			return err
		}
		if err := f(dev); err != nil {
			return fmt.Errorf("%q: %w", dev.Name, err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, device.ErrHung) && missing != nil {
		return missing
	}
	return err
}

// noDevice is the error of a device that is not there; nil for any other.
func noDevice(err error) error {
	switch {
	case errors.Is(err, pa.NoDefaultInputDevice), errors.Is(err, pa.NoDefaultOutputDevice):
		return &words.Error{Message: words.New("device-none"), Kind: device.ErrNotFound}
	case errors.Is(err, device.ErrNotFound):
		return err
	default:
		return nil
	}
}

// openStream tries the formats that cards have, best first: 48 kHz before others, one
// channel before two.
func (d *Driver) openStream(dir device.Direction, dev *pa.DeviceInfo, x *device.Ring) (*stream, error) {
	var first error
	for _, rate := range []int{48000, 44100, int(dev.DefaultSampleRate), 32000, 16000} {
		for _, ch := range []int{1, 2} {
			if ch > channels(dev, dir) {
				continue
			}
			s, err := d.openFormat(dir, dev, format{rate, ch}, x)
			if err == nil {
				return s, nil
			}
			if first == nil {
				first = err
			}
			if !errors.Is(err, pa.InvalidSampleRate) && !errors.Is(err, pa.InvalidChannelCount) {
				return nil, first
			}
		}
	}
	return nil, first
}
