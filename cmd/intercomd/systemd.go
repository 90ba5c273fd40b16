package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"intercomd/station"
)

// leastPatience is how long the station may be silent in any case: it looks around every two
// seconds at rest.
const leastPatience = 5 * time.Second

// tellSystemd reports readiness, the status line and health to systemd, and
// returns when ctx ends. Without systemd it does nothing.
//
// The watchdog is fed only while the station looks around: a process whose core
// hangs is restarted, however busy the rest of it may be.
func tellSystemd(ctx context.Context, st *station.Station, log *slog.Logger) {
	if sent, err := systemd.SdNotify(false, systemd.SdNotifyReady); err != nil || !sent {
		if err != nil {
			log.Warn("systemd could not be told that the door is ready", "error", err)
		}
		return
	}
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		every = 10 * time.Second
	}
	often := every / 3
	if even := often.Truncate(2 * time.Second); even > 0 {
		often = even // with what else is done at rest
	}
	for {
		snap := st.Snapshot()
		if time.Since(st.Looked()) < max(every/2, leastPatience) {
			_, _ = systemd.SdNotify(false, systemd.SdNotifyWatchdog+"\nSTATUS="+statusLine(snap))
		}
		if !pause(ctx, often) {
			return
		}
	}
}

// tellStopping reports that the daemon ends. It must not be told when a door gives way to another one:
// systemd would wait for the end of the process, and then kill it.
func tellStopping() { _, _ = systemd.SdNotify(false, systemd.SdNotifyStopping) }

// statusLine is the state of the door in one line, for systemctl status.
func statusLine(s *station.Snapshot) string {
	line := string(s.State)
	if s.Call != nil {
		line += " " + s.Call.Peer.User
	}
	line += ", " + string(s.Registration.State)
	switch n := len(s.Faults); n {
	case 0:
	case 1:
		line += fmt.Sprintf(", 1 fault: %s", s.Faults[0].Message)
	default:
		line += fmt.Sprintf(", %d faults: %s", n, s.Faults[0].Message)
	}
	return line
}
