package web

import (
	"errors"
	"mime"
	"net/http"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/words"
)

// apiSetupTable lists what programs can ask of the configuration, and of people and their codes.
func (s *Server) apiSetupTable() []route {
	config, people := scoped(accounts.ScopeConfig), scoped(accounts.ScopePeople)
	return []route{
		{"GET " + root + "/configuration", config, 0, s.answers(s.apiConfig)},
		{"PUT " + root + "/configuration", config, setupSize, s.moves(s.apiTry, "mark")},
		{"GET " + root + "/configuration/text", config, 0, s.answers(s.apiConfigText)},
		{"POST " + root + "/configuration/keep", config, maxBody, s.moves(s.apiKeep)},
		{"POST " + root + "/configuration/back", config, maxBody, s.moves(s.apiBack)},
		{"GET " + root + "/people", people, 0, s.answers(s.apiPeople)},
		{"PUT " + root + "/people/{name}", people, maxBody, s.moves(s.apiPutPerson)},
		{"DELETE " + root + "/people/{name}", people, maxBody, s.moves(s.apiDropPerson)},
	}
}

// unsure says no to those who may do what the configuration is about only because there is no password yet.
func unsure(r *http.Request) *reply {
	if !visitorOf(r).open {
		return nil
	}
	a := no(http.StatusForbidden, "no-password-yet")
	return &a
}

// apiConfig is how the configuration stands.
func (s *Server) apiConfig(r *http.Request) reply {
	if _, bad := api.ParseQuery(r.URL.RawQuery, "lang"); bad != nil {
		return cannotRead(bad)
	}
	if a := unsure(r); a != nil {
		return *a
	}
	return reply{status: http.StatusOK, body: s.setupStatus()}
}

// configText is a text to be changed and tried.
type configText struct {
	Text string `json:"text"`
	Mark string `json:"mark"`
}

func (s *Server) apiConfigText(r *http.Request) reply {
	if _, bad := api.ParseQuery(r.URL.RawQuery, "lang"); bad != nil {
		return cannotRead(bad)
	}
	if a := unsure(r); a != nil {
		return *a
	}
	text, mark := s.cfg.Setup.Text()
	return reply{status: http.StatusOK, body: configText{text, mark}}
}

// apiTry tries a configuration, which is the body as it is.
func (s *Server) apiTry(r *http.Request, body []byte) reply {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/toml" {
		return no(http.StatusUnsupportedMediaType, "wrong-media-type", "wanted", "application/toml")
	}
	return s.sets(r, station.SettingsTried, "", func(by station.Principal) error {
		return s.cfg.Setup.Try(body, r.URL.Query().Get("mark"), by, "text")
	})
}

func (s *Server) apiKeep(r *http.Request, body []byte) reply {
	if bad := api.JSON(r.Header, body, &struct{}{}); bad != nil {
		return cannotRead(bad)
	}
	return s.sets(r, station.SettingsKept, "", func(station.Principal) error { return s.cfg.Setup.Keep() })
}

func (s *Server) apiBack(r *http.Request, body []byte) reply {
	if bad := api.JSON(r.Header, body, &struct{}{}); bad != nil {
		return cannotRead(bad)
	}
	return s.sets(r, station.SettingsTakenBack, "", func(station.Principal) error { return s.cfg.Setup.GoBack() })
}

// person is somebody with a code as programs see them. The digits are only ever set.
type person struct {
	Name  string   `json:"name,omitempty"`
	Relay string   `json:"relay"`
	Users []string `json:"users"`
	From  string   `json:"from"`
	Until string   `json:"until"`
	When  string   `json:"when"`
	Once  bool     `json:"once"`
}

type peopleList struct {
	People []person `json:"people"`
	Fixed  bool     `json:"fixed"` // they cannot be changed here
}

func (s *Server) apiPeople(r *http.Request) reply {
	if _, bad := api.ParseQuery(r.URL.RawQuery, "lang"); bad != nil {
		return cannotRead(bad)
	}
	if a := unsure(r); a != nil {
		return *a
	}
	all := s.cfg.Setup.People()
	out := peopleList{People: []person{}, Fixed: all.Fixed}
	for _, p := range all.People {
		out.People = append(out.People, person{p.Name, p.Relay, list(p.Users), p.From, p.Until, p.When, p.Once})
	}
	return reply{status: http.StatusOK, body: out}
}

// apiPutPerson changes somebody, or adds them if nobody has the name.
func (s *Server) apiPutPerson(r *http.Request, body []byte) reply {
	var ask struct {
		person
		Digits string `json:"digits"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	name := r.PathValue("name")
	if ask.Name != "" && ask.Name != name {
		return no(http.StatusBadRequest, "bad-parameter", "name", "name", "wanted", name)
	}
	p := SetupPerson{Name: name, Digits: ask.Digits, Relay: ask.Relay, Users: ask.Users, From: ask.From, Until: ask.Until, When: ask.When, Once: ask.Once}
	return s.sets(r, station.PeopleChanged, name, func(by station.Principal) error {
		fresh := true
		for _, there := range s.cfg.Setup.People().People {
			fresh = fresh && there.Name != name
		}
		return s.cfg.Setup.PutPerson(p, fresh, by)
	})
}

func (s *Server) apiDropPerson(r *http.Request, body []byte) reply {
	if bad := api.JSON(r.Header, body, &struct{}{}); bad != nil {
		return cannotRead(bad)
	}
	name := r.PathValue("name")
	return s.sets(r, station.PeopleChanged, name, func(by station.Principal) error { return s.cfg.Setup.DropPerson(name, by) })
}

// sets changes the configuration for a program; who did, or tried, is told to everybody.
func (s *Server) sets(r *http.Request, deed station.Deed, of string, do func(by station.Principal) error) reply {
	if a := unsure(r); a != nil {
		return *a
	}
	v, before := visitorOf(r), s.now()
	err := do(v.principal())
	s.audit(deed, of, v, setupCode(err))
	faults, faulty := errors.AsType[SetupFaults](err)
	se, known := errors.AsType[*SetupError](err)
	switch {
	case err == nil:
		return reply{status: http.StatusAccepted, body: taken{before}}
	case faulty:
		return reply{status: http.StatusUnprocessableEntity, why: words.New("setup-faults"), faults: faults}
	case !known:
		return no(http.StatusServiceUnavailable, "setup-failed", "detail", err.Error())
	}
	a := reply{status: http.StatusConflict, why: se.Message}
	switch se.Code {
	case "setup-no-person":
		a.status = http.StatusNotFound
	case "setup-not-kept":
		a.status = http.StatusServiceUnavailable
	}
	return a
}
