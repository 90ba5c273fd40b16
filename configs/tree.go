package configs

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"intercomd/words"
)

// The document as a tree that knows its lines: the decoder of the TOML library stops
// at the first fault, and an installer wants to see all of them.

type kind int

const (
	textKind kind = iota
	numberKind
	realKind
	boolKind
	listKind
	tableKind
	otherKind // dates and times, for which there is no setting
)

// String is the code of a kind in the family "kind" of the catalogue.
func (k kind) String() string {
	return [...]string{"text", "whole", "real", "bool", "list", "section", "date"}[k]
}

type value struct {
	kind  kind
	text  string // of a text without quotes; of numbers and bools as written
	line  int
	items []*value // of a list
	keys  []entry  // of a table, in order; see add
	named map[string]*value
	each  bool // a list made of [[sections]]
}

type entry struct {
	name string
	val  *value
}

func (v *value) get(name string) *value { return v.named[name] }

// add adds an entry to a table.
func (v *value) add(name string, val *value) {
	if v.named == nil {
		v.named = make(map[string]*value)
	}
	v.named[name] = val
	v.keys = append(v.keys, entry{name, val})
}

const (
	maxSyntaxFaults = 10
	maxFaults       = 100     // that keep the phone off, and of the others: nobody reads more
	maxDepth        = 8       // of lists in lists, and parts of a name
	maxText         = 1 << 18 // bytes of a file, many times what a real one has
)

// builder makes a tree and collects what is wrong with the syntax.
type builder struct {
	file   string
	parser unstable.Parser
	root   *value
	here   *value // table of the last header
	path   string // its name
	faults Faults
	broken map[string]bool // keys whose lines could not be read
}

// parseTree reads a document. After a fault of the syntax it goes on in the next line;
// whole is false when the rest cannot be judged any more.
func parseTree(file string, data []byte) (b *builder, whole bool) {
	b = &builder{file: file, broken: make(map[string]bool)}
	whole = true
	last, lastSpared := -1, false
	for range 10 * maxSyntaxFaults {
		b.root = &value{kind: tableKind}
		b.here, b.path = b.root, ""
		semantic := b.read(data)
		err := b.parser.Error()
		if err == nil {
			b.faults = append(b.faults, semantic...)
			return b, whole
		}
		start, end := lineAround(data, b.place(err))
		open := false // a list, which nobody can tell the end of
		if strings.Contains(err.Error(), "array") {
			found := start
			start, end = listBefore(data, start, end)
			open = start != found
		}
		bad := string(data[start:end])
		number := 1 + bytes.Count(data[:start], []byte("\n"))
		key := b.path
		if m := keyOfLine.FindStringSubmatch(bad); m != nil {
			key = join(b.path, m[1])
			b.broken[key] = true
		}
		// What follows directly is the same fault once more, such as the lines of a list
		// that begins wrongly; but none that keeps the phone off must be lost.
		spared, _ := dispensable(key)
		if number != last+1 || last < 0 || lastSpared && !spared {
			f := syntaxFault(file, number, bad, err)
			if f.section = key; open {
				f.section = ""
			}
			b.faults = append(b.faults, f)
		}
		last, lastSpared = number, spared
		if strings.HasPrefix(strings.TrimSpace(bad), "[") {
			whole = false // the keys below would go astray
		}
		if len(b.faults) >= maxSyntaxFaults || start == end {
			break
		}
		data = bytes.Clone(data)
		for i := start; i < end; i++ {
			data[i] = ' '
		}
	}
	return b, false
}

// keyOfLine finds the name of a setting, also between blanks that are none to TOML, and
// before a colon as YAML has it.
var keyOfLine = regexp.MustCompile(`^[\s\pZ\x{200b}\x{feff}]*([A-Za-z0-9_.-]+)[\s\pZ\x{200b}\x{feff}]*[=:]`)

// opensList is a line that begins a list and does not end it.
var opensList = regexp.MustCompile(`^[^#=]*=\s*\[[^]]*$`)

// listBefore gives the line that began the list which is not closed at a line, or that line.
func listBefore(data []byte, start, end int) (from, to int) {
	for from, to = start, end; ; from, to = lineAround(data, from-1) {
		if opensList.Match(data[from:to]) {
			return from, to
		}
		if from == 0 {
			return start, end
		}
	}
}

// place is the offset of a fault of the syntax.
func (b *builder) place(err error) int {
	pe, ok := errors.AsType[*unstable.ParserError](err)
	if !ok {
		return 0
	}
	offset := cap(b.parser.Data()) - cap(pe.Highlight)
	return min(max(offset, 0), len(b.parser.Data()))
}

// lineAround gives the line at an offset, without its end.
func lineAround(data []byte, at int) (start, end int) {
	if at == len(data) && at > 0 && data[at-1] == '\n' {
		at--
	}
	start = bytes.LastIndexByte(data[:at], '\n') + 1
	if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
		return start, at + n
	}
	return start, len(data)
}

// read builds the tree as far as the syntax is right.
func (b *builder) read(data []byte) (faults Faults) {
	b.parser.Reset(data)
	lines := lineCounter{data: data, line: 1}
	for b.parser.NextExpression() {
		n := b.parser.Expression()
		var path []string
		line := 0
		for it := n.Key(); it.Next(); {
			path = append(path, string(it.Node().Data))
			if line == 0 {
				line = lines.at(int(it.Node().Raw.Offset))
			}
		}
		var f *Fault
		if len(path) > maxDepth {
			faults = append(faults, *b.fault(line, "", words.New("config-long-name", "n", strconv.Itoa(len(path)))))
			path = path[len(path)-maxDepth:]
		}
		switch n.Kind {
		case unstable.Table:
			b.here, f = b.section(path, line)
			b.path = strings.Join(path, ".")
		case unstable.ArrayTable:
			b.here, f = b.sectionOfMany(path, line)
			b.path = strings.Join(path, ".")
		case unstable.KeyValue:
			v, fs := b.convert(n.Value(), join(b.path, strings.Join(path, ".")), line, 0)
			faults = append(faults, fs...)
			f = b.put(b.here, b.path, path, v)
		}
		if f != nil {
			if f.Key == "" {
				f.section = path[0] // of a header
			}
			faults = append(faults, *f)
		}
	}
	return faults
}

// section finds or makes the table of a [header].
func (b *builder) section(path []string, line int) (*value, *Fault) {
	t, f := b.descend(b.root, "", path[:len(path)-1], line)
	if f != nil {
		return t, f
	}
	name := path[len(path)-1]
	old := t.get(name)
	if old == nil {
		v := &value{kind: tableKind, line: line}
		t.add(name, v)
		return v, nil
	}
	lost := &value{kind: tableKind, line: line}
	if old.kind == tableKind {
		return old, b.fault(line, "", words.New("config-section-twice", "section", name, "first", strconv.Itoa(old.line)))
	}
	if old.each {
		return lost, b.fault(line, "", words.New("config-section-single", "section", name, "first", strconv.Itoa(old.line)))
	}
	return lost, b.fault(line, name, words.New("config-section-value", "first", strconv.Itoa(old.line)))
}

// sectionOfMany adds the table of a [[header]].
func (b *builder) sectionOfMany(path []string, line int) (*value, *Fault) {
	v := &value{kind: tableKind, line: line}
	t, f := b.descend(b.root, "", path[:len(path)-1], line)
	if f != nil {
		return v, f
	}
	name := path[len(path)-1]
	old := t.get(name)
	switch {
	case old == nil:
		t.add(name, &value{kind: listKind, line: line, each: true, items: []*value{v}})
	case old.each:
		old.items = append(old.items, v)
	default:
		return v, b.fault(line, "", words.New("config-section-double", "section", name, "first", strconv.Itoa(old.line)))
	}
	return v, nil
}

// put adds a value to a table.
func (b *builder) put(t *value, prefix string, path []string, v *value) *Fault {
	t, f := b.descend(t, prefix, path[:len(path)-1], v.line)
	if f != nil {
		return f
	}
	name := path[len(path)-1]
	if old := t.get(name); old != nil {
		return b.fault(v.line, join(prefix, strings.Join(path, ".")), words.New("config-setting-twice", "first", strconv.Itoa(old.line)))
	}
	t.add(name, v)
	return nil
}

// descend goes down a dotted path and makes the tables on it.
func (b *builder) descend(t *value, prefix string, path []string, line int) (*value, *Fault) {
	for _, name := range path {
		prefix = join(prefix, name)
		next := t.get(name)
		if next == nil {
			next = &value{kind: tableKind, line: line}
			t.add(name, next)
		}
		if next.each {
			next = next.items[len(next.items)-1]
		}
		if next.kind != tableKind {
			return &value{kind: tableKind, line: line}, b.fault(line, prefix,
				words.New("config-not-section", "first", strconv.Itoa(next.line)))
		}
		t = next
	}
	return t, nil
}

func (b *builder) fault(line int, key string, m words.Message) *Fault {
	return &Fault{File: b.file, Line: line, Key: key, Message: m}
}

// convert makes a value of a node; prefix is its name.
func (b *builder) convert(n *unstable.Node, prefix string, line, depth int) (*value, Faults) {
	var faults Faults
	sub := func(n *unstable.Node, prefix string) *value {
		v, f := b.convert(n, prefix, line, depth+1)
		faults = append(faults, f...)
		return v
	}
	v := &value{line: line, text: string(n.Data), kind: otherKind}
	if depth > maxDepth {
		return v, nil
	}
	switch n.Kind {
	case unstable.String:
		v.kind = textKind
	case unstable.Integer:
		v.kind = numberKind
	case unstable.Float:
		v.kind = realKind
	case unstable.Bool:
		v.kind = boolKind
	case unstable.Array:
		v.kind = listKind
		for it := n.Children(); it.Next(); {
			v.items = append(v.items, sub(it.Node(), prefix))
		}
	case unstable.InlineTable:
		v.kind = tableKind
		for it := n.Children(); it.Next(); {
			kv := it.Node()
			var path []string
			for key := kv.Key(); key.Next(); {
				path = append(path, string(key.Node().Data))
			}
			if f := b.put(v, prefix, path, sub(kv.Value(), join(prefix, strings.Join(path, ".")))); f != nil {
				faults = append(faults, *f)
			}
		}
	}
	return v, faults
}

// lineCounter counts lines up to growing offsets.
type lineCounter struct {
	data []byte
	pos  int
	line int
}

func (l *lineCounter) at(offset int) int {
	if offset > l.pos && offset <= len(l.data) {
		l.line += bytes.Count(l.data[l.pos:offset], []byte("\n"))
		l.pos = offset
	}
	return l.line
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

var htmlPage = regexp.MustCompile(`(?i)^\s*<(!doctype html|html|\?xml)`)

// clean takes off what editors put around the text. A fault says that it is no text.
func clean(file string, data []byte) ([]byte, *Fault) {
	text, _, fault := cleanText(data)
	switch {
	case bytes.HasPrefix(data, []byte(`{\rtf`)) || bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, &Fault{File: file, Line: 1, Message: words.New("text-document")}
	case htmlPage.Match(data):
		return nil, &Fault{File: file, Line: 1, Message: words.New("text-page")}
	case fault != nil:
		return nil, &Fault{File: file, Line: fault.line, Message: fault.Message}
	case len(text) > maxText:
		return nil, &Fault{File: file, Message: words.New("config-file-large", "n", strconv.Itoa(len(text)))}
	}
	return text, nil
}

// syntaxFault explains a line that is not TOML, as far as it is one of the usual slips.
func syntaxFault(file string, number int, line string, err error) Fault {
	m := slip(line)
	if mayHoldSecret(line) {
		// Not even a letter of a password may be in a fault.
		m.Params = ""
		if m.Code == "config-syntax-bare" {
			m = words.New("config-syntax-unquoted")
		}
	} else if slices.Contains([]string{"config-syntax-section", "config-syntax-pair", "config-syntax-alone"}, m.Code) {
		m = m.With("detail", strings.TrimPrefix(err.Error(), "toml: "))
	}
	return Fault{File: file, Line: number, Message: m}
}

// slip tells what was probably done wrong in a line.
func slip(line string) words.Message {
	key, rest, isPair := strings.Cut(line, "=")
	rest, key = strings.TrimSpace(rest), strings.TrimSpace(key)
	switch {
	case strings.ContainsAny(line, typographic):
		return words.New("config-syntax-quotes")
	case strings.ContainsAny(line, "\u00a0\u2007\u202f\u200b\ufeff"):
		return words.New("config-syntax-blank")
	case strings.HasPrefix(key, "["):
		return words.New("config-syntax-section")
	case strings.HasPrefix(key, ";") || strings.HasPrefix(key, "//") || otherComment.MatchString(rest):
		return words.New("config-syntax-comment")
	case !isPair && yamlPair.MatchString(line):
		return words.New("config-syntax-colon")
	case !isPair:
		return words.New("config-syntax-pair")
	case rest == "":
		return words.New("config-syntax-empty", "name", key)
	case strings.HasPrefix(rest, `"`) && strings.Contains(rest, `\`):
		return words.New("config-syntax-backslash")
	case strings.HasPrefix(rest, `"`) && strings.Count(rest, `"`) == 1 && strings.HasSuffix(rest, "'"),
		strings.HasPrefix(rest, `'`) && strings.Count(rest, `'`) == 1 && strings.HasSuffix(rest, `"`):
		return words.New("config-syntax-mixed")
	case strings.HasPrefix(rest, `"`) && strings.Count(rest, `"`) == 1, strings.HasPrefix(rest, `'`) && strings.Count(rest, `'`) == 1:
		return words.New("config-syntax-unclosed")
	case strings.HasSuffix(rest, ",") && !strings.HasPrefix(rest, "["):
		return words.New("config-syntax-trailing")
	case decimalComma.MatchString(rest):
		return words.New("config-syntax-comma", "name", key, "value", strings.Replace(rest, ",", ".", 1))
	case slices.Contains([]string{"true", "false", "yes", "no"}, strings.ToLower(rest)):
		return words.New("config-syntax-bool")
	case strings.HasPrefix(rest, "[") && !strings.Contains(rest, "]"):
		return words.New("config-syntax-list")
	case !strings.ContainsAny(rest[:1], `"'[{`):
		word, _, _ := strings.Cut(rest, "#")
		return words.New("config-syntax-bare", "name", key, "value", strings.TrimSpace(word))
	}
	return words.New("config-syntax-alone")
}

var (
	otherComment = regexp.MustCompile(`^("[^"]*"|'[^']*'|[^\s"'\[{]+)\s+(//|;|--)`)
	yamlPair     = regexp.MustCompile(`^\s*[A-Za-z0-9_-]+\s*:(\s|$)`)
	decimalComma = regexp.MustCompile(`^[-+]?[0-9]+,[0-9]+$`)
)

// typographic are the quotes of word processors and telephones.
const typographic = "“”„‟‘’‚‛«»‹›"

// mayHoldSecret tells lines that may have a password, a code or a token in them.
func mayHoldSecret(line string) bool {
	line = strings.ToLower(line)
	for _, word := range []string{"pass", "key", "digits", "code", "webhook"} {
		if strings.Contains(line, word) {
			return true
		}
	}
	return false
}
