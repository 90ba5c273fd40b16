// Package vm runs the daemon on a real kernel: in a virtual machine with simulated
// GPIO chips (gpio-sim) and a simulated sound card (snd-aloop), installed as a
// package would install it and started by systemd. Its lines are pulled from
// outside, and what it does to its outputs is read from the kernel's own traces.
//
// It runs with INTERCOMD_VM=1 ("make test-vm", docs/vm-tests.md); without that
// every test here is skipped. It knows the daemon only from outside, like test/lab.
package vm

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"intercomd/test/lab"
)

// repeat is how often the tests do what must never fail (COUNT of make test-vm).
var repeat = flag.Int("repeat", 20, "how often to press and to kill")

func wanted() bool { return os.Getenv("INTERCOMD_VM") == "1" }

func TestMain(m *testing.M) {
	if !wanted() {
		os.Exit(m.Run())
	}
	// Before the way out to the mirror is closed behind us.
	if err := makeImage(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
	os.Exit(lab.InNamespace(func() int {
		defer box.stop()
		defer stopPeers()
		if err := box.start(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "vm:", err)
			return 1
		}
		return m.Run()
	}))
}

// arch is the processor of the machine: "amd64", or "arm64" of which the boards are.
func arch() string {
	if a := os.Getenv("INTERCOMD_VM_ARCH"); a != "" {
		return a
	}
	return "amd64"
}

// imageVar tells the process inside the namespace where the image is.
const imageVar = "INTERCOMD_VM_IMAGE"

// makeImage makes what the machine boots, unless it is there.
func makeImage(ctx context.Context) error {
	if os.Getenv(imageVar) != "" {
		return nil
	}
	image, err := output(exec.CommandContext(ctx, "sh", "image.sh", arch()))
	if err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	return os.Setenv(imageVar, image)
}

// box is the one machine of all tests here.
var box machine

// need skips the test where no machine was asked for.
func need(t *testing.T) *machine {
	t.Helper()
	if !wanted() {
		t.Skip("needs qemu and an image: run make test-vm")
	}
	return &box
}

// within is a context for one step of a test, or of its cleaning up.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}
