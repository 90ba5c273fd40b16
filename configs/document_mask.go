package configs

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"intercomd/configs/toml"
)

// This file hides the secrets of a [Document] from whoever edits it, and puts them back.

// maskedAs is what [Document.Masked] puts in place of the n-th secret, from 1.
func maskedAs(n int) string { return `"` + sealed + strconv.Itoa(n) + `"` }

// maskOf is the number of a masked secret, 0 if a value is none.
func maskOf(value string) int {
	rest, ok := strings.CutPrefix(value, sealed)
	if n, err := strconv.Atoi(rest); ok && err == nil && n > 0 && strconv.Itoa(n) == rest {
		return n
	}
	return 0
}

// secretPaths are the settings that are secrets, without the numbers of their sections.
func secretPaths() map[string]bool {
	out := map[string]bool{}
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for f := range t.Fields() {
			name, ft := f.Tag.Get("toml"), f.Type
			if name == "" {
				continue
			}
			if ft == reflect.TypeFor[Secret]() {
				out[toml.Join(path, name)] = true
			}
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				walk(ft, toml.Join(path, name))
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return out
}

// secrets are the values of settings that are secrets, in the order of the text, as far as one
// stands there; among them those in comments, such as #password = "...".
func (d *Document) secrets() (list []span) {
	paths := secretPaths()
	for _, g := range d.index.values {
		if paths[plain(g.path)] && !bytes.Equal(d.text[g.value.from:g.value.to], []byte(`""`)) {
			list = append(list, g.value)
		}
	}
	inside := func(at int) bool {
		return slices.ContainsFunc(d.index.values, func(g given) bool { return at >= g.value.from && at < g.value.to })
	}
	names := map[string]bool{}
	for path := range paths {
		names[path[strings.LastIndexByte(path, '.')+1:]] = true
	}
	for start := 0; start < len(d.text); start = d.behind(start) {
		_, end := toml.LineAround(d.text, start)
		line := d.text[start:end]
		hash := bytes.IndexByte(line, '#')
		for ; hash >= 0; hash = next(line, hash, '#') {
			if inside(start + hash) {
				continue
			}
			break
		}
		if hash < 0 {
			continue
		}
		key, _, ok := bytes.Cut(line[hash:], []byte("="))
		if !ok || !names[strings.ToLower(string(bytes.Trim(key, "# \t")))] {
			continue
		}
		from := start + hash + len(key) + 1
		value := bytes.TrimSpace(d.text[from:end])
		from += bytes.Index(d.text[from:end], value)
		if len(value) > 0 && string(value) != `""` {
			list = append(list, span{from, from + len(value)})
		}
	}
	slices.SortFunc(list, func(a, b span) int { return a.from - b.from })
	out := list[:0]
	for _, s := range list {
		if len(out) == 0 || s.from >= out[len(out)-1].to { // not the items of a list
			out = append(out, s)
		}
	}
	return out
}

// next is the next place of a byte behind one, -1 for none.
func next(line []byte, after int, b byte) int {
	i := bytes.IndexByte(line[after+1:], b)
	if i < 0 {
		return -1
	}
	return after + 1 + i
}

// Masked is the text with a placeholder, "=1", "=2" and so on, for each secret, those in comments
// included. Lines keep their numbers as long as secrets are in one line, as all good ones are.
func (d *Document) Masked() []byte {
	return d.replaced(func(n int, _ []byte) string { return maskedAs(n) })
}

// Hidden is the text for people with dots for each secret: nothing can be put back.
func (d *Document) Hidden() []byte {
	return d.replaced(func(int, []byte) string { return `"•••"` })
}

// replaced is the text with something else for each secret, of which with is told the number, from
// 1, and how it is written.
func (d *Document) replaced(with func(n int, raw []byte) string) []byte {
	var out []byte
	last := 0
	for i, s := range d.secrets() {
		out = append(append(out, d.text[last:s.from]...), with(i+1, d.text[s.from:s.to])...)
		last = s.to
	}
	return append(out, d.text[last:]...)
}

// Unmask puts the secrets of another document, of which this text is a masked and perhaps changed
// copy, in place of their placeholders. A placeholder of none stays, which is a fault of the
// configuration: the loader says that the secret has to be typed anew.
func (d *Document) Unmask(from *Document) error {
	theirs := from.secrets()
	return d.become(d.replaced(func(_ int, raw []byte) string {
		switch n := maskOf(plainValue(raw)); {
		case n == 0:
			return string(raw)
		case n <= len(theirs):
			return string(from.text[theirs[n-1].from:theirs[n-1].to])
		}
		return `"` + sealed + `"`
	}))
}
