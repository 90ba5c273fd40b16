package web

import (
	"cmp"
	"net/http"

	"intercomd/words"
)

// languageCookie remembers the language that somebody has chosen on the page.
const languageCookie = "lang"

// languageKept is how long a browser remembers the language, in seconds.
const languageKept = 365 * 24 * 60 * 60

// renderer makes pages in the language that a request asks for: by ?lang=, by the choice that
// its cookie remembers, by its Accept-Language.
func (s *Server) renderer(r *http.Request) *renderer {
	if p := s.pages[wanted(r)]; p != nil {
		return p
	}
	return s.pages[words.Accept(r.Header.Get("Accept-Language")).Name()]
}

// wanted is the language that somebody has chosen, or "".
func wanted(r *http.Request) string {
	if q := r.URL.Query(); q.Has("lang") {
		return q.Get("lang")
	}
	c, err := r.Cookie(languageCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// keepLanguage remembers the language that ?lang= names in the browser, and forgets it if that
// is none that the page has: the browser's own settings decide again.
func keepLanguage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !q.Has("lang") {
		return
	}
	//nolint:gosec // it is no secret, and the page has no TLS
	c := http.Cookie{Name: languageCookie, Value: q.Get("lang"), Path: "/", MaxAge: languageKept,
		HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if !words.Has(c.Value) {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(w, &c)
}

// tongue is a language that the page can be shown in.
type tongue struct {
	Code, Name string // Name is what its speakers call it
	Shown      bool   // the page is in it
}

// tongues lists the languages of the page in the order of their names.
func (t teller) tongues() (all []tongue) {
	for _, code := range words.Languages() {
		name := words.In(code).Text("page.language")
		all = append(all, tongue{code, cmp.Or(name, code), code == t.Name()})
	}
	return all
}
