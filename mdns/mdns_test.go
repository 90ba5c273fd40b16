package mdns

import (
	"testing"

	"intercomd/station"
	"intercomd/words"
)

func TestInstance(t *testing.T) {
	if a, b := instance("Door", "10000000abcdef01"), instance("Door", "7"); a != "Door - cdef01" || b != "Door - 7" {
		t.Errorf("%q, %q", a, b)
	}
}

func TestText(t *testing.T) {
	for want, why := range map[string]words.Message{"not-ready": words.New("no-bell"), "ready": {}} {
		got := textOf(&station.Snapshot{Version: "1.0", NotReady: why}, "10000000abcdef01")
		if got["state"] != want || got["serial"] != "10000000abcdef01" || got["version"] != "1.0" {
			t.Errorf("%v", got)
		}
	}
}
