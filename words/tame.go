package words

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tame takes out of JSON what steers a terminal or turns text around: JSON escapes control
// characters of ASCII, but readers undo that, and lets all others through. Texts of the
// network are shown by programs that do not expect any.
func Tame(body []byte) []byte {
	if !bytes.ContainsFunc(body, steers) && !bytes.ContainsRune(body, '\\') {
		return body
	}
	body = bytes.Map(func(r rune) rune {
		if steers(r) {
			return unicode.ReplacementChar
		}
		return r
	}, body)
	return escaped.ReplaceAllFunc(body, func(m []byte) []byte {
		if m[1] == '\\' || htmlEscaped(m) { // backslashes, and HTML, which the encoder escapes
			return m
		}
		return []byte(`\ufffd`)
	})
}

// htmlEscaped says whether m is what the encoder makes of <, > and &.
func htmlEscaped(m []byte) bool {
	switch string(m) {
	case `\u0026`, `\u003c`, `\u003e`:
		return true
	}
	return false
}

// escaped is an escaped character that steers, which ends of lines and tabulators do not, or
// backslashes of a text, which are escaped themselves.
var escaped = regexp.MustCompile(`(?:\\\\)+|\\u(?:00[0-9a-f]{2}|202[89])|\\[bf]`)

// steers says whether a character is of those that no JSON needs: its ends of lines are its own.
func steers(r rune) bool {
	return r >= 0x7f && r != utf8.RuneError && Steers(r) || r == '\u2028' || r == '\u2029'
}

// Steers says whether a character controls what shows it, turns text around (Unicode TR36, section 2.3),
// or stands for one that could not be read. Ends of lines and tabulators are among them.
func Steers(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// Brief is at most so many characters of a text, the last of them an ellipsis if there were more. The network
// says things of any length; nobody reads them, and all would have to be kept.
func Brief(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:max(most-1, 0)]) + "…"
}

// Cell is text for a table (CSV) that a spreadsheet takes for text: what begins like a formula would be
// run as one (OWASP, CSV injection), so that an apostrophe goes before it. [FromCell] undoes that.
func Cell(s string) string {
	if formula(s) {
		return "'" + s
	}
	return s
}

// FromCell is what [Cell] was given; any other text is itself.
func FromCell(s string) string {
	if rest, quoted := strings.CutPrefix(s, "'"); quoted && formula(rest) {
		return rest
	}
	return s
}

// formula says whether text begins like a formula, in the eyes of any spreadsheet. Apostrophes before it
// do not count, so that each text has a cell of its own; nor does what cannot be seen.
func formula(s string) bool {
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r == '\'' || unicode.IsSpace(r) || Steers(r) })
	first, _ := utf8.DecodeRuneInString(s)
	return s != "" && strings.ContainsRune("=+-@＝＋－＠|%", first)
}
