package textfile

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Offsets is [Clean] with, for each byte of the text and for its end, where it was in data.
// ok is false if that cannot be told.
func Offsets(data []byte) (text []byte, at []int, ok bool) {
	type letter struct {
		r    rune
		raw  int
		size int
	}
	var letters []letter
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order := binary.ByteOrder(binary.LittleEndian)
		if data[0] == 0xfe {
			order = binary.BigEndian
		}
		for i := 0; i+1 < len(data); {
			r, n := rune(order.Uint16(data[i:])), 2
			if r >= 0xd800 && r < 0xdc00 && i+3 < len(data) {
				r, n = (r-0xd800)<<10+(rune(order.Uint16(data[i+2:]))-0xdc00)+0x10000, 4
			}
			letters = append(letters, letter{r, i, n})
			i += n
		}
	default:
		for i := 0; i < len(data); {
			r, n := utf8.DecodeRune(data[i:])
			letters = append(letters, letter{r, i, n})
			i += n
		}
	}
	add := func(r rune, raw int) {
		for range len(utf8.AppendRune(nil, r)) {
			at = append(at, raw)
		}
		text = utf8.AppendRune(text, r)
	}
	for i, l := range letters {
		switch {
		case l.r == '\r' && i+1 < len(letters) && letters[i+1].r == '\n':
		case l.r == '\r':
			add('\n', l.raw)
		case l.r == 0xfeff && (len(text) == 0 || text[len(text)-1] == '\n'):
		default:
			add(l.r, l.raw)
		}
	}
	text = bytes.TrimRight(text, "\x1a")
	at = append(at[:len(text)], len(data))
	clean, _, fault := Clean(data)
	return text, at, fault == nil && bytes.Equal(clean, text)
}
