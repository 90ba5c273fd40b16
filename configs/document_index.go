package configs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"intercomd/configs/toml"
)

// This file finds where the settings of a [Document] stand in its text.

// span is a part of the text.
type span struct{ from, to int }

// A setting of the text, where it is given.
type given struct {
	path  string
	key   span // from the beginning of its name, in an inline table too
	value span
	in    int  // number of the header that it stands below, -1 for none
	flat  bool // in an inline table, whose braces it must stay in
}

// header is a [section] or one of [[sections]].
type header struct {
	path string // with its number, as in "code[2]"
	many bool
	at   int // of its line
	end  int // of its line, behind the end
}

// index is where things are in a text.
type index struct {
	headers []header
	values  []given
	counts  map[string]int // of [[sections]], by the path without the last number
	// Numbers in values and headers, by path: of the first, if there were two.
	valueAt, headerAt map[string]int
}

func (x *index) find(path string) *given {
	if i, ok := x.valueAt[path]; ok {
		return &x.values[i]
	}
	return nil
}

func (x *index) header(path string) int {
	if i, ok := x.headerAt[path]; ok {
		return i
	}
	return -1
}

// byPath makes the maps.
func (x *index) byPath() {
	x.valueAt, x.headerAt = make(map[string]int, len(x.values)), make(map[string]int, len(x.headers))
	for i, v := range slices.Backward(x.values) {
		x.valueAt[v.path] = i
	}
	for i, h := range slices.Backward(x.headers) {
		x.headerAt[h.path] = i
	}
}

// resolve is the path of a header or of a key below it, with the numbers of the last sections.
func (x *index) resolve(base string, parts []string) string {
	for _, p := range parts {
		base = toml.Join(base, p)
		if n := x.counts[base]; n > 0 {
			base = fmt.Sprintf("%s[%d]", base, n-1)
		}
	}
	return base
}

func indexOf(text []byte) (*index, error) {
	x := &index{counts: map[string]int{}}
	var p unstable.Parser
	p.Reset(text)
	base := ""
	for p.NextExpression() {
		n := p.Expression()
		var parts []string
		at := -1
		for it := n.Key(); it.Next(); {
			parts = append(parts, string(it.Node().Data))
			if at < 0 {
				at = int(it.Node().Raw.Offset)
			}
		}
		if len(parts) == 0 || len(parts) > toml.MaxDepth || slices.ContainsFunc(parts, oddName) {
			return nil, ErrNotText
		}
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			many := n.Kind == unstable.ArrayTable
			base = x.resolve("", parts[:len(parts)-1])
			name := toml.Join(base, parts[len(parts)-1])
			if base = name; many {
				base = fmt.Sprintf("%s[%d]", name, x.counts[name])
				x.counts[name]++
			}
			start, end := toml.LineAround(text, at)
			x.headers = append(x.headers, header{base, many, start, min(end+1, len(text))})
		case unstable.KeyValue:
			from := valueAt(text, at)
			if from < 0 {
				return nil, ErrNotText
			}
			to, ok := x.value(text, toml.Join(base, strings.Join(parts, ".")), at, from, false)
			if !ok || to <= from {
				return nil, ErrNotText
			}
		}
	}
	if p.Error() != nil {
		return nil, ErrNotText
	}
	x.byPath()
	return x, nil
}

// oddName tells names that no setting has, and that a path could not have in it.
func oddName(name string) bool { return name == "" || strings.ContainsAny(name, ".[]\n\r") }

// valueAt is where the value of a key begins, -1 if there is none.
func valueAt(text []byte, at int) int {
	for at < len(text) {
		switch c := text[at]; c {
		case '"', '\'':
			if at = skipQuoted(text, at); at < 0 {
				return -1
			}
		case '=':
			for at++; at < len(text) && (text[at] == ' ' || text[at] == '\t'); at++ {
			}
			return at
		case '\n':
			return -1
		default:
			at++
		}
	}
	return -1
}

// skipQuoted is the offset behind a string that begins at one, -1 if it has no end.
func skipQuoted(text []byte, at int) int {
	quote := text[at]
	triple := bytes.Repeat([]byte{quote}, 3)
	if bytes.HasPrefix(text[at:], triple) {
		for i := at + 3; i < len(text); i++ {
			switch {
			case text[i] == '\\' && quote == '"':
				i++
			case bytes.HasPrefix(text[i:], triple):
				for i += 3; i < len(text) && text[i] == quote; i++ { // up to two belong to the text
				}
				return i
			}
		}
		return -1
	}
	for i := at + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return -1
}

// blanks is the first offset from one on that is no blank, end of line or comment.
func blanks(text []byte, at int) int {
	for at < len(text) {
		switch text[at] {
		case ' ', '\t', '\n', '\r':
			at++
		case '#':
			for at < len(text) && text[at] != '\n' {
				at++
			}
		default:
			return at
		}
	}
	return at
}

// value notes the value that begins at from, and those in it. The text is TOML, which the parser
// has seen; what this cannot follow is not ok.
func (x *index) value(text []byte, path string, key, from int, flat bool) (to int, ok bool) {
	g := given{path: path, key: span{from: key}, in: len(x.headers) - 1, flat: flat}
	if from >= len(text) {
		return from, false
	}
	at := len(x.values)
	x.values = append(x.values, g)
	switch text[from] {
	case '"', '\'':
		to = skipQuoted(text, from)
	case '[':
		to, ok = x.list(text, path, from)
		if !ok {
			return to, false
		}
	case '{':
		to, ok = x.inline(text, path, from)
		if !ok {
			return to, false
		}
	default:
		for to = from; to < len(text) && !bytes.ContainsRune([]byte(",]}#\r\n"), rune(text[to])); to++ {
		}
		for to > from && (text[to-1] == ' ' || text[to-1] == '\t') {
			to--
		}
	}
	x.values[at].value = span{from, to}
	x.values[at].key.to = to
	return to, to > from
}

func (x *index) list(text []byte, path string, from int) (to int, ok bool) {
	at := from + 1
	for n := 0; ; n++ {
		if at = blanks(text, at); at >= len(text) {
			return at, false
		}
		if text[at] == ']' {
			return at + 1, true
		}
		if at, ok = x.value(text, fmt.Sprintf("%s[%d]", path, n), at, at, true); !ok {
			return at, false
		}
		if at = blanks(text, at); at < len(text) && text[at] == ',' {
			at++
		}
	}
}

func (x *index) inline(text []byte, path string, from int) (to int, ok bool) {
	at := from + 1
	for {
		if at = blanks(text, at); at >= len(text) {
			return at, false
		}
		if text[at] == '}' {
			return at + 1, true
		}
		key := at
		if at = valueAt(text, key); at < 0 {
			return from, false
		}
		name, ok := keyName(text[key:at])
		if !ok {
			return at, false
		}
		if at, ok = x.value(text, toml.Join(path, name), key, at, true); !ok {
			return at, false
		}
		if at = blanks(text, at); at < len(text) && text[at] == ',' {
			at++
		}
	}
}

// keyName reads a key with the = behind it.
func keyName(raw []byte) (string, bool) {
	var p unstable.Parser
	p.Reset(append(bytes.Clone(bytes.TrimRight(raw, " \t")), "0"...))
	if !p.NextExpression() {
		return "", false
	}
	var parts []string
	for it := p.Expression().Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), !slices.ContainsFunc(parts, oddName)
}
