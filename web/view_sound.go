package web

import (
	"math"
	"slices"
	"strconv"
	"time"

	"intercomd/station"
)

// The meters show silence (all the way left) to full scale, in dBFS.
const (
	silence    = -100.0
	silent     = -90.0 // peaks up to here are nothing at all
	meterFloor = -60.0
	meterWidth = 600 // units of the drawing, 10 per dB
)

type soundView struct {
	Devices []deviceView
	Live    bool   // the microphone reaches the far end
	Muted   bool   // it does not, because somebody said so
	Tone    string // what the door plays by itself
	Call    []fact // of the running call
	Facts   []fact
	Test    testView
}

// testView is the acoustic self-test.
type testView struct {
	fact
	Can bool // it may be asked for now
}

func (t teller) newTestView(snap *station.Snapshot, now time.Time) testView {
	test := snap.SelfTest
	v := testView{fact: fact{Name: t.Text("page.self-test")}, Can: snap.State == station.Idle && test.State != station.TestRunning && snap.Sound.Input.OK && snap.Sound.Output.OK &&
		snap.Sound.Input.Wanted != station.NoDevice && snap.Sound.Output.Wanted != station.NoDevice}
	at := clock(test.At, now)
	switch test.State {
	case station.TestRunning:
		v.Value = t.Text("test.running")
	case station.TestPassed:
		v.Value = t.Text("test.passed", "at", at)
	case station.TestFailed:
		v.Value, v.Tone = t.Text("test.failed", "at", at), warn
	case station.TestUnclear:
		v.Value, v.Tone = t.Text("test.unclear", "at", at, "why", clean(t.Say("problem", test.Problem), maxText)), warn
	case station.TestInterrupted:
		v.Value = t.Text("test.interrupted", "at", at)
	default:
		v.Value = t.Text("test.never")
	}
	return v
}

type deviceView struct {
	ID     string
	Role   string // Microphone, Loudspeaker
	Name   string
	OK     bool
	Off    bool // deliberately none
	Error  string
	Meter  meterView
	Reason string // why there is no meter
}

// meterView is a level ready to be drawn.
type meterView struct {
	RMS, Peak int    // positions, 0 to meterWidth
	Now       string // for assistive technology, dBFS
	Text      string
}

func (t teller) newSoundView(snap *station.Snapshot, now time.Time) soundView {
	s, g := snap.Sound, &snap.Gauges
	v := soundView{
		Devices: []deviceView{
			t.newDeviceView("mic", t.Text("page.microphone"), s.Input, g.Mic),
			t.newDeviceView("speaker", t.Text("page.loudspeaker"), s.Output, g.Speaker),
		},
		Live: s.MicLive, Muted: s.Muted,
		Tone: t.toneWords(s.Tone),
	}
	xruns := fact{Name: t.Text("page.xruns"), Value: t.Text("page.per-minute", "n", count(g.Stats.XrunsNow))}
	if g.Stats.XrunsNow > 0 {
		xruns.Tone = warn
	}
	v.Facts = []fact{xruns}
	if n := g.Stats.Clipped; n > 0 {
		v.Facts = append(v.Facts, fact{Name: t.Text("page.clipped"), Value: t.seconds(float64(n) / 100), Tone: warn})
	}
	v.Test = t.newTestView(snap, now)
	if s.Input.OK && finite(g.Mic.Peak, silence) > silent && g.Stats.Noise > silence && g.Stats.Noise < 0 {
		v.Facts = append(v.Facts, fact{Name: t.Text("page.noise"), Value: dbfs(g.Stats.Noise)})
	}
	if d := s.Duplex; d.Mode == station.DuplexPush {
		v.Facts = append(v.Facts, fact{Name: t.Text("page.duplex"), Value: t.Text("duplex.push-to-talk")})
	} else if d.Mode == station.DuplexSwitched {
		f := fact{Name: t.Text("page.duplex"), Value: t.Text("duplex.switched")}
		if d.Reason != "" {
			f.Value, f.Tone = clean(t.Text("duplex.switched-because", "reason", d.Reason), maxText), warn
		}
		v.Facts = append(v.Facts, f)
	}
	if snap.State == station.Talking || snap.State == station.Calling || snap.State == station.Ringing {
		v.Call = t.callFacts(s.Codec, g.Stats)
	}
	return v
}

// callFacts is the quality of the running call. What warns: 3 % of lost audio,
// which everybody hears, and a far end that sends nothing.
func (t teller) callFacts(codec string, st station.AudioStats) []fact {
	if codec == "" && st.Received == 0 && st.Sent == 0 {
		return nil
	}
	lost := fact{Name: t.Text("page.lost"), Value: share(st.Lost, st.Received)}
	if total := st.Lost + st.Received; total >= 100 && float64(st.Lost) > 0.03*float64(total) {
		lost.Tone = warn
	}
	in := fact{Name: t.Text("page.packets-in"), Value: count(st.Received)}
	if st.Received == 0 && st.Sent > 100 { // two seconds of talking to nobody
		in.Tone = warn
	}
	return []fact{
		{Name: t.Text("page.codec"), Value: orElse(clean(codec, maxName), none)},
		in,
		{Name: t.Text("page.packets-out"), Value: count(st.Sent)},
		lost,
		{Name: t.Text("page.concealed"), Value: t.seconds(float64(st.Concealed) / 100)},
		{Name: t.Text("page.jitter"), Value: decimal(st.JitterMS, "ms")},
		{Name: t.Text("page.erle"), Value: decimal(st.ERLE, "dB")},
		{Name: t.Text("page.echo-delay"), Value: decimal(st.EchoDelay, "ms")},
		{Name: t.Text("page.double-talk"), Value: percent(st.DoubleTalk)},
	}
}

func (t teller) newDeviceView(id, role string, d station.Device, l station.Level) deviceView {
	v := deviceView{
		ID: id, Role: role, OK: d.OK,
		Name:  orElse(clean(d.Name, maxName), clean(d.Wanted, maxName)),
		Error: t.problem(d.Problem), Meter: t.newMeter(l),
	}
	if d.Wanted == station.NoDevice {
		v.OK, v.Off, v.Name = false, true, t.Text("page.no-"+map[string]string{"mic": "microphone", "speaker": "loudspeaker"}[id])
		return v
	}
	if v.Error != "" {
		v.Error = t.Text("page.see-faults") // once is enough
	}
	if !d.OK && v.Error == "" {
		v.Error = t.Text("page.not-in-use")
	}
	return v
}

func (t teller) newMeter(l station.Level) meterView {
	rms, peak := finite(l.RMS, silence), finite(l.Peak, silence)
	m := meterView{RMS: position(rms), Peak: position(peak), Now: strconv.Itoa(int(math.Round(max(rms, silence))))}
	m.Text = t.Text("page.silent")
	if peak > silent {
		m.Text = dbfs(rms)
	}
	return m
}

func position(db float64) int {
	db = min(max(db, meterFloor), 0)
	return int(math.Round((db - meterFloor) / -meterFloor * meterWidth))
}

// dbfs shows a level with a true minus sign.
func dbfs(db float64) string {
	n := int(math.Round(db))
	if n < 0 {
		return "−" + strconv.Itoa(-n) + " dBFS"
	}
	return strconv.Itoa(n) + " dBFS"
}

// toneWords names what the visitor hears from the door itself.
func (t teller) toneWords(tone station.Tone) string {
	if !slices.Contains(station.Tones(), tone) {
		return clean(string(tone), maxName)
	}
	return t.Text("tone." + string(tone))
}

// seconds shows a short time.
func (t teller) seconds(s float64) string {
	return t.Text("unit.s", "n", strconv.FormatFloat(s, 'f', 2, 64))
}
