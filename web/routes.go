package web

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"intercomd/web/accounts"
	"intercomd/words"
)

// class says who may ask for something. The zero value is nobody: a new route must be classed.
type class string

const (
	public   class = "public"   // everybody who reaches the page
	viewer   class = "viewer"   // and above
	operator class = "operator" // and above
	admin    class = "admin"
	// The same, if they are people who have signed in: no token, and nobody for whom there is no
	// password.
	viewerInPerson   class = "viewer in person"
	operatorInPerson class = "operator in person"
	adminInPerson    class = "admin in person"
	// opener is an operator or above who is a person and has given the password lately.
	opener class = "opener"
	// owner is an admin who is a person and has given the password lately.
	owner class = "owner"
)

// route is one thing that can be asked of the page.
type route struct {
	pattern string // method and path, as for [http.ServeMux]
	class   class
	body    int64 // bytes that its body may have at most, which its own code reads; 0 is a form of maxBody
	serve   http.HandlerFunc
}

// table lists everything that can be asked of the page.
func (s *Server) table() []route {
	all := []route{
		{"GET /{$}", viewer, 0, s.getPage},
		{"GET /status.json", viewer, 0, s.getJSON},
		{"GET /events", viewer, 0, s.getEvents},
		{"GET /live", viewer, 0, s.getLive},
		{"GET /calls/{id}/trace", viewer, 0, s.getTrace},
		{"GET /history", viewer, 0, s.getCalls},
		{"GET /history/events", viewer, 0, s.getPastEvents},
		{"POST /history/erase", admin, 0, s.postErase},
		{"GET /healthz", public, 0, s.getHealth},
		{"GET /readyz", public, 0, s.getReady},
		{"GET /static/{file}", public, 0, s.getStatic},
		{"POST /call/hangup", operator, 0, s.postHangup},
		{"POST /call/mute", operator, 0, s.postMute},
		{"POST /selftest", operator, 0, s.postSelfTest},

		{"GET /login", public, 0, s.getLogin},
		{"POST /login", public, 0, s.postLogin},
		{"POST /logout", viewer, 0, s.postLogout},
		{"POST /logout/everywhere", viewer, 0, s.postLogoutEverywhere},
		{"GET /setup", public, 0, s.getSetup},
		{"POST /setup", public, 0, s.postSetup},
		{"GET /ca.crt", public, 0, s.getCA},
		{"GET /door", operatorInPerson, 0, s.getDoor},
		{"POST /confirm", operatorInPerson, 0, s.postConfirm},
		{"POST /door/open", opener, 0, s.postOpen},
		{"GET /account", viewer, 0, s.getAccount},
		{"POST /account/password", viewerInPerson, 0, s.postPassword},
		{"GET /access", admin, 0, s.getAccess},
		// No program makes accounts or tokens: it could give itself what it was not given.
		{"POST /access/accounts", adminInPerson, 0, s.postAccount},
		{"POST /access/accounts/remove", adminInPerson, 0, s.postRemove},
		{"POST /access/tokens", adminInPerson, 0, s.postToken},
		{"POST /access/tokens/revoke", admin, 0, s.postRevoke},
		{"GET /access/request.csr", admin, 0, s.getRequest},
		{"POST /access/certificate", admin, maxCertificate, s.postCertificate},

		{"GET /service", operator, 0, s.getService},
		{"POST /locate", operator, 0, s.postLocate},
		{"POST /test-call", operator, 0, s.postTestCall},
		{"POST /canary", operator, 0, s.postCanary},
		{"GET /walk", admin, 0, s.getWalk},
		{"GET /walk/report", operator, 0, s.getReport},
		{"POST /walk/try", admin, 0, s.postTry},
		{"POST /walk/relay", owner, 0, s.postTryRelay},
		{"POST /walk/judge", admin, 0, s.postJudge},
		{"POST /walk/anew", admin, 0, s.postWalk},
	}
	if s.cfg.Process != nil {
		all = append(all,
			route{"POST /restart", admin, 0, s.postRestart},
			route{"POST /reset", owner, 0, s.postReset})
	}
	if s.cfg.Updates != nil {
		all = append(all,
			route{"GET /update", admin, 0, s.getUpdate},
			route{"POST /update", admin, 0, s.postUpdate},
			route{"POST /update/bundle", admin, mostUpload, s.postBundle})
	}
	if s.cfg.Setup != nil {
		all = append(all, s.setupRoutes()...)
	}
	if s.cfg.Tail != nil {
		all = append(all,
			route{"GET /log", admin, 0, s.getLog},
			route{"GET /log/live", admin, 0, s.getLogLive})
	}
	if s.cfg.Machine != nil {
		all = append(all, route{"GET /device", viewer, 0, s.getDevice})
	}
	if s.cfg.Support != nil {
		all = append(all, route{"POST /support", admin, 0, s.sendSupport})
	}
	if s.panel != nil {
		all = append(all,
			route{"POST /panel/press", operator, 0, s.postPress},
			route{"POST /panel/hold", operator, 0, s.postHold},
			route{"POST /panel/set", operator, 0, s.postSet})
	}
	if s.cfg.Metrics != nil {
		all = append(all, route{"GET /metrics", viewer, 0, s.cfg.Metrics.ServeHTTP})
	}
	return append(all, s.apiTable()...)
}

// routes answers by the table, and says no in the words of the page to all else.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.table() {
		mux.Handle(rt.pattern, s.checked(rt))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.EscapedPath(); program(r) && path.Clean(p) != p { // for which the mux has a redirect, and a page
			s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
			return
		}
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r) // for the values in the path
			return
		}
		no := &verdict{header: http.Header{}}
		h.ServeHTTP(no, r)
		switch {
		case no.status == http.StatusMethodNotAllowed:
			w.Header().Set("Allow", no.header.Get("Allow"))
			s.refuse(w, r, no.status, words.New("wrong-method", "method", r.Method))
		case no.status >= 300 && no.status < 400: // a path that was not clean
			http.Redirect(w, r, no.header.Get("Location"), no.status)
		default:
			s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		}
	})
}

// may says whether who asks may have what is of a class, and answers if not. It is the only place
// that decides that.
func (s *Server) may(w http.ResponseWriter, r *http.Request, c class) bool {
	if scope, ok := c.scope(); ok {
		return s.mayScoped(w, r, scope)
	}
	v := visitorOf(r)
	role, person, fresh := accounts.Role(c), false, false
	switch c {
	case public:
		return true
	case viewer, operator, admin:
	case viewerInPerson:
		role, person = accounts.Viewer, true
	case operatorInPerson:
		role, person = accounts.Operator, true
	case adminInPerson:
		role, person = accounts.Admin, true
	case opener:
		role, person, fresh = accounts.Operator, true, true
	case owner:
		role, person, fresh = accounts.Admin, true, true
	default:
		s.refuse(w, r, http.StatusForbidden, words.New("not-allowed"))
		return false
	}
	switch {
	case !v.known && !s.guarded():
		s.refuse(w, r, http.StatusForbidden, words.New("no-password-yet"))
	case !v.known:
		s.askWho(w, r)
	case !v.person.Role.Covers(role):
		s.refuse(w, r, http.StatusForbidden, words.New("not-allowed"))
	case person && (v.open || v.person.Token):
		s.refuse(w, r, http.StatusForbidden, words.New("people-only"))
	case fresh && !v.person.Fresh(time.Now()):
		s.refuse(w, r, http.StatusForbidden, words.New("confirm-first"))
	default:
		return true
	}
	return false
}

// checked stands before a route: who asks may do so, its body is bounded, and the form of a
// command is read.
func (s *Server) checked(rt route) http.Handler {
	limit := int64(maxBody)
	if rt.body > 0 {
		limit = rt.body
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.may(w, r, rt.class) {
			return
		}
		if command(r) && packed(r.Header) {
			w.Header().Set("Accept-Encoding", "identity") // RFC 9110, section 15.5.16
			s.refuse(w, r, http.StatusUnsupportedMediaType, words.New("packed-body"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if command(r) && rt.body == 0 && !s.form(w, r) {
			return
		}
		rt.serve(w, r)
	})
}

// packed says whether a body is compressed or the like, so that it is not what its type says.
func packed(h http.Header) bool {
	return slices.ContainsFunc(h.Values("Content-Encoding"), func(v string) bool { return v != "" && !strings.EqualFold(v, "identity") })
}

// verdict is what the mux would answer, without its words.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
