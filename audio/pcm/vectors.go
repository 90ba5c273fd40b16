package pcm

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// Vectors reports whether this processor has the instructions that the C of package audio's rooms is
// compiled for. Debian's armhf need not have NEON, though all boards do.
func Vectors() bool { return runtime.GOARCH != "arm" || cpu.ARM.HasNEON }
