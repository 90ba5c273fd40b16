package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"intercomd/web/identity"
	"intercomd/words"
)

// policy is what the browser may load and do: our own files, nothing inline,
// nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

// guard stands before every route: it sets the headers that keep browsers honest, finds out who
// asks, refuses foreign host names, plain HTTP from the network, cross-site requests and who asks
// too often, and turns a panic into an answer.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w, r)
		if n := guestOf(r); n != nil {
			n.begin()
			defer n.over()
		}
		setHeaders(w.Header())
		if len(r.TransferEncoding) > 0 {
			// Where a body ends that is sent in chunks, somebody before us may have judged by a Content-Length,
			// of which net/http tells nobody: what follows is not taken for a request (RFC 9112, section 6.3).
			w.Header().Set("Connection", "close")
		}
		r, v := s.meet(r)
		switch {
		case !s.knownHost(r):
			s.refuse(w, r, http.StatusMisdirectedRequest, words.New("unknown-host", "names", s.known()))
		case !strings.HasPrefix(r.URL.Path, "/"): // "*", or "http:page": where that leads depends on who reads it
			s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		case !s.pace.allow(r, v.addr, time.Now()):
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Connection", "close") // to say no costs too; connections have a pace of their own
			s.refuse(w, r, http.StatusTooManyRequests, words.New("too-fast"))
		case !v.secure && !v.near && !command(r) && !program(r): // of a program the token is known already
			http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
		case !v.secure && !v.near:
			s.refuse(w, r, http.StatusForbidden, words.New("needs-https"))
		case cross.Check(r) != nil, foreign(r, v):
			s.refuse(w, r, http.StatusForbidden, words.New("cross-site"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// foreign says whether a browser asks on behalf of another site: a command from another scheme or
// port, or anything but following a link (Fetch Metadata).
func foreign(r *http.Request, v *visitor) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return command(r) || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
	if !command(r) {
		return false
	}
	origin, own := r.Header.Get("Origin"), v.scheme()+"://"+r.Host
	if from := r.Header.Get("Referer"); origin == "" && from != "" && r.Header.Get("Sec-Fetch-Site") == "" { // of old browsers
		return !strings.HasPrefix(strings.ToLower(from)+"/", strings.ToLower(own)+"/")
	}
	return origin != "" && !strings.EqualFold(origin, own)
}

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	// Not no-referrer: it would turn the Origin of our own forms into "null".
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// recovered answers for a handler that panicked. The daemon must outlive a
// fault in its page.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	err := recover()
	if err == nil {
		return
	}
	if err == http.ErrAbortHandler { //nolint:errorlint // net/http compares this value with == too
		panic(err)
	}
	s.cfg.Log.Error("status page: a request failed", "path", r.URL.Path, "panic", err)
	if program(r) {
		s.problem(r, http.StatusInternalServerError, words.New("page-failed")).Write(w)
		return
	}
	http.Error(w, "The page has failed. The log of intercomd has the details.", http.StatusInternalServerError)
}

func nameSet(names []string) map[string]bool {
	set := map[string]bool{"localhost": true}
	own, _ := identity.Host(nil)
	for _, n := range own() {
		set[canonical(n)] = true
	}
	for _, n := range names {
		set[canonical(n)] = true
	}
	return set
}

// known lists the names that the configuration gives the page, for people.
func (s *Server) known() string {
	var names []string
	for _, n := range s.cfg.Names {
		names = append(names, canonical(n))
	}
	slices.Sort(names)
	return strings.Join(append(names, "localhost"), ", ")
}

// knownHost says whether the Host header is one that only somebody who means this machine
// would send: its own names, and the address that the connection came to. Another address is
// how a foreign port is reached through a forwarder.
func (s *Server) knownHost(r *http.Request) bool {
	host := r.Host
	if h, port, err := net.SplitHostPort(r.Host); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return false
		}
		host = h
	} else if inner, bracket := strings.CutPrefix(host, "["); bracket {
		host = strings.TrimSuffix(inner, "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return s.ownAddr(r, ip.Unmap().WithZone("")) || s.names[ip.Unmap().String()]
	}
	return s.names[canonical(host)]
}

// ownAddr says whether a request came to this address.
func (s *Server) ownAddr(r *http.Request, ip netip.Addr) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return ip.IsLoopback()
	}
	at, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return false
	}
	own := at.Addr().Unmap().WithZone("")
	return own == ip || own.IsLoopback() && ip.IsLoopback()
}

func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
