package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"intercomd/audio"
	"intercomd/audio/portaudio"
	"intercomd/board/gpio"
	"intercomd/configs"
	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/station"
	"intercomd/web"
	"intercomd/words"
)

// runCommand is the daemon. A configuration that cannot be used does not keep it
// from running: the door then shows on its lamp and page what is wrong.
func runCommand(ctx context.Context, args []string, io streams) int {
	path, err := configPath(args)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd run:", err)
		return exitUsage
	}
	hangUp := make(chan os.Signal, 1) // before all else: the start takes seconds on some boards
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	cfg, rec, err := loadConfig(path)
	log := newLogger(io.err, cfg.Log)
	slog.SetDefault(log) // for libraries that write to the standard logger
	log.Info("starting", "version", buildVersion(), "config", path)
	if built().IsZero() {
		log.Warn("this build does not know when it was made: a board without a battery clock may take a time in the past for the present",
			"remedy", "build it from a clone, or with SOURCE_DATE_EPOCH set")
	}
	if keys := cfg.ForCard(); len(keys) > 0 && !onCard() {
		log.Warn("settings of the machine are ignored: only the card image sets up its machine", "settings", strings.Join(keys, ", "),
			"remedy", "set up name, network and time zone of this system by its own means, and remove them")
	}
	d := &daemon{cfg: cfg, path: path, recordings: rec, usable: usable(err), log: log, started: time.Now(), hangUp: hangUp}
	for _, f := range faultsOf(path, err) {
		d.fault(f)
	}
	if err := d.run(ctx); err != nil && !errors.Is(err, errAnew) {
		log.Error("stopped", "error", err)
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

// daemon is everything that runs. It starts what can be started, wires it, and
// ends it in the order in which the far ends want to hear of it: the call, the
// registration, then sound, board and page.
type daemon struct {
	cfg        *configs.Config
	path       string // of the configuration
	recordings *recordings
	usable     bool            // what the configuration says of calls
	faults     []station.Fault // known before the station is there
	log        *slog.Logger
	started    time.Time
	hangUp     <-chan os.Signal // to start anew

	keep     *store // nil: nothing can be kept
	instance string // by which servers know this device; "" if that cannot be kept
	sound    *portaudio.Driver
	voice    *voice
	tester   *selfTester
	mixer    *mixer
	board    *doorBoard
	station  *station.Station
	phone    *phone.UA    // nil: the configuration cannot be used
	media    *rtc.Factory // of the phone
	panel    web.Panel    // nil: the board is not simulated
	notices  []*courier   // ways to tell people who are not at the door
	chips    *gpio.Watch  // nil: the board has no GPIO lines

	stop context.CancelCauseFunc // ends the daemon
}

// run returns after ctx has ended and everything has come to rest. An error
// means that only a new process can go on.
func (d *daemon) run(ctx context.Context) error {
	ctx, d.stop = context.WithCancelCause(ctx)
	defer d.stop(nil)
	services, endServices := context.WithCancel(context.WithoutCancel(ctx))
	defer endServices()

	if err := d.build(services); err != nil {
		for _, f := range d.faults { // which nobody else will tell of
			d.log.Error(f.String(), "fault", f.Key, "remedy", f.Remedy())
		}
		return err
	}
	var running sync.WaitGroup
	d.serve(services, &running)
	call, endPhone := context.WithCancel(services)
	defer endPhone()
	registered := d.register(call)

	followed := d.follow()
	d.station.Run(ctx) // the call ends in here
	followed.Wait()    // whoever follows the events has read them all
	d.tester.wait()
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

// build makes the parts and wires them; nothing runs yet but the board.
func (d *daemon) build(services context.Context) error {
	memory := d.openStore()
	if err := d.buildSound(services); err != nil {
		return err
	}

	if drv := d.cfg.Board.Driver; drv == "gpio" || drv == "auto" {
		gpio.Await(services, permissionWait)
		d.chips = gpio.NewWatch()
	}
	b, panel := openBoard(services, d.cfg, d.log.With("part", "board"))
	d.board = newDoorBoard(b)

	if d.usable {
		if err := d.buildPhone(); err != nil {
			d.fault(station.Fault{Key: "phone", Blinks: station.FaultConfig, Message: words.New("phone-unusable", "detail", err.Error())})
		}
	}
	d.faults = append(d.faults, systemNotes(notesDir, d.log)...)
	d.buildNotices()
	sc := stationConfig(d.cfg)
	sc.File, sc.Faults = d.path, d.faults
	sc.Memory, sc.Ports = memory, d.ports()
	sc.SelfTest.Commissioned, sc.SelfTest.Kept = d.tester.commissioned(), d.tester.last()
	d.station = station.New(sc, d.dialer(), d.voice, d.board)
	for _, c := range d.notices {
		c.fault, c.clear = d.station.SetFault, d.station.ClearFault
	}
	if panel != nil {
		d.panel = panel // a nil *sim.Board would be a panel
	}
	return nil
}

// buildSound makes the engine. Settings that it cannot work with leave the door with the
// usual ones: better than without a voice.
func (d *daemon) buildSound(services context.Context) error {
	log := d.log.With("part", "audio")
	d.voice = &voice{}
	d.mixer = newMixer(d.cfg.Mixer, d.log.With("part", "mixer"))
	d.sound = portaudio.New(log)
	own := audioConfig(d.cfg, d.recordings, log)
	usual := audio.Config{Input: own.Input, Output: own.Output, Log: log}
	var err error
	for _, conf := range []audio.Config{own, usual} {
		conf.Opened = d.mixer.deviceOpened
		conf.Notify = func(e audio.Event) { d.audioEvent(services, e) }
		if d.voice.engine, err = audio.New(conf, d.sound); err == nil {
			d.tester = newSelfTester(d.voice.engine, d.keep, d.log)
			return nil
		}
		d.fault(station.Fault{Key: "sound", Blinks: station.FaultSound, Message: words.New("sound-misconfigured", "detail", err.Error())})
	}
	return fmt.Errorf("sound: %w", err) // not even with the defaults: the program itself is broken
}

// ladder is the SIP messages of a call, for the page.
func (d *daemon) ladder(call string) (out []web.SIPMessage) {
	if d.phone == nil {
		return nil
	}
	for _, m := range d.phone.LadderOf(call) {
		out = append(out, web.SIPMessage{At: m.At, Sent: m.Sent, Skipped: m.Skipped, Text: m.Text})
	}
	return out
}

// fault notes what is wrong before the station is there to tell it.
func (d *daemon) fault(f station.Fault) {
	d.faults = append(d.faults, f)
}

// openStore returns what was kept; without a place to keep things the door works
// on and says so.
func (d *daemon) openStore() station.Memory {
	keep, err := openStore(stateDir(d.cfg.State.Dir))
	if err != nil {
		d.fault(stateFault(err))
		return unknownMemory(d.cfg)
	}
	d.keep = keep
	memory, err := keep.memory()
	if err != nil { // until something is kept again
		memory = unknownMemory(d.cfg)
		d.fault(station.Fault{Key: "state", Blinks: station.FaultLesser, Message: words.New("state-forgotten", "detail", err.Error())})
	}
	if d.instance, err = keep.instance(); err != nil {
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
	return station.Fault{Key: "state", Blinks: station.FaultLesser, Message: words.New("state-not-kept", "detail", err.Error())}
}

// kept shows whether what must survive a restart could be written.
func (d *daemon) kept(err error) {
	if err == nil {
		d.station.ClearFault("state")
		return
	}
	d.station.SetFault(stateFault(err))
}

// stateDir is the configured directory, or the one that systemd made.
func stateDir(configured string) string {
	if configured != "" {
		return configured
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	return "/var/lib/intercomd"
}

func (d *daemon) buildPhone() error {
	media, err := rtc.New(mediaConfig(d.cfg, d.keep, d.log.With("part", "media")))
	if err != nil {
		return err
	}
	conf, err := phoneConfig(d.cfg, mediaFactory{media}, d.instance, clockFloor(d.keep), d.log.With("part", "phone"))
	if err == nil {
		d.phone, err = phone.New(conf)
	}
	if err != nil {
		return errors.Join(err, media.Close())
	}
	d.media = media
	return nil
}

// buildNotices makes the ways out for notices; without them the door works on.
func (d *daemon) buildNotices() {
	var faults []station.Fault
	d.notices, faults = newCouriers(d.cfg, d.phone, d.log.With("part", "notices"))
	for _, f := range faults {
		d.fault(f)
	}
}

// dialer is the phone as the station uses it; without a usable configuration it
// is one that cannot call.
func (d *daemon) dialer() station.Phone {
	if d.phone == nil {
		return noPhone{}
	}
	return dialer{ua: d.phone, log: d.log}
}

// ports are the station's ways out.
func (d *daemon) ports() station.Ports {
	p := station.Ports{
		SelfTest:   d.tester.start,
		ClockKnown: clockKnown(d.keep),
	}
	if d.keep != nil {
		p.Save = func(m station.Memory) { d.keep.later(d.log, func() error { return d.keep.saveMemory(m) }) }
		p.SaveTest = func(m station.TestMemory) { d.keep.later(d.log, func() error { return d.tester.saveLast(m) }) }
	}
	return p
}

// serve starts what runs until the very end.
func (d *daemon) serve(ctx context.Context, running *sync.WaitGroup) {
	running.Go(func() {
		if err := d.voice.engine.Run(ctx); err != nil {
			d.log.Error("sound", "error", err)
		}
	})
	running.Go(func() { d.mixer.run(ctx, d.station) })
	running.Go(func() { tellSystemd(ctx, d.station, d.log) })
	running.Go(func() { d.dimAtNight(ctx) })
	running.Go(func() { d.startAnew(ctx, d.hangUp) })
	running.Go(func() { d.reportToAgent(ctx, updateSocket) })
	if d.chips != nil {
		running.Go(func() { d.watchChips(ctx, d.chips.Late) })
	}
	for _, c := range d.notices {
		running.Go(func() { c.run(ctx) })
	}
	if d.keep != nil {
		running.Go(func() { d.keep.run(ctx, d.kept) })
		running.Go(func() { d.keepClock(ctx) })
	}
	if d.cfg.Web.Listen != "" {
		running.Go(func() { d.showPage(ctx) })
	}
}

// pageEvery is how often an address is tried that the page cannot have.
const pageEvery = 10 * time.Second

// showPage serves the page until ctx ends. Without it the door works on, and whoever has its
// address may give it back.
func (d *daemon) showPage(ctx context.Context) {
	for last := ""; ; {
		page := web.New(web.Config{Listen: d.cfg.Web.Listen, Ladder: d.ladder, Log: d.log.With("part", "web")}, d.station, d.panel)
		err := page.Listen(ctx)
		if err == nil {
			last = ""
			d.station.ClearFault("web")
			err = page.Run(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != last {
			last = err.Error()
			d.log.Error("the status page is off", "error", err)
			d.station.SetFault(pageFault(err))
		}
		select {
		case <-time.After(pageEvery):
		case <-ctx.Done():
			return
		}
	}
}

// pageFault says why there is no status page; it is seen in the log, on the lamp
// and in systemd's status line.
func pageFault(err error) station.Fault {
	why := words.New("page-error", "detail", err.Error())
	if le, ok := errors.AsType[*web.ListenError](err); ok {
		why = le.Message
	}
	return station.Fault{Key: "web", Blinks: station.FaultLesser, Message: words.New("page-off").Because(why)}
}

// register runs the phone until ctx ends. The channel is closed when it has come
// to rest.
func (d *daemon) register(ctx context.Context) <-chan struct{} {
	rest := make(chan struct{})
	if d.phone == nil {
		close(rest)
		return rest
	}
	d.station.SetRegistration(station.Registration{State: station.RegConnecting, Since: time.Now()})
	var parts sync.WaitGroup
	over := make(chan struct{})
	parts.Go(func() {
		defer close(over)
		if err := d.phone.Run(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("phone", "error", err)
		}
	})
	parts.Go(func() {
		for {
			select {
			case r := <-d.phone.Registrations():
				d.station.SetRegistration(registration(r))
			case c := <-d.phone.Incoming():
				d.station.Offer(newCall(c, d.log))
			case t := <-d.phone.Texts():
				d.station.Text(station.Text{At: time.Now(), From: peer(t.From), Call: t.Call, Body: t.Body})
			case <-over:
				return
			}
		}
	})
	go func() {
		parts.Wait()
		if err := d.media.Close(); err != nil {
			d.log.Warn("media did not close cleanly", "error", err)
		}
		close(rest)
	}()
	return rest
}

// dimAtNight dims the lamps in the hours that the configuration names.
func (d *daemon) dimAtNight(ctx context.Context) {
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

// audioEvent passes news of the sound on. A sound system that hangs can only be
// used again by a new process: the daemon ends as soon as no call is up.
func (d *daemon) audioEvent(ctx context.Context, e audio.Event) {
	if e.Kind != audio.DeviceHung {
		d.voice.notify(e)
		return
	}
	rest := max(0, hungPatience-time.Since(d.started))
	d.log.Error("the sound system does not answer: restarting when no call is up", "in", rest.Round(time.Second))
	go func() {
		select {
		case <-time.After(rest):
			d.endWhenIdle(ctx, audio.ErrDeviceHung)
		case <-ctx.Done():
		}
	}()
}
