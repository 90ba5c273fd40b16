package audio

import (
	"time"

	"intercomd/audio/jitter"
)

// receiver turns the packets of a call into frames for the loudspeaker. It
// belongs to the pump.
type receiver struct {
	jb        *jitter.Buffer
	dec       decoder
	codec     int // of dec
	fifo      fifo
	pcm       []float32 // scratch for one packet
	concealed uint64    // frames made up
	began     bool      // audio of this call has been decoded

	comfort comfort
	stretch stretcher
	pause   int           // frames until the next stretch
	shift   time.Duration // how much the delay was changed since the last packet
	rate    *resampler
	drift   drift
}

func newReceiver() *receiver {
	r := &receiver{
		jb:   jitter.New(jitter.Config{Eager: true}),
		pcm:  make([]float32, maxDecoded),
		fifo: fifo{buf: make([]float32, fifoRoom, fifoRoom+2*maxDecoded)},
		rate: newResampler(SampleRate, SampleRate, 2*Frame), drift: farDrift(),
	}
	r.fifo.clear()
	return r
}

// reset begins a new call.
func (r *receiver) reset() {
	r.jb = jitter.New(jitter.Config{Eager: true})
	r.dec, r.codec, r.concealed, r.began = nil, codecNone, 0, false
	r.fifo.clear()
	r.pause, r.shift, r.drift, r.comfort = 0, 0, farDrift(), comfort{}
	r.rate.clear()
}

// put takes a packet that came at the given time of the engine's clock. One that cannot be
// played is dropped.
func (r *receiver) put(p *Packet, at time.Duration) {
	id := codecID(p.Codec.Name)
	if id == codecNone || len(p.Payload) > jitter.MaxPayload {
		return
	}
	r.jb.Put(jitter.Packet{
		SSRC: p.SSRC, Seq: p.Seq, Timestamp: p.Timestamp,
		ClockRate: clockRate(id), Samples: payloadSamples(id, p.Payload), Codec: id, Payload: p.Payload,
	}, at)
}

// frame fills out with the next 10 ms and tells whether the call's audio has
// begun. now is the engine's clock.
func (r *receiver) frame(out []float32, now time.Duration) bool {
	r.adapt(now)
	need := r.rate.need(len(out))
	for r.fifo.len() < need {
		r.more(now)
	}
	r.rate.feed(r.fifo.take(need))
	r.rate.pull(out)
	return r.began
}

// adapt keeps the delay near its target: small errors by playing a little faster
// or slower, larger ones by cutting or repeating periods.
func (r *receiver) adapt(now time.Duration) {
	if !r.began {
		return
	}
	s := r.jb.Stats()
	late := s.Delay + r.shift - s.Target
	r.rate.step = 1 + 1e-6*r.drift.ppm(late)
	if r.pause > 0 {
		r.pause--
		return
	}
	switch {
	case late > tooLate:
		fast := late > hurry
		for r.fifo.len() < 2*maxLag && r.jb.Ready() {
			r.more(now)
		}
		if r.fifo.len() < 2*maxLag {
			return // nothing is here that could be cut: the far end is slow
		}
		n := r.stretch.shorten(r.fifo.data(), samplesOf(late), fast)
		r.fifo.skip(n)
		r.stretched(-n, fast)
	case late < -tooEarly && r.fifo.len() >= 2*minLag:
		n := r.stretch.lengthen(r.fifo.room(), r.fifo.data(), samplesOf(-late))
		r.fifo.skip(-n)
		r.stretched(n, false)
	}
}

func (r *receiver) stretched(n int, fast bool) {
	if n == 0 {
		return
	}
	r.shift += timeOf(n)
	r.pause = pauseSlow
	if fast {
		r.pause = pauseFast
	}
}

// more does what the jitter buffer says and appends at least 2.5 ms to the fifo.
func (r *receiver) more(now time.Duration) {
	a := r.jb.Next(now, timeOf(r.fifo.len()))
	if a.Kind == jitter.Play && (r.dec == nil || a.Fresh || a.Codec != r.codec) {
		r.dec, _ = newDecoder(a.Codec) // cannot fail for a codec that put lets through
		r.codec = a.Codec
	}
	want := min(samplesOf(a.Duration), len(r.pcm))
	if r.dec == nil {
		r.comfort.fill(r.fifo.grow(want))
		return
	}
	switch a.Kind {
	case jitter.Play:
		r.play(a)
		return
	case jitter.Recover:
		r.repaired(r.dec.recover(a.Payload, r.pcm[:want]), want)
	case jitter.Conceal:
		r.repaired(r.dec.conceal(r.pcm[:want]), want)
	default:
		r.comfort.fill(r.fifo.grow(want))
	}
}

// seam is the length of the fades where audio was cut out, in samples: 2.5 ms.
const seam = SampleRate / 400

func (r *receiver) play(a jitter.Action) {
	n, err := r.dec.decode(a.Payload, r.pcm)
	if err != nil || n == 0 {
		r.fifo.silence(max(samplesOf(a.Duration), seam))
		return
	}
	finite(r.pcm[:n])
	if a.Jump {
		r.fifo.fadeOut(seam)
		fadeIn(r.pcm[:min(n, seam)])
	}
	r.comfort.hear(r.pcm[:n])
	r.fifo.write(r.pcm[:n])
	r.began, r.shift = true, 0
}

func (r *receiver) repaired(err error, n int) {
	if err != nil {
		r.fifo.silence(n)
		return
	}
	finite(r.pcm[:n])
	r.fifo.write(r.pcm[:n])
	r.concealed += uint64((n + Frame - 1) / Frame)
}

func fadeIn(x []float32) {
	for i := range x {
		x[i] *= float32(i+1) / float32(len(x)+1)
	}
}

func timeOf(samples int) time.Duration {
	return time.Duration(samples) * time.Second / SampleRate
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
	d = d[len(d)-n:]
	for i := range d {
		d[i] *= float32(n-i) / float32(n+1)
	}
}
