package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"

	"intercomd/web/logtail"
)

// journalHandler writes records into systemd's journal by its own protocol, where standard error
// leads there: the line as it would be without time, and each attribute as a field of its own, so
// that `journalctl INTERCOMD_FAULT=registration` finds what it says.
// https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
type journalHandler struct {
	mu     *sync.Mutex // of line
	line   *bytes.Buffer
	text   slog.Handler // writes to line
	prefix string       // of the groups that are open
	fields map[string]string
	send   func(message string, priority journal.Priority, fields map[string]string) error
	plain  io.Writer // where a line goes that the journal does not take
}

// fieldPrefix tells the fields of the door from those of the journal.
const fieldPrefix = "INTERCOMD_"

// newJournalHandler is a handler for records of a level and above.
func newJournalHandler(plain io.Writer, level slog.Leveler, send func(string, journal.Priority, map[string]string) error) *journalHandler {
	line := &bytes.Buffer{}
	text := slog.NewTextHandler(line, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{} // the journal has it
		}
		return a
	}})
	return &journalHandler{mu: &sync.Mutex{}, line: line, text: text, send: send, plain: plain}
}

// Enabled reports whether a level is logged.
func (h *journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.text.Enabled(ctx, l)
}

// Handle writes a record.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	message := strings.TrimSuffix(h.line.String(), "\n")
	fields := map[string]string{"SYSLOG_IDENTIFIER": "intercomd", fieldPrefix + "TIME": r.Time.Format(time.RFC3339Nano)}
	for k, v := range h.fields {
		fields[k] = v
	}
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, h.prefix, a)
		return true
	})
	if err := h.send(message, priorityOf(r.Level), fields); err != nil {
		_, err = h.plain.Write([]byte(message + "\n"))
		return err
	}
	return nil
}

// WithAttrs is the handler with attributes for all records.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.text = h.text.WithAttrs(attrs)
	next.fields = map[string]string{}
	for k, v := range h.fields {
		next.fields[k] = v
	}
	for _, a := range attrs {
		addField(next.fields, h.prefix, a)
	}
	return &next
}

// WithGroup is the handler with a group around what follows.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.text, next.prefix = h.text.WithGroup(name), h.prefix+name+"."
	return &next
}

// maxField bounds a field, in bytes: the journal is for lines.
const maxField = 4 << 10

// addField adds an attribute, a group as each of its own.
func addField(fields map[string]string, prefix string, a slog.Attr) {
	logtail.Each(prefix, a, func(group, key, text string) {
		fields[fieldName(group+key)] = text[:min(len(text), maxField)]
	})
}

// fieldName is a key as the journal takes it: upper case, digits and underscores, 64 characters.
func fieldName(key string) string {
	name := fieldPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), 64)]
}

// priorityOf is a level as syslog has it (RFC 5424, section 6.2.1).
func priorityOf(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
