package door

import (
	"log/slog"
	"reflect"
	"testing"
	"time"

	"intercomd/board"
	"intercomd/configs"
	"intercomd/station"
	"intercomd/store"
)

// Calls outlive a restart, with everything that is known of them, and a damaged file costs no
// more than what is damaged.
func TestHistoryOutlivesARestart(t *testing.T) {
	keep, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if got := history(keep, log); got != nil {
		t.Errorf("before any call %+v", got)
	}
	follow := historian(keep, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	at := time.Now().UTC().Round(time.Millisecond)
	var want []station.Record
	for i, id := range []string{"a", "b", "c"} {
		r := station.Record{ID: id, Direction: station.Outgoing, Button: "bell", Peer: station.Peer{URI: "sip:1001@x", User: "1001"}, Pressed: at,
			Sent: at.Add(time.Millisecond), Ended: at.Add(time.Duration(i) * time.Minute), Digits: i, Ending: station.Ending{Cause: station.CauseBusy, By: station.ByPeer, Status: 486}}
		follow(station.Event{At: r.Ended, Call: id, News: station.CallEnded{Record: r}})
		want = append([]station.Record{r}, want...)
	}
	follow(station.Event{News: station.Halted{}})
	if got := history(keep, log); !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v\nwant %+v", got, want)
	}
	put(t, keep.Path(historyFile+".1"), "{\"id\":\"half\n[]\n{}\n")
	if got := history(keep, log); !reflect.DeepEqual(got, want) {
		t.Errorf("beside damage %+v", got)
	}
	// The door begins with them.
	c := configs.Default()
	sc := stationConfig(&c)
	sc.Calls, sc.History = history(keep, log), 2
	st := station.New(sc, noPhone{}, silentVoice{}, doorBoard{board.Start(t.Context(), board.Config{})})
	if got := st.Snapshot().Calls; !reflect.DeepEqual(got, want[:2]) {
		t.Errorf("the door shows %+v", got)
	}
}
