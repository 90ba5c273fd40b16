// Package door is one door: a station with its phone, its sound and its board.
//
// It makes the parts from the configuration, adapts the words of one to those of another, and
// ends them in the order in which the far ends want to hear of it. It decides nothing about a
// call: package station does. It knows nothing of pages, of systemd and of signals, and a
// program may have as many doors as it likes.
package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"intercomd/audio"
	"intercomd/audio/device"
	"intercomd/audio/portaudio"
	"intercomd/board"
	"intercomd/board/sim"
	"intercomd/configs"
	"intercomd/history"
	"intercomd/notify"
	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/station"
	"intercomd/store"
	"intercomd/words"
)

// Config is what a door is made from.
type Config struct {
	Settings
	Faults  []station.Fault // that are known before: of the machine
	Version string          // of the program
	Built   time.Time       // a time that has surely passed; zero: not known
	// Together says that the other doors of a site start now as well, see [phone.Config].
	Together bool
	Log      *slog.Logger
}

// Door is everything that one door consists of.
type Door struct {
	made    Config // from this
	cfg     *configs.Config
	faults  []station.Fault // known before the station is there
	log     *slog.Logger
	started time.Time

	in        *station.Inbox // the way into the station
	past      *history.History
	keep      *store.Dir // nil: nothing can be kept
	instance  string     // by which servers know this device; "" if that cannot be kept
	sound     *portaudio.Driver
	voice     *voice
	tester    *selfTester
	mixer     *mixer
	board     doorBoard
	station   *station.Station
	phone     *phone.UA    // nil: the configuration cannot be used
	telephone *telephone   // what the station calls with
	media     *rtc.Factory // of the phone
	canaries  *canaries    // nil as the phone
	panel     *sim.Board   // nil: the board is not simulated
	notices   *notify.Office

	end  chan error    // why the door must end; buffered
	hung chan struct{} // the sound system does not answer any more; buffered
}

// New makes the parts of a door and wires them; nothing runs yet but the board, which Run ends. An error means that not even the defaults work: the
// program itself is broken.
func New(ctx context.Context, c Config) (*Door, error) {
	d := &Door{made: c, cfg: c.Config, log: c.Log, started: time.Now(), faults: append(c.faults(), c.Faults...),
		in: station.NewInbox(), end: make(chan error, 1), hung: make(chan struct{}, 1)}
	if err := d.build(ctx); err != nil {
		for _, f := range d.faults { // which nobody else will tell of
			d.log.Error(f.String(), "fault", f.Key, "remedy", f.Remedy())
		}
		d.release()
		return nil, err
	}
	return d, nil
}

// Station is the core of the door.
func (d *Door) Station() *station.Station { return d.station }

// Panel is the board where it is simulated, else nil.
func (d *Door) Panel() *sim.Board { return d.panel }

// Floor is a time that has surely passed, for boards whose clock shows 1970.
func (d *Door) Floor() time.Time { return d.floor() }

// Instance is a number of this device that is kept with its state; "" if that cannot be kept.
func (d *Door) Instance() string { return d.instance }

// Started is when the door was made.
func (d *Door) Started() time.Time { return d.started }

// HasPhone reports whether the door can call at all: the configuration can be used.
func (d *Door) HasPhone() bool { return d.phone != nil }

// SIPMessages are those of a call, by its ID.
func (d *Door) SIPMessages(call string) []phone.Message {
	if d.phone == nil {
		return nil
	}
	return d.phone.TraceOf(call)
}

// Run returns after ctx has ended and everything has come to rest: first the call, then the
// registration, then sound and board. An error means that only a new process can go on.
func (d *Door) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	services, endServices := context.WithCancel(context.WithoutCancel(ctx))
	defer endServices()
	defer d.release()
	var running sync.WaitGroup
	d.serve(services, &running)
	running.Go(func() {
		select {
		case err := <-d.end:
			stop(err)
		case <-services.Done():
		}
	})
	call, endPhone := context.WithCancel(services)
	defer endPhone()
	registered := d.register(call)

	followed := d.follow()
	d.station.Run(ctx) // the call ends in here
	followed.Wait()    // whoever follows the events has read them all
	d.tester.wait()
	if d.canaries != nil {
		d.canaries.wait()
	}
	endPhone()
	<-registered // hung up and unregistered
	endServices()
	running.Wait()
	if err := d.sound.Close(); err != nil {
		d.log.Warn("the sound system did not close cleanly", "error", err)
	}
	if err := d.board.Close(); err != nil {
		d.log.Warn("the board did not close cleanly", "error", err)
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// release gives the state directory back.
func (d *Door) release() {
	if d.keep != nil {
		d.keep.Release()
	}
}

// build makes the parts and wires them; nothing runs yet but the board.
func (d *Door) build(ctx context.Context) error {
	memory := d.openState()
	if err := d.buildSound(); err != nil {
		return err
	}

	edge := func(e board.Edge) { d.in.Edge(station.Edge(e)) }
	b, panel := openBoard(context.WithoutCancel(ctx), d.cfg, edge, d.log.With("part", "board"))
	d.board, d.panel = doorBoard{b}, panel

	if d.made.Usable() && len(d.cfg.SIP.Servers) > 0 { // none: the account is still to be fetched
		if err := d.buildPhone(); err != nil {
			d.fault(station.Fault{Key: "phone", Blinks: station.FaultConfig, Message: words.Because(words.New("phone-unusable"), err)})
		}
	}
	d.buildNotices()
	sc := stationConfig(d.cfg)
	sc.Version, sc.File, sc.Faults = d.made.Version, d.made.Path, d.faults
	sc.Inbox, sc.Memory, sc.Ports = d.in, memory, d.ports()
	d.openHistory()
	sc.Calls = d.earlier()
	d.recall(canaryFile, &sc.Canary.Kept)
	d.recall(walkFile, &sc.Walk)
	sc.SelfTest.Commissioned, sc.SelfTest.Kept = d.tester.commissioned(), d.tester.last()
	d.station = station.New(sc, d.dialer(), d.voice, d.board)
	return nil
}

// buildSound makes the engine. Settings that it cannot work with leave the door with the
// usual ones: better than without a voice.
func (d *Door) buildSound() error {
	log := d.log.With("part", "audio")
	d.voice = &voice{in: d.in}
	d.mixer = newMixer(d.cfg.Mixer, d.log.With("part", "mixer"))
	d.sound = portaudio.New(log)
	own := audioConfig(d.cfg, d.made.recordings, log)
	usual := audio.Config{Input: own.Input, Output: own.Output, Log: log}
	var err error
	for _, conf := range []audio.Config{own, usual} {
		conf.Opened = d.mixer.deviceOpened
		conf.Notify = d.audioEvent
		if d.voice.engine, err = audio.New(conf, d.sound); err == nil {
			d.tester = newSelfTester(d.voice.engine, d.keep, d.log)
			return nil
		}
		d.fault(station.Fault{Key: "sound", Blinks: station.FaultSound, Message: words.Because(words.New("sound-misconfigured"), err)})
	}
	return fmt.Errorf("sound: %w", err) // not even with the defaults: the program itself is broken
}

// fault notes what is wrong before the station is there to tell it.
func (d *Door) fault(f station.Fault) {
	d.faults = append(d.faults, f)
}

// openState returns what was kept; without a place to keep things the door works
// on and says so.
func (d *Door) openState() station.Memory {
	keep, err := store.Open(StateDir(d.cfg))
	if err == nil {
		err = keep.Take()
	}
	if err != nil {
		d.fault(stateFault(err))
		return unknownMemory(d.cfg)
	}
	d.keep = keep
	var memory station.Memory
	if err := keep.Load(memoryFile, &memory); err != nil { // until something is kept again
		memory = unknownMemory(d.cfg)
		d.fault(station.Fault{Key: "state", Blinks: station.FaultLesser, Message: words.Because(words.New("state-forgotten"), err)})
	}
	if d.instance, err = keep.Instance(); err != nil {
		d.fault(stateFault(err))
	}
	return memory
}

// unknownMemory is what the door must take for its memory when that cannot be read: nobody
// knows which of the codes that open once have done so.
func unknownMemory(c *configs.Config) (m station.Memory) {
	for _, code := range c.Codes {
		if code.Once {
			m.Used = append(m.Used, code.Name)
		}
	}
	return m
}

// stateFault says that the door forgets.
func stateFault(err error) station.Fault {
	return station.Fault{Key: "state", Blinks: station.FaultLesser, Message: words.Because(words.New("state-not-kept"), err)}
}

// kept shows whether what must survive a restart could be written.
func (d *Door) kept(err error) {
	if err == nil {
		d.station.ClearFault("state")
		return
	}
	d.station.SetFault(stateFault(err))
}

// recall reads what was kept and can be done without.
func (d *Door) recall(name string, v any) {
	if d.keep == nil {
		return
	}
	if err := d.keep.Load(name, v); err != nil {
		d.log.Warn("what was kept cannot be read; it is ignored", "file", name, "error", err)
		reflect.ValueOf(v).Elem().SetZero()
	}
}

// walkFile is what came of the commissioning walk.
const walkFile = "walk.json"

// memoryFile is what the station asked to keep.
const memoryFile = "memory.json"

// StateDir is the configured directory, or the one that systemd made.
func StateDir(c *configs.Config) string {
	if c.State.Dir != "" {
		return c.State.Dir
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	return "/var/lib/intercomd"
}

func (d *Door) buildPhone() error {
	media, err := rtc.New(MediaConfig(d.cfg, d.keep, d.floor(), d.log.With("part", "media")))
	if err != nil {
		return err
	}
	t := &telephone{in: d.in, engine: d.voice.engine, voice: d.voice, media: media}
	conf, err := PhoneConfig(d.cfg, t, d.instance, d.floor(), d.log.With("part", "phone"))
	conf.UserAgent, conf.Together = d.agent(), d.made.Together
	if err == nil {
		t.ua, err = phone.New(conf)
	}
	if err != nil {
		return errors.Join(err, media.Close())
	}
	d.phone, d.telephone, d.media = t.ua, t, media
	d.canaries = &canaries{tel: t, sound: audioConfig(d.cfg, d.made.recordings, d.log), log: d.log.With("part", "canary")}
	return nil
}

// buildNotices makes the ways out for notices; without them the door works on.
func (d *Door) buildNotices() {
	c := noticesConfig(d.cfg)
	c.Agent, c.Log = d.agent(), d.log.With("part", "notices")
	if d.phone != nil {
		c.Text = d.phone.SendText
	}
	if d.keep != nil {
		c.Keep = undelivered{d.keep}
	}
	var faults []station.Fault
	d.notices, faults = notify.New(c)
	for _, f := range faults {
		d.fault(f)
	}
}

// undelivered keeps what waits for web services.
type undelivered struct{ dir *store.Dir }

func (u undelivered) Load(v any) error { return u.dir.Load("notices.json", v) }
func (u undelivered) Save(v any) error { return u.dir.Save("notices.json", v, 0o600) }

// agent is how the door calls itself among programs.
func (d *Door) agent() string { return "intercomd/" + d.made.Version }

// dialer is the phone as the station uses it; without a usable configuration it
// is one that cannot call.
func (d *Door) dialer() station.Phone {
	if d.phone == nil {
		return noPhone{d.in}
	}
	return d.telephone
}

// ports are the station's ways out.
func (d *Door) ports() station.Ports {
	p := station.Ports{
		SelfTest:   d.tester.start,
		ClockKnown: clockKnown(d.floor()),
	}
	if d.canaries != nil {
		p.Canary = d.canaries.start
	}
	if d.keep != nil {
		p.PersistCanary = func(c station.Canary) { d.keep.Later(d.log, func() error { return d.keep.Save(canaryFile, c, 0o600) }) }
		p.PersistWalk = func(w station.Walk) { d.keep.Later(d.log, func() error { return d.keep.Save(walkFile, w, 0o600) }) }
		p.Persist = func(m station.Memory) { d.keep.Later(d.log, func() error { return d.keep.Save(memoryFile, m, 0o600) }) }
		p.PersistTest = func(m station.TestMemory) { d.keep.Later(d.log, func() error { return d.tester.saveLast(m) }) }
	}
	return p
}

// serve starts what runs until the very end.
func (d *Door) serve(ctx context.Context, running *sync.WaitGroup) {
	running.Go(func() {
		if err := d.voice.engine.Run(ctx); err != nil {
			d.log.Error("the sound engine stopped", "error", err)
		}
	})
	running.Go(func() { d.mixer.run(ctx, d.station) })
	running.Go(func() { d.dimAtNight(ctx) })
	running.Go(func() { d.endIfHung(ctx) })
	running.Go(func() { d.notices.Run(ctx, d.station) })
	if d.keep != nil {
		running.Go(func() { d.keep.Run(ctx, d.kept) })
		running.Go(func() { d.keepClock(ctx) })
	}
}

// register runs the phone until ctx ends. The channel is closed when it has come
// to rest.
func (d *Door) register(ctx context.Context) <-chan struct{} {
	rest := make(chan struct{})
	if d.phone == nil {
		close(rest)
		return rest
	}
	d.station.SetRegistration(station.Registration{State: station.RegConnecting, Since: time.Now()})
	go func() {
		defer close(rest)
		if err := d.phone.Run(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the phone stopped", "error", err)
		}
		if err := d.media.Close(); err != nil {
			d.log.Warn("media did not close cleanly", "error", err)
		}
	}()
	return rest
}

// dimAtNight dims the lamps in the hours that the configuration names.
func (d *Door) dimAtNight(ctx context.Context) {
	b := d.cfg.Board
	if b.Night == (configs.Hours{}) {
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		level := 1.0
		if b.Night.Contain(time.Now().In(d.cfg.Time.Location())) {
			level = b.NightLevel
		}
		d.board.Dim(level)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// hungPatience is how long a daemon lives at least whose sound system hangs: one that hangs
// at every start must not leave a door that does nothing but start. Buttons, calls, codes and
// relays work without sound.
const hungPatience = 15 * time.Minute

// audioEvent passes news of the sound on. It does not block.
func (d *Door) audioEvent(e audio.Event) {
	if e.Kind != audio.DeviceHung {
		d.voice.notify(e)
		return
	}
	select {
	case d.hung <- struct{}{}:
	default:
	}
}

// endIfHung ends the door when the sound system hangs, as soon as no call is up: only a new
// process can use it again.
func (d *Door) endIfHung(ctx context.Context) {
	select {
	case <-d.hung:
	case <-ctx.Done():
		return
	}
	rest := max(0, hungPatience-time.Since(d.started))
	d.log.Error("the sound system does not respond: restarting once no call is up", "in", rest.Round(time.Second))
	select {
	case <-time.After(rest):
		d.EndWhenIdle(ctx, device.ErrHung)
	case <-ctx.Done():
	}
}
