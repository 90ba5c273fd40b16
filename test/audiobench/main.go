// Command audiobench prints what becomes of voices at the door, beside the goals:
// how much echo is left, what double talk and street noise do to the visitor, what
// it costs, and what a bad network does. The sound goes through the very program,
// "intercomd audio offline" as it comes; libspeexdsp takes the same way beside it.
//
// Scenes and voices (espeak-ng) follow from a seed. Nothing is tuned to any: take
// another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"intercomd/audio"
)

// contender is a way to call the program.
type contender struct {
	name string
	args []string
}

// contenders are the program, with a level of noise suppression or with its own, and the yardstick.
func contenders(noise string) []contender {
	var level []string
	if noise != "" {
		level = []string{"-noise", noise}
	}
	return []contender{
		{"intercomd", level},
		{"speexdsp", []string{"-echo", "speexdsp", "-noise", "off"}},
	}
}

func main() {
	binary := flag.String("intercomd", "bin/intercomd", "the program to measure")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "of rooms, noises and utterances")
	hours := flag.Float64("hours", 1, "for which clocks run apart")
	only := flag.String("scenes", "", "only scenes whose names contain this")
	noise := flag.String("noise", "", "level of noise suppression, if not what the program does unless told")
	loss := flag.Bool("loss", false, "only what loss does to a call; -scenes chooses among the traces")
	program := flag.String("neteq", "", "with -loss: the program that test/tools/neteq.sh builds, as the yardstick")
	voice := flag.String("voice", "ann", "who speaks, with -loss: ann, bob, cleo, dan")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *loss {
		err = lossReport(ctx, &speakers{seed: *seed, said: map[string][]float64{}}, *voice, *only, *program)
	} else {
		err = run(ctx, *binary, *noise, *seed, *only, time.Duration(*hours*float64(time.Hour)))
	}
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "audiobench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, noise string, seed uint64, only string, apart time.Duration) error {
	dir, err := os.MkdirTemp("", "intercomd-audiobench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Printf("seed %d\n", seed)
	who := &speakers{seed: seed, said: map[string][]float64{}}
	programs := contenders(noise)
	scores := make([]map[string]score, len(programs))
	for i := range scores {
		scores[i] = map[string]score{}
	}
	for _, s := range scenes() {
		if !strings.Contains(s.name, only) {
			continue
		}
		r, err := s.record(who)
		if err != nil {
			return err
		}
		for i, c := range programs {
			if scores[i][s.name], err = c.play(ctx, binary, dir, s, r); err != nil {
				return fmt.Errorf("%s, %s: %w", s.name, c.name, err)
			}
		}
		fmt.Printf("%-12s %s\n", s.name, line(scores, s.name))
	}
	report(scores)
	if err := overTheLine(who); err != nil {
		return err
	}
	return driftHour(who, apart)
}

// play sends a recording through the program.
func (c contender) play(ctx context.Context, binary, dir string, s scene, r recording) (score, error) {
	far, mic, out := filepath.Join(dir, "far.wav"), filepath.Join(dir, "mic.wav"), filepath.Join(dir, "out.wav")
	for path, x := range map[string][]float32{far: r.far, mic: r.mic} {
		if err := write(path, x); err != nil {
			return score{}, err
		}
	}
	cmd := exec.CommandContext(ctx, binary, append([]string{"audio", "offline", "-far", far, "-mic", mic, "-out", out}, c.args...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return score{}, fmt.Errorf("%w: %s", err, text)
	}
	f, err := os.Open(out)
	if err != nil {
		return score{}, err
	}
	defer func() { _ = f.Close() }()
	got, err := audio.ReadWAV(f)
	if err != nil {
		return score{}, err
	}
	g := s.judge(r, got.Samples)
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	g.cpu = float64(used.Microseconds()) / (100 * s.seconds)
	return g, nil
}

func write(path string, x []float32) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(audio.WriteWAV(f, audio.Sound{Rate: fs, Samples: x}), f.Close())
}

// line shows what a scene has to show, for each contender.
func line(scores []map[string]score, scene string) string {
	var b strings.Builder
	for i, c := range contenders("") {
		s := scores[i][scene]
		fmt.Fprintf(&b, "  %s:", c.name)
		for _, v := range []struct {
			name, format string
			value        float64
		}{
			{"early", "%.0f", s.early}, {"end", "%.0f", s.end}, {"worst", "%.0f", s.worst}, {"after", "%.0f", s.afterTalk},
			{"back", "%.1f s", s.recovered}, {"SDR", "%.1f", s.talk.SDR}, {"STOI", "%.3f", s.talk.STOI}, {"cut", "%.1f %%", s.talk.Cut},
			{"alone SDR", "%.1f", s.alone.SDR}, {"STOI", "%.3f", s.alone.STOI},
		} {
			if !math.IsNaN(v.value) {
				fmt.Fprintf(&b, " %s "+v.format, v.name, v.value)
			}
		}
	}
	return b.String()
}

// timesSpeex is how much more computing than libspeexdsp is allowed.
const timesSpeex = 3.0

// report prints the table.
func report(scores []map[string]score) {
	fmt.Printf("\n%-52s %9s", "", "goal")
	for _, c := range contenders("") {
		fmt.Printf(" %16s", c.name)
	}
	fmt.Println()
	for _, g := range goals() {
		sign := "≥"
		if g.most {
			sign = "≤"
		}
		fmt.Printf("%-52s %9s", g.what, fmt.Sprintf("%s %g", sign, g.limit))
		for _, s := range scores {
			v := g.value(s)
			switch {
			case math.IsNaN(v):
				fmt.Printf(" %16s", "not run")
			case g.met(v):
				fmt.Printf(" %11.2f pass", v)
			default:
				fmt.Printf(" %11.2f MISS", v)
			}
		}
		fmt.Println()
	}
	var cpu []float64
	for _, s := range scores {
		var v []float64
		for _, x := range s {
			v = append(v, x.cpu)
		}
		cpu = append(cpu, median(v))
	}
	verdict := "pass"
	if cpu[0] > timesSpeex*cpu[1] {
		verdict = "MISS"
	}
	fmt.Printf("%-52s %9s %11.0f %s %11.0f\n", "CPU of the whole program for 10 ms, median, µs", fmt.Sprintf("≤ %g × sp.", timesSpeex), cpu[0], verdict, cpu[1])
}
