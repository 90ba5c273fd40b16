// Package logtail keeps the last lines of the log in memory, for whoever has no shell on the
// machine.
//
// A [Tail] is a part of the logger: each record goes on to the handler behind it, and into a ring. It
// knows nothing of pages. Lines are text that steers no terminal, and without secrets: neither
// those that it is told to hide nor what attributes of such names have.
package logtail

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"intercomd/words"
)

// Bounds of what is kept.
const (
	Lines    = 500
	mostLine = 1000 // runes
)

// Line is one line of the log.
type Line struct {
	Seq   uint64     `json:"seq"` // from 1
	At    time.Time  `json:"at"`
	Level slog.Level `json:"level"`
	Part  string     `json:"part,omitempty"` // of the program; the attribute "part"
	Text  string     `json:"text"`           // the message and its attributes
}

// Tail is the last lines. Its methods may be called by any number of goroutines; writing never waits
// for a reader.
type Tail struct {
	mu   sync.Mutex
	ring [Lines]Line
	next uint64
	more chan struct{} // nil while nobody waits
	hide *strings.Replacer
}

// New makes an empty tail.
func New() *Tail { return &Tail{next: 1} }

// Removed stands in place of a secret.
const Removed = "(removed)"

// Hide names secrets that no line from now on shows, whoever writes them. Those of less than 4
// characters are not looked for: they are parts of too many other things.
func (t *Tail) Hide(secrets []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide = Replacer(secrets)
}

// Replacer takes secrets out of text.
func Replacer(secrets []string) *strings.Replacer {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < 4 })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be a part of another
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, Removed)
	}
	return strings.NewReplacer(pairs...)
}

// Handler writes into the tail and to next.
func (t *Tail) Handler(next slog.Handler) slog.Handler { return &handler{tail: t, next: next} }

// Since returns the lines from a number on that there are, 0 being the oldest, and a channel that is
// closed when there is another.
func (t *Tail) Since(from uint64) (lines []Line, more <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if oldest := max(t.next, Lines+1) - Lines; from < oldest || from > t.next {
		from = oldest
	}
	for n := from; n < t.next; n++ {
		lines = append(lines, t.ring[n%Lines])
	}
	if t.more == nil {
		t.more = make(chan struct{})
	}
	return lines, t.more
}

func (t *Tail) add(l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hide != nil {
		l.Text = t.hide.Replace(l.Text)
	}
	l.Text = Clean(l.Text, mostLine)
	l.Seq = t.next
	t.ring[t.next%Lines] = l
	t.next++
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
}

// Clean is text in one line that steers no terminal and turns nothing around (Unicode TR36, section
// 2.3), of so many runes at most.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case words.Steers(r):
			return '?'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit-1]) + "…"
	}
	return s
}

// handler is one logger's way into the tail.
type handler struct {
	tail  *Tail
	next  slog.Handler
	part  string
	attrs string // of the logger
	group string // prefix of names
}

func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	line := Line{At: r.Time, Level: r.Level, Part: h.part}
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "part" && h.group == "" {
			line.Part = a.Value.String()
			return true
		}
		write(&b, h.group, a)
		return true
	})
	line.Text = b.String()
	h.tail.add(line)
	return h.next.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	out.next = h.next.WithAttrs(attrs)
	var b strings.Builder
	for _, a := range attrs {
		if a.Key == "part" && h.group == "" {
			out.part = Clean(a.Value.String(), 32)
			continue
		}
		write(&b, h.group, a)
	}
	out.attrs += b.String()
	return &out
}

func (h *handler) WithGroup(name string) slog.Handler {
	out := *h
	out.next = h.next.WithGroup(name)
	if name != "" {
		out.group += name + "."
	}
	return &out
}

// write puts an attribute behind a line.
func write(b *strings.Builder, group string, a slog.Attr) {
	Each(group, a, func(group, key, text string) {
		if secret(key) {
			text = Removed
		}
		if text == "" || strings.ContainsAny(text, " \"=\n") {
			text = `"` + text + `"`
		}
		b.WriteString(" " + group + key + "=" + text)
	})
}

// Each passes an attribute on, those of a group one by one: the names of the groups around it, each with
// a point behind it, its own, and its text. Attributes without a name are none.
func Each(group string, a slog.Attr, do func(group, key, text string)) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, m := range v.Group() {
			Each(group, m, do)
		}
		return
	}
	if a.Key != "" {
		do(group, a.Key, v.String())
	}
}

// secret tells names of attributes that have what nobody may read here, such as the one-time code
// with which the first password is set.
func secret(key string) bool {
	key = strings.ToLower(key)
	return key == "code" || slices.ContainsFunc([]string{"password", "secret", "token", "pin", "digits", "authorization"}, func(s string) bool { return strings.Contains(key, s) })
}
