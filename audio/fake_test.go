package audio_test

import (
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"intercomd/audio"
	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/pcm"
	"intercomd/audio/receive"
)

// fakeDriver is a sound system with one microphone and one loudspeaker, whose
// callbacks come by the clock.
type fakeDriver struct {
	mu      sync.Mutex
	present bool  // devices can be opened
	rate    int   // Hz
	chunk   int   // samples per callback
	packets bool  // the microphone's callbacks bring 20 ms, and the loudspeaker is fed, as with PortAudio
	knows   bool  // who feeds it has found out when it takes a chunk
	err     error // of Open, instead
	streams map[*fakeStream]bool
	stuck   time.Duration // how long Open and Close take
	tried   int           // calls of Try
	loop    float64       // of the loudspeaker at the microphone, 20 ms later, if mic hears nothing
	inPPM   float64       // how much faster the microphone's clock runs

	clicks int
	extra  int
	half   bool
	mic    func(i int) float64 // what the microphone hears, by sample number
	played []float32           // what the loudspeaker played
}

func newFakeDriver() *fakeDriver {
	return &fakeDriver{present: true, rate: pcm.SampleRate, chunk: 480, streams: map[*fakeStream]bool{}}
}

func (d *fakeDriver) Devices() ([]device.Info, error) { return nil, nil }
func (d *fakeDriver) Stale() bool                     { return false }

func (d *fakeDriver) Try(_ device.Direction, name string) error {
	d.wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried++
	return d.missing(name)
}

// missing is why a device cannot be opened; d is locked.
func (d *fakeDriver) missing(name string) error {
	if d.err != nil {
		return d.err
	}
	if !d.present {
		return fmt.Errorf("%q: %w", name, device.ErrNotFound)
	}
	return nil
}

func (d *fakeDriver) Open(dir device.Direction, name string, x *device.Ring) (device.Stream, error) {
	d.wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.missing(name); err != nil {
		return nil, err
	}
	s := &fakeStream{d: d, dir: dir, x: x, quit: make(chan struct{}), done: make(chan struct{}), fed: make(chan struct{}, 1)}
	d.streams[s] = true
	if d.packets && dir == device.Out {
		x.Feed(func() { // the card looks for samples each time it takes a chunk
			select {
			case s.fed <- struct{}{}:
			default:
			}
		}, true)
	}
	go s.run()
	return s, nil
}

// unplug stops all callbacks, as pulling a cable does; plug allows new ones.
func (d *fakeDriver) unplug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.present = false
	for s := range d.streams {
		s.dead = true
	}
}

func (d *fakeDriver) plug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.present = true
}

// hang makes every call of the driver take so long; wait is where it does.
func (d *fakeDriver) hang(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stuck = t
}

func (d *fakeDriver) wait() {
	d.mu.Lock()
	t := d.stuck
	d.mu.Unlock()
	time.Sleep(t)
}

// click lets the microphone hear 2 ms of noise in its next callback, and flood
// makes it deliver n callbacks more than it should.
func (d *fakeDriver) click() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clicks++
}

func (d *fakeDriver) flood(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.extra += n
}

// heard returns what was played since the last call.
func (d *fakeDriver) heard() []float32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.played
	d.played = nil
	return p
}

// progress is how many samples were played since heard was called, and how many were written for it ever.
func (d *fakeDriver) progress() (played int, written uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.streams {
		if s.dir == device.Out {
			written = s.x.Memory().Head.Load()
		}
	}
	return len(d.played), written
}

// halve makes the microphone's next callback bring half as much.
func (d *fakeDriver) halve() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.half = true
}

type fakeStream struct {
	d          *fakeDriver
	dir        device.Direction
	x          *device.Ring
	dead       bool
	quit, done chan struct{}
	fed        chan struct{}
}

// until waits for the time of a callback, and rings the bell meanwhile if that is asked for. It returns
// false if the stream was closed.
func (s *fakeStream) until(t time.Time) bool {
	due := time.NewTimer(time.Until(t))
	defer due.Stop()
	for {
		alarm := &s.x.Memory().Alarm
		at := alarm.Load()
		ring := time.NewTimer(time.Duration(at) - s.x.Now())
		if at == 0 {
			ring.Stop()
		}
		select {
		case <-s.quit:
			ring.Stop()
			return false
		case <-due.C:
			ring.Stop()
			return true
		case <-s.fed:
			ring.Stop()
		case <-ring.C:
			if alarm.CompareAndSwap(at, 0) {
				s.x.Wake()
			}
		}
	}
}

func (s *fakeStream) Info() device.StreamInfo {
	return device.StreamInfo{Device: "fake " + s.dir.String(), Rate: s.d.rate}
}

func (s *fakeStream) Close() error {
	s.d.wait()
	close(s.quit)
	<-s.done
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	delete(s.d.streams, s)
	return nil
}

func (s *fakeStream) run() {
	defer close(s.done)
	chunk, card := s.d.chunk, []int16{}
	if s.d.packets && s.dir == device.In {
		chunk *= 2
	}
	period := float64(chunk) / float64(s.d.rate) * 1e9
	if s.dir == device.In {
		period /= 1 + s.d.inPPM*1e-6
	}
	start, pcm := time.Now(), make([]int16, chunk)
	for n := 0; ; n++ {
		if !s.until(start.Add(time.Duration(period * float64(n+1)))) {
			return
		}
		s.d.mu.Lock()
		loop, echo := s.d.loop, s.d.played
		dead, mic, click, extra, half := s.dead, s.d.mic, false, 0, false
		if s.dir == device.In {
			click, s.d.clicks = s.d.clicks > 0, max(s.d.clicks-1, 0)
			extra, s.d.extra = s.d.extra, 0
			half, s.d.half = s.d.half, false
		}
		s.d.mu.Unlock()
		if dead {
			continue
		}
		if s.dir == device.In {
			for i := range pcm {
				pcm[i] = 0
				if mic != nil {
					pcm[i] = int16(mic(n*chunk+i) * 32767)
				} else if k := len(echo) - s.d.rate/50 - len(pcm) + i; loop > 0 && k >= 0 {
					pcm[i] = int16(loop * float64(echo[k]) * 32767)
				}
			}
			for i := 0; click && i < 96; i++ {
				pcm[i] = 25000
			}
			if half {
				s.x.Deliver(pcm[:chunk/2], false)
				continue
			}
			for range extra + 1 {
				s.x.Deliver(pcm, false)
			}
			continue
		}
		if s.d.packets {
			card = s.take(card, pcm)
		} else {
			s.x.Fetch(pcm, false)
		}
		s.d.mu.Lock()
		for _, v := range pcm {
			s.d.played = append(s.d.played, float32(v)/32768)
		}
		s.d.mu.Unlock()
	}
}

// take fills pcm from a card that is fed, and hands on to it what was written since, or silence where
// it would run dry: with the next chunk, unless it is known when that is taken. It returns what the card has then.
func (s *fakeStream) take(card, pcm []int16) []int16 {
	clear(pcm)
	m := s.x.Memory()
	if !s.d.knows {
		card = card[copy(pcm, card):]
	}
	for t := m.Tail.Load(); t < m.Head.Load(); t = m.Tail.Add(1) {
		card = append(card, m.Samples[t%device.RingSize])
	}
	taken := m.Tail.Load() - uint64(len(card))
	if len(card) < len(pcm) {
		card, taken = append(card, make([]int16, len(pcm))...), taken-uint64(len(pcm))
		m.Fills.Add(1)
		if m.Started.Load() != 0 {
			m.Gaps.Add(1)
		}
	}
	if s.d.knows {
		n := copy(pcm, card)
		card, taken = card[n:], taken+uint64(n)
		m.Chunk.Store(int64(len(pcm)))
	}
	m.Last.Store(int64(s.x.Now()))
	m.Asked.Store(taken)
	return card
}

// sine is a microphone before which somebody whistles at f Hz.
func sine(f, amplitude float64, rate int) func(int) float64 {
	return func(i int) float64 { return amplitude * math.Sin(2*math.Pi*f*float64(i)/float64(rate)) }
}

// fakeLink is the call of a far end that a test plays.
type fakeLink struct {
	codec codec.Format
	in    chan receive.Packet
	quit  chan struct{}

	mu      sync.Mutex
	sent    [][]byte
	samples []uint32
	markers []bool
	last    time.Time
	pause   time.Duration // the longest between two packets
}

func newFakeLink(name string, rate int) *fakeLink {
	return &fakeLink{
		codec: codec.Format{Name: name, ClockRate: rate, Channels: 1, Ptime: 20 * time.Millisecond, FEC: true},
		in:    make(chan receive.Packet, 100), quit: make(chan struct{}),
	}
}

func (l *fakeLink) Receive(take func(*receive.Packet)) {
	for {
		select {
		case p := <-l.in:
			take(&p)
		default:
			return
		}
	}
}

func (l *fakeLink) Write(payload []byte, samples uint32, marker bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, append([]byte(nil), payload...))
	l.samples = append(l.samples, samples)
	l.markers = append(l.markers, marker)
	if !l.last.IsZero() {
		l.pause = max(l.pause, time.Since(l.last))
	}
	l.last = time.Now()
	return nil
}

func (l *fakeLink) Codec() codec.Format {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.codec
}

func (l *fakeLink) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// longest is the longest pause between two packets that were sent.
func (l *fakeLink) longest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

// amplitude is that of frequency f in x (Goertzel's sum, written out).
func amplitude(x []float32, f float64, rate int) float64 {
	w := 2 * math.Pi * f / float64(rate)
	var a, b float64
	for i, v := range x {
		a += float64(v) * math.Cos(w*float64(i))
		b += float64(v) * math.Sin(w*float64(i))
	}
	return 2 * math.Hypot(a, b) / float64(len(x))
}

func newEngine(t testing.TB, cfg audio.Config, d device.Driver) *audio.Engine {
	t.Helper()
	cfg.Log = newLog(t)
	e, err := audio.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
