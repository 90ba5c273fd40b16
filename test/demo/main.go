// Command demo shows a whole door intercom on one machine without any hardware:
// a SIP server, a door with a simulated board and an indoor station (the same
// program), virtual sound cards. It places one call by itself and prints what
// happened when; then it stays up to be played with from a browser.
//
// Everything listens on 127.0.0.1 only and ends with this program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"intercomd/test/lab"
)

// Who is who.
const (
	doorUser   = "1000"
	indoorUser = "1001"
	phoneUser  = "1002"
)

func main() {
	once := flag.Bool("once", false, "end after the call; exit code 0 only if everything was heard")
	binary := flag.String("intercomd", "bin/intercomd", "the program to show")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := show(ctx, *binary, *once)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// show sets the scene, plays the call, and stays until ctx ends unless once.
func show(ctx context.Context, binary string, once bool) error {
	begin := time.Now()
	fmt.Println("Setting up a SIP server, sound cards, a door and an indoor station ...")
	wss, err := lab.FreePort(17443)
	if err != nil {
		return err
	}
	site, err := lab.StartSite(ctx, binary, "127.0.0.1", wss, "door", "indoor")
	defer site.Stop()
	if err != nil {
		return err
	}
	s, err := cast(ctx, site)
	if err != nil {
		return err
	}
	fmt.Printf("Ready after %.1f s. Now somebody presses the bell.\n\n", time.Since(begin).Seconds())

	led, err := s.play(ctx)
	led.print(os.Stdout)
	if err != nil {
		fmt.Printf("\nWhat the door said last:\n%s\n\nOn the wire:\n%s", s.door.Tail(40), lab.Ladder(site.Kamailio.Since(led.press)))
		return err
	}
	fmt.Print("\nBoth sides were heard, the digit opened the door, and everybody hung up.\n")
	if once {
		return nil
	}
	return s.stay(ctx)
}
