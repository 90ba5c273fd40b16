package door

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// logger writes events into the log: a sentence for each kind, the parameters as attributes,
// and the time at which it happened.
func logger(log *slog.Logger) func(station.Event) {
	ctx := context.Background()
	return func(e station.Event) {
		level := levelOf(e.News)
		if !log.Enabled(ctx, level) {
			return
		}
		r := slog.NewRecord(e.At, level, words.English().Text("event."+string(e.News.Kind())), 0)
		if e.Call != "" {
			r.AddAttrs(slog.String("call", e.Call))
		}
		switch n := e.News.(type) {
		case station.CallEnded:
			r.AddAttrs(endedAttrs(n.Record)...)
		case station.FaultRaised:
			r.AddAttrs(slog.String("fault", n.Fault.Key), slog.String("text", n.Fault.String()), slog.String("remedy", n.Fault.Remedy()))
		case station.FaultCleared:
			r.AddAttrs(slog.String("fault", n.Fault.Key))
		case station.RegistrationChanged:
			g := n.Registration
			r.AddAttrs(slog.String("state", string(g.State)), slog.String("server", g.Server))
		default:
			r.AddAttrs(attrs("", reflect.ValueOf(e.News))...)
		}
		_ = log.Handler().Handle(ctx, r) // there is nowhere to say that the log fails
	}
}

// levelOf is how much an event matters to whoever reads the log.
func levelOf(n station.News) slog.Level {
	switch n := n.(type) {
	case station.FaultRaised, station.AlarmChanged, station.KeypadLocked, station.RelaysBlocked, station.VisitorMissed, station.Missed:
		return slog.LevelWarn
	case station.PressIgnored:
		if n.Why == station.IgnoredLate {
			return slog.LevelWarn
		}
	case station.Switched:
		if n.Detail != "" {
			return slog.LevelError
		}
	case station.Administered:
		if n.Why != "" {
			return slog.LevelWarn
		}
	case station.CallDigit, station.ContactChanged, station.RegistrationChanged: // the phone logs its registrations
		return slog.LevelDebug
	case station.CallStep:
		if n.Step == station.Sent || n.Step == station.FirstSpoken {
			return slog.LevelDebug
		}
	}
	return slog.LevelInfo
}

// endedAttrs is a finished call in one line.
func endedAttrs(r station.Record) []slog.Attr {
	e := r.Ending
	remedy := ""
	if !e.Remedy.None() {
		remedy = words.English().Say("call-remedy", e.Remedy)
	}
	out := []slog.Attr{slog.String("with", r.Peer.User), slog.String("cause", string(e.Cause)), slog.String("by", string(e.By)),
		slog.Duration("talked", r.Talked().Round(100*time.Millisecond))}
	for _, a := range []slog.Attr{slog.Int("status", e.Status), slog.String("reason", e.Reason), slog.String("remedy", remedy)} {
		if a.Value.Any() != int64(0) && a.Value.Any() != "" {
			out = append(out, a)
		}
	}
	return out
}

// attrs are the fields of an event by their names in JSON, without those that are empty.
func attrs(name string, v reflect.Value) (out []slog.Attr) {
	if p, ok := v.Interface().(station.Peer); ok {
		return []slog.Attr{slog.String(name, p.User)}
	}
	if m, ok := v.Interface().(words.Message); ok && !m.None() {
		return []slog.Attr{slog.String(name, m.String())}
	}
	_, moment := v.Interface().(time.Time)
	switch {
	case v.IsZero():
		return nil
	case v.Kind() != reflect.Struct || moment:
		if d, ok := v.Interface().(time.Duration); ok {
			return []slog.Attr{slog.Duration(name, d.Round(time.Millisecond))}
		}
		return []slog.Attr{slog.Any(name, v.Interface())}
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" {
			tag = name + "." + tag
		}
		out = append(out, attrs(tag, v.Field(i))...)
	}
	return out
}
