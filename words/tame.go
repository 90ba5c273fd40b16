package words

import (
	"bytes"
	"regexp"
	"unicode"
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

// steers says whether a character is of those that no text needs (Unicode TR36, section 2.3).
func steers(r rune) bool {
	return r >= 0x7f && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
