package audio

import (
	"sync/atomic"
	"time"

	"intercomd/audio/device"
	"intercomd/audio/duplex"
	"intercomd/audio/levels"
)

// Status is the state of the engine at one moment.
type Status struct {
	Input, Output device.Status
	Hung          bool         // the sound system does not answer: only a new process helps
	Mic, Speaker  levels.Level // after all processing
	MicLive       bool         // the microphone reaches the far end
	MicSilent     bool         // in the call, or in the last one, it heard nothing at all for Config.SilentAfter
	Tone          string       // playing; "" none
	Codec         string       // of the packets sent, or else received; "" without a call
	Call          CallStats
	Xruns         uint64 // under- and overruns of devices since start
	Echo          EchoStats
	Duplex        duplex.Status
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

// gauges is what readers of [Engine.Status] see. The pump publishes a new reading
// whenever something has changed and ten times a second anyhow; what others decide
// is beside it.
type gauges struct {
	reading atomic.Pointer[reading]
	live    atomic.Bool // the microphone reaches the far end; Disconnect ends it at once
	hung    atomic.Bool // see Status
}

// reading is the part of a Status that the pump knows. One that was published is never
// changed.
type reading struct {
	mic, speaker levels.Level
	silent       bool
	tone, codec  string
	call         CallStats
	echo         EchoStats
	duplex       duplex.Status
	clipped      uint64
}

func newGauges(d duplex.Status) *gauges {
	quiet := levels.Quiet()
	g := &gauges{}
	g.reading.Store(&reading{mic: quiet, speaker: quiet, echo: EchoStats{Noise: levels.Silent}, duplex: d})
	return g
}

// Status tells the state of the engine. It takes no lock and may be called from
// any goroutine.
func (e *Engine) Status() Status {
	r := e.g.reading.Load()
	return Status{
		Input: e.in.Status(), Output: e.out.Status(), Hung: e.g.hung.Load(),
		Mic: r.mic, Speaker: r.speaker, MicLive: e.g.live.Load(), MicSilent: r.silent, Tone: r.tone, Codec: r.codec,
		Call: r.call, Xruns: e.xruns(), Echo: r.echo, Duplex: r.duplex, Clipped: r.clipped,
	}
}

// xruns counts those of the open devices and of the ones before.
func (e *Engine) xruns() uint64 {
	n := e.in.Overruns() + e.out.Overruns()
	if c := e.mic.Load(); c != nil {
		n += c.Overruns()
	}
	if p := e.loudspeaker.Load(); p != nil {
		n += p.Overruns()
	}
	return n
}
