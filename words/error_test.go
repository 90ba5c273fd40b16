package words

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestErrorsTellTheirMessage(t *testing.T) {
	below := errors.New("below")
	err := fmt.Errorf("doing: %w", &Error{Message: New("webhook-no-address"), Err: below})
	if m, ok := Told(err); !ok || m != New("webhook-no-address") || !errors.Is(err, below) {
		t.Errorf("%v, %t", m, ok)
	}
	if m, ok := Told(below); ok || !m.None() {
		t.Errorf("an error of a library says %v", m)
	}
	if got, want := Because(New("notify-unusable"), err), New("notify-unusable", "why", "webhook-no-address"); got != want {
		t.Errorf("%v", got)
	}
	if got, want := Because(New("notify-unusable"), below).String(), "notices cannot be sent: below"; got != want {
		t.Errorf("%q", got)
	}
	if got, want := Because(New("notify-unusable"), err).String(), "notices cannot be sent: the webhook is not an address"; got != want {
		t.Errorf("%q", got)
	}
}

// What the operating system says often is told in the language of the reader, with the file.
func TestErrorsOfTheSystem(t *testing.T) {
	full := fmt.Errorf("keep: %w", &fs.PathError{Op: "write", Path: "/var/lib/intercomd/locks.json", Err: syscall.ENOSPC})
	m := Because(New("state-not-kept"), full)
	for language, want := range map[string]string{
		"en": "locks, used codes and do-not-disturb will not survive a restart: no space is left for /var/lib/intercomd/locks.json",
		"de": "Sperren, verbrauchte Codes und „Bitte nicht stören“ überstehen keinen Neustart: kein Platz mehr für /var/lib/intercomd/locks.json",
	} {
		if got := In(language).Say("problem", m); got != want {
			t.Errorf("%s: %q", language, got)
		}
	}
	for err, code := range map[error]string{
		syscall.EROFS: "system-read-only", syscall.EACCES: "system-forbidden", syscall.ENOENT: "system-missing",
		syscall.EIO: "system-worn", syscall.EMFILE: "system-no-descriptors", context.DeadlineExceeded: "system-slow",
	} {
		if got := Because(New("x"), err); got != New("x", "why", code) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// A kind that the message tells already is found, and not said twice.
func TestTheKindOfAnErrorIsNotSaidTwice(t *testing.T) {
	kind := errors.New("no such sound device")
	err := &Error{Message: New("webhook-no-address"), Kind: kind}
	if !errors.Is(err, kind) || err.Error() != "the webhook is not an address" {
		t.Errorf("%v", err)
	}
}
