package main

import (
	"runtime/debug"
	"time"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version string

// buildVersion is the version of this program, as exactly as the build knows it.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// buildTime is set by the linker: -ldflags "-X main.buildTime=2026-11-23T00:00:00Z".
var buildTime string

// written is when this source was last released: the least that buildTime can be.
const written = "2026-11-23T00:00:00Z"

// built is a time that has surely passed: a board without a battery clock that
// shows an earlier one does not know the time.
func built() time.Time {
	for _, s := range []string{buildTime, written} {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t
		}
	}
	return time.Time{}
}
