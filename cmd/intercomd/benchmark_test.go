package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/benchmark"
	"intercomd/web/machine"
	"intercomd/words"
)

// short is hardly a measurement, but takes every stage.
func short() benchmark.Effort {
	return benchmark.Effort{Each: time.Millisecond, Block: time.Millisecond}
}

// The real parts of a call are measured with the settings of a file, and told as codes.
func TestBenchmarkTellsCodes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "door.toml")
	if err := os.WriteFile(file, []byte("[audio]\necho_canceller = \"speexdsp\"\nnoise_suppression = \"off\"\nopus_complexity = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	looks := 0
	facts := func() machine.Facts {
		looks++
		f := machine.Facts{Board: "Board of the test"}
		if looks == 4 { // in the middle only
			f.Temperature, f.Supply = 84.6, machine.Supply{Known: true, Low: true, Throttled: true}
		}
		return f
	}
	var out, diag strings.Builder
	code := runBenchmark(t.Context(), []string{"-json", file}, streams{out: &out, err: &diag}, short(), facts)
	var r boardReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), diag.String())
	}
	if want := exitOK; r.Verdict == benchmark.TooSlow {
		t.Log("this machine is too slow")
	} else if code != want {
		t.Errorf("exit code %d with %q", code, r.Verdict)
	}
	counted := map[string]string{}
	for _, s := range r.Stages {
		if s.Counted {
			counted[s.Code] = s.Variant
		}
		if s.Counted && s.MicrosIn <= 0 {
			t.Errorf("%s takes nothing", s.Code)
		}
	}
	if counted["canceller"] != "speexdsp" || counted["encoder"] != "2" {
		t.Errorf("counted: %v", counted)
	}
	if v, ok := counted["suppressor"]; ok {
		t.Errorf("a suppressor %q is counted that is off", v)
	}
	if r.Largest == nil || r.Largest.Share <= r.Total.Share {
		t.Errorf("with the largest suppressor: %+v, as configured %v", r.Largest, r.Total.Share)
	}
	if r.Board != "Board of the test" || r.Total.Share <= 0 || r.Total.Budget != benchmark.Easy {
		t.Errorf("%+v", r)
	}
	said := out.String()
	for _, code := range []string{"undervoltage", "slowed-down", "too-warm", "config-not-whole"} { // it lacks the server
		if !strings.Contains(said, `"code": "`+code+`"`) {
			t.Errorf("no warning %s:\n%s", code, said)
		}
	}
}

func TestBenchmarkInWords(t *testing.T) {
	for _, name := range words.Languages() {
		l := words.In(name)
		for _, v := range []benchmark.Verdict{benchmark.Carries, benchmark.Tight, benchmark.TooSlow} {
			r := boardReport{
				Board: "Board", Arch: "arm64", Cores: 4, Config: "/etc/door.toml", Verdict: v, Total: boardTotal{Micros: 3210, Share: 0.321},
				Stages:   []boardStage{{Code: benchmark.Canceller, Variant: "kalman", Counted: true, MicrosIn: 123, Share: 0.0123}, {Code: benchmark.Transform, MicrosIn: 7}, {Code: benchmark.DTLS, MillisIn: 12.3}},
				Changes:  []boardChange{{benchmark.Change{Section: "audio", Key: "echo_canceller", Value: `"off"`}, 0.05}, {benchmark.Change{Section: "audio", Key: "duplex", Value: `"switched"`}, 0}},
				After:    &boardOutcome{0.111, v},
				Largest:  &boardOutcome{0.457, v},
				Warnings: []words.Message{words.New("other-load", "percent", "20"), words.New("slow-password", "ms", "2345")},
			}
			var b strings.Builder
			r.print(&b, l)
			said := b.String()
			for _, want := range []string{
				"      123 µs    1.2 %  " + l.Text("benchmark-stage.canceller") + " (kalman)\n", "     12.3 ms           " + l.Text("benchmark-stage.dtls-handshake"),
				"[audio]\necho_canceller = \"off\"  # −5.0 %\nduplex = \"switched\"\n", "32.1 %", "11.1 %", "20 %", "2345", "/etc/door.toml", l.Say("benchmark-after", words.New(string(v))), l.Say("benchmark-max", words.New(string(v), "share", "45.7 %")),
			} {
				if !strings.Contains(said, want) {
					t.Errorf("%s, %s: lacks %q:\n%s", name, v, want, said)
				}
			}
			if strings.Contains(said, "{") || strings.Contains(said, "benchmark-") || strings.Contains(said, "benchmark.") {
				t.Errorf("%s, %s: a word is missing:\n%s", name, v, said)
			}
		}
	}
}

func TestBenchmarkWarnsOfWhatSpoilsIt(t *testing.T) {
	codes := func(w watcher, r benchmark.Report) (s string) {
		for _, m := range append(w.warnings(r), slowHands(r)...) {
			s += m.Code + " " + string(m.Params) + "\n"
		}
		return s
	}
	if s := codes(watcher{warmest: 79}, benchmark.Report{Taken: 0.05, Slower: 0.05}); s != "" {
		t.Errorf("a quiet machine is warned of: %s", s)
	}
	got := codes(watcher{}, benchmark.Report{Taken: 0.4, Slower: 0.3, Stages: []benchmark.Cost{
		{Code: benchmark.DTLS, CPU: time.Second, Once: true}, {Code: benchmark.Password, CPU: 3 * time.Second, Once: true}}})
	for _, want := range []string{`other-load {"percent":"40"}`, `got-slower {"percent":"30"}`, `slow-keys {"ms":"1000"}`, `slow-password {"ms":"3000"}`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
}

func TestBenchmarkCommandLine(t *testing.T) {
	for _, args := range [][]string{{"a", "b"}, {"--lang", "tlh"}, {"-fast"}} {
		if code, out := run(t, append([]string{"benchmark"}, args...)...); code != exitUsage {
			t.Errorf("%q: exit code %d: %s", args, code, out)
		}
	}
}
