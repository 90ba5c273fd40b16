package configs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"intercomd/configs/toml"
)

// Document is the text of a configuration that can be changed setting by setting: what is not
// changed stays as people have written it, with its comments, its order and its ends of lines.
// It knows TOML and no settings: what a text means is judged by [Parse] and [Load].
//
// A path names a setting as faults of this package do: "sip.password", "code[2].digits" for the
// third [[code]], "target[0].step[1].user". A Document is for one goroutine.
type Document struct {
	text  []byte
	end   string // of lines that are added
	mark  bool   // the text began with a byte-order mark
	index *index // of text
}

const byteOrderMark = "\ufeff"

// Errors of a [Document].
var (
	// ErrNotText says that a text is no TOML: nothing in it can be found or changed.
	ErrNotText = errors.New("the text is no TOML")
	// ErrNoEntry says that a path leads nowhere.
	ErrNoEntry = errors.New("there is no such section")
	// ErrWritten says that a setting is written in a way that only its text can be changed,
	// such as a list of sections in one line.
	ErrWritten = errors.New("it is written in a way that only the text can be changed")
)

// NewDocument reads a text. What editors have put around it goes, see [CleanText]; else it is
// kept byte by byte. The errors are [Faults] of a text that is none, and [ErrNotText].
func NewDocument(data []byte) (*Document, error) {
	clean, err := CleanText(data)
	if err != nil {
		return nil, err
	}
	d := &Document{end: "\n"}
	if rest, marked := bytes.CutPrefix(data, []byte(byteOrderMark)); marked {
		data, d.mark = rest, true
	}
	if !utf8.Valid(data) || bytes.Contains(bytes.ReplaceAll(data, []byte("\r\n"), nil), []byte("\r")) || bytes.Contains(data, []byte(byteOrderMark)) || bytes.Contains(data, []byte("\x1a")) {
		data, d.mark = clean, false // UTF-16, an old Mac, a DOS
	}
	d.text = bytes.Clone(data)
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		d.end = "\r\n"
	}
	return d, d.again()
}

// Text is the document as it is now.
func (d *Document) Text() []byte {
	if d.mark {
		return append([]byte(byteOrderMark), d.text...)
	}
	return bytes.Clone(d.text)
}

// again indexes the text anew.
func (d *Document) again() error {
	x, err := indexOf(d.text)
	if err != nil {
		return err
	}
	d.index = x
	return nil
}

// Get is what a setting is given as: a text without its quotes and escapes, anything else as it
// is written. given is false for a setting that the text does not have.
func (d *Document) Get(path string) (value string, given bool) {
	g := d.index.find(path)
	if g == nil {
		return "", false
	}
	return plainValue(d.text[g.value.from:g.value.to]), true
}

// List is a setting that is a list of texts, or one text.
func (d *Document) List(path string) (values []string, given bool) {
	g := d.index.find(path)
	if g == nil {
		return nil, false
	}
	if d.text[g.value.from] != '[' {
		if one := plainValue(d.text[g.value.from:g.value.to]); one != "" {
			values = []string{one}
		}
		return values, true
	}
	for i := 0; ; i++ {
		v, more := d.Get(fmt.Sprintf("%s[%d]", path, i))
		if !more {
			return values, true
		}
		values = append(values, v)
	}
}

// Entries is how many [[sections]] there are of a name, such as "code" or "target[0].step".
func (d *Document) Entries(name string) int { return d.index.counts[name] }

// Has reports whether the text says anything of a name: a section, a list of sections, or a
// setting of that path.
func (d *Document) Has(path string) bool {
	return d.index.find(path) != nil || d.index.counts[path] > 0 || d.index.header(path) >= 0 ||
		slices.ContainsFunc(d.index.values, func(g given) bool { return strings.HasPrefix(g.path, path+".") })
}

func plainValue(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' && raw[0] != '\'' {
		return string(raw)
	}
	var p unstable.Parser
	p.Reset(append([]byte("a="), raw...))
	if !p.NextExpression() {
		return ""
	}
	return string(p.Expression().Value().Data)
}

// splice replaces a part of the text. The document is as before if it would not be one any more.
func (d *Document) splice(from, to int, with string) error {
	if d.become(slices.Concat(d.text[:from], []byte(with), d.text[to:])) != nil {
		return ErrWritten
	}
	return nil
}

// become gives the document another text. With an error it is as before.
func (d *Document) become(text []byte) error {
	was := d.text
	d.text = text
	err := d.again()
	if err != nil {
		d.text = was
	}
	return err
}

// Set gives a setting a value: a string, a bool, an int, a float64 or a []string. If the text does
// not have the setting it is put behind the others of its section, which is made if need be; of
// numbered sections only those that are there can be set, see [Document.Add].
func (d *Document) Set(path string, value any) error {
	text, err := tomlOf(value)
	if err != nil {
		return fmt.Errorf("set %s: %w", path, err)
	}
	if err := d.set(path, text); err != nil {
		return fmt.Errorf("set %s: %w", path, err)
	}
	return nil
}

func (d *Document) set(path, text string) error {
	x := d.index
	if g := x.find(path); g != nil {
		return d.splice(g.value.from, g.value.to, text)
	}
	section, name := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		section, name = path[:i], path[i+1:]
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" || name == "" {
		return ErrNoEntry
	}
	line := name + " = " + text + d.end
	if g := x.find(section); section != "" && g != nil { // an inline table
		if d.text[g.value.from] != '{' {
			return ErrWritten
		}
		return d.intoInline(g, name+" = "+text)
	}
	h := x.header(section)
	switch {
	case section == "":
		return d.insertTop(line)
	case h >= 0:
		at := x.headers[h].end
		for i := range x.values {
			if g := &x.values[i]; g.in == h && !g.flat {
				at = d.behind(g.value.to)
			}
		}
		return d.insertLine(at, line)
	}
	// Of a section without a header there may be dotted names.
	for _, g := range slices.Backward(x.values) {
		if rest, ok := strings.CutPrefix(g.path, section+"."); ok && !g.flat && !strings.ContainsAny(rest, ".[") {
			dotted := string(d.text[g.key.from:g.value.from])
			i := strings.LastIndex(dotted, rest)
			if i < 0 {
				return ErrWritten
			}
			start, _ := toml.LineAround(d.text, g.key.from)
			return d.insertLine(d.behind(g.value.to), string(d.text[start:g.key.from])+dotted[:i]+line)
		}
	}
	if strings.ContainsAny(section, "[") {
		return ErrNoEntry
	}
	return d.insertLine(len(d.text), d.gap()+"["+section+"]"+d.end+line)
}

// intoInline adds to an inline table.
func (d *Document) intoInline(g *given, pair string) error {
	at := g.value.to - 1 // the brace
	last := blanks(d.text, g.value.from+1)
	if last == at {
		return d.splice(g.value.from, g.value.to, "{ "+pair+" }")
	}
	for at > g.value.from && (d.text[at-1] == ' ' || d.text[at-1] == '\t') {
		at--
	}
	return d.splice(at, at, ", "+pair)
}

// insertTop adds a setting that is in no section, behind the others of that kind or before the
// first section and its comment.
func (d *Document) insertTop(line string) error {
	at := -1
	for i := range d.index.values {
		if g := &d.index.values[i]; g.in < 0 && !g.flat {
			at = d.behind(g.value.to)
		}
	}
	if at < 0 {
		at = len(d.text)
		if len(d.index.headers) > 0 {
			at = d.above(d.index.headers[0].at)
			line += d.end
		}
	}
	return d.insertLine(at, line)
}

// insertLine adds whole lines at the beginning of one, or at the end of the text.
func (d *Document) insertLine(at int, lines string) error {
	if at > 0 && d.text[at-1] != '\n' {
		lines = d.end + lines
	}
	return d.splice(at, at, lines)
}

// gap is an empty line, unless the text ends with one.
func (d *Document) gap() string {
	if len(bytes.TrimSpace(d.text)) == 0 {
		return ""
	}
	return d.end
}

// behind is the beginning of the line after an offset.
func (d *Document) behind(at int) int {
	if i := bytes.IndexByte(d.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(d.text)
}

// above is the beginning of the comment that stands directly above a line, or of the line.
func (d *Document) above(at int) int {
	for at > 0 {
		start, end := toml.LineAround(d.text, at-1)
		if !bytes.HasPrefix(bytes.TrimSpace(d.text[start:end]), []byte("#")) {
			break
		}
		at = start
	}
	return at
}

// Remove takes a setting out of the text, or one of [[sections]] with all that is in it and the
// comment directly above it. A comment above a setting stays. What is not there is no error.
func (d *Document) Remove(path string) error {
	if err := d.remove(path); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

func (d *Document) remove(path string) error {
	x := d.index
	if g := x.find(path); g != nil {
		if g.flat {
			return d.outOfInline(g)
		}
		start, _ := toml.LineAround(d.text, g.key.from)
		if err := d.splice(start, d.behind(g.value.to), ""); err == nil {
			return nil
		}
		return ErrWritten
	}
	h := x.header(path)
	if h < 0 {
		return nil
	}
	return d.splice(d.above(x.headers[h].at), d.endOf(h), "")
}

// endOf is where a section ends with all that is below it: at the comment above the next one.
func (d *Document) endOf(h int) int {
	for _, next := range d.index.headers[h+1:] {
		if !strings.HasPrefix(next.path, d.index.headers[h].path+".") {
			return d.above(next.at)
		}
	}
	return len(d.text)
}

// outOfInline takes a pair, or an item, out of its braces, with one of the commas beside it.
func (d *Document) outOfInline(g *given) error {
	from, to := g.key.from, g.value.to
	if next := blanks(d.text, to); next < len(d.text) && d.text[next] == ',' {
		return d.splice(from, blanks(d.text, next+1), "")
	}
	before := bytes.TrimRight(d.text[:from], " \t\r\n")
	if bytes.HasSuffix(before, []byte(",")) {
		from = len(before) - 1
	}
	return d.splice(from, to, "")
}

// Add adds one of [[sections]] behind the others of its name and tells its path, such as
// "code[2]", for [Document.Set]. In place of a list that says that there are none, as in
// "relay = []", it puts the section.
func (d *Document) Add(name string) (path string, err error) {
	x := d.index
	if g := x.find(name); g != nil {
		if raw := d.text[g.value.from:g.value.to]; len(raw) < 2 || blanks(raw, 1) != len(raw)-1 {
			return "", fmt.Errorf("add %s: %w", name, ErrWritten)
		}
		was, index := d.text, d.index
		if err := d.Remove(name); err != nil {
			return "", err
		}
		if path, err = d.Add(name); err != nil {
			d.text, d.index = was, index
		}
		return path, err
	}
	n := x.counts[name]
	path = fmt.Sprintf("%s[%d]", name, n)
	at := len(d.text)
	if n > 0 {
		at = d.endOf(x.header(fmt.Sprintf("%s[%d]", name, n-1)))
	} else if dot := strings.LastIndexByte(name, '.'); dot >= 0 { // below its section
		h := x.header(name[:dot])
		if h < 0 {
			return "", fmt.Errorf("add %s: %w", name, ErrNoEntry)
		}
		if h+1 < len(x.headers) {
			at = d.above(x.headers[h+1].at)
		}
	}
	head := "[[" + plain(name) + "]]" + d.end
	if at == len(d.text) {
		head = d.gap() + head
	} else {
		head += d.end
	}
	if err := d.insertLine(at, head); err != nil {
		return "", fmt.Errorf("add %s: %w", name, err)
	}
	if d.index.header(path) < 0 {
		return "", fmt.Errorf("add %s: %w", name, ErrWritten)
	}
	return path, nil
}

// Setting is a setting of a section that is added.
type Setting struct {
	Name  string
	Value any // as for [Document.Set]
}

// AddAll adds many of [[sections]] in one go, behind the others of their name. It tells the number
// of the first.
func (d *Document) AddAll(name string, sections [][]Setting) (first int, err error) {
	first = d.Entries(name)
	if len(sections) == 0 {
		return first, nil
	}
	var b strings.Builder
	for i, settings := range sections {
		if i > 0 {
			b.WriteString(d.end + "[[" + plain(name) + "]]" + d.end)
		}
		for _, s := range settings {
			text, err := tomlOf(s.Value)
			if err != nil {
				return first, fmt.Errorf("add %s: %s: %w", name, s.Name, err)
			}
			b.WriteString(s.Name + " = " + text + d.end)
		}
	}
	was, index := d.text, d.index
	path, err := d.Add(name)
	if err == nil {
		err = d.insertLine(d.index.headers[d.index.header(path)].end, b.String())
	}
	if err == nil && d.Entries(name) != first+len(sections) {
		err = ErrWritten
	}
	if err != nil {
		d.text, d.index = was, index
		return first, fmt.Errorf("add %s: %w", name, err)
	}
	return first, nil
}

// Each gives the [[sections]] of a name to change, one by one, each as a document of its own in which it is
// the only one, as in "code[0]"; then it puts all that they have become into the text at once: a
// thousand changes cost what one does. The name is that of a section which is in no other. With an error
// the document is as before; those of change are returned as they are.
func (d *Document) Each(name string, change func(i int, one *Document) error) error {
	var text []byte
	from := 0
	for i := range d.Entries(name) {
		h := d.index.header(fmt.Sprintf("%s[%d]", name, i))
		if h < 0 {
			return fmt.Errorf("change %s: %w", name, ErrWritten)
		}
		at, end := d.index.headers[h].at, d.endOf(h)
		one := &Document{text: bytes.Clone(d.text[at:end]), end: d.end}
		if err := one.again(); err != nil {
			return fmt.Errorf("change %s: %w", name, ErrWritten)
		}
		if err := change(i, one); err != nil {
			return err
		}
		text = append(append(text, d.text[from:at]...), one.text...)
		from = end
	}
	text = append(text, d.text[from:]...)
	if bytes.Equal(text, d.text) {
		return nil
	}
	if d.become(text) != nil {
		return fmt.Errorf("change %s: %w", name, ErrWritten)
	}
	return nil
}

// tomlOf writes a value.
func tomlOf(value any) (string, error) {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return "", errors.New("this is no UTF-8")
		}
		return quoted(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text, nil
	case []string:
		items := make([]string, len(v))
		for i, s := range v {
			var err error
			if items[i], err = tomlOf(s); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	}
	return "", fmt.Errorf("no setting is a %T", value)
}

// At is the path of what stands in a line, counted from 1: of a setting, or of the section that
// begins there; "" for neither.
func (d *Document) At(line int) string {
	from := 0
	for n := 1; n < line; n++ {
		if from = d.behind(from); from >= len(d.text) {
			return ""
		}
	}
	_, to := toml.LineAround(d.text, from)
	for _, g := range d.index.values {
		start, _ := toml.LineAround(d.text, g.key.from)
		if start <= from && g.value.to > from && !g.flat {
			return g.path
		}
	}
	for _, h := range d.index.headers {
		if h.at >= from && h.at <= to {
			return h.path
		}
	}
	return ""
}
