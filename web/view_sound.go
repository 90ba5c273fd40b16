package web

import (
	"math"
	"strconv"

	"intercomd/station"
)

// The meters show silence (all the way left) to full scale, in dBFS.
const (
	silence    = -100.0
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

func newTestView(snap *station.Snapshot) testView {
	t := snap.SelfTest
	v := testView{fact: fact{Name: "Self-test"}, Can: snap.State == station.Idle && t.State != station.TestRunning}
	at := clock(t.At, snap.Time)
	switch t.State {
	case station.TestRunning:
		v.Value = "running"
	case station.TestPassed:
		v.Value = "passed " + at
	case station.TestFailed:
		v.Value, v.Tone = "failed "+at, warn
	case station.TestUnclear:
		v.Value, v.Tone = orElse(clean(t.Text, maxText), "unclear")+" ("+at+")", warn
	case station.TestInterrupted:
		v.Value = "interrupted " + at
	default:
		v.Value = "not yet"
	}
	return v
}

type deviceView struct {
	ID     string
	Role   string // Microphone, Loudspeaker
	Name   string
	OK     bool
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

func newSoundView(snap *station.Snapshot) soundView {
	s := snap.Sound
	v := soundView{
		Devices: []deviceView{
			newDeviceView("mic", "Microphone", s.Input, s.Mic),
			newDeviceView("speaker", "Loudspeaker", s.Output, s.Speaker),
		},
		Live: s.MicLive, Muted: s.Muted,
		Tone: toneWords(s.Tone),
	}
	xruns := fact{Name: "Device under- and overruns", Value: count(s.Stats.Xruns)}
	if s.Stats.Xruns > 0 {
		xruns.Tone = warn
	}
	v.Facts = []fact{xruns}
	if n := s.Stats.Clipped; n > 0 {
		v.Facts = append(v.Facts, fact{Name: "Microphone clipped", Value: strconv.FormatFloat(float64(n)/100, 'f', 2, 64) + " s", Tone: warn})
	}
	v.Test = newTestView(snap)
	if s.Input.OK && s.Stats.Noise > silence && s.Stats.Noise < 0 {
		v.Facts = append(v.Facts, fact{Name: "Noise at the door", Value: dbfs(s.Stats.Noise)})
	}
	if d := s.Duplex; d.Mode == station.DuplexPush {
		v.Facts = append(v.Facts, fact{Name: "Talking", Value: "push to talk"})
	} else if d.Mode == station.DuplexSwitched {
		f := fact{Name: "Talking", Value: "one at a time"}
		if d.Reason != "" {
			f.Value, f.Tone = "one at a time: "+clean(d.Reason, maxName), warn
		}
		v.Facts = append(v.Facts, f)
	}
	if snap.State == station.Talking || snap.State == station.Calling || snap.State == station.Ringing {
		v.Call = callFacts(s)
	}
	return v
}

// callFacts is the quality of the running call. What warns: 3 % of lost audio,
// which everybody hears, and a far end that sends nothing.
func callFacts(s station.Sound) []fact {
	st := s.Stats
	if s.Codec == "" && st.Received == 0 && st.Sent == 0 {
		return nil
	}
	lost := fact{Name: "Lost or too late", Value: share(st.Lost, st.Received)}
	if total := st.Lost + st.Received; total >= 100 && float64(st.Lost) > 0.03*float64(total) {
		lost.Tone = warn
	}
	in := fact{Name: "Packets in", Value: count(st.Received)}
	if st.Received == 0 && st.Sent > 100 { // two seconds of talking to nobody
		in.Tone = warn
	}
	return []fact{
		{Name: "Codec", Value: orElse(clean(s.Codec, maxName), none)},
		in,
		{Name: "Packets out", Value: count(st.Sent)},
		lost,
		{Name: "Concealed audio", Value: strconv.FormatFloat(float64(st.Concealed)/100, 'f', 2, 64) + " s"},
		{Name: "Jitter buffer", Value: decimal(st.JitterMS, "ms")},
		{Name: "Echo reduced by (ERLE)", Value: decimal(st.ERLE, "dB")},
		{Name: "Echo delay", Value: decimal(st.EchoDelay, "ms")},
		{Name: "Both talk at once", Value: percent(st.DoubleTalk)},
	}
}

func newDeviceView(id, role string, d station.Device, l station.Level) deviceView {
	v := deviceView{
		ID: id, Role: role, OK: d.OK,
		Name:  orElse(clean(d.Name, maxName), clean(d.Wanted, maxName)),
		Error: sentence(d.Error), Meter: newMeter(l),
	}
	if !d.OK && v.Error == "" {
		v.Error = "Not in use."
	}
	return v
}

func newMeter(l station.Level) meterView {
	rms, peak := finite(l.RMS, silence), finite(l.Peak, silence)
	m := meterView{RMS: position(rms), Peak: position(peak), Now: strconv.Itoa(int(math.Round(max(rms, silence))))}
	m.Text = "silent"
	if peak > -90 {
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
func toneWords(t station.Tone) string {
	switch t {
	case "":
		return ""
	case station.ToneCalling:
		return "“calling”"
	case station.ToneError:
		return "“no connection”"
	case station.ToneDisturb:
		return "“please do not disturb”"
	case station.ToneLocked:
		return "“locked”"
	case station.ToneAlarm:
		return "the alarm"
	case station.ToneRingback:
		return "ringback"
	case station.ToneBusy:
		return "busy tone"
	case station.ToneCongestion:
		return "“the call failed”"
	case station.ToneIncoming:
		return "“somebody calls the door”"
	case station.ToneWaiting:
		return "“please wait”"
	case station.ToneNobody:
		return "“nobody is available”"
	case station.ToneConnected:
		return "“microphone live”"
	case station.ToneOpen:
		return "“the door is open”"
	case station.ToneWarning:
		return "“talk time ends soon”"
	case station.ToneEnd:
		return "“the call is over”"
	}
	return clean(string(t), maxName)
}
