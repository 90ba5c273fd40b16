package web

import (
	"net/http"
	"strconv"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/words"
)

// This file is what programs can do that look after a door: find it, commission it, start it anew.

func (s *Server) apiServiceTable() []route {
	read, test, config := scoped(accounts.ScopeRead), scoped(accounts.ScopeTest), scoped(accounts.ScopeConfig)
	all := []route{
		{"POST " + root + "/locate", test, maxBody, s.moves(s.apiLocate)},
		{"POST " + root + "/tests/canary", test, maxBody, s.moves(s.apiCanary)},
		{"GET " + root + "/walk", test, 0, s.shows(s.apiWalk)},
		{"GET " + root + "/walk/report", test, 0, s.apiReport},
		{"POST " + root + "/walk/try", config, maxBody, s.moves(s.apiTryCheck)},
		{"POST " + root + "/walk/relay", scoped(accounts.ScopeOpen), maxBody, s.moves(s.apiTryRelay)},
		{"POST " + root + "/walk/judge", config, maxBody, s.moves(s.apiJudge)},
		{"POST " + root + "/walk/anew", config, maxBody, s.moves(s.apiWalkAnew)},
	}
	if s.cfg.Machine != nil {
		all = append(all, route{"GET " + root + "/device", read, 0, s.shows(s.apiDevice)})
	}
	if s.cfg.Process != nil {
		all = append(all,
			route{"POST " + root + "/restart", scoped(accounts.ScopeManage), maxBody, s.moves(s.apiRestart)},
			route{"POST " + root + "/reset", scoped(accounts.ScopeReset), maxBody, s.moves(s.apiReset)})
	}
	return all
}

func (s *Server) apiLocate(r *http.Request, body []byte) reply {
	var ask struct {
		Seconds *api.Int `json:"seconds"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	cmd := station.Command{Kind: station.CommandLocate}
	if n := ask.Seconds; n != nil {
		if *n < 1 || *n > mostLocate {
			return cannotRead(badParameter("seconds", "1…"+strconv.Itoa(mostLocate)))
		}
		cmd.For = time.Duration(*n) * time.Second
	}
	return s.order(r, cmd)
}

func (s *Server) apiCanary(r *http.Request, body []byte) reply {
	return s.bare(r, body, station.CommandCanary)
}

func (s *Server) apiWalk(*http.Request) reply {
	return reply{status: http.StatusOK, body: s.walkOf()}
}

// apiReport is what the walk came to: for programs, or on paper.
func (s *Server) apiReport(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "format", "lang")
	if f := q.Text("format"); bad == nil && q.Has("format") && f != "json" && f != "html" {
		bad = badParameter("format", "json, html")
	}
	switch {
	case bad != nil:
		s.send(w, r, cannotRead(bad))
	case q.Text("format") == "html":
		s.getReport(w, r)
	default:
		s.send(w, r, reply{status: http.StatusOK, body: s.reportOf()})
	}
}

// apiTryCheck begins a check, but none of a relay.
func (s *Server) apiTryCheck(r *http.Request, body []byte) reply {
	var ask struct {
		Check station.CheckKind `json:"check"`
		Of    string            `json:"of"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	if ask.Check == station.CheckRelay {
		return no(http.StatusForbidden, "relay-by-itself")
	}
	return s.order(r, station.Command{Kind: station.CommandCheck, Check: ask.Check, Of: ask.Of})
}

// apiTryRelay begins the check of a relay. It opens, and belongs to the commissioning.
func (s *Server) apiTryRelay(r *http.Request, body []byte) reply {
	var ask struct {
		Of string `json:"of"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	if a := lacks(r, accounts.ScopeConfig); a != nil {
		return *a
	}
	return s.opensBy(r, station.Command{Kind: station.CommandCheck, Check: station.CheckRelay, Of: ask.Of})
}

// lacks says no to those who do not have a second scope; nil to those who do.
func lacks(r *http.Request, scope accounts.Scope) *reply {
	if visitorOf(r).person.Has(scope) {
		return nil
	}
	a := no(http.StatusForbidden, "scope-missing", "scope", string(scope))
	return &a
}

// apiJudge takes the word of whoever watched.
func (s *Server) apiJudge(r *http.Request, body []byte) reply {
	var ask struct {
		Check  station.CheckKind   `json:"check"`
		Of     string              `json:"of"`
		Result station.CheckResult `json:"result"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	if !ask.Result.Settled() {
		return no(http.StatusBadRequest, "bad-result")
	}
	return s.order(r, station.Command{Kind: station.CommandJudge, Check: ask.Check, Of: ask.Of, Result: ask.Result})
}

// sure reads a body of the one field sure, which must be true.
func sure(r *http.Request, body []byte) *reply {
	var ask struct {
		Sure bool `json:"sure"`
	}
	bad := api.JSON(r.Header, body, &ask)
	if bad == nil && !ask.Sure {
		bad = badParameter("sure", "true")
	}
	if bad != nil {
		a := cannotRead(bad)
		return &a
	}
	return nil
}

// apiWalkAnew forgets what came of all checks.
func (s *Server) apiWalkAnew(r *http.Request, body []byte) reply {
	if a := sure(r, body); a != nil {
		return *a
	}
	return s.order(r, station.Command{Kind: station.CommandWalk})
}

func (s *Server) apiDevice(*http.Request) reply {
	m := s.cfg.Machine()
	m.Interfaces, m.Storage = list(m.Interfaces), list(m.Storage)
	return reply{status: http.StatusOK, body: m}
}

// apiRestart lets a new process begin: when no call is up, or now. A call is cut off only if somebody wants that.
func (s *Server) apiRestart(r *http.Request, body []byte) reply {
	var ask struct {
		Now bool `json:"now"`
		Cut bool `json:"cut"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	before := s.now()
	if !s.restart(r, ask.Now, ask.Cut) {
		return no(http.StatusConflict, "not-idle")
	}
	return reply{status: http.StatusAccepted, body: taken{before}}
}

// apiReset makes a new door of this one, when no call is up.
func (s *Server) apiReset(r *http.Request, body []byte) reply {
	if a := sure(r, body); a != nil {
		return *a
	}
	before := s.now()
	if err := s.reset(r); err != nil {
		return reply{status: http.StatusServiceUnavailable, why: words.Because(words.New("reset-failed"), err)}
	}
	return reply{status: http.StatusAccepted, body: taken{before}}
}
