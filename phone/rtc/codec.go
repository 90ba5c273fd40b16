package rtc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/phone/rtc/sdpfix"
)

// Codec is an audio coding as agreed with the far end.
type Codec struct {
	Name        string        // "opus", "PCMU", "PCMA" or "G722"; empty while nothing is agreed
	PayloadType uint8         // of RTP
	ClockRate   int           // of RTP timestamps, in Hz; for G722 that is 8000 (RFC 3551 §4.5.2)
	Channels    int           // as named in SDP; opus says 2 even for mono (RFC 7587 §7)
	Ptime       time.Duration // per packet, as the far end wants it
	FEC         bool          // the far end makes use of Opus in-band FEC
	MaxBitrate  int           // bit/s the far end wants at most; 0 if it does not say
	Clean       bool          // the far end has reported that as good as nothing is lost on the way
	Copies      int           // of it that travel in later packets, because much is lost and the far end takes them
}

// opusFmtp is all that is said about Opus. A maxaveragebitrate of ours that
// differs from the far end's would be of no use to it, and breaks some peers.
const opusFmtp = "minptime=10;useinbandfec=1"

// Payload types of our offers. 96 and up are free to choose; these are the usual ones.
const (
	ptOpus        = 111
	ptEvents48000 = 110
	ptEvents8000  = 126
)

const eventName = "telephone-event"

// defaultPtime is what both sides use when none of them says (RFC 3551 §4.2).
const defaultPtime = 20 * time.Millisecond

// codecFormat is the offered form of a codec that the configuration names.
func codecFormat(name string) (sdpfix.Format, bool) {
	switch strings.ToLower(name) {
	case "opus":
		return sdpfix.Format{PT: ptOpus, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: opusFmtp}, true
	case "pcmu":
		return sdpfix.Format{PT: 0, Name: "PCMU", ClockRate: 8000, Channels: 1}, true
	case "pcma":
		return sdpfix.Format{PT: 8, Name: "PCMA", ClockRate: 8000, Channels: 1}, true
	case "g722":
		return sdpfix.Format{PT: 9, Name: "G722", ClockRate: 8000, Channels: 1}, true
	}
	return sdpfix.Format{}, false
}

// ourFormats lists what an offer says: the codecs in order of preference, then
// telephone-event at each clock rate that occurs. FreeSWITCH miscounts durations
// when only 8000 Hz is offered with Opus.
func ourFormats(codecs []string) ([]sdpfix.Format, error) {
	var out []sdpfix.Format
	rates := map[int]bool{}
	for _, name := range codecs {
		f, ok := codecFormat(name)
		if !ok {
			return nil, fmt.Errorf("codec %q is not known; use opus, PCMU, PCMA or G722", name)
		}
		out = append(out, f)
		rates[f.ClockRate] = true
	}
	// Behind the codecs, for those who take the first of a list that they do not know.
	if rates[48000] {
		out = append(out, redFormat(ptRED, ptOpus))
	}
	if rates[48000] {
		out = append(out, eventFormat(ptEvents48000, 48000))
	}
	// 8000 Hz is offered even with Opus alone: many gateways know nothing else.
	return append(out, eventFormat(ptEvents8000, 8000)), nil
}

func eventFormat(pt uint8, rate int) sdpfix.Format {
	return sdpfix.Format{PT: pt, Name: eventName, ClockRate: rate, Channels: 1, Fmtp: "0-15"}
}

// offerAgain is what a further offer says: our formats with the payload types that
// the far end has given them, and without those whose number it uses for something
// else (RFC 3264 §8.3.2: a payload type keeps its meaning for the whole call).
func offerAgain(ours, theirs []sdpfix.Format) []sdpfix.Format {
	var out []sdpfix.Format
	for _, f := range ours {
		if f.Is(redName) {
			known, ok := redOf(theirs)
			if !ok {
				continue // it was refused, or Opus has gone
			}
			f = known
		} else if known, ok := find(theirs, f); ok {
			f.PT = known.PT
		} else if slices.ContainsFunc(theirs, func(t sdpfix.Format) bool { return t.PT == f.PT }) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// noCodecError tells that two sides have no audio coding in common.
type noCodecError struct {
	what  string
	cause error
}

func (e *noCodecError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", e.what, e.cause)
	}
	return e.what
}

func (e *noCodecError) Unwrap() error { return e.cause }

// NoCommonCodec marks the error for callers that answer it with 488.
func (e *noCodecError) NoCommonCodec() bool { return true }

// parse reads a description of the far end. One without audio is an error with
// NoCommonCodec, too.
func parse(text []byte) (*sdpfix.Description, error) {
	d, err := sdpfix.Parse(text)
	if errors.Is(err, sdpfix.ErrNoAudio) {
		return nil, &noCodecError{what: "reading the far end's SDP", cause: err}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the far end's SDP: %w", err)
	}
	return d, nil
}

// agreement is what both sides have settled on. It is immutable once made.
type agreement struct {
	send      Codec
	receive   [128]Codec // by payload type; Name is empty for those not agreed
	red       [2]uint8   // payload types of redundancy, ours and theirs; 0 if there is none
	events    [128]int   // clock rate of telephone-event by payload type; 0 if it is none
	digits    sdpfix.Format
	formats   []sdpfix.Format // what an answer of ours says
	direction sdpfix.Direction
	held      bool
}

// fromAnswer settles on what an answer accepted of our offer: the far end's first
// audio format is what it wants to get (RFC 3264 §7), with its payload type; what
// it sends may carry our number for it or its own.
func fromAnswer(ours []sdpfix.Format, answer *sdpfix.Description) (*agreement, error) {
	a := &agreement{}
	for _, theirs := range answer.Formats {
		mine, ok := find(ours, theirs)
		if !ok {
			continue
		}
		a.add(mine.PT, theirs, answer.Ptime)
	}
	if mine, ok := find(ours, sdpfix.Format{Name: redName, ClockRate: 48000}); ok {
		a.addRED(mine.PT, answer.Formats)
	}
	return a.complete(answer)
}

// fromOffer settles on the first of our codecs that is offered, and answers with
// that one alone plus telephone-event, so that both sides use the same.
func fromOffer(ours []sdpfix.Format, offer *sdpfix.Description) (*agreement, error) {
	a := &agreement{}
	for _, mine := range ours {
		theirs, ok := find(offer.Formats, mine)
		if !ok {
			continue
		}
		if mine.Is(redName) {
			if red, ok := a.addRED(theirs.PT, offer.Formats); ok {
				a.formats = append(a.formats, red)
			}
			continue
		}
		if !mine.Is(eventName) && a.send.Name != "" {
			continue
		}
		a.add(theirs.PT, theirs, offer.Ptime)
		theirs.Fmtp, theirs.Name = mine.Fmtp, mine.Name
		a.formats = append(a.formats, theirs)
	}
	return a.complete(offer)
}

func find(list []sdpfix.Format, want sdpfix.Format) (sdpfix.Format, bool) {
	for _, f := range list {
		if f.Is(want.Name) && f.ClockRate == want.ClockRate {
			return f, true
		}
	}
	return sdpfix.Format{}, false
}

// addRED takes redundancy where the far end takes it for the codec that is sent, and returns how
// an answer says so; pt is our own number for it.
func (a *agreement) addRED(pt uint8, theirs []sdpfix.Format) (sdpfix.Format, bool) {
	f, ok := redOf(theirs)
	if !ok || a.send.Name != "opus" {
		return f, false
	}
	a.red = [2]uint8{pt, f.PT}
	return redFormat(f.PT, a.send.PayloadType), true
}

// isRED reports whether packets of a payload type carry others.
func (a *agreement) isRED(pt uint8) bool {
	return a.red[1] != 0 && (pt == a.red[0] || pt == a.red[1]) && a.receive[pt].Name == "" && a.events[pt] == 0
}

// add takes one common format; pt is our own number for it.
func (a *agreement) add(pt uint8, theirs sdpfix.Format, ptime int) {
	if theirs.Is(redName) {
		return
	}
	if theirs.Is(eventName) {
		a.addEvent(pt, theirs)
		return
	}
	c := codecOf(theirs, ptime)
	if a.send.Name == "" {
		a.send = c
	}
	for _, n := range []uint8{pt, theirs.PT} {
		if a.receive[n].Name == "" {
			c.PayloadType = n
			a.receive[n] = c
		}
	}
}

func (a *agreement) addEvent(pt uint8, theirs sdpfix.Format) {
	for _, n := range []uint8{pt, theirs.PT} {
		if a.events[n] == 0 && a.receive[n].Name == "" {
			a.events[n] = theirs.ClockRate
		}
	}
	// Digits share clock and timestamps with the audio, where the far end allows it.
	if a.digits.Name == "" || theirs.ClockRate == a.send.ClockRate {
		a.digits = theirs
	}
}

func (a *agreement) complete(theirs *sdpfix.Description) (*agreement, error) {
	if a.send.Name == "" {
		return nil, &noCodecError{what: "the far end offers none of our codecs (" + names(theirs.Formats) + ")"}
	}
	a.direction = theirs.Direction.Mirror()
	a.held = theirs.Held
	return a, nil
}

func names(list []sdpfix.Format) string {
	var out []string
	for _, f := range list {
		if len(out) == 8 {
			out = append(out, "...")
			break
		}
		out = append(out, f.Name[:min(len(f.Name), 20)])
	}
	return strings.Join(out, ", ")
}

// codecOf reads the far end's wishes about a format.
func codecOf(f sdpfix.Format, ptime int) Codec {
	known, _ := codecFormat(f.Name)
	c := Codec{
		Name: known.Name, PayloadType: f.PT, ClockRate: f.ClockRate, Channels: max(f.Channels, 1),
	}
	if v, ok := f.Param("ptime"); ok && ptime == 0 {
		ptime, _ = strconv.Atoi(v)
	}
	c.Ptime = clampPtime(ptime)
	if v, _ := f.Param("useinbandfec"); v == "1" {
		c.FEC = true
	}
	if v, ok := f.Param("maxaveragebitrate"); ok {
		if n, err := strconv.Atoi(v); err == nil && n >= 6000 && n <= 510000 { // RFC 7587 §6.1
			c.MaxBitrate = n
		}
	}
	return c
}

// clampPtime keeps packets at 10, 20, 40 or 60 ms, which every codec here can make.
func clampPtime(ms int) time.Duration {
	switch {
	case ms <= 0:
		return defaultPtime
	case ms < 20:
		return 10 * time.Millisecond
	case ms < 40:
		return 20 * time.Millisecond
	case ms < 60:
		return 40 * time.Millisecond
	}
	return 60 * time.Millisecond
}
