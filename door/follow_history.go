package door

import (
	"encoding/json"
	"log/slog"
	"slices"

	"intercomd/station"
	"intercomd/store"
)

const (
	historyFile = "calls.log"
	maxHistory  = 256 << 10 // bytes: at some 700 a call, hundreds of calls
)

// historian writes every finished call into the history, and tells kept whether it could.
func historian(keep *store.Dir, kept func(error)) func(station.Event) {
	log := keep.Log(historyFile, maxHistory)
	return func(e station.Event) {
		if n, ok := e.News.(station.CallEnded); ok {
			kept(log.Append(n.Record))
		}
	}
}

// history is the calls of earlier starts, newest first. What cannot be read is said and
// forgotten: the door works without.
func history(keep *store.Dir, log *slog.Logger) (calls []station.Record) {
	lines, err := keep.Log(historyFile, maxHistory).Lines()
	if err != nil {
		log.Warn("the history of calls cannot be read in full", "error", err)
	}
	for _, line := range lines {
		var r station.Record
		if err := json.Unmarshal(line, &r); err == nil && !r.Ended.IsZero() {
			calls = append(calls, r)
		}
	}
	slices.Reverse(calls)
	return calls
}
