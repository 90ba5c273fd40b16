package audio

import (
	"context"
	"time"

	"intercomd/audio/tone"
)

const (
	// stalled is how long after the last callback a device no longer paces the
	// pump.
	stalled = 60 * time.Millisecond
	// Smoothing of the pump's idea of time: what scheduling adds counts little, a
	// standstill resets it.
	timeGain = 1. / 32
	timeJump = 60 * time.Millisecond
)

// pump owns everything between the rings and the link. Its run is one goroutine.
type pump struct {
	e       *Engine
	cur     *conn // whose audio is in rcv and snd
	rcv     *receiver
	snd     *sender
	echo    EchoCanceller
	denoise Suppressor
	player  tone.Player
	request *playRequest // that player plays
	out     *playback    // devices during a call of work; nil = none
	in      *capture

	play, rec       [Frame]float32
	playGain        float32
	recGain         float32
	playLim, recLim limiter
	playMtr, recMtr meter
	smooth          time.Duration // clock of the frame being made
	due             time.Duration // when the next frame is due by the clock
	heard, spoken   bool          // events of cur that were told
	sendErr         bool          // an error of cur was logged
	sent            uint64
}

func newPump(e *Engine) *pump {
	p := &pump{
		e: e, rcv: newReceiver(), playLim: newLimiter(), recLim: newLimiter(),
		snd:      &sender{bitrate: e.cfg.Bitrate, complexity: e.cfg.Complexity},
		playGain: gainOf(e.cfg.OutputGain), recGain: gainOf(e.cfg.InputGain),
		smooth: e.clock(), due: e.clock(),
	}
	if e.cfg.NewEcho != nil {
		p.echo = e.cfg.NewEcho()
	}
	if e.cfg.NewSuppressor != nil {
		p.denoise = e.cfg.NewSuppressor()
	}
	return p
}

func (p *pump) close() {
	if p.echo != nil {
		p.echo.Close()
	}
}

// run makes frames until ctx ends.
func (p *pump) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(p.work())
		select {
		case <-ctx.Done():
			return
		case <-p.e.token:
		case <-timer.C:
		}
	}
}

// work makes the frames that are due and returns how long nothing is, unless a
// device says so: the loudspeaker sets the pace; without one the microphone
// does, and without both the clock.
func (p *pump) work() time.Duration {
	now := p.e.clock()
	out, in := p.e.loudspeaker.Load(), p.e.mic.Load()
	p.out, p.in = out, in
	switch {
	case out != nil && out.alive(now):
		for out.hungry() {
			p.frame(now + out.ahead())
		}
	case in != nil && in.alive(now):
		for in.ready() {
			p.frame(now)
		}
	default:
		if now-p.due > timeJump {
			p.due = now
		}
		for p.due <= now {
			p.frame(p.due)
			p.due += FrameTime
		}
		return p.due - now
	}
	p.due = now + FrameTime
	return stalled
}

// frame makes 10 ms in both directions.
func (p *pump) frame(now time.Duration) {
	p.tick(now)
	if c := p.e.current.Load(); c != p.cur {
		p.adopt(c)
	}
	p.makePlay()
	p.makeRec()
	p.send()
}

// tick advances the smoothed clock.
func (p *pump) tick(now time.Duration) {
	p.smooth += FrameTime
	late := now - p.smooth
	if late > timeJump || late < -timeJump {
		p.smooth = now
		return
	}
	p.smooth += time.Duration(float64(late) * timeGain)
}

// adopt changes to another link, or to none.
func (p *pump) adopt(c *conn) {
	p.cur, p.heard, p.spoken, p.sendErr = c, false, false, false
	p.snd.pause()
	if c == nil {
		p.e.g.codec.Store(codecNone)
		return
	}
	for c.next() != nil {
		c.drop() // from before the call was opened
	}
	p.rcv.reset()
	p.snd.reset()
	p.sent = 0
	p.e.g.sent.Store(0)
}

// makePlay makes what the loudspeaker plays.
func (p *pump) makePlay() {
	out, began := p.play[:], false
	if p.cur != nil {
		p.rcv.collect(p.cur)
		began = p.rcv.frame(out, p.smooth)
	} else {
		clear(out)
	}
	p.mixTone(out)
	p.playLim.process(out, p.playGain)

	if p.out == nil {
		clear(out) // nobody hears it, so nothing can come back
	} else {
		p.out.write(out)
		if began && !p.heard {
			p.heard = true
			p.e.cfg.Notify(Event{FirstHeard, time.Now(), p.cur.link})
		}
	}
	if l, ok := p.playMtr.add(out); ok {
		p.report(l)
	}
}

func (p *pump) mixTone(out []float32) {
	if r := p.e.request.Load(); r != p.request {
		p.request = r
		if len(r.tone.Steps) > 0 {
			p.player.Start(r.tone)
			p.e.g.tone.Store(&r.name)
		} else {
			p.player.Stop()
		}
	}
	if p.player.Active() {
		p.player.Mix(out)
		if !p.player.Active() {
			p.e.g.tone.Store(nil)
		}
	}
}

// report shows what changes slowly, with each reading of the loudspeaker's meter.
func (p *pump) report(l Level) {
	p.e.g.speaker.store(l)
	if p.cur != nil {
		p.e.g.call(p.rcv)
	}
	if p.echo != nil {
		p.e.g.echo(p.echo.Stats())
	}
}

// makeRec makes what the microphone says.
func (p *pump) makeRec() {
	if p.in != nil {
		p.in.read(p.rec[:], p.smooth)
	} else {
		clear(p.rec[:])
	}
	p.process()
	if l, ok := p.recMtr.add(p.rec[:]); ok {
		p.e.g.mic.store(l)
	}
}

// process makes of what the microphone heard in p.rec, while the loudspeaker
// played p.play, what the far end is to hear.
func (p *pump) process() {
	rec := p.rec[:]
	// Between calls the canceller would learn nothing but silence.
	if p.echo != nil && (p.cur != nil || p.player.Active()) {
		p.echo.Process(rec, rec, p.play[:])
	}
	if p.denoise != nil && p.cur != nil {
		p.denoise.Process(rec)
	}
	finite(rec)
	p.recLim.process(rec, p.recGain)
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
		p.showCodec()
		return
	}
	payload, samples, err := p.snd.frame(p.rec[:], c.link.Codec())
	if err == nil && payload != nil {
		err = p.write(c, payload, samples)
	}
	if err != nil && !p.sendErr {
		p.sendErr = true
		p.e.log.Warn("the microphone's audio cannot be sent", "error", err)
	}
	p.showCodec()
}

// write hands a packet to the link unless the call was disconnected meanwhile.
func (p *pump) write(c *conn, payload []byte, samples uint32) error {
	p.e.sending.Lock()
	defer p.e.sending.Unlock()
	if p.e.current.Load() != c || !c.talk.Load() {
		return nil
	}
	p.e.g.live.Store(p.in != nil)
	if err := c.link.Write(payload, samples, p.snd.marker); err != nil {
		return err
	}
	p.snd.marker = false
	p.sent++
	p.e.g.sent.Store(p.sent)
	if !p.spoken {
		p.spoken = true
		p.e.cfg.Notify(Event{FirstSpoken, time.Now(), c.link})
	}
	return nil
}

// showCodec names the codec in use.
func (p *pump) showCodec() {
	id := codecID(p.snd.codec.Name)
	if id == codecNone {
		id = p.rcv.codec
	}
	p.e.g.codec.Store(int32(id))
}
