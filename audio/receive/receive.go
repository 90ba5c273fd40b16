// Package receive makes of the packets of a call, as they come, frames of steady sound: jitter
// buffer, decoder, concealment, stretching and the far end's drifting clock. It knows
// neither the network nor the loudspeaker.
package receive

import (
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/jitter"
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

// Receiver turns the packets of a call into frames for the loudspeaker. It
// belongs to the pump.
type Receiver struct {
	jb        *jitter.Buffer
	dec       codec.Decoder
	codec     int // of dec
	fifo      fifo
	pcm       []float32 // scratch for one packet
	concealed uint64    // frames made up
	began     bool      // audio of this call has been decoded

	comfort levels.Comfort
	stretch stretcher
	pause   int           // frames until the next stretch
	shift   time.Duration // how much the delay was changed since the last packet
	rate    *resample.Resampler
	drift   resample.Drift
}

// New returns a receiver without a call.
func New() *Receiver {
	r := &Receiver{
		jb:   jitter.New(jitter.Config{Eager: true}),
		pcm:  make([]float32, codec.MaxDecoded),
		fifo: fifo{buf: make([]float32, fifoRoom, fifoRoom+2*codec.MaxDecoded)},
		rate: resample.New(pcm.SampleRate, pcm.SampleRate, 2*pcm.Frame), drift: resample.FarDrift(),
	}
	r.fifo.clear()
	return r
}

// Reset begins a new call.
func (r *Receiver) Reset() {
	r.jb = jitter.New(jitter.Config{Eager: true})
	r.dec, r.codec, r.concealed, r.began = nil, codec.None, 0, false
	r.fifo.clear()
	r.pause, r.shift, r.drift, r.comfort = 0, 0, resample.FarDrift(), levels.Comfort{}
	r.rate.Clear()
}

// Stats is what the jitter buffer counted in this call.
func (r *Receiver) Stats() jitter.Stats { return r.jb.Stats() }

// Made counts the frames of 10 ms that were made up for lost audio in this call.
func (r *Receiver) Made() uint64 { return r.concealed }

// Decodes is the codec of what was played last; [codecNone] before that.
func (r *Receiver) Decodes() int { return r.codec }

// Put takes a packet that came at the given time of the engine's clock. One that cannot be
// played is dropped.
func (r *Receiver) Put(p *Packet, at time.Duration) {
	id := codec.ID(p.Codec.Name)
	if id == codec.None || len(p.Payload) > jitter.MaxPayload {
		return
	}
	q := jitter.Packet{
		SSRC: p.SSRC, Seq: p.Seq, Timestamp: p.Timestamp,
		ClockRate: codec.ClockRate(id), Samples: codec.Samples(id, p.Payload), Codec: id,
		Repairs: codec.Repairs(id, p.Payload), Payload: p.Payload,
	}
	switch n := uint32(q.Samples); {
	case p.Copy == 0:
		r.jb.Put(q, at)
	case n > 0 && p.Copy%n == 0 && p.Copy/n < 1<<15: // else something lies between that was no packet of audio
		q.Seq -= uint16(p.Copy / n)
		r.jb.Mend(q, p.Seq, at)
	}
}

// Ready tells whether what the next frame is made of has come.
func (r *Receiver) Ready() bool { return r.fifo.len() >= r.rate.Need(pcm.Frame) || r.jb.Ready() }

// Frame fills out with the next 10 ms and tells whether the call's audio has
// begun. now is the engine's clock.
func (r *Receiver) Frame(out []float32, now time.Duration) bool {
	r.adapt(now)
	need := r.rate.Need(len(out))
	for r.fifo.len() < need {
		r.more(now)
	}
	r.rate.Feed(r.fifo.take(need))
	r.rate.Pull(out)
	return r.began
}

// adapt keeps the delay near its target: small errors by playing a little faster
// or slower, larger ones by cutting or repeating periods, and in pauses, where nobody hears
// it, smaller ones too.
func (r *Receiver) adapt(now time.Duration) {
	if !r.began {
		return
	}
	s := r.jb.Stats()
	late := s.Delay + r.shift - s.Target
	r.rate.Step = 1 + 1e-6*r.drift.Ppm(late)
	if r.pause > 0 {
		r.pause--
		return
	}
	switch {
	case late > tooLate, late > tooLateInPause+s.Jitter/10 && r.fifo.len() >= 2*minLag && silent(r.fifo.data()):
		fast := late > hurry
		for r.fifo.len() < 2*maxLag && r.jb.Ready() {
			r.more(now)
		}
		least := 2 * pcm.Frame
		if silent(r.fifo.data()) {
			least = 2 * minLag
		}
		if r.fifo.len() < least {
			return // nothing is here that could be cut
		}
		n := r.stretch.shorten(r.fifo.data(), pcm.Samples(late), fast)
		r.fifo.skip(n)
		r.stretched(-n, fast)
	case late < -tooEarly && r.fifo.len() >= 2*minLag:
		n := r.stretch.lengthen(r.fifo.room(), r.fifo.data(), pcm.Samples(-late))
		r.fifo.skip(-n)
		r.stretched(n, false)
	}
}

func (r *Receiver) stretched(n int, fast bool) {
	if n == 0 {
		return
	}
	r.shift += pcm.Duration(n)
	r.pause = pauseSlow
	if fast {
		r.pause = pauseFast
	}
}

// more does what the jitter buffer says and appends at least 2.5 ms to the fifo.
func (r *Receiver) more(now time.Duration) {
	a := r.jb.Next(now, pcm.Duration(r.fifo.len()))
	if a.Kind == jitter.Play && (r.dec == nil || a.Fresh || a.Codec != r.codec) {
		r.dec, _ = codec.NewDecoder(a.Codec) // cannot fail for a codec that put lets through
		r.codec = a.Codec
	}
	want := min(pcm.Samples(a.Duration), len(r.pcm))
	if r.dec == nil {
		r.comfort.Fill(r.fifo.grow(want))
		return
	}
	switch a.Kind {
	case jitter.Play:
		r.play(a)
		return
	case jitter.Recover:
		r.repaired(r.dec.Recover(a.Payload, r.pcm[:want]), want)
	case jitter.Conceal:
		r.repaired(r.dec.Conceal(r.pcm[:want]), want)
	default:
		r.comfort.Fill(r.fifo.grow(want))
	}
}

func (r *Receiver) play(a jitter.Action) {
	n, err := r.dec.Decode(a.Payload, r.pcm)
	if err != nil || n == 0 {
		r.fifo.silence(max(pcm.Samples(a.Duration), pcm.Seam))
		return
	}
	pcm.Bound(r.pcm[:n])
	if a.Jump {
		r.fifo.fadeOut(pcm.Seam)
		pcm.FadeIn(r.pcm[:min(n, pcm.Seam)])
	}
	r.comfort.Hear(r.pcm[:n])
	r.fifo.write(r.pcm[:n])
	r.began, r.shift = true, 0
}

func (r *Receiver) repaired(err error, n int) {
	if err != nil {
		r.fifo.silence(n)
		return
	}
	pcm.Bound(r.pcm[:n])
	r.fifo.write(r.pcm[:n])
	r.concealed += uint64((n + pcm.Frame - 1) / pcm.Frame)
}

// fifoRoom is how much can be put in front of what waits.
const fifoRoom = maxLag

// fifo is a queue of samples in one goroutine, with room in front.
type fifo struct {
	buf   []float32
	front int // of what waits, in buf; never less than fifoRoom after a write
}

func (f *fifo) len() int { return len(f.buf) - f.front }

func (f *fifo) clear() { f.buf, f.front = f.buf[:fifoRoom], fifoRoom }

// data is what waits, oldest first; it may be changed in place.
func (f *fifo) data() []float32 { return f.buf[f.front:] }

// room is what may be overwritten in front of data.
func (f *fifo) room() []float32 { return f.buf[:f.front] }

// skip drops n samples from the front, or takes in as many of the room.
func (f *fifo) skip(n int) { f.front += n }

// take removes n samples and returns them; they are valid until the next write.
func (f *fifo) take(n int) []float32 {
	x := f.data()[:n]
	f.front += n
	return x
}

// grow makes room for n samples at the end and returns it.
func (f *fifo) grow(n int) []float32 {
	if len(f.buf)+n > cap(f.buf) {
		k := copy(f.buf[fifoRoom:cap(f.buf)], f.data())
		f.buf, f.front = f.buf[:fifoRoom+k], fifoRoom
	}
	n = min(n, cap(f.buf)-len(f.buf))
	f.buf = f.buf[:len(f.buf)+n]
	return f.buf[len(f.buf)-n:]
}

func (f *fifo) write(x []float32) { copy(f.grow(len(x)), x) }

func (f *fifo) silence(n int) { clear(f.grow(n)) }

// fadeOut fades the last n samples.
func (f *fifo) fadeOut(n int) {
	d := f.data()
	n = min(n, len(d))
	pcm.FadeOut(d[len(d)-n:])
}
