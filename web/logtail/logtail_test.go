package logtail

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	var out bytes.Buffer
	tail := New()
	log := slog.New(tail.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	tail.Hide([]string{"s3cret", "s3cret-and-longer", "12"})
	web := log.With("part", "web", "x", 1)
	web.Info("hello", "who", "the door", "password", "anything", slog.Group("g", "a", "b"))
	web.Debug("not wanted")
	web.WithGroup("in").Warn("s3cret-and-longer\x1b[31m\nline\u202e", "err", "s3cret 12", "code", "abcd-efgh")
	log.Error("from part", "part", "phone", "log", slog.StringValue(strings.Repeat("x", 5000)))
	lines, more := tail.Since(0)
	if len(lines) != 3 || more == nil {
		t.Fatalf("%+v", lines)
	}
	for i, want := range []Line{
		{Seq: 1, Level: slog.LevelInfo, Part: "web", Text: `hello x=1 who="the door" password=(removed) g.a=b`},
		{Seq: 2, Level: slog.LevelWarn, Part: "web", Text: `(removed)?[31m line? x=1 in.err="(removed) 12" in.code=(removed)`},
	} {
		got := lines[i]
		got.At = want.At
		if got != want {
			t.Errorf("%+v\nwant %+v", got, want)
		}
	}
	if l := lines[2]; l.Part != "phone" || len([]rune(l.Text)) != mostLine {
		t.Errorf("%s, %d", l.Part, len(l.Text))
	}
	if !strings.Contains(out.String(), "the door") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("the log itself has\n%s", out.String())
	}
	for i := range 3 * Lines {
		log.Info(fmt.Sprint(i))
	}
	select {
	case <-more:
	default:
		t.Error("nobody is told that there is more")
	}
	lines, _ = tail.Since(2)
	if len(lines) != Lines || lines[Lines-1].Text != fmt.Sprint(3*Lines-1) || lines[0].Seq != lines[Lines-1].Seq-Lines+1 {
		t.Errorf("%d lines, the last %+v", len(lines), lines[len(lines)-1])
	}
	if lines, _ = tail.Since(lines[Lines-1].Seq); len(lines) != 1 {
		t.Errorf("from the last one on: %d", len(lines))
	}
	if lines, _ = tail.Since(1 << 60); len(lines) != Lines {
		t.Errorf("of another run: %d", len(lines))
	}
}

// A record of a logger with attributes costs the door little.
func BenchmarkHandle(b *testing.B) {
	log := slog.New(New().Handler(slog.DiscardHandler))
	for b.Loop() {
		log.Info("registered", "server", "wss://pbx.example.lan:7443")
	}
}
