package web

import (
	"net/http"

	"intercomd/web/accounts"
)

// lead is a page that people are led to from every other.
type lead struct {
	path  string
	key   string // of its name in the catalogue
	class class  // who is led there
	// people: somebody who has signed in, and no program.
	people bool
}

// leads are the pages in the order in which they are shown. Those that a door does not have are
// left out by [Server.nav].
func leads() []lead {
	return []lead{
		{"/", "nav.door", viewer, false},
		{"/history", "nav.calls", viewer, false},
		{"/history/events", "nav.events", viewer, false},
		{"/door", "access.open-door", operator, true},
		{"/people", "people.title", operator, true},
		{"/config", "config.title", admin, true},
		{"/device", "nav.device", viewer, false},
		{"/log", "nav.log", admin, false},
		{"/service", "nav.service", operator, false},
		{"/access", "access.access", admin, true},
		{root, "nav.api", admin, true},
		{"/account", "access.account", viewer, true},
	}
}

// link is one place as it is shown.
type link struct {
	Path, Text string
	Here       bool
}

// nav is where who asks can go from here.
func (s *Server) nav(r *http.Request) (out []link) {
	v, t := visitorOf(r), s.renderer(r)
	if !v.known {
		return nil
	}
	for _, p := range leads() {
		if s.lacks(p.path) || !v.person.Role.Covers(accounts.Role(p.class)) || p.people && (v.open || v.person.Token) {
			continue
		}
		text := t.Text(p.key)
		if p.path == "/account" {
			text += ": " + v.person.Name
		}
		out = append(out, link{Path: p.path, Text: text, Here: p.path == r.URL.Path})
	}
	return out
}

// lacks says whether the door does not have such a page.
func (s *Server) lacks(path string) bool {
	switch path {
	case "/history", "/history/events":
		return s.cfg.Past == nil
	case "/device":
		return s.cfg.Machine == nil
	case "/log":
		return s.cfg.Tail == nil
	case "/people", "/config":
		return s.cfg.Setup == nil
	}
	return false
}

// frame is what all pages have that are not the live one.
type frame struct {
	Title   string
	Problem string
	Nav     []link
}

func (s *Server) frame(r *http.Request, title, problem string) frame {
	return frame{title, problem, s.nav(r)}
}
