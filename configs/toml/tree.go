// Package toml reads a TOML document as a tree that knows its lines, and tells every fault of the
// syntax with what was probably meant: decoders stop at the first fault, and an installer wants to
// see all of them. It refuses to know what the settings are.
package toml

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"intercomd/words"
)

// Kind is the type of a value.
type Kind int

// What TOML has.
const (
	Text Kind = iota
	Integer
	Real
	Bool
	List
	Table
	Other // dates and times
)

// String is the code of a kind in the family "kind" of the catalogue.
func (k Kind) String() string {
	return [...]string{"text", "whole", "real", "bool", "list", "section", "date"}[k]
}

// Value is a value of the document.
type Value struct {
	Kind     Kind
	Text     string   // of a text without quotes; of numbers and bools as written
	Line     int      // from 1
	Items    []*Value // of a list
	Entries  []Entry  // of a table, in order; see Add
	Sections bool     // a list made of [[sections]]
	named    map[string]*Value
}

// Entry is a name of a table and its value.
type Entry struct {
	Name  string
	Value *Value
}

// Get finds an entry of a table; nil if there is none.
func (v *Value) Get(name string) *Value { return v.named[name] }

// Add adds an entry to a table.
func (v *Value) Add(name string, val *Value) {
	if v.named == nil {
		v.named = make(map[string]*Value)
	}
	v.named[name] = val
	v.Entries = append(v.Entries, Entry{name, val})
}

// Fault is one thing that is wrong with the syntax.
type Fault struct {
	Line    int    // from 1
	Key     string // dotted; "" where the line as a whole is at fault
	Section string // where a fault without a key is; "" if nobody can tell
	words.Message
}

// Tree is a document.
type Tree struct {
	Root   *Value
	Faults []Fault
	Broken map[string]bool // keys whose lines could not be read
	Whole  bool            // else the document cannot be judged: values may be missing, or in another place
}

// Knowledge is what the reader of a document knows about its settings.
type Knowledge struct {
	Secret     func(line string) bool // it may hold a secret: nothing of it gets into a fault
	Expendable func(key string) bool  // of faults in a row, one in another setting is never left out
}

// MaxFaults is how many faults of the syntax are told: the rest follows from them.
const MaxFaults = 10

// MaxDepth is of lists in lists, and the parts of a name.
const MaxDepth = 8

// builder makes a tree and collects what is wrong with the syntax.
type builder struct {
	known  Knowledge
	parser unstable.Parser
	root   *Value
	here   *Value // table of the last header
	path   string // its name
}

// Parse reads a document: UTF-8 with lines that end in \n. After a fault of the syntax it goes on
// in the next line.
func Parse(data []byte, known Knowledge) *Tree {
	b := &builder{known: known}
	t := &Tree{Broken: make(map[string]bool), Whole: true}
	last, lastSpared := -1, false
	for range 10 * MaxFaults {
		b.root = &Value{Kind: Table}
		b.here, b.path = b.root, ""
		semantic := b.read(data)
		err := b.parser.Error()
		if err == nil {
			t.Root, t.Faults = b.root, append(t.Faults, semantic...)
			return t
		}
		start, end := LineAround(data, b.place(err))
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
			key = Join(b.path, m[1])
			t.Broken[key] = true
		}
		// What follows directly is the same fault once more, such as the lines of a list
		// that begins wrongly; but none that keeps the phone off must be lost.
		spared := known.Expendable(key)
		if number != last+1 || last < 0 || lastSpared && !spared {
			f := Fault{Line: number, Section: key, Message: b.slip(bad, err)}
			if open {
				f.Section = ""
			}
			t.Faults = append(t.Faults, f)
		}
		last, lastSpared = number, spared
		if strings.HasPrefix(strings.TrimSpace(bad), "[") {
			t.Whole = false // the keys below would go astray
		}
		if len(t.Faults) >= MaxFaults || start == end {
			break
		}
		data = bytes.Clone(data)
		for i := start; i < end; i++ {
			data[i] = ' '
		}
	}
	t.Root, t.Whole = b.root, false
	return t
}

// keyOfLine finds the name of a setting, also between blanks that are none to TOML, and
// before a colon as YAML has it.
var keyOfLine = regexp.MustCompile(`^[\s\pZ\x{200b}\x{feff}]*([A-Za-z0-9_.-]+)[\s\pZ\x{200b}\x{feff}]*[=:]`)

// opensList is a line that begins a list and does not end it.
var opensList = regexp.MustCompile(`^[^#=]*=\s*\[[^]]*$`)

// listBefore gives the line that began the list which is not closed at a line, or that line.
func listBefore(data []byte, start, end int) (from, to int) {
	for from, to = start, end; ; from, to = LineAround(data, from-1) {
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

// LineAround gives the line at an offset, without its end.
func LineAround(data []byte, at int) (start, end int) {
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
func (b *builder) read(data []byte) (faults []Fault) {
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
		if len(path) > MaxDepth {
			faults = append(faults, *b.fault(line, "", words.New("config-long-name", "n", strconv.Itoa(len(path)))))
			path = path[len(path)-MaxDepth:]
		}
		switch n.Kind {
		case unstable.Table:
			b.here, f = b.section(path, line)
			b.path = strings.Join(path, ".")
		case unstable.ArrayTable:
			b.here, f = b.sectionOfMany(path, line)
			b.path = strings.Join(path, ".")
		case unstable.KeyValue:
			v, fs := b.convert(n.Value(), Join(b.path, strings.Join(path, ".")), line, 0)
			faults = append(faults, fs...)
			f = b.put(b.here, b.path, path, v)
		}
		if f != nil {
			if f.Key == "" {
				f.Section = path[0] // of a header
			}
			faults = append(faults, *f)
		}
	}
	return faults
}

// section finds or makes the table of a [header].
func (b *builder) section(path []string, line int) (*Value, *Fault) {
	t, f := b.descend(b.root, "", path[:len(path)-1], line)
	if f != nil {
		return t, f
	}
	name := path[len(path)-1]
	old := t.Get(name)
	if old == nil {
		v := &Value{Kind: Table, Line: line}
		t.Add(name, v)
		return v, nil
	}
	lost := &Value{Kind: Table, Line: line}
	if old.Kind == Table {
		return old, b.fault(line, "", words.New("config-section-twice", "section", name, "first", strconv.Itoa(old.Line)))
	}
	if old.Sections {
		return lost, b.fault(line, "", words.New("config-section-single", "section", name, "first", strconv.Itoa(old.Line)))
	}
	return lost, b.fault(line, name, words.New("config-section-value", "first", strconv.Itoa(old.Line)))
}

// sectionOfMany adds the table of a [[header]].
func (b *builder) sectionOfMany(path []string, line int) (*Value, *Fault) {
	v := &Value{Kind: Table, Line: line}
	t, f := b.descend(b.root, "", path[:len(path)-1], line)
	if f != nil {
		return v, f
	}
	name := path[len(path)-1]
	old := t.Get(name)
	switch {
	case old == nil:
		t.Add(name, &Value{Kind: List, Line: line, Sections: true, Items: []*Value{v}})
	case old.Sections:
		old.Items = append(old.Items, v)
	default:
		return v, b.fault(line, "", words.New("config-section-double", "section", name, "first", strconv.Itoa(old.Line)))
	}
	return v, nil
}

// put adds a value to a table.
func (b *builder) put(t *Value, prefix string, path []string, v *Value) *Fault {
	t, f := b.descend(t, prefix, path[:len(path)-1], v.Line)
	if f != nil {
		return f
	}
	name := path[len(path)-1]
	if old := t.Get(name); old != nil {
		return b.fault(v.Line, Join(prefix, strings.Join(path, ".")), words.New("config-setting-twice", "first", strconv.Itoa(old.Line)))
	}
	t.Add(name, v)
	return nil
}

// descend goes down a dotted path and makes the tables on it.
func (b *builder) descend(t *Value, prefix string, path []string, line int) (*Value, *Fault) {
	for _, name := range path {
		prefix = Join(prefix, name)
		next := t.Get(name)
		if next == nil {
			next = &Value{Kind: Table, Line: line}
			t.Add(name, next)
		}
		if next.Sections {
			next = next.Items[len(next.Items)-1]
		}
		if next.Kind != Table {
			return &Value{Kind: Table, Line: line}, b.fault(line, prefix,
				words.New("config-not-section", "first", strconv.Itoa(next.Line)))
		}
		t = next
	}
	return t, nil
}

func (b *builder) fault(line int, key string, m words.Message) *Fault {
	return &Fault{Line: line, Key: key, Message: m}
}

// convert makes a value of a node; prefix is its name.
func (b *builder) convert(n *unstable.Node, prefix string, line, depth int) (*Value, []Fault) {
	var faults []Fault
	sub := func(n *unstable.Node, prefix string) *Value {
		v, f := b.convert(n, prefix, line, depth+1)
		faults = append(faults, f...)
		return v
	}
	v := &Value{Line: line, Text: string(n.Data), Kind: Other}
	if depth > MaxDepth {
		return v, nil
	}
	switch n.Kind {
	case unstable.String:
		v.Kind = Text
	case unstable.Integer:
		v.Kind = Integer
	case unstable.Float:
		v.Kind = Real
	case unstable.Bool:
		v.Kind = Bool
	case unstable.Array:
		v.Kind = List
		for it := n.Children(); it.Next(); {
			v.Items = append(v.Items, sub(it.Node(), prefix))
		}
	case unstable.InlineTable:
		v.Kind = Table
		for it := n.Children(); it.Next(); {
			kv := it.Node()
			var path []string
			for key := kv.Key(); key.Next(); {
				path = append(path, string(key.Node().Data))
			}
			if f := b.put(v, prefix, path, sub(kv.Value(), Join(prefix, strings.Join(path, ".")))); f != nil {
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

// Join is a dotted key.
func Join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// Shift adds to the numbers of all lines.
func (v *Value) Shift(by int) {
	v.Line += by
	for _, item := range v.Items {
		item.Shift(by)
	}
	for _, e := range v.Entries {
		e.Value.Shift(by)
	}
}

// Overlay puts an entry in place of what there is of that name; sections are laid over each other.
func (v *Value) Overlay(e Entry) {
	old := v.Get(e.Name)
	switch {
	case old == nil:
		v.Add(e.Name, e.Value)
	case old.Kind == Table && e.Value.Kind == Table:
		old.Line = e.Value.Line
		for _, inner := range e.Value.Entries {
			old.Overlay(inner)
		}
	default:
		*old = *e.Value
	}
}
