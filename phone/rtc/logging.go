package rtc

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/pion/logging"
)

// pionLogs hands pion's messages to slog: errors as warnings, the rest as debug.
// pion calls many things of a normal call a warning.
type pionLogs struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (p pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{log: p.log.With("pion", scope)}
}

type pionLog struct{ log *slog.Logger }

func (p pionLog) print(level slog.Level, text string) {
	if !p.log.Enabled(context.Background(), level) || secret(text) {
		return
	}
	p.log.Log(context.Background(), level, text)
}

func (p pionLog) printf(level slog.Level, format string, args []any) {
	// Both checks come before formatting: most messages go nowhere.
	if !p.log.Enabled(context.Background(), level) || secret(format) {
		return
	}
	p.log.Log(context.Background(), level, fmt.Sprintf(format, args...))
}

// secret tells messages with ICE passwords.
func secret(format string) bool { return strings.Contains(format, "Pwd") }

// expected tells errors that are part of every call: sources that SDP does not
// declare are heard through the receiver, not through pion's tracks.
func expected(format string) bool {
	return strings.HasPrefix(format, "Incoming unhandled RTP") ||
		strings.HasPrefix(format, "dropping candidate")
}

func (p pionLog) Trace(string)          {}
func (p pionLog) Tracef(string, ...any) {}

func (p pionLog) Debug(m string)            { p.print(slog.LevelDebug, m) }
func (p pionLog) Debugf(f string, a ...any) { p.printf(slog.LevelDebug, f, a) }
func (p pionLog) Info(m string)             { p.print(slog.LevelDebug, m) }
func (p pionLog) Infof(f string, a ...any)  { p.printf(slog.LevelDebug, f, a) }
func (p pionLog) Warn(m string)             { p.print(slog.LevelDebug, m) }
func (p pionLog) Warnf(f string, a ...any)  { p.printf(slog.LevelDebug, f, a) }
func (p pionLog) Error(m string)            { p.Errorf("%s", m) }

func (p pionLog) Errorf(f string, a ...any) {
	if expected(f) {
		p.printf(slog.LevelDebug, f, a)
		return
	}
	p.printf(slog.LevelWarn, f, a)
}
