package web

import (
	"errors"
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
	if why != "" && !s.told.once(time.Now(), failures, failuresPer) {
		s.cfg.Log.Warn("status page: too many failures to log each of them", "deed", string(what), "why", why, "of", clean(of, maxName), "from", v.from)
		return
	}
	s.station.Administer(station.Administered{Deed: what, Of: clean(of, maxName), By: v.principal(), Why: why})
}
