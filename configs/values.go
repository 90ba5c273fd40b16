package configs

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/configs/toml"
	"intercomd/words"
)

// This file reads the settings that are small languages: actions, parts of the week,
// days and moments.

// Action is what a press brings about.
type Action struct {
	Do     string // one of the words below
	Target string // of DoCall: name of a [Target], a user or a SIP URI
	Relay  string // of DoOpen, DoFlash, DoToggle, DoOn and DoOff
	Digits string // of DoDTMF
}

// The words of actions.
const (
	DoNothing = "none"
	DoCall    = "call"
	DoAnswer  = "answer"
	DoHangup  = "hangup"
	DoExtend  = "extend"
	DoTalk    = "talk"
	DoMute    = "mute"
	DoDTMF    = "dtmf"
	DoOpen    = "open"
	DoToggle  = "toggle"
	DoDisturb = "dnd"
	DoFlash   = "flash"
	DoOn      = "on"
	DoOff     = "off"
)

// String is the action as the file gives it.
func (a Action) String() string {
	if arg := a.Target + a.Relay + a.Digits; arg != "" {
		return a.Do + ":" + arg
	}
	return a.Do
}

func (d *decoder) action(dst *Action, v *toml.Value, key string) {
	text, ok := d.text(v, key, reflect.StructField{})
	if !ok {
		return
	}
	word, arg, has := strings.Cut(text, ":")
	a := Action{Do: word}
	missing := ""
	switch word {
	case DoNothing, DoAnswer, DoHangup, DoExtend, DoDisturb, DoTalk, DoMute:
		if has {
			d.fault(v.Line, key, words.New("config-action-argument", "word", word))
			return
		}
	case DoCall:
		if a.Target = arg; has && arg == "" {
			missing = "config-action-incomplete-call"
		}
	case DoOpen, DoToggle, DoFlash, DoOn, DoOff:
		if a.Relay = arg; arg == "" {
			missing = "config-action-incomplete-relay"
		}
	case DoDTMF:
		if a.Digits = arg; arg == "" {
			missing = "config-action-incomplete-digits"
		} else if !isDigits(arg) {
			d.fault(v.Line, key, words.New("config-action-digits", "value", quotable(arg)))
			return
		}
	default:
		d.fault(v.Line, key, choices("config-unknown-value", text, []string{DoCall, "call:1001", DoAnswer, DoHangup,
			DoExtend, DoTalk, DoMute, "dtmf:5", "open:door", "toggle:light", "flash:light", "on:light", "off:light", DoDisturb, DoNothing}))
		return
	}
	if missing != "" {
		d.fault(v.Line, key, words.New(missing, "value", text, "word", word))
		return
	}
	*dst = a
}

// parsed takes a list of texts, or one, each of which is read by parse.
// code is the message about one that is none.
func parsed[T comparable](d *decoder, dst *[]T, v *toml.Value, key, code string, parse func(string) (T, bool)) {
	var texts []string
	before := len(d.faults)
	d.texts(&texts, reflect.StructField{}, v, key)
	if len(d.faults) > before {
		return
	}
	var list []T
	for _, w := range texts {
		one, ok := parse(w)
		if !ok {
			d.fault(v.Line, key, words.New(code, "value", quotable(w)))
			return
		}
		list = append(list, one)
	}
	*dst = list
}

// level reads "80%", "-6dB" or "off".
func (d *decoder) level(dst *Level, v *toml.Value, key string) {
	text, ok := d.text(v, key, reflect.StructField{})
	if !ok {
		return
	}
	if l, ok := parseLevel(text); ok {
		*dst = l
		return
	}
	d.fault(v.Line, key, words.New("config-not-level", "value", quotable(text)))
}

func parseLevel(text string) (Level, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "off" {
		return Level{Given: true, Off: true}, true
	}
	num, percent := strings.CutSuffix(text, "%")
	low, high := 0., 100.
	if !percent {
		var db bool
		if num, db = strings.CutSuffix(text, "db"); !db {
			return Level{}, false
		}
		low, high = -100, 40
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if err != nil || !(f >= low && f <= high) {
		return Level{}, false
	}
	return Level{Given: true, DB: !percent, Value: f}, true
}

// parseWindow reads days and hours: "mon-fri 08:00-18:00". Days alone are whole days.
func parseWindow(text string) (w Window, ok bool) {
	days, hours, has := strings.Cut(strings.ToLower(strings.Join(strings.Fields(text), " ")), " ")
	w.To = 24 * 60
	if has {
		from, to, _ := strings.Cut(hours, "-")
		a, ok1 := parseClock(from)
		b, ok2 := parseClock(to)
		if !ok1 || !ok2 || a == b || a == 24*60 {
			return w, false
		}
		w.From, w.To = a, b
	}
	for _, part := range strings.Split(days, ",") {
		if !w.addDays(part) {
			return w, false
		}
	}
	return w, true
}

func (w *Window) addDays(part string) bool {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts
	switch part {
	case "daily":
		w.Days = [7]bool{true, true, true, true, true, true, true}
		return true
	case "holidays":
		w.Holidays = true
		return true
	}
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	}
	a, b := slices.Index(names, first), slices.Index(names, last)
	if a < 0 || b < 0 {
		return false
	}
	for i := a; ; i = (i + 1) % 7 { // "fri-mon" goes over the end of the week
		w.Days[i] = true
		if i == b {
			return true
		}
	}
}

// parseClock reads a time of day, 00:00 to 24:00, in minutes since midnight.
func parseClock(s string) (minutes int, ok bool) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}

func parseDay(text string) (Day, bool) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return Day{t.Year(), t.Month(), t.Day()}, true
	}
	t, err := time.Parse("2006-01-02", "2024-"+text) // a leap year: 02-29 is a day
	return Day{0, t.Month(), t.Day()}, err == nil
}

func (d *decoder) moment(dst *Moment, field reflect.StructField, v *toml.Value, key string) {
	text, ok := d.text(v, key, reflect.StructField{})
	if !ok {
		return
	}
	if text == "" {
		*dst = Moment{}
		return
	}
	date, clock, has := strings.Cut(strings.Join(strings.Fields(text), " "), " ")
	day, err := time.Parse(time.DateOnly, date)
	m := Moment{Year: day.Year(), Month: day.Month(), Day: day.Day()}
	ok = err == nil
	switch {
	case has:
		var good bool
		m.Minute, good = parseClock(clock)
		ok = ok && good
	case field.Tag.Get("day") == "end":
		m.Minute = 24 * 60
	}
	if !ok {
		d.fault(v.Line, key, words.New("config-not-date", "value", quotable(text)))
		return
	}
	*dst = m
}

// LampStates are the words for what a lamp tells.
func LampStates() []string {
	return []string{"idle", "calling", "ringing", "called", "talking", "ending", "open", "failed", "fault", "offline", "alarm", "dnd"}
}

// LampPatterns are the words for what a lamp does; "code" is the blink code of the fault.
func LampPatterns() []string {
	return []string{"off", "on", "slow", "fast", "pulse", "wink", "hurry", "double", "code"}
}

// parseLook reads how a lamp shows a state: "talking on green".
func parseLook(text string) (l Look, ok bool) {
	parts := strings.Fields(strings.ToLower(text))
	if len(parts) < 2 || len(parts) > 3 || !slices.Contains(LampStates(), parts[0]) {
		return l, false
	}
	l.State = parts[0]
	parts = parts[1:]
	if slices.Contains(LampPatterns(), parts[0]) {
		l.Pattern = parts[0]
		parts = parts[1:]
	}
	switch len(parts) {
	case 0:
		return l, true
	case 1:
		l.Colour, ok = parseColour(parts[0])
		return l, ok
	default:
		return l, false
	}
}

// parseColour reads "green" or "#00ff80". Black is no colour: the pattern off is for that.
func parseColour(s string) (uint32, bool) {
	switch s {
	case "red":
		return 0xff0000, true
	case "green":
		return 0x00ff00, true
	case "blue":
		return 0x0000ff, true
	case "yellow":
		return 0xffc000, true
	case "orange":
		return 0xff6000, true
	case "violet":
		return 0xa000ff, true
	case "cyan":
		return 0x00ffff, true
	case "white":
		return 0xffffff, true
	}
	hex, isHex := strings.CutPrefix(s, "#")
	n, err := strconv.ParseUint(hex, 16, 32)
	return uint32(n), isHex && err == nil && len(hex) == 6 && n > 0
}
