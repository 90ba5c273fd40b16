package words

import (
	"embed"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed *.txt
var files embed.FS

// Languages are the languages that the catalogue has, English first.
func Languages() []string {
	names := []string{"en"}
	entries, _ := files.ReadDir(".") // of what the compiler put there
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".txt"); name != "en" {
			names = append(names, name)
		}
	}
	return names
}

// Has reports whether the catalogue has a language of that name ("de").
func Has(name string) bool { return languages().byName[name] != nil }

// Language says things in one language. It may be used by any number of goroutines.
type Language struct {
	name string // such as "de"
	tag  language.Tag
	text func() map[string]string // read when it is needed first
	base *Language                // says what this one cannot; nil for English
}

// English is the language of logs, and of last resort.
func English() *Language { return languages().byName["en"] }

// In is the language of that name ("de"), English if there is none.
func In(name string) *Language {
	if l := languages().byName[name]; l != nil {
		return l
	}
	return English()
}

// Accept is the language that suits an Accept-Language header (RFC 9110, section 12.5.4)
// best.
func Accept(header string) *Language {
	all := languages()
	if header == "" {
		return English()
	}
	_, i := language.MatchStrings(all.matcher, header)
	return In(Languages()[i])
}

// Locale is the language of a program's environment: LC_ALL, LC_MESSAGES and LANG in this
// order, as POSIX has it (XBD, 8.2). getenv is as os.Getenv.
func Locale(getenv func(string) string) *Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			v, _, _ = strings.Cut(v, ".") // de_AT.UTF-8, de_DE@euro
			v, _, _ = strings.Cut(v, "@")
			return Accept(strings.ReplaceAll(v, "_", "-"))
		}
	}
	return English()
}

type catalogue struct {
	byName  map[string]*Language
	matcher language.Matcher
}

// languages are those of the catalogue, each read once somebody uses it. That its files are sound is
// held by tests.
//
//nolint:gochecknoglobals // constants, in files
var languages = sync.OnceValue(func() catalogue {
	c := catalogue{byName: map[string]*Language{}}
	var tags []language.Tag
	for _, name := range Languages() {
		l := &Language{name: name, tag: language.Make(name), text: sync.OnceValue(func() map[string]string { return load(name) }), base: c.byName["en"]}
		c.byName[name] = l
		tags = append(tags, l.tag)
	}
	c.matcher = language.NewMatcher(tags)
	return c
})

// load reads the file of a language: lines of key = text, and comments (#).
func load(name string) map[string]string {
	text := map[string]string{}
	data, _ := files.ReadFile(name + ".txt") // the compiler put it there
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, " = "); ok && !strings.HasPrefix(line, "#") {
			text[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return text
}

// Name is the name of the language, as in the attribute lang of HTML.
func (l *Language) Name() string { return l.name }

// Has reports whether the language has a sentence of its own.
func (l *Language) Has(key string) bool { return l.text()[key] != "" }

// Template is the sentence of a key as the file has it.
func (l *Language) Template(key string) string { return l.text()[key] }

// Keys are the keys that the language has sentences for, sorted.
func (l *Language) Keys() []string {
	keys := make([]string, 0, len(l.text()))
	for k := range l.text() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// find is the sentence of a key, in English if the language has none.
func (l *Language) find(key string) (string, bool) {
	for ; l != nil; l = l.base {
		if t, ok := l.text()[key]; ok {
			return t, true
		}
	}
	return "", false
}

// Say is the sentence of a message in a family of sentences, such as "problem" or
// "remedy". A code may be more exact than the sentence for it: without one of its own
// "dial-tls-old" is told as "dial-tls". A code that the catalogue does not have at all is told
// as it is; a remedy that it does not have is "".
func (l *Language) Say(family string, m Message) string {
	for code := m.Code; code != ""; code = code[:max(strings.LastIndexByte(code, '-'), 0)] {
		if t, ok := l.find(family + "." + code); ok {
			return l.fill(t, m.Params.Map())
		}
	}
	if family == "remedy" {
		return ""
	}
	return m.Code
}

// Text is the sentence of a key, with parameters as for [New].
func (l *Language) Text(key string, params ...string) string {
	t, ok := l.find(key)
	if !ok {
		return key
	}
	if !strings.Contains(t, "{") {
		return t
	}
	return l.fill(t, pairs(params))
}

// Count is the sentence of a key for so many things: key.one where the language has a form
// for that, else key.other. The number is the parameter n.
func (l *Language) Count(key string, n int, params ...string) string {
	form := "other"
	if l.single(n) && l.Has(key+".one") {
		form = "one"
	}
	return l.Text(key+"."+form, append(params, "n", strconv.Itoa(n))...)
}

// fill puts parameters into a sentence.
//
//	{name}           the parameter as it is
//	{name:clock}     a time of day, of a time
//	{name:date}      a day, of a time
//	{name:span}      a duration in words
//	{name:family}    the sentence of a code, with the same parameters
//	{name| … {}}     only if there is such a parameter; {} is its value
//	{name?one|other} by the number that the parameter is, in the plural forms of the
//	                 language; {} is the number. Languages without plurals have one form.
func (l *Language) fill(t string, params map[string]string) string {
	return l.fillOf(t, params, "")
}

func (l *Language) fillOf(t string, params map[string]string, own string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(t, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		inside, after := closing(rest)
		b.WriteString(l.slot(inside, params, own))
		t = after
	}
}

// closing cuts text at the brace that closes the one before it.
func closing(s string) (inside, after string) {
	depth := 1
	for i, r := range s {
		switch r {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

func (l *Language) slot(inside string, params map[string]string, own string) string {
	if inside == "" {
		return own
	}
	if name, forms, ok := strings.Cut(inside, "?"); ok && !strings.ContainsAny(name, "|:{ ") {
		return l.fillOf(l.plural(forms, params[name]), params, params[name])
	}
	head, optional, conditional := strings.Cut(inside, "|")
	name, form, _ := strings.Cut(head, ":")
	value := params[name]
	if value != "" && form != "" {
		value = l.form(form, name, value, params)
	}
	switch {
	case !conditional:
		return value
	case value == "":
		return ""
	default:
		return l.fillOf(optional, params, value)
	}
}

// plural is the form for a number of "one|other".
func (l *Language) plural(forms, number string) string {
	one, other, both := strings.Cut(forms, "|")
	if n, err := strconv.Atoi(number); !both || err == nil && l.single(n) {
		return one
	}
	return other
}

// single reports whether the language speaks of n things as of one.
func (l *Language) single(n int) bool {
	return plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0) == plural.One
}

// form shows the value of a parameter as a sentence asks for it.
func (l *Language) form(form, name, value string, params map[string]string) string {
	switch form {
	case "clock":
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			return t.Format("15:04")
		}
		return value
	case "date":
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			return t.Format(time.DateOnly)
		}
		return value
	case "span":
		if d, err := time.ParseDuration(value); err == nil {
			return l.Span(d)
		}
		return value
	default:
		inner := maps.Clone(params)
		delete(inner, name) // a sentence never tells itself
		return l.Say(form, Message{Code: value, Params: ParamsOf(inner)})
	}
}

// Span is a duration in words of two units at most: "34 s", "5 min", "3 h 12 min", "2 d".
func (l *Language) Span(d time.Duration) string {
	d = max(d, 0)
	m, h := int(d/time.Minute), int(d/time.Hour)
	switch {
	case d < time.Minute:
		return l.unit("s", int(d/time.Second))
	case h == 0:
		return l.units("min", m, "s", int(d/time.Second)%60)
	case h < 24:
		return l.units("h", h, "min", m%60)
	}
	return l.units("d", h/24, "h", h%24)
}

func (l *Language) units(big string, a int, small string, b int) string {
	if b == 0 {
		return l.unit(big, a)
	}
	return l.unit(big, a) + " " + l.unit(small, b)
}

func (l *Language) unit(name string, n int) string { return l.Text("unit."+name, "n", strconv.Itoa(n)) }
