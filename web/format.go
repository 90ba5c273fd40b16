package web

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"intercomd/station"
	"intercomd/words"
)

const none = "–" // stands where there is nothing to show

// Names from the network and texts from devices are shown up to this length, in runes.
const (
	maxName = 64
	maxText = 400
	// maxMarks are the marks that a letter may have: no language needs as many.
	maxMarks = 4
)

// clean makes foreign text fit to be shown: no control characters, none that
// turn the direction of the text around (Unicode TR36, section 2.3), no
// endless length. Escaping for HTML is the template's part.
func clean(s string, limit int) string {
	marks := 0 // in a row
	s = strings.Map(func(r rune) rune {
		if !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		} else if marks++; marks > maxMarks { // they would be drawn over what is above and below
			return -1
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case words.Steers(r):
			return -1
		}
		return r
	}, s)
	return words.Brief(strings.TrimSpace(s), limit)
}

// sentence begins with a capital letter and ends with a full stop, whatever the
// error text did.
func (t teller) sentence(s string) string {
	s = clean(s, maxText)
	if s == "" {
		return ""
	}
	open := s[:len(s)-len(strings.TrimLeft(s, "¿¡"))]
	s = s[len(open):]
	r, n := utf8.DecodeRuneInString(s)
	// A word with capitals inside, such as a host name or "iPhone", stays as it is.
	if word, _, _ := strings.Cut(s, " "); word == strings.ToLower(word) && !strings.ContainsAny(word, ".:/_=") {
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	if last, _ := utf8.DecodeLastRuneInString(s); !strings.ContainsRune(".!?…。！？", last) {
		s += t.Text("page.full-stop")
	}
	return open + s
}

// peerName is what people call the far end.
func (t teller) peerName(p station.Peer) string {
	name, user := clean(p.Name, maxName), clean(p.User, maxName)
	switch {
	case name != "" && user != "" && name != user:
		return name + " (" + user + ")"
	case name != "":
		return name
	case user != "":
		return user
	case p.URI != "":
		return clean(p.URI, maxName)
	}
	return t.Text("page.unknown")
}

// serverName is the host of the server's URL, with a port that is not the usual one.
func serverName(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return clean(server, maxName)
	}
	if port := u.Port(); port == "443" && u.Scheme == "wss" || port == "80" && u.Scheme == "ws" {
		return clean(u.Hostname(), maxName)
	}
	return clean(u.Host, maxName)
}

// clock shows a moment in the door's own time zone, the shorter the nearer.
func clock(t, now time.Time) string {
	if t.IsZero() {
		return none
	}
	now = now.In(t.Location())
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// moment shows a moment with its day.
func (t teller) moment(at, now time.Time) string {
	text := clock(at, now)
	if at.IsZero() || len(text) > len("15:04:05") {
		return text
	}
	return t.Text("page.today", "at", text)
}

// since is the age of a moment, "" of one that is not known.
func (t teller) since(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	if d := now.Sub(at); d >= time.Second {
		return t.age(d)
	}
	return t.Text("page.a-moment")
}

// timer is a duration as a stopwatch shows it: "0:34", "1:02:03".
func timer(d time.Duration) string {
	s := int(max(d, 0) / time.Second)
	text := strconv.Itoa(s/60%60) + ":" + pad(s%60)
	if s >= 3600 {
		text = strconv.Itoa(s/3600) + ":" + pad(s/60%60) + ":" + pad(s%60)
	}
	return text
}

func pad(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// between is the time from one step of a call to a later one: "85 ms", "6.21 s".
func (t teller) between(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return none
	}
	return t.latency(to.Sub(from))
}

func (t teller) latency(d time.Duration) string {
	switch {
	case d < 0:
		return none
	case d < time.Second:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return t.seconds(d.Seconds())
	}
	return t.age(d)
}

// decimal shows a measured value with one digit after the point.
func decimal(f float64, unit string) string {
	return strings.ReplaceAll(strconv.FormatFloat(finite(f, 0), 'f', 1, 64), "-", "−") + " " + unit
}

// share is a percentage, with a digit more where it is small.
func share(part, rest uint64) string {
	total := float64(part) + float64(rest)
	if total == 0 {
		return "0 %"
	}
	return percent(float64(part) / total)
}

// percent shows a share of 0 to 1.
func percent(of float64) string {
	p := min(max(finite(of, 0), 0), 1) * 100
	if p == 0 || p >= 10 {
		return strconv.Itoa(int(math.Round(p))) + " %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// age is how long ago something was. From a minute on seconds do not matter: the page would
// change each second.
func (t teller) age(d time.Duration) string {
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	return t.Span(d)
}
