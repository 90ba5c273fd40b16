package main

import (
	"runtime/debug"
	"testing"
	"time"
)

// The build's own time is the floor: what the linker was told, then what git knew.
func TestBuiltBy(t *testing.T) {
	git := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.time", Value: "2026-12-01T10:00:00Z"}}}
	for name, tt := range map[string]struct {
		stamp string
		info  *debug.BuildInfo
		want  string
	}{
		"the linker":         {"2026-11-23T00:00:00Z", git, "2026-11-23T00:00:00Z"},
		"SOURCE_DATE_EPOCH":  {"1795996800", git, "2026-11-30T00:00:00Z"},
		"git":                {"", git, "2026-12-01T10:00:00Z"},
		"git, a bad stamp":   {"yesterday", git, "2026-12-01T10:00:00Z"},
		"neither":            {"", &debug.BuildInfo{}, "0001-01-01T00:00:00Z"},
		"no module, nothing": {"", nil, "0001-01-01T00:00:00Z"},
	} {
		if got := builtBy(tt.stamp, tt.info).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
