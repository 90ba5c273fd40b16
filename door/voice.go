package door

import (
	"sync/atomic"
	"time"

	"intercomd/audio"
	"intercomd/audio/device"
	"intercomd/audio/duplex"
	"intercomd/station"
)

// voice lets the station use the audio engine.
type voice struct {
	in     *station.Inbox
	engine *audio.Engine
	open   atomic.Pointer[opened]
}

// opened is the call whose audio is open.
type opened struct {
	*call
	at time.Time // that it was opened first
}

func (v *voice) Play(t station.Tone) { v.engine.Play(string(t)) }
func (v *voice) Silence()            { v.engine.Silence() }
func (v *voice) Prepare()            { v.engine.Prepare() }

// opens notes that the audio of a call is opened, perhaps again.
func (v *voice) opens(c *call) {
	if o := v.open.Load(); o == nil || o.call != c {
		v.open.Store(&opened{call: c, at: time.Now()})
	}
}

func (v *voice) Mute(on bool) { v.engine.Mute(on) }

func (v *voice) Close() {
	v.engine.Disconnect()
	v.open.Store(nil)
}

// notify passes on when the first audio of a call was heard or sent.
func (v *voice) notify(e audio.Event) {
	c := v.open.Load()
	if c == nil {
		return
	}
	switch e.Kind {
	case audio.FirstHeard:
		v.in.CallEvent(c.call, station.CallEvent{Kind: station.FirstHeard, At: e.At})
	case audio.FirstSpoken:
		v.in.CallEvent(c.call, station.CallEvent{Kind: station.FirstSpoken, At: e.At})
	}
}

func (v *voice) Sound() (station.Sound, station.Gauges) {
	s := v.engine.Status()
	sound := station.Sound{Input: deviceOf(s.Input), Output: deviceOf(s.Output), MicSilent: s.MicSilent,
		Tone: station.Tone(s.Tone), Codec: s.Codec, Duplex: duplexOf(s.Duplex), FarSilent: v.open.Load().silentSince()}
	return sound, station.Gauges{
		Mic: station.Level(s.Mic), Speaker: station.Level(s.Speaker),
		Stats: station.AudioStats{
			Received: s.Call.Received, Lost: s.Call.Lost, Concealed: s.Call.Concealed, Sent: s.Call.Sent,
			JitterMS: float64(s.Call.Target.Microseconds()) / 1000, Xruns: s.Xruns,
			ERLE: s.Echo.ERLE, EchoDelay: float64(s.Echo.Delay.Microseconds()) / 1000,
			DoubleTalk: s.Echo.DoubleTalk, Noise: s.Echo.Noise, Clipped: s.Clipped,
		},
	}
}

// silentSince says when the far end was last heard, by its packets; the zero time if none
// are due.
func (o *opened) silentSince() time.Time {
	if o == nil {
		return time.Time{}
	}
	last, due := o.heard()
	switch {
	case !due:
		return time.Time{}
	case last.Before(o.at):
		return o.at
	default:
		return last
	}
}

func duplexOf(d duplex.Status) station.Duplex {
	out := station.Duplex{Mode: station.DuplexFull, Reason: string(d.Reason)}
	if d.Switched {
		out.Mode = station.DuplexSwitched
	}
	if d.Reason != "" {
		out.Since = d.Since
	}
	return out
}

func deviceOf(d device.Status) station.Device {
	return station.Device{Wanted: d.Wanted, Name: d.Name, OK: d.OK, Open: d.Open, Problem: d.Problem}
}

var _ station.Voice = (*voice)(nil)
