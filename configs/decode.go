package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/configs/textfile"
	"intercomd/configs/toml"
	"intercomd/words"
)

// decoder fills a Config from a tree. It goes on after every fault; the setting then
// keeps its default.
type decoder struct {
	file     string
	faults   Faults
	lines    map[string]int // of every key that the file gives, such as "button[0].line"
	marks    map[mark]bool  // of the faults
	unknowns int
	broken   map[string]bool // settings, and sections, that are there and could not be read
}

// mark is where a fault is.
type mark struct {
	key  string // plain
	line int
}

func (d *decoder) fault(line int, key string, m words.Message) {
	d.marks[mark{plain(key), line}] = true
	d.faults = append(d.faults, Fault{File: d.file, Line: line, Key: plain(key), Message: m})
}

// plain is a key without the numbers of its sections: their lines tell more.
func plain(key string) string {
	for {
		i := strings.IndexByte(key, '[')
		j := strings.IndexByte(key, ']')
		if i < 0 || j < i {
			return key
		}
		key = key[:i] + key[j+1:]
	}
}

// table fills a struct.
func (d *decoder) table(dst reflect.Value, t *toml.Value, path string) {
	for _, e := range t.Entries {
		key := toml.Join(path, e.Name)
		field, ok := fieldOf(dst.Type(), e.Name)
		if !ok {
			d.unknown(dst.Type(), e, path)
			continue
		}
		d.lines[key] = e.Value.Line
		d.set(dst.FieldByIndex(field.Index), field, e.Value, key)
	}
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("toml") == name && name != "" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name := f.Tag.Get("toml"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// unknown reports a key that does not exist and guesses which one was meant.
func (d *decoder) unknown(t reflect.Type, e toml.Entry, path string) {
	m := words.New("config-unknown-setting")
	if path == "" {
		m = words.New("config-unknown-section")
		if e.Value.Kind != toml.Table && !e.Value.Sections {
			m = words.New("config-no-section")
		}
	}
	known := m.With("known", strings.Join(keysOf(t), ", "))
	if d.unknowns++; d.unknowns > 2*maxFaults { // nobody reads on, and guessing takes long
		d.fault(e.Value.Line, toml.Join(path, e.Name), known)
		return
	}
	if e.Name == "port" && path == "sip" {
		d.fault(e.Value.Line, "sip.port", words.New("config-server-port-apart"))
		return
	}
	if n := nearest(e.Name, keysOf(t)); n != "" {
		d.broken[plain(toml.Join(path, n))] = true // it is not missing, but written in another way
		m = m.With("near", n)
	} else if homes := sectionsWith(e.Name, path); len(homes) > 0 {
		m = m.With("home", strings.Join(homes, ", "))
	} else {
		m = known
	}
	d.fault(e.Value.Line, toml.Join(path, e.Name), m)
}

// sectionsWith finds the other sections that have a key.
func sectionsWith(name, not string) (found []string) {
	for f := range reflect.TypeFor[Config]().Fields() {
		t, form := f.Type, "[%s]"
		if t.Kind() == reflect.Slice {
			t, form = t.Elem(), "[[%s]]"
		}
		if _, ok := fieldOf(t, name); ok && f.Tag.Get("toml") != plain(not) {
			found = append(found, fmt.Sprintf(form, f.Tag.Get("toml")))
		}
	}
	return found
}

// set fills one field.
func (d *decoder) set(dst reflect.Value, field reflect.StructField, v *toml.Value, key string) {
	switch p := dst.Addr().Interface().(type) {
	case *[]Button:
		sections(d, p, v, key, newButton())
	case *[]Contact:
		sections(d, p, v, key, newContact())
	case *[]Target:
		sections(d, p, v, key, Target{Notify: true})
	case *[]Step:
		sections(d, p, v, key, Step{})
	case *[]Schedule:
		sections(d, p, v, key, Schedule{})
	case *[]Key:
		sections(d, p, v, key, Key{})
	case *[]Code:
		sections(d, p, v, key, Code{})
	case *[]Notify:
		sections(d, p, v, key, newNotify())
	case *[]Mixer:
		sections(d, p, v, key, newMixer())
	case *[]Lamp:
		sections(d, p, v, key, Lamp{Active: "high", Shows: "status"})
	case *[]Relay:
		sections(d, p, v, key, newRelay())
	case *[]Line:
		d.addresses(p, v, key)
	case *Line:
		d.address(p, v, key)
	case *time.Duration:
		d.duration(p, field, v, key)
	case *float64:
		d.number(p, field, v, key)
	case *int:
		d.whole(p, field, v, key)
	case *Level:
		d.level(p, v, key)
	case *Clock:
		d.clock(p, v, key)
	case *Hours:
		d.hours(p, v, key)
	case *Action:
		d.action(p, v, key)
	case *Moment:
		d.moment(p, field, v, key)
	case *[]Window:
		parsed(d, p, v, key, "config-not-window", parseWindow)
	case *[]Look:
		parsed(d, p, v, key, "config-not-look", parseLook)
	case *[]Day:
		parsed(d, p, v, key, "config-not-day", parseDay)
	case *bool:
		if v.Kind != toml.Bool {
			d.fault(v.Line, key, wrongType("config-type-bool", v))
			return
		}
		*p = v.Text == "true"
	case *[]string:
		d.texts(p, field, v, key)
	default:
		switch dst.Kind() {
		case reflect.Struct:
			if v.Kind != toml.Table {
				d.fault(v.Line, key, wrongType("config-type-section", v).With("section", plain(key)))
				d.broken[plain(key)] = true
				return
			}
			d.table(dst, v, key)
		case reflect.String:
			if s, ok := d.text(v, key, field); ok {
				dst.SetString(s)
			}
		}
	}
}

// sections fills a list of sections; start is what each of them begins with.
func sections[T any](d *decoder, dst *[]T, v *toml.Value, key string, start T) {
	if v.Kind == toml.Table {
		d.fault(v.Line, key, words.New("config-section-one", "section", plain(key)))
		v = &toml.Value{Kind: toml.List, Items: []*toml.Value{v}, Sections: true}
	}
	notTable := func(item *toml.Value) bool { return item.Kind != toml.Table }
	if v.Kind != toml.List || slices.ContainsFunc(v.Items, notTable) {
		d.fault(v.Line, key, wrongType("config-type-sections", v).With("section", plain(key)))
		*dst = nil // the defaults would be a guess
		return
	}
	*dst = nil // also for "relay = []": none at all
	for i, item := range v.Items {
		one := start
		path := fmt.Sprintf("%s[%d]", key, i)
		d.lines[path] = item.Line
		d.table(reflect.ValueOf(&one).Elem(), item, path)
		*dst = append(*dst, one)
	}
}

// text takes a text, one of the allowed words if there are such.
func (d *decoder) text(v *toml.Value, key string, field reflect.StructField) (string, bool) {
	if v.Kind != toml.Text {
		m := wrongType("config-type-text", v)
		if v.Kind == toml.Integer || v.Kind == toml.Bool {
			m = wrongType("config-type-text-unquoted", v)
			if field.Type != reflect.TypeFor[Secret]() {
				m = wrongType("config-type-text-bare", v).With("value", v.Text)
			}
		}
		d.fault(v.Line, key, m)
		return "", false
	}
	if strings.ContainsFunc(v.Text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		d.fault(v.Line, key, words.New("config-control-character"))
		return "", false
	}
	if field.Type == reflect.TypeFor[Secret]() && v.Text == sealed {
		d.fault(v.Line, key, words.New("config-sealed"))
		return "", false
	}
	if field.Type == reflect.TypeFor[Secret]() && strings.ContainsFunc(v.Text, textfile.Invisible) {
		d.fault(v.Line, key, words.New("config-invisible-character"))
		return "", false
	}
	allowed := strings.Fields(field.Tag.Get("oneof"))
	if len(allowed) > 0 && !slices.Contains(allowed, v.Text) {
		d.fault(v.Line, key, choices("config-unknown-value", v.Text, allowed))
		return "", false
	}
	return v.Text, true
}

// choices is a message about a word that is none of the allowed ones: with "-near" behind its
// code if one of them was probably meant, with "-none" if there are none at all.
func choices(code, word string, allowed []string) words.Message {
	if len(allowed) == 0 {
		return words.New(code+"-none", "value", quotable(word))
	}
	var quoted []string
	for _, a := range allowed {
		quoted = append(quoted, strconv.Quote(a))
	}
	m := words.New(code, "value", quotable(word), "known", strings.Join(quoted, ", "))
	if n := nearest(word, allowed); n != "" {
		m.Code += "-near"
		m = m.With("near", n)
	}
	return m
}

// wrongType is the message about a value of another type than the one that is wanted, which the
// code tells.
func wrongType(code string, v *toml.Value) words.Message {
	return words.New(code, "is", v.Kind.String())
}

// quotable is text as it stands between quotes in a file, for sentences that have the quotes.
func quotable(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// texts takes a list of texts, or one text.
func (d *decoder) texts(dst *[]string, field reflect.StructField, v *toml.Value, key string) {
	items := []*toml.Value{v}
	if v.Kind == toml.List && !v.Sections {
		items = v.Items
	} else if v.Kind == toml.Text && v.Text == "" {
		items = nil
	}
	var list []string
	for _, item := range items {
		s, ok := d.text(item, key, field)
		switch {
		case !ok:
			return
		case s == "":
			d.fault(item.Line, key, words.New("config-empty-item"))
			return
		case slices.Contains(list, s):
			d.fault(item.Line, key, words.New("config-item-twice", "value", quotable(s)))
			return
		}
		list = append(list, s)
	}
	*dst = list
}

func (d *decoder) duration(dst *time.Duration, field reflect.StructField, v *toml.Value, key string) {
	low, high, _ := strings.Cut(field.Tag.Get("range"), "..")
	if v.Kind != toml.Text {
		m := wrongType("config-type-time", v).With("example", high)
		if v.Kind == toml.Integer {
			m = wrongType("config-type-time-bare", v).With("example", v.Text+"s")
		}
		d.fault(v.Line, key, m)
		return
	}
	t, err := time.ParseDuration(v.Text)
	if err != nil {
		d.fault(v.Line, key, words.New("config-not-time", "value", quotable(v.Text)))
		return
	}
	from, err1 := time.ParseDuration(low)
	to, err2 := time.ParseDuration(high)
	if err1 == nil && err2 == nil && (t < from || t > to) {
		d.fault(v.Line, key, words.New("config-out-of-range", "value", strconv.Quote(v.Text), "low", low, "high", high))
		return
	}
	*dst = t
}

func (d *decoder) number(dst *float64, field reflect.StructField, v *toml.Value, key string) {
	if v.Kind != toml.Integer && v.Kind != toml.Real {
		d.fault(v.Line, key, wrongType("config-type-number", v))
		return
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(v.Text, "_", ""), 64)
	if err != nil {
		d.fault(v.Line, key, words.New("config-not-decimal", "value", v.Text))
		return
	}
	low, high, _ := strings.Cut(field.Tag.Get("range"), "..")
	from, err1 := strconv.ParseFloat(low, 64)
	to, err2 := strconv.ParseFloat(high, 64)
	if err1 == nil && err2 == nil && !(f >= from && f <= to) { // also refuses NaN
		d.fault(v.Line, key, words.New("config-out-of-range", "value", v.Text, "low", low, "high", high))
		return
	}
	*dst = f
}

// whole takes a whole number.
func (d *decoder) whole(dst *int, field reflect.StructField, v *toml.Value, key string) {
	if v.Kind != toml.Integer {
		d.fault(v.Line, key, wrongType("config-type-whole", v))
		return
	}
	low, high, _ := strings.Cut(field.Tag.Get("range"), "..")
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	n, err := strconv.ParseInt(strings.ReplaceAll(v.Text, "_", ""), 0, 32)
	if err != nil || err1 == nil && err2 == nil && (int(n) < from || int(n) > to) {
		d.fault(v.Line, key, words.New("config-out-of-range", "value", v.Text, "low", low, "high", high))
		return
	}
	*dst = int(n)
}

// hours takes a part of the day, "22:00-06:00", or nothing.
func (d *decoder) hours(dst *Hours, v *toml.Value, key string) {
	text, ok := d.text(v, key, reflect.StructField{})
	if !ok {
		return
	}
	if text == "" {
		*dst = Hours{}
		return
	}
	from, to, _ := strings.Cut(text, "-")
	a, err1 := time.Parse("15:04", strings.TrimSpace(from))
	b, err2 := time.Parse("15:04", strings.TrimSpace(to))
	if err1 != nil || err2 != nil || a.Equal(b) {
		d.fault(v.Line, key, words.New("config-not-hours", "value", quotable(text)))
		return
	}
	*dst = Hours{From: a.Hour()*60 + a.Minute(), To: b.Hour()*60 + b.Minute()}
}

func (d *decoder) clock(dst *Clock, v *toml.Value, key string) {
	text, ok := d.text(v, key, reflect.StructField{})
	if !ok {
		return
	}
	if text == "" {
		*dst = Clock{}
		return
	}
	minute, ok := parseClock(text)
	if !ok || minute == 24*60 {
		d.fault(v.Line, key, words.New("config-not-clock", "value", quotable(text)))
		return
	}
	*dst = Clock{Given: true, Minute: minute}
}

// maxOffset is the greatest number of a line: far above those of any chip.
const maxOffset = 1023

// addresses takes a list of lines.
func (d *decoder) addresses(dst *[]Line, v *toml.Value, key string) {
	if v.Kind != toml.List || v.Sections {
		d.fault(v.Line, key, wrongType("config-type-lines", v))
		return
	}
	var list []Line
	before := len(d.faults)
	for _, item := range v.Items {
		var l Line
		d.address(&l, item, key)
		list = append(list, l)
	}
	if len(d.faults) == before {
		*dst = list
	}
}

func (d *decoder) address(dst *Line, v *toml.Value, key string) {
	switch v.Kind {
	case toml.Text:
		if s, ok := d.text(v, key, reflect.StructField{}); ok {
			if s == "" {
				d.fault(v.Line, key, words.New("config-empty-line"))
				return
			}
			*dst = Line{Name: s}
		}
	case toml.Integer:
		n, err := strconv.ParseInt(strings.ReplaceAll(v.Text, "_", ""), 0, 64)
		if err != nil || n < 0 || n > maxOffset {
			d.fault(v.Line, key, words.New("config-out-of-range", "value", v.Text, "low", "0", "high", strconv.Itoa(maxOffset)))
			return
		}
		*dst = Line{Offset: int(n)}
	default:
		d.fault(v.Line, key, wrongType("config-type-line", v))
	}
}
