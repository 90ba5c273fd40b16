package web

import (
	"net/http"
	"slices"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
)

// apiStatus is the snapshot, as in /status.json.
func (s *Server) apiStatus(*http.Request) reply {
	return reply{status: http.StatusOK, body: sayable(s.snapshot().With(s.station.Gauges()))}
}

// callList is the last calls, the newest first.
type callList struct {
	Calls []station.Record `json:"calls"`
}

func (s *Server) apiCalls(r *http.Request) reply {
	q, bad := api.ParseQuery(r.URL.RawQuery, "limit", "lang")
	if bad != nil {
		return cannotRead(bad)
	}
	limit, bad := q.Number("limit", 1, 1000, 1000)
	if bad != nil {
		return cannotRead(bad)
	}
	calls := list(s.snapshot().Calls)
	if s.cfg.Past != nil {
		if past, _ := s.cfg.Past.Calls(); len(past) >= len(calls) { // also if there may be still more
			calls = list(past)
		}
	}
	return reply{status: http.StatusOK, body: callList{calls[:min(len(calls), limit)]}}
}

// apiCall is one call: one of the last, or the running one.
func (s *Server) apiCall(r *http.Request) reply {
	snap, id := s.snapshot(), r.PathValue("id")
	if snap.Call != nil && snap.Call.ID == id && id != "" {
		return reply{status: http.StatusOK, body: snap.Call}
	}
	i := slices.IndexFunc(snap.Calls, func(c station.Record) bool { return c.ID == id })
	if i < 0 || id == "" {
		return no(http.StatusNotFound, "no-such-call")
	}
	return reply{status: http.StatusOK, body: snap.Calls[i]}
}

func (s *Server) apiPress(r *http.Request, body []byte) reply {
	var ask struct {
		Button string `json:"button"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	return s.order(r, station.Command{Kind: station.CommandPress, Button: ask.Button})
}

func (s *Server) apiDial(r *http.Request, body []byte) reply {
	var ask struct {
		Target string `json:"target"`
		Test   bool   `json:"test"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	return s.order(r, station.Command{Kind: station.CommandDial, Target: ask.Target, Test: ask.Test})
}

func (s *Server) apiAnswer(r *http.Request, body []byte) reply {
	return s.bare(r, body, station.CommandAnswer)
}

func (s *Server) apiHangup(r *http.Request, body []byte) reply {
	return s.bare(r, body, station.CommandHangup)
}

// bare gives a command that needs nothing more.
func (s *Server) bare(r *http.Request, body []byte, kind station.CommandKind) reply {
	if bad := api.JSON(r.Header, body, &struct{}{}); bad != nil {
		return cannotRead(bad)
	}
	return s.order(r, station.Command{Kind: kind})
}

// on reads a body of the one field on, which must be there.
func on(r *http.Request, body []byte) (bool, *reply) {
	var ask struct {
		On *bool `json:"on"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		a := cannotRead(bad)
		return false, &a
	}
	if ask.On == nil {
		a := no(http.StatusBadRequest, "missing-field", "field", "on")
		return false, &a
	}
	return *ask.On, nil
}

func (s *Server) apiMute(r *http.Request, body []byte) reply {
	muted, bad := on(r, body)
	if bad != nil {
		return *bad
	}
	return s.order(r, station.Command{Kind: station.CommandMute, Muted: muted})
}

// relayList is what can be opened or switched.
type relayList struct {
	Relays []station.Relay `json:"relays"`
}

func (s *Server) apiRelays(*http.Request) reply {
	return reply{status: http.StatusOK, body: relayList{list(s.snapshot().Board.Relays)}}
}

// apiOpen opens a door.
func (s *Server) apiOpen(r *http.Request, body []byte) reply {
	if bad := api.JSON(r.Header, body, &struct{}{}); bad != nil {
		return cannotRead(bad)
	}
	return s.opensBy(r, station.Command{Kind: station.CommandOpen, Relay: r.PathValue("name")})
}

// opensBy gives a command that opens something, if that may be opened now.
func (s *Server) opensBy(r *http.Request, cmd station.Command) reply {
	if !s.mayOpen() {
		a := no(http.StatusTooManyRequests, "too-many-openings")
		a.wait = openingsPer
		return a
	}
	return s.order(r, cmd)
}

func (s *Server) apiSwitch(r *http.Request, body []byte) reply {
	on, bad := on(r, body)
	if bad != nil {
		return *bad
	}
	return s.order(r, station.Command{Kind: station.CommandSwitch, Relay: r.PathValue("name"), On: on})
}

// apiTestSound begins a test of the sound. With what it measures as the reference of later ones it is a
// part of the configuration.
func (s *Server) apiTestSound(r *http.Request, body []byte) reply {
	var ask struct {
		Commission bool `json:"commission"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	if a := lacks(r, accounts.ScopeConfig); a != nil && ask.Commission {
		return *a
	}
	return s.order(r, station.Command{Kind: station.CommandTest, Commission: ask.Commission})
}
