package door

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"intercomd/audio/alsamixer"
	"intercomd/audio/device"
	"intercomd/configs"
	"intercomd/station"
	"intercomd/words"
)

// mixer sets the levels of sound cards at the start and whenever a device is
// opened: a card that was unplugged comes back with levels of its own.
type mixer struct {
	list   []configs.Mixer
	log    *slog.Logger
	set    func(card string, s alsamixer.Setting) error
	opened chan struct{} // buffered
	failed map[int]string
}

// mixerLimit is how long a card may take; a driver that hangs must not keep the
// daemon from ending.
const mixerLimit = 4 * time.Second

func newMixer(list []configs.Mixer, log *slog.Logger) *mixer {
	return &mixer{list: list, log: log, set: alsamixer.Set, opened: make(chan struct{}, 1), failed: map[int]string{}}
}

// deviceOpened asks for the levels to be set again. It does not block.
func (m *mixer) deviceOpened(device.Direction) {
	select {
	case m.opened <- struct{}{}:
	default:
	}
}

// faults is where a level that cannot be set is shown.
type faults interface {
	SetFault(station.Fault)
	ClearFault(key string)
}

// run sets levels until ctx ends.
func (m *mixer) run(ctx context.Context, f faults) {
	if len(m.list) == 0 {
		return
	}
	for {
		if !m.all(ctx, f) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-m.opened:
		}
	}
}

// all sets every level, and tells whether that can be done again.
func (m *mixer) all(ctx context.Context, f faults) bool {
	for i, c := range m.list {
		done := make(chan error, 1)
		go func() { done <- m.set(c.Card, setting(c)) }()
		limit := time.NewTimer(mixerLimit)
		select {
		case err := <-done:
			limit.Stop()
			m.result(f, i, err)
		case <-ctx.Done():
			limit.Stop()
			return false
		case <-limit.C:
			m.result(f, i, &words.Error{Message: words.New("device-hung"), Kind: device.ErrHung})
			return false
		}
	}
	return true
}

// result shows or clears the fault of a level.
func (m *mixer) result(f faults, i int, err error) {
	key := fmt.Sprintf("sound.mixer.%d", i+1)
	if err == nil {
		if m.failed[i] != "" {
			f.ClearFault(key)
		}
		delete(m.failed, i)
		return
	}
	if m.failed[i] == err.Error() {
		return
	}
	m.failed[i] = err.Error()
	c := m.list[i]
	m.log.Warn("a mixer level cannot be set", "error", err)
	f.SetFault(station.Fault{Key: key, Blinks: station.FaultSound, Message: words.Because(words.New("mixer-fails", "control", c.Control, "card", c.Card), err)})
}

// setting is a level in the words of the mixer.
func setting(c configs.Mixer) alsamixer.Setting {
	sides := map[string]alsamixer.Side{"playback": alsamixer.Playback, "capture": alsamixer.Capture}
	return alsamixer.Setting{Control: c.Control, Side: sides[c.Side], Off: c.Level.Off, Decibel: c.Level.DB, Level: c.Level.Value}
}
