package words

import (
	"bytes"
	"regexp"
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
