package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Exit codes, as in sysexits.h where it has one.
const (
	exitOK     = 0
	exitFailed = 1  // it was tried and did not work
	exitUsage  = 64 // the command line cannot be understood
	exitConfig = 78 // the configuration has faults
)

// defaultConfig is where the service and the image keep the one file.
const defaultConfig = "/etc/intercomd/intercom.toml"

type streams struct{ out, err io.Writer }

// subcommand is one thing that the program can be asked to do.
type subcommand struct {
	name, args, about string
	run               func(ctx context.Context, args []string, io streams) int
}

func subcommands() []subcommand {
	return []subcommand{
		{"run", "[FILE]", "run the door station until a signal ends it", runCommand},
		{"check", "[--lang LANGUAGE] FILE", "report every fault of a configuration file, offline", checkCommand},
		{"config", "[status|show|reset] [FILE]", "which configuration is in force, the file or what the page has set up; have the file back", configCommand},
		{"devices", "", "list sound devices and GPIO lines by the names to configure", devicesCommand},
		{"benchmark", "[-json] [--lang LANGUAGE] [FILE]", "measure what a call costs on this board, and what to switch off if it is too much", benchmarkCommand},
		{"selftest", "[-commission] [FILE]", "play a chirp and listen whether it is heard as it should be", selfTestCommand},
		{"audio", "offline …", "run the microphone's path on recordings", audioCommand},
		{"lock", "[FILE]", "drive the relays to rest (ExecStopPost of the service)", lockCommand},
		{"slot", "[VERB …]", "which system of a card image starts, and what is tried next", slotCommand},
		{"provision", "[seal]", "set up the machine of a card image from what is on its card", provisionCommand},
		{"update", "[FILE|URL|VERB …]", "install another system of a card image, and see what became of it", updateCommand},
		{"fleet", "[status|now] [FILE]", "how the door is fed by the server of its fleet; ask that now", fleetCommand},
		{"ctl", "VERB …", "ask a door, or tell it to do something, from a shell", ctlCommand},
		{"page", "VERB [FILE]", "the way into the page for whoever is at the machine: code, reset, fingerprint", pageCommand},
		{"events", "[-f] [FILE]", "print what happens at the door, a line each", eventsCommand},
		{"simulate", "-server URL … N", "play N doors against the SIP server of a laboratory", simulateCommand},
		{"version", "", "print the version", versionCommand},
	}
}

// command runs the subcommand that args name and returns the exit code.
func command(ctx context.Context, args []string, io streams) int {
	if len(args) == 0 {
		usage(io.err)
		return exitUsage
	}
	for _, s := range subcommands() {
		if s.name == args[0] {
			return s.run(ctx, args[1:], io)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(io.out)
		return exitOK
	}
	fmt.Fprintf(io.err, "intercomd: there is no command %q\n\n", args[0])
	usage(io.err)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "intercomd is the firmware of a SIP door intercom.\n\nUsage:\n")
	for _, s := range subcommands() {
		fmt.Fprintf(w, "  intercomd %-42s %s\n", s.name+" "+s.args, s.about)
	}
	fmt.Fprintf(w, "\nWithout FILE the configuration is %s.\n", defaultConfig)
}

// configPath is the file that the arguments name.
func configPath(args []string) (string, error) {
	switch {
	case len(args) == 0:
		return defaultConfig, nil
	case strings.HasPrefix(args[0], "-"): // else `run --help` is a door without a configuration
		return "", fmt.Errorf("there is no option %s; intercomd help says how it is used", args[0])
	case len(args) == 1:
		return args[0], nil
	default:
		return "", fmt.Errorf("one file at most, not %d arguments", len(args))
	}
}

func versionCommand(_ context.Context, _ []string, io streams) int {
	fmt.Fprintln(io.out, "intercomd", buildVersion())
	return exitOK
}
