package audio

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/duplex"
	"intercomd/audio/pcm"
	"intercomd/audio/receive"
)

// loopLink gives back every packet that it is asked to send, some lost.
type loopLink struct {
	codec codec.Format
	box   [4]receive.Packet
	n     int
	seq   uint16
	time  uint32
}

func (l *loopLink) Codec() codec.Format { return l.codec }

func (l *loopLink) Receive(take func(*receive.Packet)) {
	for ; l.n > 0; l.n-- {
		take(&l.box[l.n-1])
	}
}

func (l *loopLink) Write(p []byte, samples uint32, _ bool) error {
	if l.seq++; l.seq%10 != 3 && l.n < len(l.box) {
		x := &l.box[l.n]
		*x = receive.Packet{SSRC: 1, Seq: l.seq, Timestamp: l.time, Codec: l.codec, Payload: append(x.Payload[:0], p...), Arrival: time.Now()}
		l.n++
	}
	l.time += samples
	return nil
}

// offlineDriver is for an engine that never runs.
type offlineDriver struct{}

func (offlineDriver) Devices() ([]device.Info, error) { return nil, nil }
func (offlineDriver) Open(device.Direction, string, *device.Ring) (device.Stream, error) {
	return nil, device.ErrNotFound
}
func (offlineDriver) Try(device.Direction, string) error { return nil }
func (offlineDriver) Stale() bool                        { return false }

// atWork returns a pump in a call with lost packets, a tone and devices, and a
// function that makes 10 ms of it.
func atWork(t testing.TB, name string, rate int) func() {
	t.Helper()
	return working(t, name, rate, Config{Duplex: duplex.Auto}, nil)
}

// working is atWork with settings; made is told of the engine.
func working(t testing.TB, name string, rate int, cfg Config, made func(*Engine)) func() {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	e, err := New(cfg, offlineDriver{})
	if err != nil {
		t.Fatal(err)
	}
	if made != nil {
		made(e)
	}
	p := newPump(e)
	p.in = device.NewCapture(e.clock, e.nudge, &e.mic)
	p.out = device.NewPlayback(e.clock, e.nudge, &e.loudspeaker)
	p.in.Start(rate)
	p.out.Start(rate)
	c := &conn{link: &loopLink{codec: codec.Format{Name: name, FEC: true}}}
	c.talk.Store(true)
	e.current.Store(c)
	e.Play("ringback")
	mic, spk := make([]int16, rate/100), make([]int16, rate/100)
	for i := range mic {
		mic[i] = int16(8000 * math.Sin(float64(i)/7))
	}
	now := time.Duration(0)
	return func() {
		now += pcm.FrameTime // on a machine that is never late
		e.epoch = time.Now().Add(-now)
		p.in.Ring().Deliver(mic, false)
		p.out.Ring().Fetch(spk, false)
		p.receive()
		p.makePlay(now)
		p.makeRec(true)
	}
}

func TestNoAllocationsPerFrame(t *testing.T) {
	for _, c := range []struct {
		codec string
		rate  int
	}{{"opus", 48000}, {"PCMU", 48000}, {"PCMA", 44100}} {
		step := atWork(t, c.codec, c.rate)
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(500, step); n != 0 {
			t.Errorf("%s at %d Hz: %v allocations per frame", c.codec, c.rate, n)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, codec := range []string{"opus", "PCMU"} {
		b.Run(codec, func(b *testing.B) {
			step := atWork(b, codec, pcm.SampleRate)
			for b.Loop() {
				step()
			}
		})
	}
}
