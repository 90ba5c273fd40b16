package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/words"
)

// formView is a small page with one form.
type formView struct {
	Title   string
	Problem string // of the last try
	Note    string
	Next    string // where to go then
	Name    string // that was typed
	Setup   bool
}

// askWho answers somebody who has not signed in: programs with a code, people with the form.
func (s *Server) askWho(w http.ResponseWriter, r *http.Request) {
	if !wantsHTML(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="door station"`)
		s.refuse(w, r, http.StatusUnauthorized, words.New("sign-in"))
		return
	}
	next := ""
	if !command(r) {
		next = r.URL.RequestURI()
	}
	s.login(w, r, http.StatusUnauthorized, formView{Next: next})
}

func wantsHTML(r *http.Request) bool {
	return !wantsJSON(r) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (s *Server) login(w http.ResponseWriter, r *http.Request, status int, v formView) {
	v.Title = s.renderer(r).Text("access.sign-in")
	s.document(w, r, status, "login", v)
}

func (s *Server) getLogin(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.guarded():
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
	case visitorOf(r).session != "":
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		s.login(w, r, http.StatusOK, formView{Next: r.URL.Query().Get("next")})
	}
}

// local is where to go after a form: a path of this page, and nowhere else.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// postLogin begins a session.
func (s *Server) postLogin(w http.ResponseWriter, r *http.Request) {
	if !s.guarded() {
		s.refuse(w, r, http.StatusForbidden, words.New("no-password-yet"))
		return
	}
	v := visitorOf(r)
	name := strings.TrimSpace(r.PostForm.Get("name"))
	secret, err := s.cfg.Book.SignIn(r.Context(), name, r.PostForm.Get("password"), v.addr)
	s.note(station.SignedIn, s.knownAccount(name), v, err)
	if err != nil {
		s.denied(w, r, err, func(status int, problem string) {
			s.login(w, r, status, formView{Problem: problem, Name: clean(name, maxName), Next: r.PostForm.Get("next")})
		})
		return
	}
	s.begin(w, r, secret)
	doneThen(w, r, local(r.PostForm.Get("next")))
}

// knownAccount is a name that somebody gave if it is that of an account: people type their password into
// the wrong field, and what they typed is told to others.
func (s *Server) knownAccount(name string) string {
	for _, a := range s.cfg.Book.Accounts() {
		if a.Name == name {
			return name
		}
	}
	return ""
}

// begin gives the browser the cookie of a session.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, secret string) {
	v := visitorOf(r)
	setCookie(w, v, secret, int(accounts.SessionLasts/time.Second))
}

// forget takes the cookie of a session away again.
func (s *Server) forget(w http.ResponseWriter, r *http.Request) { setCookie(w, visitorOf(r), "", -1) }

// setCookie gives the cookie of a session for so many seconds. It is Secure wherever it was asked
// for over TLS; plain HTTP is spoken on loopback only.
func setCookie(w http.ResponseWriter, v *visitor, secret string, seconds int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // see above
		Name: v.cookie(), Value: secret, Path: "/", MaxAge: seconds, Secure: v.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// denied answers an error of the book: programs with a code, people by page.
func (s *Server) denied(w http.ResponseWriter, r *http.Request, err error, page func(status int, problem string)) {
	status, code, params := http.StatusBadRequest, err.Error(), []string(nil)
	var slow *accounts.SlowError
	switch {
	case errors.As(err, &slow):
		wait := slow.Wait.Round(time.Second) + time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
		status, params = http.StatusTooManyRequests, []string{"span", words.Span(wait)}
	case errors.Is(err, accounts.ErrWrong), errors.Is(err, accounts.ErrCode):
		status = http.StatusUnauthorized
	case errors.Is(err, accounts.ErrNoCode):
		status = http.StatusForbidden
	case errors.Is(err, accounts.ErrBusy):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	case errors.Is(err, accounts.ErrNotSaved):
		status, code, params = http.StatusServiceUnavailable, accounts.ErrNotSaved.Error(), []string{"detail", err.Error()}
	case errors.Is(err, accounts.ErrTaken), errors.Is(err, accounts.ErrLast), errors.Is(err, accounts.ErrTooMany):
		status = http.StatusConflict
	case errors.Is(err, accounts.ErrUnknown):
		status = http.StatusNotFound
	}
	why := words.New(code, params...)
	if !wantsHTML(r) {
		s.refuse(w, r, status, why)
		return
	}
	t := s.renderer(r)
	page(status, t.sentence(t.Say("refusal", why)))
}

func (s *Server) postLogout(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	if s.cfg.Book != nil {
		s.cfg.Book.SignOut(v.session)
	}
	s.note(station.SignedOut, v.person.Name, v, nil)
	s.forget(w, r)
	done(w, r)
}

func (s *Server) postLogoutEverywhere(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	if s.cfg.Book != nil && !v.person.Token {
		s.cfg.Book.SignOutEverywhere(v.person.Name)
	}
	s.note(station.SignedOutEverywhere, v.person.Name, v, nil)
	s.forget(w, r)
	done(w, r)
}

// getSetup asks for the one-time code and the first account.
func (s *Server) getSetup(w http.ResponseWriter, r *http.Request) {
	s.setup(w, r, http.StatusOK, formView{Name: "admin"})
}

func (s *Server) setup(w http.ResponseWriter, r *http.Request, status int, v formView) {
	if s.cfg.Book == nil || s.guarded() {
		s.refuse(w, r, http.StatusForbidden, words.New("no-code"))
		return
	}
	if visitorOf(r).open {
		v.Title, v.Setup = s.renderer(r).Text("access.setup"), true
		s.document(w, r, status, "login", v)
		return
	}
	s.refuse(w, r, http.StatusForbidden, words.New("no-password-yet"))
}

// postSetup makes the first account; from then on the page asks who is there, and may be open to
// the network.
func (s *Server) postSetup(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	if s.cfg.Book == nil || s.guarded() || !v.open {
		s.refuse(w, r, http.StatusForbidden, words.New("no-code"))
		return
	}
	name, password := strings.TrimSpace(r.PostForm.Get("name")), r.PostForm.Get("password")
	err := s.cfg.Book.Claim(r.Context(), r.PostForm.Get("code"), name, password)
	s.note(station.FirstAccountMade, name, v, err)
	if err != nil {
		s.denied(w, r, err, func(status int, problem string) {
			s.setup(w, r, status, formView{Problem: problem, Name: clean(name, maxName)})
		})
		return
	}
	if secret, err := s.cfg.Book.SignIn(r.Context(), name, password, v.addr); err == nil {
		s.begin(w, r, secret)
	}
	done(w, r)
	s.claimed.Do(func() {
		// After the answer; and only if there is more to listen on than there was.
		if ln := s.ln.Load(); ln != nil && s.cfg.Identity != nil && s.wider() {
			time.AfterFunc(time.Second, func() { close(s.anew) })
		}
	})
}

// wider says whether the configuration wants more than this machine.
func (s *Server) wider() bool { return !named(s.cfg.Listen) }
