package audio

import (
	"math"
	"sync/atomic"
	"time"
)

// Level is a sound level over the last 100 ms in dBFS: 0 is a full-scale square
// wave, -100 stands for silence.
type Level struct{ Peak, RMS float64 }

// DeviceStatus is the state of one sound device.
type DeviceStatus struct {
	Wanted  string        // name in the configuration
	Name    string        // of the device in use
	OK      bool          // open and delivering, or deliberately none
	Error   string        // why not
	Rate    int           // Hz
	Latency time.Duration // of the device, as its driver tells it
}

// Status is the state of the engine at one moment.
type Status struct {
	Input, Output DeviceStatus
	Hung          bool   // the sound system does not answer: only a new process helps
	Mic, Speaker  Level  // after all processing
	MicLive       bool   // the microphone reaches the far end
	Tone          string // playing; "" none
	Codec         string // of the packets sent, or else received; "" without a call
	Call          CallStats
	Xruns         uint64 // under- and overruns of devices since start
	Echo          EchoStats
	Duplex        DuplexStatus
	Clipped       uint64 // 10 ms frames in which the microphone reached full scale, since start
}

// CallStats counts what the audio path did for the call, or for the last one.
type CallStats struct {
	Received  uint64        // packets
	Lost      uint64        // packets that never came or came too late
	Late      uint64        // of these, too late
	Discarded uint64        // packets thrown away to catch up after a stall
	Concealed uint64        // 10 ms frames made up for lost audio
	Sent      uint64        // packets
	Target    time.Duration // delay aimed at in the jitter buffer
	Delay     time.Duration // delay in the jitter buffer
}

// gauges are written by the pump and read by anybody.
type gauges struct {
	mic, speaker level
	live         atomic.Bool
	tone         atomic.Pointer[string]
	codec        atomic.Int32
	hung         atomic.Bool
	clipped      atomic.Uint64
	duplex       atomic.Pointer[DuplexStatus]

	received, lost, late, discarded, concealed, sent atomic.Uint64
	target, delay                                    atomic.Int64

	erle, doubleTalk, noise atomic.Uint64 // float64 bits
	echoDelay               atomic.Int64
	diverged, howling       atomic.Bool
}

// level is a Level with atomic fields; a reader may see peak and mean of two
// neighbouring readings.
type level struct{ peak, rms atomic.Uint64 }

func (l *level) store(v Level) {
	l.peak.Store(math.Float64bits(v.Peak))
	l.rms.Store(math.Float64bits(v.RMS))
}

func (l *level) load() Level {
	return Level{math.Float64frombits(l.peak.Load()), math.Float64frombits(l.rms.Load())}
}

func newGauges() *gauges {
	g := &gauges{}
	g.mic.store(Level{silenceDB, silenceDB})
	g.speaker.store(Level{silenceDB, silenceDB})
	g.noise.Store(math.Float64bits(silenceDB))
	g.duplex.Store(&DuplexStatus{})
	return g
}

func (g *gauges) echo(s EchoStats) {
	g.erle.Store(math.Float64bits(s.ERLE))
	g.doubleTalk.Store(math.Float64bits(s.DoubleTalk))
	g.noise.Store(math.Float64bits(s.Noise))
	g.echoDelay.Store(int64(s.Delay))
	g.diverged.Store(s.Diverged)
	g.howling.Store(s.Howling)
}

func (g *gauges) call(r *receiver) {
	s := r.jb.Stats()
	g.received.Store(s.Received)
	g.lost.Store(s.Lost)
	g.late.Store(s.Late)
	g.discarded.Store(s.Discarded)
	g.concealed.Store(r.concealed)
	g.target.Store(int64(s.Target))
	g.delay.Store(int64(s.Delay))
}

func str(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

// Status tells the state of the engine. It takes no lock and may be called from
// any goroutine.
func (e *Engine) Status() Status {
	g := e.g
	return Status{
		Input: e.in.status(), Output: e.out.status(), Hung: g.hung.Load(),
		Mic: g.mic.load(), Speaker: g.speaker.load(),
		MicLive: g.live.Load(), Tone: str(&g.tone), Codec: codecName(int(g.codec.Load())),
		Xruns: e.xruns(), Duplex: *g.duplex.Load(), Clipped: g.clipped.Load(),
		Call: CallStats{
			Received: g.received.Load(), Lost: g.lost.Load(), Late: g.late.Load(),
			Discarded: g.discarded.Load(), Concealed: g.concealed.Load(), Sent: g.sent.Load(),
			Target: time.Duration(g.target.Load()), Delay: time.Duration(g.delay.Load()),
		},
		Echo: EchoStats{
			ERLE:       math.Float64frombits(g.erle.Load()),
			DoubleTalk: math.Float64frombits(g.doubleTalk.Load()),
			Noise:      math.Float64frombits(g.noise.Load()),
			Delay:      time.Duration(g.echoDelay.Load()),
			Diverged:   g.diverged.Load(), Howling: g.howling.Load(),
		},
	}
}

// xruns counts those of the open devices and of the ones before.
func (e *Engine) xruns() uint64 {
	n := e.in.xruns.Load() + e.out.xruns.Load()
	if c := e.mic.Load(); c != nil {
		n += c.mem.Xruns.Load()
	}
	if p := e.loudspeaker.Load(); p != nil {
		n += p.mem.Xruns.Load()
	}
	return n
}
