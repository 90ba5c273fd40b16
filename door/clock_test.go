package door

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/configs"
	"intercomd/station"
	"intercomd/store"
)

// built is when the program of these tests was built.
var built = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// Certificates and schedules are held to one floor: that of the build, or the time that was
// kept, whichever is later.
func TestClockFloor(t *testing.T) {
	for name, tt := range map[string]struct {
		keeps bool
		saved time.Time
		want  time.Time
	}{
		"nothing can be kept":       {false, time.Time{}, built},
		"nothing was kept":          {true, time.Time{}, built},
		"kept before the new build": {true, built.Add(-time.Hour), built},
		"kept later":                {true, built.Add(time.Hour), built.Add(time.Hour)},
		"kept on a broken card":     {true, built.AddDate(70, 0, 0), built},
	} {
		t.Run(name, func(t *testing.T) {
			var keep *store.Dir
			if tt.keeps {
				var err error
				if keep, err = store.Open(t.TempDir()); err != nil {
					t.Fatal(err)
				}
			}
			if !tt.saved.IsZero() {
				if err := keep.SaveClock(tt.saved); err != nil {
					t.Fatal(err)
				}
			}
			if got := clockFloor(keep, built); !got.Equal(tt.want) {
				t.Errorf("floor %v, want %v", got, tt.want)
			}
		})
	}
}

// A board that boots in the past does not know the time until its clock is past the floor.
func TestClockKnown(t *testing.T) {
	keep, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // it begins in the year 2000
		if clockKnown(clockFloor(keep, built))() {
			t.Error("the year 2000 is taken for the present")
		}
		time.Sleep(time.Until(built) + time.Minute)
		known := clockKnown(clockFloor(keep, built))
		if !known() {
			t.Error("the time is not known although it is later than the build")
		}
		if err := keep.SaveClock(built.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if !known() {
			t.Error("what is kept while the daemon runs makes it forget the time")
		}
		known = clockKnown(clockFloor(keep, built)) // the next start
		if known() {
			t.Error("the time is before the one that was kept, and is trusted")
		}
		time.Sleep(2 * time.Hour)
		if !known() {
			t.Error("the clock was set, and the time is still not known")
		}
	})
}

// A time that no server has vouched for never becomes the floor.
func TestWorthKeeping(t *testing.T) {
	now := built.Add(48 * time.Hour)
	for name, tt := range map[string]struct {
		reg       station.RegState
		now, kept time.Time
		want      bool
	}{
		"registered, nothing was kept":   {station.RegRegistered, now, time.Time{}, true},
		"registered, an hour later":      {station.RegRegistered, now, now.Add(-time.Hour), true},
		"registered, a minute later":     {station.RegRegistered, now, now.Add(-time.Minute), false},
		"registered, in the past":        {station.RegRegistered, built.Add(-time.Hour), time.Time{}, false},
		"the next century, no server":    {station.RegConnecting, now.AddDate(100, 0, 0), now, false},
		"a server that was not verified": {station.RegFailed, now.AddDate(100, 0, 0), now, false},
	} {
		if got := worthKeeping(tt.reg, tt.now, tt.kept, built); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// A phone that refuses its configuration leaves nothing running behind it (the media, which
// were made first, have a goroutine; see TestMain).
func TestRefusedPhoneClosesItsMedia(t *testing.T) {
	c := configs.Default()
	c.SIP.Servers, c.SIP.User, c.SIP.Domain = []string{"wss://127.0.0.1"}, "1000", "not a domain"
	d := &Door{cfg: &c, voice: &voice{}, log: slog.New(slog.DiscardHandler)}
	if err := d.buildPhone(); err == nil || d.phone != nil || d.media != nil {
		t.Errorf("error %v, phone %v, media %v", err, d.phone, d.media)
	}
}
