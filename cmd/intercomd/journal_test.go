package main

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"

	"intercomd/configs"
)

// What is logged is in the journal as it was on standard error, and by its parts.
func TestJournal(t *testing.T) {
	var message string
	var priority journal.Priority
	var fields map[string]string
	var fail error
	var plain bytes.Buffer
	log := slog.New(newJournalHandler(&plain, slog.LevelInfo, func(m string, p journal.Priority, f map[string]string) error {
		message, priority, fields = m, p, f
		return fail
	}))
	part := log.With("part", "door")
	part.WithGroup("device").Warn("fault", "fault", "sound.input", slog.Group("why", "code", "no-device"), "password", configs.Secret("hunter22"))
	if message != `level=WARN msg=fault part=door device.fault=sound.input device.why.code=no-device device.password=(hidden)` || priority != journal.PriWarning {
		t.Errorf("%d %s", priority, message)
	}
	delete(fields, "INTERCOMD_TIME")
	if want := map[string]string{"SYSLOG_IDENTIFIER": "intercomd", "INTERCOMD_PART": "door", "INTERCOMD_DEVICE_FAULT": "sound.input",
		"INTERCOMD_DEVICE_WHY_CODE": "no-device", "INTERCOMD_DEVICE_PASSWORD": "(hidden)"}; !maps.Equal(fields, want) {
		t.Errorf("fields %v", fields)
	}
	message = ""
	log.Debug("not wanted")
	if message != "" {
		t.Errorf("it was: %s", message)
	}
	fail = errors.New("no journal")
	log.Error("lost?", strings.Repeat("ä", 100), 5)
	if priority != journal.PriErr || !strings.Contains(plain.String(), "msg=lost?") {
		t.Errorf("standard error has %q", plain.String())
	}
	for name := range fields {
		if len(name) > 64 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			t.Errorf("field %q", name)
		}
	}
}
