package web

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/words"
)

// apiSetupTable lists what programs can ask of the configuration, and of people and their codes.
func (s *Server) apiSetupTable() []route {
	config, people := scoped(accounts.ScopeConfig), scoped(accounts.ScopePeople)
	return []route{
		{"GET " + root + "/configuration", config, 0, s.shows(s.apiConfig)},
		{"PUT " + root + "/configuration", config, setupSize, s.moves(s.apiTry, "mark")},
		{"GET " + root + "/configuration/text", config, 0, s.shows(s.apiConfigText)},
		{"POST " + root + "/configuration/keep", config, maxBody, s.moves(s.apiKeep)},
		{"POST " + root + "/configuration/back", config, maxBody, s.moves(s.apiBack)},
		{"GET " + root + "/configuration/versions/{id}", config, 0, s.shows(s.apiVersion)},
		{"POST " + root + "/configuration/versions/{id}/try", config, maxBody, s.moves(s.apiAgain)},
		{"GET " + root + "/configuration/backup", scoped(accounts.ScopeBackup), 0, s.nothingMore(s.apiBackup)},
		{"GET " + root + "/people", people, 0, s.apiPeople},
		{"POST " + root + "/people", people, setupSize, s.moves(s.apiImport, "dry")},
		{"PUT " + root + "/people/{name}", people, maxBody, s.moves(s.apiPutPerson)},
		{"DELETE " + root + "/people/{name}", people, maxBody, s.moves(s.apiDropPerson)},
	}
}

// unsure says no to those who may change the configuration or the certificate only because there is no password yet.
func unsure(r *http.Request) *reply {
	if !visitorOf(r).open {
		return nil
	}
	a := no(http.StatusForbidden, "no-password-yet")
	return &a
}

// apiConfig is how the configuration stands.
func (s *Server) apiConfig(r *http.Request) reply {
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
	if a := unsure(r); a != nil {
		return *a
	}
	text, mark := s.cfg.Setup.Text()
	return reply{status: http.StatusOK, body: configText{text, mark}, tag: mark}
}

// ofType says no to a body of another type than is wanted.
func ofType(r *http.Request, wanted string) *reply {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == wanted {
		return nil
	}
	a := no(http.StatusUnsupportedMediaType, "wrong-media-type", "wanted", wanted)
	return &a
}

// apiTry tries a configuration, which is the body as it is.
func (s *Server) apiTry(r *http.Request, body []byte) reply {
	if a := ofType(r, "application/toml"); a != nil {
		return *a
	}
	mark, bound := r.URL.Query().Get("mark"), r.Header.Get("If-Match")
	if bound != "" {
		tag := strings.TrimSuffix(strings.TrimPrefix(bound, `"`), `"`)
		if bound != `"`+tag+`"` || mark != "" && mark != tag {
			return no(http.StatusPreconditionFailed, "setup-changed")
		}
		mark = tag
	}
	a := s.sets(r, station.SettingsTried, "", func(by station.Principal) error {
		return s.cfg.Setup.Try(body, mark, by, "text")
	})
	if bound != "" && a.why.Code == "setup-changed" {
		a.status = http.StatusPreconditionFailed
	}
	return a
}

// trial names what is on trial; 0 is whichever is.
type trial struct {
	ID api.Int `json:"id"`
}

func (s *Server) apiKeep(r *http.Request, body []byte) reply {
	var ask trial
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	return s.sets(r, station.SettingsKept, "", func(station.Principal) error { return s.cfg.Setup.Keep(int(ask.ID)) })
}

func (s *Server) apiBack(r *http.Request, body []byte) reply {
	var ask trial
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	return s.sets(r, station.SettingsTakenBack, "", func(station.Principal) error { return s.cfg.Setup.GoBack(int(ask.ID)) })
}

// versionList is how a version differs from the one before it.
type versionList struct {
	Lines []SetupLine `json:"lines"`
}

func (s *Server) apiVersion(r *http.Request) reply {
	if a := unsure(r); a != nil {
		return *a
	}
	_, lines, err := s.compare(r)
	if err != nil {
		return no(http.StatusNotFound, "setup-no-version")
	}
	return reply{status: http.StatusOK, body: versionList{list(lines)}}
}

// apiAgain tries an older version.
func (s *Server) apiAgain(r *http.Request, body []byte) reply {
	if bad := api.JSON(r.Header, body, &struct{}{}); bad != nil {
		return cannotRead(bad)
	}
	name := r.PathValue("id")
	id, err := strconv.Atoi(name)
	if err != nil {
		return no(http.StatusNotFound, "setup-no-version")
	}
	return s.sets(r, station.SettingsTried, name, func(by station.Principal) error { return s.cfg.Setup.Again(id, by) })
}

// apiBackup is the text in force with its secrets.
func (s *Server) apiBackup(w http.ResponseWriter, r *http.Request) {
	if a := unsure(r); a != nil {
		s.send(w, r, *a)
		return
	}
	s.sendBackup(w, r)
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
	People    []person `json:"people"`
	Fixed     bool     `json:"fixed"`     // they cannot be changed here
	Relays    []string `json:"relays"`    // that a code can open
	Schedules []string `json:"schedules"` // that a code can have
}

// apiPeople is who has a code: for programs, or as a list that can be imported.
func (s *Server) apiPeople(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "format", "lang")
	if f := q.Text("format"); bad == nil && q.Has("format") && f != "json" && f != "csv" {
		bad = badParameter("format", "json, csv")
	}
	if bad != nil {
		s.send(w, r, cannotRead(bad))
		return
	}
	if a := unsure(r); a != nil {
		s.send(w, r, *a)
		return
	}
	if q.Text("format") == "csv" {
		s.sendPeople(w)
		return
	}
	all := s.cfg.Setup.People()
	out := peopleList{[]person{}, all.Fixed, list(all.Relays), list(all.Schedules)}
	for _, p := range all.People {
		out.People = append(out.People, person{p.Name, p.Relay, list(p.Users), p.From, p.Until, p.When, p.Once})
	}
	s.send(w, r, reply{status: http.StatusOK, body: out})
}

// imported is what a list of people comes to, or has come to.
type imported struct {
	SetupImport
	After string `json:"after,omitempty"` // "" if it was only looked at
}

// apiImport takes a list of people in CSV, or only looks at it.
func (s *Server) apiImport(r *http.Request, body []byte) reply {
	if a := ofType(r, "text/csv"); a != nil {
		return *a
	}
	if a := unsure(r); a != nil {
		return *a
	}
	q := r.URL.Query()
	switch dry := q.Get("dry"); {
	case !q.Has("dry"), dry == "false":
		var in SetupImport
		a := s.sets(r, station.PeopleChanged, "", func(by station.Principal) (err error) {
			in, err = s.cfg.Setup.ImportPeople(body, false, by)
			return err
		})
		if done, ok := a.body.(taken); ok {
			a.body = imported{in, done.After}
		}
		return a
	case dry == "true":
		in, err := s.cfg.Setup.ImportPeople(body, true, visitorOf(r).principal())
		if err != nil {
			return setupRefused(err)
		}
		return reply{status: http.StatusOK, body: imported{SetupImport: in}}
	}
	return cannotRead(badParameter("dry", "true, false"))
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
	if err != nil {
		return setupRefused(err)
	}
	return reply{status: http.StatusAccepted, body: taken{before}}
}

// setupRefused is the answer to an error of [Setup].
func setupRefused(err error) reply {
	if faults, faulty := errors.AsType[SetupFaults](err); faulty {
		return reply{status: http.StatusUnprocessableEntity, why: words.New("setup-faults"), faults: faults}
	}
	se, known := errors.AsType[*SetupError](err)
	if !known {
		return no(http.StatusServiceUnavailable, "setup-failed", "detail", err.Error())
	}
	a := reply{status: http.StatusConflict, why: se.Message}
	switch se.Code {
	case "setup-no-person", "setup-no-version":
		a.status = http.StatusNotFound
	case "setup-not-kept":
		a.status = http.StatusServiceUnavailable
	}
	return a
}
