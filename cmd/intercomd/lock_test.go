package main

import (
	"io/fs"
	"strings"
	"testing"

	"intercomd/board"
	"intercomd/configs"
	"intercomd/words"
)

// Only a relay that may be energised makes lock fail.
func TestLockFailsForRelaysOnly(t *testing.T) {
	gone := &board.FaultError{Message: words.New("no-gpio"), Err: fs.ErrNotExist}
	shut := &board.FaultError{Message: words.New("chip-forbidden"), Err: fs.ErrPermission}
	for _, tt := range []struct {
		name, driver string
		relays       int
		missing      error
		code         int
		says         string
	}{
		{"no chip", "gpio", 1, gone, exitOK, "nothing to make safe: this machine has no GPIO chip"},
		{"no chip, found by itself", "auto", 1, gone, exitOK, "nothing to make safe"},
		{"no relay", "gpio", 0, nil, exitOK, "there is no relay"},
		{"simulated", "sim", 1, gone, exitOK, `board.driver is "sim"`},
		{"no permission", "gpio", 1, shut, exitFailed, "may be energised"},
		{"no permission, found by itself", "auto", 1, shut, exitFailed, "may be energised"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configs.Default()
			cfg.Board.Driver, cfg.Relays = tt.driver, cfg.Relays[:tt.relays]
			cfg.Board.Chips = []string{"no-such-chip"} // whatever this machine has stays as it is
			var log strings.Builder
			if code := lock(&cfg, tt.missing, &log); code != tt.code || !strings.Contains(log.String(), tt.says) {
				t.Errorf("exit code %d: %s", code, log.String())
			}
		})
	}
}
