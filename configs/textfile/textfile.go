// Package textfile reads what people save, whatever their editor and system did to it: text,
// files of one secret, and certificates. It refuses to know what settings name these files.
package textfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"intercomd/words"
)

// Fault says why a file cannot be used.
type Fault struct {
	Line int // from 1; 0 if it has no place
	words.Message
	unnamed bool // the name of the file may be a secret
}

const byteOrderMark = "\ufeff"

// Clean makes UTF-8 with lines that end in \n of a file. Byte-order marks go, also
// those that joining files leaves within; so do the ends of line of Windows and old
// Macs, and the Ctrl-Z of DOS. UTF-16 is told by its byte-order mark; wide says that it was.
func Clean(data []byte) (text []byte, wide bool, fault *Fault) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}):
		return nil, true, &Fault{Message: words.New("text-utf-32")}
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		data, wide = utf8Of(data, binary.LittleEndian), true
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		data, wide = utf8Of(data, binary.BigEndian), true
	}
	text = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	text = bytes.ReplaceAll(text, []byte("\n"+byteOrderMark), []byte("\n"))
	text = bytes.TrimRight(text, "\x1a")
	at := func(offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }
	if i := bytes.IndexByte(text, 0); i >= 0 {
		f := &Fault{Line: at(i), Message: words.New("text-nul")}
		switch n := bytes.Count(text, []byte{0}); {
		case n == len(text):
		case n > len(text)*5/8:
			f.Message = words.New("text-utf-32")
		case n > len(text)/4:
			f.Message = words.New("text-utf-16-unmarked")
		}
		return nil, wide, f
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return nil, wide, &Fault{Line: at(i), Message: words.New("text-not-utf-8")}
		case r == utf8.RuneError && wide:
			return nil, wide, &Fault{Line: at(i), Message: words.New("text-not-utf-16")}
		}
		i += n
	}
	return text, wide, nil
}

var htmlPage = regexp.MustCompile(`(?i)^\s*<(!doctype html|html|\?xml)`)

// Document is [Clean] for a file that people write: it also tells the formats of word processors
// and pages of the web.
func Document(data []byte) ([]byte, *Fault) {
	text, _, fault := Clean(data)
	switch {
	case bytes.HasPrefix(data, []byte(`{\rtf`)) || bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, &Fault{Line: 1, Message: words.New("text-document")}
	case htmlPage.Match(data):
		return nil, &Fault{Line: 1, Message: words.New("text-page")}
	case fault != nil:
		return nil, fault
	}
	return text, nil
}

// utf8Of converts UTF-16. What is none becomes U+FFFD.
func utf8Of(data []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	if len(data) > 0 {
		units = append(units, utf8.RuneError)
	}
	return []byte(string(utf16.Decode(units)))
}

// firstLine is what a file of one secret holds: its first line, without the blanks that
// "echo secret > file" of Windows puts behind it.
func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}

// Secret reads a file that holds a password or a token in its first line. Blanks
// around it do not belong to it.
//
// UTF-16 is refused though it could be converted: whatever wrote it may have replaced the
// letters that it did not know, and nobody sees what became of a password.
func Secret(file string) (string, *Fault) {
	data, err := Read(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Somebody may have written the password itself in place of the name.
		return "", &Fault{unnamed: true, Message: words.New("secret-file-missing", "folder", filepath.Dir(file))}
	case err != nil:
		return "", Unreadable(err)
	}
	text, wide, fault := Clean(data)
	if fault != nil {
		return "", fault
	}
	if wide {
		return "", &Fault{Message: words.New("secret-utf-16")}
	}
	secret := firstLine(text)
	switch {
	case secret == "":
		return "", &Fault{Line: 1, Message: words.New("secret-empty")}
	case strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", &Fault{Line: 1, Message: words.New("secret-control-character")}
	case strings.ContainsFunc(secret, Invisible):
		return "", &Fault{Line: 1, Message: words.New("secret-invisible-character")}
	}
	return secret, nil
}

// Invisible tells characters that nobody sees and that no password has on purpose: they come
// with text that was copied.
func Invisible(r rune) bool { return unicode.Is(unicode.Cf, r) }

// At is the message with its place as the parameter in: the file and the line.
func (e *Fault) At(file string) words.Message {
	switch {
	case e.unnamed:
		return e.Message
	case e.Line > 0:
		file += ":" + strconv.Itoa(e.Line)
	}
	return e.With("in", file)
}
