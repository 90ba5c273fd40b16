package web

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/web/logtail"
	"intercomd/words"
)

// This file is the last lines of the log, for admins.

// logFilter is which lines somebody wants to see.
type logFilter struct {
	Level slog.Level
	Part  string
	Text  string
}

func logFilterOf(r *http.Request) logFilter {
	q := r.URL.Query()
	f := logFilter{Level: slog.LevelDebug, Part: clean(q.Get("part"), maxName), Text: clean(q.Get("q"), maxQuery)}
	_ = f.Level.UnmarshalText([]byte(q.Get("level"))) // all levels
	return f
}

func (f logFilter) wants(l logtail.Line) bool {
	return l.Level >= f.Level && (f.Part == "" || f.Part == l.Part) && strings.Contains(strings.ToLower(l.Text), strings.ToLower(f.Text))
}

// logLine is a line as it is shown.
type logLine struct {
	At, When, Level, Part, Text string
	Class                       string
}

func shownLine(l logtail.Line) logLine {
	return logLine{At: l.At.Format(time.RFC3339), When: l.At.Format("2006-01-02 15:04:05"), Level: l.Level.String(), Part: l.Part, Text: l.Text, Class: strings.ToLower(l.Level.String())}
}

func (l logLine) String() string {
	return l.When + " " + l.Level + " " + l.Part + ": " + l.Text
}

// getLog shows the last lines, the newest first, or hands them out as text.
func (s *Server) getLog(w http.ResponseWriter, r *http.Request) {
	all, _ := s.cfg.Tail.Since(0)
	f, t := logFilterOf(r), s.renderer(r)
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	var lines []logtail.Line
	var parts []string
	for _, l := range all {
		if l.Part != "" && !slices.Contains(parts, l.Part) {
			parts = append(parts, l.Part)
		}
		if f.wants(l) {
			lines = append(lines, l)
		}
	}
	slices.Sort(parts)
	switch {
	case wantsJSON(r):
		s.sendList(w, r, "lines", list(lines))
		return
	case r.URL.Query().Has("text"):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="intercomd.log"`)
		for _, l := range lines {
			_, _ = w.Write([]byte(shownLine(l).String() + "\n")) // a client that went away needs no answer
		}
		return
	}
	q := r.URL.Query()
	q.Del("text")
	next := uint64(1)
	if len(all) > 0 {
		next = all[len(all)-1].Seq + 1
	}
	q.Set("after", strconv.FormatUint(next, 10))
	v := struct {
		frame
		Text, Live, Download string
		Levels, Parts        []choice
		Lines                []logLine
	}{frame: s.frame(r, t.Text("nav.log"), ""), Text: f.Text, Live: "/log/live?" + q.Encode()}
	q.Del("after")
	q.Set("text", "")
	v.Download = "/log?" + q.Encode()
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		v.Levels = append(v.Levels, choice{l.String(), t.Text("level." + strings.ToLower(l.String())), l == f.Level})
	}
	for _, p := range parts {
		v.Parts = append(v.Parts, choice{p, p, p == f.Part})
	}
	for _, l := range slices.Backward(lines) {
		v.Lines = append(v.Lines, shownLine(l))
	}
	s.document(w, r, http.StatusOK, "log", v)
}

// getLogLive streams lines as they are written: event "line".
func (s *Server) getLogLive(w http.ResponseWriter, r *http.Request) {
	f := logFilterOf(r)
	from, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, words.New("bad-form"))
		return
	}
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 63); err == nil {
		from = last + 1
	}
	s.stream(w, r, every(heartbeat), func(out *bytes.Buffer) (<-chan struct{}, error) {
		lines, more := s.cfg.Tail.Since(from)
		for _, l := range lines {
			from = l.Seq + 1
			if !f.wants(l) {
				continue
			}
			shown := shownLine(l)
			body, err := json.Marshal(map[string]string{"when": shown.When, "at": shown.At, "level": shown.Level, "part": shown.Part, "text": shown.Text})
			if err != nil {
				return nil, err
			}
			writeEvent(out, "line", strconv.FormatUint(l.Seq, 10), body)
		}
		return more, nil
	})
}
