package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"intercomd/audio"
	"intercomd/configs"
	"intercomd/door"
)

// audioCommand runs the microphone's path on recordings: what an engineer hears
// of a site, and what the bench judges.
func audioCommand(_ context.Context, args []string, io streams) int {
	if len(args) == 0 || args[0] != "offline" {
		fmt.Fprintln(io.err, "usage: intercomd audio offline -far FILE -mic FILE -out FILE")
		return exitUsage
	}
	usual := configs.Default().Audio // what a door does that was not told
	var (
		fs    = flag.NewFlagSet("intercomd audio offline", flag.ContinueOnError)
		far   = fs.String("far", "", "WAV `file`: what the loudspeaker played")
		mic   = fs.String("mic", "", "WAV `file`: what the microphone heard meanwhile")
		out   = fs.String("out", "", "WAV `file` to write: what would be sent")
		echo  = fs.String("echo", usual.EchoCanceller, "echo canceller: kalman, speexdsp, off")
		noise = fs.String("noise", usual.NoiseSuppression, "noise suppression: off, low, high, max")
		way   = fs.String("duplex", usual.Duplex, "auto, full, switched")
		agc   = fs.Bool("agc", false, "level the voice, as in a call; a moving level counts as distortion")
	)
	fs.SetOutput(io.err)
	switch err := fs.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil || fs.NArg() > 0 || *far == "" || *mic == "" || *out == "":
		fs.Usage()
		return exitUsage
	}
	log := slog.New(slog.NewTextHandler(io.err, nil))
	cfg, err := door.MicrophonePath(*echo, *noise, *way, *agc, log)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd audio offline:", err)
		return exitUsage
	}
	report, err := offline(cfg, *far, *mic, *out)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd audio offline:", err)
		return exitFailed
	}
	stats := report.Echo
	fmt.Fprintf(io.out, "ERLE %.1f dB, echo %d ms late, noise %.0f dBFS\n", stats.ERLE, stats.Delay.Milliseconds(), stats.Noise)
	for _, w := range report.Ways {
		what := "full duplex again"
		if w.Switched {
			what = "one direction at a time: " + string(w.Reason)
		}
		fmt.Fprintf(io.out, "after %.1f s %s\n", w.At.Seconds(), what)
	}
	return exitOK
}

// offline opens the files and runs the pipeline.
func offline(cfg audio.Config, far, mic, out string) (report audio.Report, err error) {
	var closers []io.Closer
	defer func() {
		for _, c := range closers {
			err = errors.Join(err, c.Close())
		}
	}()
	f, err := os.Open(far) //nolint:gosec // the caller names the file
	if err != nil {
		return report, err
	}
	closers = append(closers, f)
	m, err := os.Open(mic) //nolint:gosec // likewise
	if err != nil {
		return report, err
	}
	closers = append(closers, m)
	o, err := os.Create(out) //nolint:gosec // likewise
	if err != nil {
		return report, err
	}
	closers = append(closers, o)
	return audio.Offline(cfg, f, m, o)
}
