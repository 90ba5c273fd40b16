package mdns

import (
	"testing"

	"intercomd/station"
	"intercomd/words"
)

func TestText(t *testing.T) {
	for want, why := range map[string]words.Message{"not-ready": words.New("no-bell"), "ready": {}} {
		got := textOf(&station.Snapshot{Version: "1.0", NotReady: why}, "10000000abcdef01")
		if got["state"] != want || got["serial"] != "10000000abcdef01" || got["version"] != "1.0" {
			t.Errorf("%v", got)
		}
	}
}
