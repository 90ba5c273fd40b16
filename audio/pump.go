package audio

import (
	"context"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/duplex"
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
	"intercomd/audio/receive"
	"intercomd/audio/tone"
)

const (
	// Smoothing of the pump's idea of time: what scheduling adds counts little, a
	// standstill resets it.
	timeGain = 1. / 32
	timeJump = 60 * time.Millisecond
	// together is how soon a frame must be due to be made now that the pump is awake.
	together = 2 * time.Millisecond
	// overs is how many callbacks in a row may leave a frame behind.
	overs = 5
	// ahead is how soon one must be due that what has come is enough for: all of a packet together, or the loudspeaker
	// would be woken for each frame of it.
	ahead = 5*pcm.FrameTime + grace
)

// grace is by how much the microphone may be late before the loudspeaker has the pump woken instead. The
// two keep their distance, so that without it one might come just before the other for all of a call.
const grace = time.Millisecond

// pump owns everything between the rings and the link. Its run is one goroutine.
type pump struct {
	e    *Engine
	cur  *conn // whose audio is in rcv and snd
	rcv  *receive.Receiver
	take func(*receive.Packet) // gives a packet to rcv
	snd  *sender
	mic  micPath
	way  duplex.Control
	hear levels.Ramp // of the far end
	say  levels.Ramp // of the microphone: 0 while muted

	player  tone.Player
	prompt  announcer
	request *playRequest // that player or prompt plays

	out       *device.Playback // devices during a call of work; nil = none
	in        *device.Capture
	pairIn    *device.Capture // between which reference goes
	pairOut   *device.Playback
	play, rec [pcm.Frame]float32
	reference echoReference
	gain      float32 // of the loudspeaker
	limiter   levels.Limiter
	playMeter levels.Meter
	recMeter  levels.Meter
	silence   levels.Silence

	over   int           // callbacks in a row that have left a frame behind
	smooth time.Duration // clock of the frame being made
	due    time.Duration // when the next frame is due by the clock
	told   told
	sent   uint64
	now    reading // what show publishes
}

// told is what was already said about the present call.
type told struct{ heard, spoken, failed bool }

func newPump(e *Engine) *pump {
	p := &pump{
		e: e, now: *e.g.reading.Load(), rcv: receive.New(), mic: newMicPath(e.cfg), way: duplex.New(e.cfg.Duplex), hear: levels.NewRamp(), say: levels.NewRamp(),
		snd:  &sender{bitrate: e.cfg.Bitrate, complexity: e.cfg.Complexity},
		gain: levels.Gain(e.cfg.OutputGain), limiter: levels.NewLimiter(), reference: newEchoReference(),
		silence: levels.NewSilence(int(e.cfg.SilentAfter / pcm.FrameTime)),
		smooth:  e.clock(), due: e.clock(),
	}
	p.take = func(q *receive.Packet) { p.rcv.Put(q, q.Arrival.Sub(p.e.epoch)) }
	return p
}

func (p *pump) close() { p.mic.close() }

// run makes frames until ctx ends.
func (p *pump) run(ctx context.Context) {
	defer context.AfterFunc(ctx, p.e.nudge)()
	for ctx.Err() == nil {
		p.e.bell.Wait(p.work())
	}
}

// firstLook is how soon it is seen that a device has begun.
const firstLook = 2 * time.Millisecond

// resting is how long there is nothing to do for a pump that has to be woken.
const resting = device.ForEver

// work makes the frames that are due and returns how long nothing is, unless the
// microphone says so. Each device sets the pace of its own direction; one that is not
// there follows the other, and without both the clock sets the pace, if there is
// anything to be made.
func (p *pump) work() time.Duration {
	p.adopt()
	p.receive()
	now := p.e.clock()
	p.out, p.in = p.e.loudspeaker.Load(), p.e.mic.Load()
	speaks, hears := p.out != nil && p.out.Alive(now), p.in != nil && p.in.Alive(now)
	if !speaks && !hears {
		if p.idle() {
			return p.rest()
		}
		return p.keepTime(now)
	}
	p.due = now + pcm.FrameTime
	if !speaks {
		for p.in.Ready(1) {
			p.makePlay(now)
			p.makeRec(false)
		}
		return device.Stalled
	}
	p.speak(now, now, hears)
	heard := false
	for ; hears && p.in.Ready(p.snd.wants()); heard = true {
		p.makeRec(true)
		p.speak(p.e.clock(), now, hears) // echo cancelling takes its time on small boards
	}
	if heard {
		p.keepUp()
	}
	if p.out.Rings() {
		return resting
	}
	now = p.e.clock()
	return p.out.Next(now) - now
}

// idle tells that nobody talks and nothing sounds or is about to.
func (p *pump) idle() bool {
	return p.cur == nil && p.e.probe.Load() == nil && !p.sounding() &&
		(p.e.request.Load() == p.request || p.starting())
}

// starting tells that the loudspeaker is being opened. A sound waits for it, so that its
// beginning is heard; with a call by the clock, it does not wait for long.
func (p *pump) starting() bool {
	if p.out == nil {
		return p.e.out.AtRest()
	}
	return p.out.Last() == 0
}

// rest leaves nothing behind of what the meters saw, and returns how long nothing has to be
// done. The first callback of a loudspeaker wakes nobody.
func (p *pump) rest() time.Duration {
	p.playMeter, p.recMeter = levels.Meter{}, levels.Meter{}
	quiet := levels.Quiet()
	if p.now.mic != quiet || p.now.speaker != quiet {
		p.now.mic, p.now.speaker = quiet, quiet
		p.show()
	}
	if p.out != nil || p.in != nil {
		return firstLook
	}
	return resting
}

// keepTime makes the frames that are due by the clock.
func (p *pump) keepTime(now time.Duration) time.Duration {
	if now-p.due > timeJump {
		p.due = now
	}
	for p.due <= now {
		p.makePlay(p.due)
		p.makeRec(false)
		p.due += pcm.FrameTime
	}
	return p.due - now
}

// speak makes what the loudspeaker is about to need, and the microphone's part where
// there is none that would ask for it. woken is when the pump began to be awake.
func (p *pump) speak(now, woken time.Duration, hears bool) {
	if p.out.Fed() {
		defer func() { p.out.Flush(p.e.clock()) }()
	}
	for p.out.Hungry(p.soon(now, woken, hears)) {
		p.makePlay(p.out.Turn())
		if !hears {
			p.makeRec(false)
		}
	}
}

// keepUp leaves a frame of the microphone out where one was there after each of several callbacks although it is
// of the next packet: for the rest of the call, all that is said would be so much later. It is so if the
// microphone was opened between two frames of a callback, or has lost some.
func (p *pump) keepUp() {
	switch {
	case p.snd.begun() || !p.in.Waits():
		p.over = 0
	case p.over < overs:
		p.over++
	default:
		p.over = 0
		p.in.Skip()
		p.reference.drop() // so that what follows finds its partner where it was
	}
}

// soon is when a frame must be due, at the latest, to be made now. In a call the loudspeaker gets what has
// come when it comes; where nothing has, it is fed as late as can be, or what comes next would be behind it.
func (p *pump) soon(now, woken time.Duration, hears bool) time.Duration {
	switch {
	case p.cur != nil && p.out.Fed():
		if !p.rcv.Ready() {
			return now
		}
		return woken + ahead
	case p.cur == nil && !p.sounding():
		return now + pcm.FrameTime // nothing is to be heard: once per frame is enough to be awake
	case !p.out.Fed(), p.e.ready.Load(): // what comes first of a call must not wait for its ring-back tone
		return now + together
	case hears: // until the microphone wakes the pump again
		return woken + max(p.in.Callback(), time.Duration(p.snd.wants())*pcm.FrameTime) + grace
	default:
		return woken + pcm.FrameTime + grace
	}
}

// tick advances the smoothed clock.
func (p *pump) tick(now time.Duration) {
	p.smooth += pcm.FrameTime
	late := now - p.smooth
	if late > timeJump || late < -timeJump {
		p.smooth = now
		return
	}
	p.smooth += time.Duration(float64(late) * timeGain)
}

// adopt changes to another link, or to none, if that was asked for.
func (p *pump) adopt() {
	c := p.e.current.Load()
	if c == p.cur {
		return
	}
	p.count()
	p.cur, p.told = c, told{}
	p.silence.Reset()
	p.snd.pause()
	defer p.show()
	if c == nil {
		p.now.codec = ""
		return
	}
	c.link.Receive(func(*receive.Packet) {}) // from before the call was opened
	p.rcv.Reset()
	p.snd.reset()
	p.way.Begin()
	p.noteWay()
	if p.in != nil {
		p.in.Drain()
	}
	p.sent, p.now.call = 0, CallStats{}
}

// receive takes what has come since the pump was awake last.
func (p *pump) receive() {
	if p.cur != nil {
		p.cur.link.Receive(p.take)
	}
}

// makePlay makes the 10 ms that the loudspeaker plays next. now is the clock of them.
func (p *pump) makePlay(now time.Duration) {
	p.tick(now)
	p.adopt()
	out, began := p.play[:], false
	if p.cur != nil {
		began = p.rcv.Frame(out, p.smooth)
		to := float32(1)
		if p.cur.deaf.Load() {
			to, began = 0, false
		}
		p.hear.Apply(out, to)
	} else {
		clear(out)
	}
	p.mixSound(out)
	p.limiter.Process(out, p.gain*levels.Gain(p.mic.ambient.Gain))
	pr := p.probing()
	if pr != nil {
		pr.sound(out)
	}

	at := now
	if p.out == nil {
		clear(out) // nobody hears it, so nothing can come back
	} else {
		if p.cur != nil {
			p.way.Play(out)
		}
		at = p.out.Write(out)
		if began && !p.told.heard {
			p.told.heard = true
			p.e.cfg.Notify(Event{FirstHeard, time.Now(), p.cur.link})
		}
	}
	p.reference.push(out, levels.Of(out), at, pr)
	if l, ok := p.playMeter.Add(out); ok {
		p.report(l)
	}
}

// mixSound adds the tone or prompt that was asked for.
func (p *pump) mixSound(out []float32) {
	if r := p.e.request.Load(); r != p.request && (!r.sounds() || !p.starting()) {
		p.request = r
		p.startSound(r)
	}
	if p.sounding() {
		p.player.Mix(out)
		p.prompt.mix(out)
		if !p.sounding() {
			p.showTone("")
		}
	}
	if !p.sounding() && p.e.played.Load() != p.request {
		p.e.played.Store(p.request)
	}
}

func (p *pump) startSound(r *playRequest) {
	p.player.Stop()
	p.prompt.end()
	switch {
	case len(r.prompt.pcm) > 0:
		p.prompt.start(r.prompt, len(r.tone.Steps) > 0 && r.tone.Times == 0, 0)
	case len(r.tone.Steps) > 0 && len(r.words.pcm) > 0:
		t, after := beforeWords(r.tone)
		p.player.Start(t)
		p.prompt.start(r.words, false, after)
	case len(r.tone.Steps) > 0:
		p.player.Start(r.tone)
	default:
		return
	}
	p.showTone(r.name)
}

func (p *pump) showTone(name string) {
	p.now.tone = name
	p.show()
}

func (p *pump) sounding() bool { return p.player.Active() || p.prompt.active() }

// report shows what changes slowly, with each reading of the loudspeaker's meter.
func (p *pump) report(l levels.Level) {
	p.now.speaker = l
	p.count()
	if p.mic.echo != nil {
		p.now.echo = p.mic.echo.Stats()
	}
	p.show()
}

// count takes down what was done for the call so far.
func (p *pump) count() {
	if p.cur == nil {
		return
	}
	s := p.rcv.Stats()
	p.now.call = CallStats{
		Received: s.Received, Lost: s.Lost, Late: s.Late, Discarded: s.Discarded, Concealed: p.rcv.Made(),
		Sent: p.sent, Target: s.Target, Delay: s.Delay,
	}
}

// show publishes the present reading. It makes a new one, so it is for what changes, and
// for every meter reading, not for every frame.
func (p *pump) show() {
	r := p.now
	p.e.g.reading.Store(&r)
}

// makeRec makes the next 10 ms that the microphone says, and sends them. apart tells
// that microphone and loudspeaker each have their own pace.
func (p *pump) makeRec(apart bool) {
	p.adopt()
	far := p.hearWith(apart)
	if far.probe != nil {
		far.probe.hear(p.rec[:])
	}
	if p.in != nil { // else nothing could be learned but silence
		p.hearIn(far)
	}
	if l, ok := p.recMeter.Add(p.rec[:]); ok {
		p.now.mic = l // shown with the loudspeaker's
	}
	p.send()
}

// hearIn makes of what the microphone heard what is to be sent.
func (p *pump) hearIn(far *played) {
	raw := pcm.Peak(p.rec[:])
	if raw >= duplex.ClipAt {
		p.now.clipped++
	}
	p.mic.process(p.rec[:], far.pcm[:], far.level, p.cur != nil, p.sounding())
	if p.cur != nil && p.out != nil && p.cur.open() && p.way.Send(p.rec[:], far.pcm[:], raw) {
		p.tellWay()
	}
}

// hearWith takes a frame of the microphone and returns the one that was played
// meanwhile.
func (p *pump) hearWith(apart bool) *played {
	if p.in == nil {
		clear(p.rec[:])
		return p.reference.next()
	}
	if p.in != p.pairIn || p.out != p.pairOut {
		p.pairIn, p.pairOut = p.in, p.out
		p.reference.restart()
	}
	at := p.in.Read(p.rec[:])
	p.listen()
	if !apart {
		return p.reference.next()
	}
	if d, ok := p.out.Unsure(); ok {
		p.reference.exact(d)
	} else {
		p.reference.room(p.out.Callback())
	}
	return p.reference.match(at)
}

// tellWay says that full duplex does not work, or works again.
func (p *pump) tellWay() {
	if switched, reason := p.way.State(); switched {
		p.e.log.Warn("one direction at a time from now on: full duplex does not work", "reason", reason)
	} else {
		p.e.log.Info("full duplex again")
	}
	p.noteWay()
	p.show()
}

// noteWay takes down how the two directions share the air, if that has changed.
func (p *pump) noteWay() {
	switched, reason := p.way.State()
	s := duplex.Status{Switched: switched, Reason: reason}
	if old := p.now.duplex; old.Switched == s.Switched && old.Reason == s.Reason {
		return
	}
	if s.Reason != "" {
		s.Since = time.Now()
	}
	p.now.duplex = s
}

// listen notices a microphone that is dead, and one that lives again. After the call it
// stands until the next one that the microphone takes part in.
func (p *pump) listen() {
	if p.cur == nil {
		return
	}
	silent := p.silence.Add(p.rec[:])
	switch {
	case silent == p.now.silent, !silent && !p.told.spoken:
		return
	case silent:
		p.e.log.Warn("the microphone hears nothing at all", "for", p.e.cfg.SilentAfter)
	}
	p.now.silent = silent
	p.show()
}

// send sends the microphone's frame, if it may leave.
func (p *pump) send() {
	c := p.cur
	if c == nil {
		return
	}
	if !c.talk.Load() {
		p.snd.pause()
		p.e.g.live.Store(false)
		p.noteCodec()
		return
	}
	p.say.Apply(p.rec[:], c.voice())
	payload, samples, err := p.snd.frame(p.rec[:], c.link.Codec())
	if err == nil && payload != nil {
		err = p.write(c, payload, samples)
	}
	if err != nil && !p.told.failed {
		p.told.failed = true
		p.e.log.Warn("the microphone's audio cannot be sent", "error", err)
	}
	p.noteCodec()
}

// write hands a packet to the link unless the call was disconnected meanwhile.
func (p *pump) write(c *conn, payload []byte, samples uint32) error {
	p.e.sending.Lock()
	defer p.e.sending.Unlock()
	if p.e.current.Load() != c || !c.talk.Load() {
		return nil
	}
	p.e.g.live.Store(p.in != nil && c.open())
	if err := c.link.Write(payload, samples, p.snd.marker); err != nil {
		return err
	}
	p.snd.marker = false
	p.sent++
	if !p.told.spoken {
		p.told.spoken = true
		p.e.cfg.Notify(Event{FirstSpoken, time.Now(), c.link})
	}
	return nil
}

// noteCodec names the codec in use.
func (p *pump) noteCodec() {
	id := codec.ID(p.snd.codec.Name)
	if id == codec.None {
		id = p.rcv.Decodes()
	}
	if name := codec.Name(id); name != p.now.codec {
		p.now.codec = name
		p.show()
	}
}
