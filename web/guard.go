package web

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"intercomd/words"
)

// policy is what the browser may load and do: our own files, nothing inline,
// nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

// guard stands before every route: it sets the headers that keep browsers
// honest, refuses foreign host names, cross-site commands and who asks too often, and
// turns a panic into an answer.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, http.StatusForbidden,
			words.New("cross-site"))
	}))
	next = cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w, r)
		if n := guestOf(r); n != nil {
			n.begin()
			defer n.over()
		}
		setHeaders(w.Header())
		if !s.knownHost(r.Host) {
			s.refuse(w, r, http.StatusMisdirectedRequest,
				words.New("unknown-host", "names", s.known()))
			return
		}
		if !s.pace.allow(r, addrOf(r), time.Now()) {
			w.Header().Set("Retry-After", "1")
			s.refuse(w, r, http.StatusTooManyRequests, words.New("too-fast"))
			return
		}
		next.ServeHTTP(w, r)
	})
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
	http.Error(w, "The page has failed. The log of intercomd has the details.", http.StatusInternalServerError)
}

func nameSet(names []string) map[string]bool {
	set := map[string]bool{"localhost": true}
	for _, n := range names {
		set[canonical(n)] = true
	}
	return set
}

// known lists the hosts that [Server.knownHost] accepts, for people.
func (s *Server) known() string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(s.names)), func(n string) bool { return n == "localhost" })
	return strings.Join(append(names, "localhost"), ", ")
}

// knownHost says whether the Host header is one that only a person or program
// who means this machine would send. An IP address cannot be rebound.
func (s *Server) knownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return s.names[canonical(host)]
}

func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// addrOf is the address that a request came from, as [block] tells clients apart.
func addrOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return block(net.TCPAddrFromAddrPort(at))
}
