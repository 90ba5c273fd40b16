package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/audio"
	"intercomd/benchmark"
	"intercomd/configs"
	"intercomd/door"
	"intercomd/web/accounts"
	"intercomd/web/machine"
	"intercomd/words"
)

// benchmarkCommand measures what a call costs on this machine, and says what it carries.
func benchmarkCommand(ctx context.Context, args []string, io streams) int {
	return runBenchmark(ctx, args, io, benchmark.Usual(), (&machine.Reader{}).Read)
}

// runBenchmark is it with so much effort, on a machine with these facts.
func runBenchmark(ctx context.Context, args []string, io streams, effort benchmark.Effort, facts func() machine.Facts) int {
	fs := flag.NewFlagSet("intercomd benchmark", flag.ContinueOnError)
	fs.SetOutput(io.err)
	asJSON := fs.Bool("json", false, "codes and figures in place of sentences")
	lang := fs.String("lang", "", "`language` of the sentences")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	path, err := configPath(fs.Args())
	if err == nil && *lang != "" && !words.Has(*lang) {
		err = fmt.Errorf("no language %q; languages: %s", *lang, strings.Join(words.Languages(), ", "))
	}
	if err != nil {
		fmt.Fprintln(io.err, "intercomd benchmark:", err)
		return exitUsage
	}
	language := words.Locale(os.Getenv)
	if *lang != "" {
		language = words.In(*lang)
	}
	kept := loadKept(path)
	out := boardReport{Board: boardName(facts()), Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Config: path}
	if kept.Err != nil {
		out.Warnings = append(out.Warnings, words.New("config-not-whole", "file", path))
	}
	if !*asJSON {
		fmt.Fprintln(io.out, language.Text("benchmark.wait"))
	}
	settings := callSettings(&kept.Audio)
	watch := watcher{facts: facts}
	watch.look()
	effort.Between = watch.look
	log := slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: slog.LevelError}))
	report, err := benchmark.Run(ctx, settings, benchmark.Parts{
		Microphone: func(echo, noise, way string) (audio.Config, error) {
			return door.MicrophonePath(echo, noise, way, settings.AGC, log)
		},
		Password: accounts.Work,
	}, effort)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd benchmark:", err)
		return exitFailed
	}
	out.fill(report, benchmark.Judge(report, settings))
	if settings.Noise != benchmark.Largest {
		j := benchmark.WithLargest(report, settings)
		out.Largest = &boardOutcome{rounded(benchmark.Share(j.Total)), j.Verdict}
	}
	out.Warnings = append(out.Warnings, watch.warnings(report)...)
	out.Warnings = append(out.Warnings, slowHands(report)...)
	if *asJSON {
		enc := json.NewEncoder(io.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(out); err != nil {
			fmt.Fprintln(io.err, "intercomd benchmark:", err)
			return exitFailed
		}
	} else {
		out.print(io.out, language)
	}
	if out.Verdict == benchmark.TooSlow {
		return exitFailed
	}
	return exitOK
}

// callSettings are those of the configuration that decide what a call costs.
func callSettings(a *configs.Audio) benchmark.Settings {
	return benchmark.Settings{
		Echo: a.EchoCanceller, Noise: a.NoiseSuppression, Complexity: a.OpusComplexity,
		Opus: slices.Contains(a.Codecs, "opus"), Duplex: a.Duplex, AGC: a.AGC,
	}
}

func boardName(f machine.Facts) string {
	if f.Board == "" {
		return f.Host
	}
	return f.Board
}

// boardReport is what -json prints.
type boardReport struct {
	Board    string            `json:"board"`
	Arch     string            `json:"arch"`
	Cores    int               `json:"cores"`
	Config   string            `json:"config"`
	Stages   []boardStage      `json:"stages"`
	Total    boardTotal        `json:"total"`
	Verdict  benchmark.Verdict `json:"verdict"`
	Changes  []boardChange     `json:"changes"`
	After    *boardOutcome     `json:"after,omitempty"`                   // with the changes
	Largest  *boardOutcome     `json:"withMaxNoiseSuppression,omitempty"` // unless it is configured
	Warnings []words.Message   `json:"warnings"`
}

type boardStage struct {
	Code     string  `json:"code"`
	Variant  string  `json:"variant,omitempty"`
	Counted  bool    `json:"counted"`
	MicrosIn float64 `json:"microsPerFrame,omitempty"` // of 10 ms
	Share    float64 `json:"share,omitempty"`          // of a core
	MillisIn float64 `json:"millisOnce,omitempty"`
}

type boardTotal struct {
	Micros float64 `json:"microsPerFrame"`
	Share  float64 `json:"share"`
	Budget float64 `json:"budget"` // share that leaves room
	Most   float64 `json:"most"`
}

type boardChange struct {
	benchmark.Change
	Share float64 `json:"saves"` // of a core
}

type boardOutcome struct {
	Share   float64           `json:"share"`
	Verdict benchmark.Verdict `json:"verdict"`
}

// rounded is a figure as it is shown, with four places.
func rounded(v float64) float64 { return math.Round(v*1e4) / 1e4 }

func (b *boardReport) fill(r benchmark.Report, j benchmark.Judgement) {
	for _, c := range r.Stages {
		s := boardStage{Code: c.Code, Variant: c.Variant, Counted: c.Counted}
		if c.Once {
			s.MillisIn = rounded(c.CPU.Seconds() * 1e3)
		} else {
			s.MicrosIn, s.Share = rounded(c.CPU.Seconds()*1e6), rounded(benchmark.Share(c.CPU))
		}
		b.Stages = append(b.Stages, s)
	}
	b.Total = boardTotal{Micros: rounded(j.Total.Seconds() * 1e6), Share: rounded(benchmark.Share(j.Total)), Budget: benchmark.Easy, Most: benchmark.Most}
	b.Verdict, b.Changes = j.Verdict, []boardChange{}
	for _, c := range j.Changes {
		b.Changes = append(b.Changes, boardChange{c, rounded(benchmark.Share(c.Saves))})
	}
	if len(j.Changes) > 0 {
		b.After = &boardOutcome{rounded(benchmark.Share(j.After)), j.Then}
	}
	if b.Warnings == nil {
		b.Warnings = []words.Message{}
	}
}

// print tells it in sentences. Figures come first in a line, because the names of the stages
// are as long as a language makes them.
func (b *boardReport) print(w io.Writer, l *words.Language) {
	percent := func(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }
	fmt.Fprintf(w, "%s · %s · %s\n\n", b.Board, b.Arch, l.Text("benchmark.cores", "n", strconv.Itoa(b.Cores)))
	name := func(s boardStage) string {
		n := l.Say("benchmark-stage", words.New(s.Code))
		if s.Variant != "" {
			n += " (" + s.Variant + ")"
		}
		return n
	}
	fmt.Fprintln(w, l.Text("benchmark.frame"))
	for _, s := range b.Stages {
		if s.MillisIn == 0 && s.Counted {
			fmt.Fprintf(w, "%9.0f µs %8s  %s\n", s.MicrosIn, percent(s.Share), name(s))
		}
	}
	fmt.Fprintf(w, "%9.0f µs %8s  %s\n\n", b.Total.Micros, percent(b.Total.Share), l.Text("benchmark.total"))
	fmt.Fprintln(w, l.Text("benchmark.others"))
	for _, s := range b.Stages {
		if s.MillisIn == 0 && !s.Counted {
			fmt.Fprintf(w, "%9.0f µs %8s  %s\n", s.MicrosIn, percent(s.Share), name(s))
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, l.Text("benchmark.once"))
	for _, s := range b.Stages {
		if s.MillisIn != 0 {
			fmt.Fprintf(w, "%9.1f ms           %s\n", s.MillisIn, name(s))
		}
	}
	fmt.Fprintln(w)
	budget := []string{"share", percent(b.Total.Share), "budget", strconv.Itoa(int(100 * benchmark.Easy)), "most", strconv.Itoa(int(100 * benchmark.Most))}
	fmt.Fprintln(w, l.Say("benchmark-verdict", words.New(string(b.Verdict), budget...)))
	if b.After != nil {
		fmt.Fprintln(w, l.Text("benchmark.change", "share", percent(b.After.Share), "file", b.Config))
		fmt.Fprintln(w)
		section := ""
		for _, c := range b.Changes {
			if c.Section != section {
				section = c.Section
				fmt.Fprintf(w, "[%s]\n", section)
			}
			fmt.Fprintf(w, "%s = %s", c.Key, c.Value)
			if c.Share > 0 {
				fmt.Fprintf(w, "  # −%s", percent(c.Share))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w)
		fmt.Fprintln(w, l.Say("benchmark-after", words.New(string(b.After.Verdict))))
	}
	if b.Largest != nil {
		fmt.Fprintln(w, l.Say("benchmark-max", words.New(string(b.Largest.Verdict), "share", percent(b.Largest.Share))))
	}
	for _, m := range b.Warnings {
		fmt.Fprintln(w, l.Text("benchmark.warning", "what", l.Say("benchmark-warning", m)))
	}
}

// hot is the temperature in °C from which the boards slow down.
const hot = 80

// watcher looks at the machine while it is measured and keeps the worst.
type watcher struct {
	facts          func() machine.Facts
	warmest        float64
	low, throttled bool
}

func (w *watcher) look() {
	f := w.facts()
	w.warmest = max(w.warmest, f.Temperature)
	w.low = w.low || f.Supply.Low
	w.throttled = w.throttled || f.Supply.Throttled
}

// What is worth a warning: others took so much of the time, or the first stage took so much
// more at the end.
const (
	muchTaken  = 0.15
	muchSlower = 0.15
)

func (w *watcher) warnings(r benchmark.Report) (out []words.Message) {
	percent := func(v float64) string { return strconv.Itoa(int(math.Round(100 * v))) }
	if w.low {
		out = append(out, words.New("undervoltage"))
	}
	if w.throttled {
		out = append(out, words.New("slowed-down"))
	}
	if w.warmest >= hot {
		out = append(out, words.New("too-warm", "celsius", strconv.Itoa(int(math.Round(w.warmest)))))
	}
	if r.Slower >= muchSlower {
		out = append(out, words.New("got-slower", "percent", percent(r.Slower)))
	}
	if r.Taken >= muchTaken {
		out = append(out, words.New("other-load", "percent", percent(r.Taken)))
	}
	return out
}

// What may be waited for: the keys of a call, while the visitor says the first words, and a
// password, which somebody waits for.
const (
	slowDTLS     = 150 * time.Millisecond
	slowPassword = 2 * time.Second
)

func slowHands(r benchmark.Report) (out []words.Message) {
	for _, c := range r.Stages {
		ms := strconv.FormatInt(c.CPU.Milliseconds(), 10)
		switch {
		case c.Code == benchmark.DTLS && c.CPU > slowDTLS:
			out = append(out, words.New("slow-keys", "ms", ms))
		case c.Code == benchmark.Password && c.CPU > slowPassword:
			out = append(out, words.New("slow-password", "ms", ms))
		}
	}
	return out
}
