package door

import (
	"fmt"
	"testing"

	"intercomd/audio/tone"
	"intercomd/station"
)

func TestEveryToneOfTheDoorSoundsInEveryRegion(t *testing.T) {
	for _, region := range tone.Regions() {
		table, err := tone.Table(region)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]station.Tone{} // whoever cannot see must be able to tell them apart
		for _, name := range []station.Tone{station.ToneCalling, station.ToneRingback, station.ToneBusy, station.ToneCongestion, station.ToneIncoming, station.ToneWaiting,
			station.ToneNobody, station.ToneConnected, station.ToneOpen, station.ToneWarning, station.ToneEnd,
			station.ToneError, station.ToneDisturb, station.ToneLocked, station.ToneAlarm} {
			if len(table[string(name)].Steps) == 0 {
				t.Errorf("%s: no tone %q", region, name)
			}
			sound := fmt.Sprint(table[string(name)])
			if other, taken := seen[sound]; taken {
				t.Errorf("%s: %q sounds like %q", region, name, other)
			}
			seen[sound] = name
		}
	}
}
