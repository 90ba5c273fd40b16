// Command bench measures what the daemon is judged by: how soon a press is an
// INVITE on the wire, how soon after the answer the far end is heard, what a call
// costs; each beside a yardstick in the same run. With -delay it measures how late
// the far end hears what is said, with -soak it plays many calls and looks for what
// they leave behind, with -net it plays them over a bad line.
//
// It runs in a network namespace of its own (root, or user namespaces allowed).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"intercomd/test/lab"
)

func main() {
	binary := flag.String("intercomd", "bin/intercomd", "the program to measure")
	runs := flag.Int("runs", 10, "calls of each kind; the median counts")
	seconds := flag.Int("seconds", 20, "length of the calls whose cost is measured")
	soak := flag.Int("soak", 0, "play so many calls in a row instead")
	asterisk := flag.String("asterisk", "", "play them against the Asterisk in this folder (test/tools/asterisk.sh) instead of Kamailio")
	delay := flag.Bool("delay", false, "measure the delay from mouth to ear instead")
	alone := flag.Bool("alone", false, "with -delay: without the pages that it is compared with")
	bad := flag.Int("net", 0, "play so many calls over a bad line, and cut it, instead")
	cost := flag.Bool("cost", false, "measure what a call costs, by thread, and nothing else")
	place := flag.Float64("place", 0, "with -cost: noise that the microphones of door and baresip hear, `dBFS`; 0: digital silence, as without -cost")
	rest := flag.Bool("rest", false, "measure what a door costs at rest, and how soon a press is heard, instead")
	many := flag.Int("many", 0, "play so many doors, and kill their server, instead")
	picture := flag.String("picture", "", "with -many: the `file` to draw the curve into (SVG)")
	page := flag.Bool("greed", false, "measure what viewers of the page cost, and what greedy clients do to a press and its webhook, instead")
	flag.Parse()
	os.Exit(lab.InNamespace(func() int {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		program, remove, err := installed(*binary)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		defer remove()
		switch {
		case *soak > 0:
			err = soakCalls(ctx, program, *soak, *asterisk)
		case *cost:
			err = callCost(ctx, program, time.Duration(*seconds)*time.Second, *place)
		case *rest:
			err = atRest(ctx, program, *runs, time.Duration(*seconds)*time.Second)
		case *many > 0:
			err = manyDoors(ctx, program, *many, *picture)
		case *page:
			err = greed(ctx, program, *runs, time.Duration(*seconds)*time.Second)
		case *delay:
			err = mouthToEar(ctx, program, time.Duration(*seconds)*time.Second, *alone)
		case *bad > 0:
			err = badLine(ctx, program, *bad)
		default:
			err = bench(ctx, program, *runs, *seconds)
		}
		if err != nil && (!errors.Is(err, context.Canceled) || ctx.Err() == nil) {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		return 0
	}))
}

// installed copies the program piece by piece, as an installation does. Where the linker has left it, in one piece, the
// kernel maps nearly all of it as soon as some of it is used: 8 MB of RSS that no installed one has.
func installed(program string) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "intercomd-bench-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	path = filepath.Join(dir, filepath.Base(program))
	if err := copyFile(path, program); err != nil {
		remove()
		return "", nil, fmt.Errorf("the program to measure: %w", err)
	}
	return path, remove, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<16)) // else the kernel copies, in one piece
	return errors.Join(err, out.Close())
}
