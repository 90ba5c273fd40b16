package main

import (
	"runtime/debug"
	"strconv"
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

// buildTime is set by the linker, as a time or in seconds as SOURCE_DATE_EPOCH has it:
// -ldflags "-X main.buildTime=2026-11-23T00:00:00Z".
var buildTime string

// built is a time that has surely passed: a board without a battery clock that shows an
// earlier one does not know the time. It is what the linker was told, or else the time of
// the commit, which go build notes by itself. Zero: this build does not know.
func built() time.Time {
	info, _ := debug.ReadBuildInfo()
	return builtBy(buildTime, info)
}

func builtBy(stamp string, info *debug.BuildInfo) time.Time {
	if n, err := strconv.ParseInt(stamp, 10, 64); err == nil {
		return time.Unix(n, 0)
	}
	if t, err := time.Parse(time.RFC3339, stamp); err == nil {
		return t
	}
	if info != nil {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
