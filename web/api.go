package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/words"
)

// root is where version 1 of the interface for programs begins. What is in it keeps its meaning; what
// would break a client is put into another version beside it.
const root = "/api/v1"

// scoped is the class of routes for those who have a scope.
func scoped(s accounts.Scope) class { return "scope:" + class(s) }

// scope is the scope of such a class.
func (c class) scope() (accounts.Scope, bool) {
	if s, ok := strings.CutPrefix(string(c), "scope:"); ok {
		return accounts.Scope(s), true
	}
	return "", false
}

// program says whether a request is one of the interface for programs, whatever it accepts.
func program(r *http.Request) bool {
	return r.URL.Path == root || strings.HasPrefix(r.URL.Path, root+"/")
}

// apiTable lists everything that programs can ask of the door. The description of the interface
// (web/api/openapi.json) has the same routes, and tests hold both together.
func (s *Server) apiTable() []route {
	read, call := scoped(accounts.ScopeRead), scoped(accounts.ScopeCall)
	all := []route{
		{"GET " + root, public, 0, s.getAPI},
		{"GET " + root + "/openapi.json", public, 0, s.getAPIDescription},
		{"GET " + root + "/status", read, 0, s.shows(s.apiStatus)},
		{"GET " + root + "/calls", read, 0, s.answers(s.apiCalls)},
		{"GET " + root + "/calls/{id}", read, 0, s.shows(s.apiCall)},
		{"GET " + root + "/events", read, 0, s.apiEvents},
		{"GET " + root + "/events/stream", read, 0, s.apiStream},
		{"POST " + root + "/press", call, maxBody, s.moves(s.apiPress)},
		{"POST " + root + "/dial", call, maxBody, s.moves(s.apiDial)},
		{"POST " + root + "/answer", call, maxBody, s.moves(s.apiAnswer)},
		{"POST " + root + "/hangup", call, maxBody, s.moves(s.apiHangup)},
		{"POST " + root + "/mute", call, maxBody, s.moves(s.apiMute)},
		{"GET " + root + "/relays", read, 0, s.shows(s.apiRelays)},
		{"POST " + root + "/relays/{name}/open", scoped(accounts.ScopeOpen), maxBody, s.moves(s.apiOpen)},
		{"POST " + root + "/relays/{name}/switch", scoped(accounts.ScopeSwitch), maxBody, s.moves(s.apiSwitch)},
		{"POST " + root + "/tests/sound", scoped(accounts.ScopeTest), maxBody, s.moves(s.apiTestSound)},
	}
	if s.cfg.Setup != nil {
		all = append(all, s.apiSetupTable()...)
	}
	return slices.Concat(all, s.apiPastTable(), s.apiServiceTable(), s.apiSystemTable())
}

// mayScoped says whether who asks may have what is of a scope, and answers if not. Programs do what is in no
// role with the scope for it; people as they do on the page: they gave their password lately.
func (s *Server) mayScoped(w http.ResponseWriter, r *http.Request, scope accounts.Scope) bool {
	v := visitorOf(r)
	switch {
	case !v.known && !s.guarded():
		s.refuse(w, r, http.StatusForbidden, words.New("no-password-yet"))
	case !v.known:
		s.askWho(w, r)
	case scope == accounts.ScopeOpen && !v.person.Token:
		return s.may(w, r, opener)
	case scope.Explicit() && !v.person.Token:
		return s.may(w, r, owner)
	case v.person.Has(scope):
		return true
	case v.person.Token:
		s.refuse(w, r, http.StatusForbidden, words.New("scope-missing", "scope", string(scope)))
	default:
		s.refuse(w, r, http.StatusForbidden, words.New("not-allowed"))
	}
	return false
}

// reply is what is answered: a body that becomes JSON, or why not.
type reply struct {
	status int
	body   any
	why    words.Message
	faults SetupFaults   // of what was sent
	wait   time.Duration // before the client tries again; 0: it need not
	tag    string        // of what is shown, for If-Match; "" for none
}

func no(status int, code string, params ...string) reply {
	return reply{status: status, why: words.New(code, params...)}
}

func cannotRead(r *api.Refused) reply { return reply{status: r.Status, why: r.Why} }

// render makes the answer that is sent.
func (s *Server) render(r *http.Request, a reply) (api.Reply, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	if a.wait > 0 {
		header.Set("Retry-After", strconv.Itoa(int(a.wait.Seconds())))
	}
	if a.tag != "" {
		header.Set("ETag", `"`+a.tag+`"`)
	}
	if !a.why.None() {
		header.Set("Content-Type", "application/problem+json")
		p := s.problem(r, a.status, a.why)
		if len(a.faults) > 0 {
			p.Faults = a.faults
		}
		a.body = p
	}
	body, err := json.Marshal(a.body)
	return api.Reply{Status: a.status, Header: header, Body: append(words.Tame(body), '\n')}, err
}

func (s *Server) problem(r *http.Request, status int, why words.Message) api.Problem {
	t := s.renderer(r)
	return api.NewProblem(status, why, t.sentence(t.Say("refusal", why)))
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, a reply) {
	out, err := s.render(r, a)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	sendReply(w, out)
}

func sendReply(w http.ResponseWriter, out api.Reply) {
	for name, values := range out.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(out.Status)
	_, _ = w.Write(out.Body) // a client that went away needs no answer
}

// answers serves what changes nothing.
func (s *Server) answers(do func(*http.Request) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { s.send(w, r, do(r)) }
}

// shows serves what changes nothing and has no parameters.
func (s *Server) shows(do func(*http.Request) reply) http.HandlerFunc {
	return s.nothingMore(s.answers(do))
}

// unconditional refuses a command that is to be carried out only if something is as its client has seen it:
// nothing has a tag but the text of the configuration, whose routes take its mark in If-Match.
func unconditional(h http.Header, marked bool) *api.Refused {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
		if h.Get(name) != "" && (!marked || name != "If-Match") {
			return &api.Refused{Status: http.StatusPreconditionFailed, Why: words.New("no-conditions", "name", name)}
		}
	}
	return nil
}

// moves serves a command: its body is read, and a key keeps it from being carried out twice. more are the
// parameters that it may have.
func (s *Server) moves(do func(r *http.Request, body []byte) reply, more ...string) http.HandlerFunc {
	known := append([]string{"lang"}, more...)
	return func(w http.ResponseWriter, r *http.Request) {
		key, bad := api.Key(r.Header)
		var body []byte
		if bad == nil {
			_, bad = api.ParseQuery(r.URL.RawQuery, known...)
		}
		if bad == nil {
			bad = unconditional(r.Header, slices.Contains(more, "mark"))
		}
		if bad == nil {
			body, bad = api.Body(r)
		}
		if bad != nil {
			s.send(w, r, cannotRead(bad))
			return
		}
		s.once(w, r, key, body, func() reply { return do(r, body) })
	}
}

// once carries out a command and answers; with a key, "" for none, it is not carried out twice.
func (s *Server) once(w http.ResponseWriter, r *http.Request, key string, body []byte, do func() reply) {
	if key == "" {
		s.send(w, r, do())
		return
	}
	var err error
	out, bad := s.keys.Once(visitorOf(r).principal().Name, key, r, body, time.Now(), func() (out api.Reply) {
		out, err = s.render(r, do())
		return out
	})
	switch {
	case err != nil:
		s.failed(w, r, err)
	case bad != nil:
		s.send(w, r, cannotRead(bad))
	default:
		sendReply(w, out)
	}
}

// taken is the answer to a command that the door has taken. What came of it is among the events after
// the cursor.
type taken struct {
	After string `json:"after"`
}

// run names the run of the daemon.
func (s *Server) run() string { return api.Run(s.snapshot().Started) }

// now is the cursor before what happens next.
func (s *Server) now() string {
	return api.Cursor{Run: s.run(), After: s.station.Coming() - 1}.String()
}

// order gives the station a command of a program.
func (s *Server) order(r *http.Request, cmd station.Command) reply {
	before := s.now()
	err := s.do(r, cmd)
	if err == nil {
		return reply{status: http.StatusAccepted, body: taken{before}}
	}
	code, status := station.Code(err), statusOf(err)
	if status != http.StatusServiceUnavailable {
		return no(status, code)
	}
	a := no(status, "command-failed", "why", code, "detail", err.Error())
	a.wait = 5 * time.Second
	return a
}
