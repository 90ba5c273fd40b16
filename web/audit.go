package web

import (
	"errors"
	"sync"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
)

// Failures that are told as events, one by one: each is written to the card, and whoever tries
// passwords must not be able to wear that out, nor to push what happened out of the history.
const (
	failures    = 20 // at most, in
	failuresPer = time.Hour
)

// failed counts the failures that were told.
type failed struct {
	mu sync.Mutex
	at []time.Time
}

// once says whether one more may be told now, and counts it.
func (f *failed) once(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.at) > 0 && now.Sub(f.at[0]) >= failuresPer {
		f.at = f.at[1:]
	}
	if len(f.at) >= failures {
		return false
	}
	f.at = append(f.at, now)
	return true
}

// note tells who did what to the accounts, or tried.
func (s *Server) note(what station.Deed, of string, v *visitor, err error) {
	why := ""
	switch {
	case err == nil:
	case errors.Is(err, accounts.ErrSlow), errors.Is(err, accounts.ErrBusy):
		// Nobody has looked at the password.
		s.cfg.Log.Debug("status page: tried too often", "deed", string(what), "of", clean(of, maxName), "from", v.from)
		return
	default:
		why = accounts.Code(err)
	}
	s.audit(what, of, v, why)
}

// audit is note with a code for why it was not done, "" if it was.
func (s *Server) audit(what station.Deed, of string, v *visitor, why string) {
	if why != "" && !s.told.once(time.Now()) {
		s.cfg.Log.Warn("status page: too many failures to log each of them", "deed", string(what), "why", why, "of", clean(of, maxName), "from", v.from)
		return
	}
	s.station.Administer(station.Administered{Deed: what, Of: clean(of, maxName), By: v.principal(), Why: why})
}
