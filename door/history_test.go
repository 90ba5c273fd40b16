package door

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"intercomd/board"
	"intercomd/configs"
	"intercomd/station"
	"intercomd/store"
)

// The door begins with the calls of earlier starts, and a damaged file costs no more than what is
// damaged.
func TestTheDoorBeginsWithEarlierCalls(t *testing.T) {
	keep, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := configs.Default()
	d := &Door{cfg: &c, keep: keep, log: slog.New(slog.DiscardHandler)}
	d.openHistory()
	if got := d.earlier(); got != nil {
		t.Errorf("before any call %+v", got)
	}
	at := time.Now().UTC().Format(time.RFC3339)
	put(t, keep.Path("history.log"), `{"id":"half`+"\n"+`{"at":"`+at+`","kind":"call.ended","data":{"record":{"id":"a","ended":"`+at+`"}}}`+"\n"+
		`{"at":"`+at+`","kind":"call.ended","data":{"record":{"id":"b","ended":"`+at+`"}}}`+"\n"+`{"at":"2020-01-01T00:00:00Z","kind":"call.ended","data":{"record":{"id":"c","ended":"2020-01-01T00:00:00Z"}}}`+"\n\x00\x00")
	d.openHistory()
	sc := stationConfig(&c)
	sc.Calls = d.earlier()
	st := station.New(sc, noPhone{}, silentVoice{}, doorBoard{board.Start(t.Context(), board.Config{})})
	if got := st.Snapshot().Calls; len(got) != 2 || got[0].ID != "b" || got[1].ID != "a" {
		t.Errorf("the door shows %+v", got)
	}
}

// Time takes lines of the audit log that are too old; a clock that is not known takes none.
func TestTheAuditLogForgets(t *testing.T) {
	for known, want := range map[bool]int{true: 2, false: 3} {
		keep, err := store.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		line := func(at time.Time) string {
			return `{"at":"` + at.UTC().Format(time.RFC3339) + `","how":"code","ok":true}` + "\n"
		}
		put(t, keep.Path(auditFile), line(now.Add(-50*time.Hour))+line(now.Add(-time.Hour)))
		follow := auditor(keep, 48*time.Hour, func() bool { return known }, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		follow(station.Event{At: now, News: station.Released{OK: true}})
		if data, err := os.ReadFile(keep.Path(auditFile)); err != nil || strings.Count(string(data), "\n") != want {
			t.Errorf("known %t: %s, %v", known, data, err)
		}
	}
}
