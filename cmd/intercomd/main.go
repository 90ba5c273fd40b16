// Command intercomd is the firmware of a SIP door intercom.
//
// It is the only place that sees every part: it reads the configuration, makes
// the parts, adapts the words of one to those of another, and ends them in
// order. What a press or a digit means is decided in package station; nothing
// here decides anything about a call.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	// A log that nobody reads any more is no reason to close the door: without this the
	// first line that cannot be written ends the process.
	signal.Ignore(syscall.SIGPIPE)
	spareProcessor()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// spareProcessor gives Go one processor more than the machine has, for who waits in C or in the kernel: a card that is
// slow to write would else keep sound waiting until Go's monitor takes it away from it, which it does late
// (audio/portaudio/slack.c). A machine with one has a monitor that does so soon.
func spareProcessor() {
	if n := runtime.GOMAXPROCS(0); n > 1 && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n + 1)
	}
}
