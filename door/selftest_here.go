package door

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"intercomd/audio"
	"intercomd/audio/device"
	"intercomd/audio/portaudio"
	"intercomd/station"
	"intercomd/store"
)

const (
	devicesLimit = 10 * time.Second       // for devices to open
	devicesPoll  = 200 * time.Millisecond // between looks at them
)

// TestSound tries out the sound of a door that does not run: it opens the devices and runs the
// test. With commission it becomes what later tests are compared with. The door knows of it
// when it starts.
func TestSound(ctx context.Context, s Settings, commission bool, log *slog.Logger) (station.SelfTest, error) {
	keep, err := store.Open(StateDir(s.Config))
	if err != nil {
		if commission {
			return station.SelfTest{}, err
		}
		keep = nil // there is nothing to compare with then
	}
	sound := portaudio.New(log)
	engine, err := audio.New(audioConfig(s.Config, s.recordings, log), sound)
	if err != nil {
		return station.SelfTest{}, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(running) }()
	t := newSelfTester(engine, keep, log)
	r, err := testWith(ctx, engine, t, commission)
	if err == nil && keep != nil {
		t.tell(r)
	}
	stop()
	if e := <-ended; err == nil {
		err = e
	}
	if e := sound.Close(); err == nil {
		err = e
	}
	return r, err
}

// testWith waits for the devices of an engine and runs the test.
func testWith(ctx context.Context, engine *audio.Engine, t *selfTester, commission bool) (station.SelfTest, error) {
	end := time.Now().Add(devicesLimit)
	for s := engine.Status(); !s.Input.OK || !s.Output.OK; s = engine.Status() {
		if time.Now().After(end) || ctx.Err() != nil {
			return station.SelfTest{}, fmt.Errorf("the devices cannot be opened: microphone: %s; loudspeaker: %s", why(s.Input), why(s.Output))
		}
		time.Sleep(devicesPoll)
	}
	time.Sleep(time.Second) // for the queues to settle
	r := t.run(ctx, commission)
	return station.SelfTest{State: r.Verdict, At: time.Now(), Problem: r.Problem, Chirps: r.Chirps, Commissioned: r.Commissioned,
		Level: r.Level, Noise: r.Noise, Coupling: r.Coupling, DelayMS: r.DelayMS}, nil
}

func why(d device.Status) string {
	switch {
	case d.OK:
		return "ok"
	case d.Problem.None():
		return "not opened yet"
	}
	return d.Problem.String()
}
