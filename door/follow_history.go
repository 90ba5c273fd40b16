package door

import (
	"encoding/json"
	"time"

	"intercomd/history"
	"intercomd/station"
)

// openHistory opens what is remembered of earlier starts.
func (d *Door) openHistory() {
	if d.keep == nil {
		return
	}
	d.past = history.Open(history.Config{
		Dir: d.keep, Keep: days(d.cfg.History.Days), Known: clockKnown(d.floor()), Kept: troubles(d.kept), Log: d.log.With("part", "history"),
	})
}

// troubles passes on what fails, and that it works again; not what works all the time: that an event
// was written does not mend what was lost before.
func troubles(kept func(error)) func(error) {
	failed := false
	return func(err error) {
		if err != nil || failed {
			kept(err)
		}
		failed = err != nil
	}
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// earlier is the calls of earlier starts, newest first. What cannot be read is said and forgotten:
// the door works without.
func (d *Door) earlier() []station.Record {
	if d.past == nil {
		return nil
	}
	p, err := d.past.Past()
	if err != nil {
		d.log.Warn("the history of calls cannot be read in full", "error", err)
	}
	return p.Calls
}

// Past is what the door remembers of its calls and events; nil where it can keep nothing.
func (d *Door) Past() *history.History { return d.past }

// fresh reports whether a line of the audit log is from after a time.
func fresh(line []byte, cut time.Time) bool {
	var a audit
	return json.Unmarshal(line, &a) != nil || !a.At.Before(cut)
}
