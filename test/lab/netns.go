package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Address is the one address of the namespace that [InNamespace] makes; servers
// and phones all use it.
const Address = "10.77.0.1"

const insideVar = "INTERCOMD_INSIDE_NAMESPACE"

// Wanted reports whether whole-system tests were asked for (INTERCOMD_SYSTEM=1,
// set by make). They need peers that a plain "go test" must not depend on.
func Wanted() bool { return os.Getenv("INTERCOMD_SYSTEM") == "1" }

// InNamespace runs this program once more inside a network, mount and process
// namespace of its own and returns its exit code; the inner run calls f.
//
//	lo     127.0.0.1
//	door0  10.77.0.1/24 ── door1 (the other end, without an address)
//
// There is no way out to any network. A veth pair rather than lo alone, because
// browsers gather no candidate on lo. The namespaces have no name: they vanish
// with the last process in them, and every process vanishes with the first, so
// nothing has to be cleaned up however a test run ends.
func InNamespace(f func() int) int {
	if os.Getenv(insideVar) == "" {
		return enter()
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "lab: set up the namespace:", err)
		return 1
	}
	return f()
}

func enter() int {
	// The parent-death signal belongs to the thread that starts the child.
	runtime.LockOSThread()
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: find this program:", err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid := os.Getuid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "lab: run in a namespace of its own (needs root, or user namespaces allowed):", err)
		return 1
	}
	return 0
}

// furnish sets up what a fresh namespace lacks: its own /proc and the links.
func furnish() error {
	if err := syscall.Mount("", "/proc", "", syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make /proc private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "door0", "type", "veth", "peer", "name", "door1"},
		{"addr", "add", Address + "/24", "dev", "door0"},
		{"link", "set", "door0", "up"},
		{"link", "set", "door1", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}
