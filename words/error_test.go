package words

import (
	"errors"
	"fmt"
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
