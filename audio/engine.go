package audio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/duplex"
	"intercomd/audio/tone"
)

// Config says what an [Engine] is made of. Zero values take the defaults.
type Config struct {
	Input, Output string  // device names, [DefaultDevice] or [NoDevice]; default "default"
	InputGain     float64 // dB, applied to the microphone after echo cancellation
	OutputGain    float64 // dB, applied to everything that is played
	Bitrate       int     // of Opus, bit/s; default 32000
	Complexity    int     // of Opus, 1 to 10; default 5
	Region        string  // of the tones, see [tone.Regions]; default "eu"

	// Duplex says how both directions of a call share the air.
	Duplex duplex.Mode
	// AGC brings the visitor's speech to one level.
	AGC bool
	// AmbientBoost is how much louder the street may make the loudspeaker, dB; 0 = off.
	AmbientBoost float64
	// SilentAfter is how long an open microphone may hear nothing at all in a
	// call before Status.MicSilent tells; 0 = never.
	SilentAfter time.Duration
	// Prompts are recordings. One that is named like a tone replaces it; others are
	// played by their names.
	Prompts Recordings
	// Speech is what is said after a tone, named like the tones.
	Speech Recordings

	// NewEcho and NewSuppressor make the parts of the microphone's path that are
	// chosen elsewhere; nil leaves them out.
	NewEcho       func() EchoCanceller
	NewSuppressor func() Suppressor
	// Notify is told of events. It is called from the engine's own goroutines
	// and must not block.
	Notify func(Event)
	// Opened is told of each device that was opened for the first time, or that had been
	// away; not of one that rested between calls. Like Notify it must not block; nil tells
	// nobody.
	Opened func(device.Direction)
	Log    *slog.Logger // required
}

const (
	defaultBitrate    = 32000
	defaultComplexity = 5
)

// encoding takes the defaults of the encoder.
func (c *Config) encoding() {
	if c.Bitrate == 0 {
		c.Bitrate = defaultBitrate
	}
	if c.Complexity == 0 {
		c.Complexity = defaultComplexity
	}
}

// Event is something that the engine's owner wants to know at once.
type Event struct {
	Kind EventKind
	At   time.Time
	Link Link // of FirstHeard and FirstSpoken
}

// EventKind says what happened.
type EventKind int

// The events.
const (
	// FirstHeard: the first audio of the far end went to the loudspeaker.
	FirstHeard EventKind = iota + 1
	// FirstSpoken: the first packet with the microphone's audio was sent.
	FirstSpoken
	// DeviceHung: the sound system does not answer. The engine goes on without
	// devices; only a new process can use them again.
	DeviceHung
)

// Engine carries the sound of the door. Its methods may be called from any
// goroutine.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	epoch   time.Time
	g       *gauges
	tones   map[string]tone.Tone
	prompts Recordings
	words   Recordings
	request atomic.Pointer[playRequest]
	played  atomic.Pointer[playRequest] // the last that has nothing left to sound
	probe   atomic.Pointer[probe]
	ready   atomic.Bool // a call is on its way, see Prepare
	bell    device.Bell // wakes the pump

	in, out     *device.Slot
	mic         atomic.Pointer[device.Capture]  // nil: no microphone
	loudspeaker atomic.Pointer[device.Playback] // nil: no loudspeaker
	keep        *device.Supervisor

	// sending is held while a packet of the microphone leaves and while current
	// changes, so that none leaves after Disconnect.
	sending sync.Mutex
	current atomic.Pointer[conn]
}

// playRequest is a wish of Play or Silence; each is a new value.
type playRequest struct {
	name   string
	tone   tone.Tone // without steps, and no prompt: silence
	prompt prompt
	words  prompt // said after the tone
}

// sounds reports whether there is anything to be heard.
func (r *playRequest) sounds() bool {
	return r != nil && (len(r.tone.Steps) > 0 || len(r.prompt.pcm) > 0)
}

// New returns an engine that opens devices through drv. Nothing happens before
// [Engine.Run].
func New(cfg Config, drv device.Driver) (*Engine, error) {
	if cfg.Log == nil || drv == nil {
		return nil, errors.New("audio: an engine needs a driver and a logger")
	}
	cfg.encoding()
	if cfg.Notify == nil {
		cfg.Notify = func(Event) {}
	}
	// An encoder that the settings do not allow would be noticed in the first
	// call only.
	if _, _, err := codec.NewEncoder(codec.Format{Name: "opus"}, cfg.Bitrate, cfg.Complexity); err != nil {
		return nil, err
	}
	tones, err := tone.Table(cfg.Region)
	if err != nil {
		return nil, fmt.Errorf("audio: %w", err)
	}
	e := &Engine{
		cfg: cfg, log: cfg.Log, epoch: time.Now(), g: newGauges(duplex.Status{Switched: cfg.Duplex == duplex.Switched}), tones: tones, prompts: cfg.Prompts, words: cfg.Speech,
		bell: device.NewBell(),
	}
	// A driver has nothing to ring for where no device is wanted; there, time may be virtual.
	if b, ok := drv.(device.BellDriver); ok && (cfg.Input != device.None || cfg.Output != device.None) {
		if e.bell, err = b.Bell(); err != nil {
			return nil, fmt.Errorf("audio: %w", err)
		}
	}
	e.in = device.NewSlot(device.In, cfg.Input, func() device.Opened {
		return device.NewCapture(e.clock, e.nudge, &e.mic)
	})
	e.out = device.NewSlot(device.Out, cfg.Output, func() device.Opened {
		return device.NewPlayback(e.clock, e.nudge, &e.loudspeaker)
	})
	e.keep = device.NewSupervisor(device.Supervision{
		Driver: drv, Log: cfg.Log, Clock: e.clock, Slots: [2]*device.Slot{e.out, e.in},
		Wants: e.wants, Opened: cfg.Opened, Changed: e.nudge,
		Hung: func() {
			e.g.hung.Store(true)
			cfg.Notify(Event{Kind: DeviceHung, At: time.Now()})
		},
	})
	return e, nil
}

// clock is the time that everything inside is measured by.
func (e *Engine) clock() time.Duration { return time.Since(e.epoch) }

// nudge wakes the pump. It may be called from a callback.
func (e *Engine) nudge() { e.bell.Ring() }

// Arrived is told that a packet has come for the link that is connected, which the loudspeaker may play at once.
// It does not block.
func (e *Engine) Arrived() {
	if e.current.Load() != nil {
		e.nudge()
	}
}

// wants reports whether anybody has use for a device now: a call does from [Engine.Prepare]
// on, a tone for the loudspeaker only. It is asked by the supervisor.
func (e *Engine) wants(d device.Direction) bool {
	if e.ready.Load() || e.current.Load() != nil || e.probe.Load() != nil {
		return true
	}
	r := e.request.Load()
	return d == device.Out && r.sounds() && r != e.played.Load()
}

// closeLimit bounds how long Run waits for devices at its end.
const closeLimit = 5 * time.Second

// Run carries sound until ctx ends, then closes the devices. While nobody talks and nothing
// sounds they rest: they are closed, and no sample of the microphone is read. At the start, and
// when sound cards come or go, each is tried for a moment. Devices that are
// absent are tried again every 1.5 s; in a call without them a clock keeps time, so that
// calls work all the same. It returns [ErrDeviceHung] if the sound system has
// stopped answering, else nil. An Engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		e.keep.Run(ctx)
	}()
	p := newPump(e)
	p.run(ctx)
	e.Disconnect()
	p.close()

	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	select {
	case <-kept:
	case <-timer.C:
		e.g.hung.Store(true)
	}
	if e.g.hung.Load() {
		return fmt.Errorf("audio: %w", device.ErrHung)
	}
	return nil
}

// Prepare starts the devices for a call that has begun, so that they run when it is answered.
// [Engine.Disconnect] lets them rest again.
func (e *Engine) Prepare() {
	e.ready.Store(true)
	e.keep.Look()
}

// Connect plays what l receives and, with talk, sends the microphone to it. It
// replaces the link before; connecting the same link again only changes talk.
func (e *Engine) Connect(l Link, talk bool) {
	e.connect(l, talk, false)
}

// Speak is Connect with the microphone open, but of what l receives nothing is
// played: push to talk.
func (e *Engine) Speak(l Link) { e.connect(l, true, true) }

func (e *Engine) connect(l Link, talk, deaf bool) {
	e.sending.Lock()
	defer e.sending.Unlock()
	c := e.current.Load()
	if c == nil || c.link != l {
		c = &conn{link: l}
	}
	c.talk.Store(talk)
	c.deaf.Store(deaf)
	e.current.Store(c)
	e.keep.Look()
	e.nudge()
}

// Mute sends silence in place of the microphone to the link that is connected, from
// the end of the next frame on, or no longer. It lasts as long as the link, connected
// anew or not. Packets go on: the far end must not take the line for dead.
func (e *Engine) Mute(on bool) {
	if c := e.current.Load(); c != nil {
		c.mute.Store(on)
	}
}

// Disconnect ends the audio of the call, or what [Engine.Prepare] began. When it returns, no
// further packet of the microphone leaves. The devices come to rest soon after it.
func (e *Engine) Disconnect() {
	e.sending.Lock()
	defer e.sending.Unlock()
	e.current.Store(nil)
	e.ready.Store(false)
	e.g.live.Store(false)
}

// Play starts a sound in place of the one before: a prompt, or one of the tones
// of package tone. It is mixed with the call. Tones that repeat do so as prompts,
// too. A tone that has words is followed by them. An unknown name is silence.
func (e *Engine) Play(name string) {
	t, isTone := e.tones[name]
	p, isPrompt := e.prompts[name]
	if !isTone && !isPrompt {
		e.log.Warn("there is no such tone or prompt", "name", name)
	}
	e.request.Store(&playRequest{name, t, p, e.words[name]})
	e.keep.Look()
	e.nudge()
}

// Silence stops the sound that Play started.
func (e *Engine) Silence() {
	e.request.Store(&playRequest{})
	e.nudge()
}
