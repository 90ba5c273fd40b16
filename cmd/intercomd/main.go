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
	"syscall"
)

func main() {
	// A log that nobody reads any more is no reason to close the door: without this the
	// first line that cannot be written ends the process.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
