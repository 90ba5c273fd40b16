package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"intercomd/station"
	"intercomd/web/accounts"
)

// visitor is who asks.
type visitor struct {
	addr    netip.Addr // of the client, as [block] tells clients apart
	from    string     // the same for people
	near    bool       // the connection is from this machine
	secure  bool       // by TLS, to us or to a proxy that we trust
	person  accounts.Person
	known   bool
	open    bool   // there is no password yet: whoever is on this machine may
	session string // secret of the session; "" without one
}

func (v *visitor) scheme() string {
	if v.secure {
		return "https"
	}
	return "http"
}

type visitorKey struct{}

// visitorOf is who asks; nobody in a request that [Server.meet] has not seen.
func visitorOf(r *http.Request) *visitor {
	if v, ok := r.Context().Value(visitorKey{}).(*visitor); ok {
		return v
	}
	return &visitor{}
}

// principal is who gives a command, for the station and the log.
func principal(r *http.Request) station.Principal { return visitorOf(r).principal() }

func (v *visitor) principal() station.Principal {
	name := v.person.Name
	if v.person.Token {
		name = "token " + name
	}
	return station.Principal{Via: station.ViaPage, Name: name, From: v.from}
}

// Names of the session's cookie. With the prefix browsers take it over TLS only, and from no
// other host (RFC 6265bis, section 4.1.3.2).
const (
	secureCookie = "__Host-intercomd"
	nearCookie   = "intercomd" // on this machine, without TLS
)

func (v *visitor) cookie() string {
	if v.secure {
		return secureCookie
	}
	return nearCookie
}

// guarded says whether a password is set.
func (s *Server) guarded() bool { return s.cfg.Book != nil && s.cfg.Book.Any() }

// meet finds out who asks.
func (s *Server) meet(r *http.Request) (*http.Request, *visitor) {
	v := &visitor{}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		v.addr = block(net.TCPAddrFromAddrPort(at))
		v.from = at.Addr().Unmap().String()
	}
	v.near = v.addr.IsLoopback() || guestOf(r) == nil
	if n := guestOf(r); n != nil {
		v.secure = n.secure
	}
	s.believe(r, v, at.Addr().Unmap())
	switch token, ok := bearer(r); {
	case !s.guarded():
		v.open = v.near && !forwarded(r)
		v.known = v.open
		v.person.Role = accounts.Admin
	case ok:
		v.person, v.known = s.cfg.Book.Bearer(token)
	default:
		if c, err := r.Cookie(v.cookie()); err == nil {
			if v.person, v.known = s.cfg.Book.Session(c.Value); v.known {
				v.session = c.Value
			}
		}
	}
	return r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)), v
}

// bearer is the token of a request. The name of the scheme may be in any case (RFC 9110, section 11.1).
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimLeft(token, " "), ok && strings.EqualFold(scheme, "Bearer")
}

// still says whether who asked may what they might when they began: an answer that takes long ends when the
// token is revoked, the session over, or the role another.
func (s *Server) still(r *http.Request) bool {
	v := visitorOf(r)
	var now accounts.Person
	var known bool
	switch {
	case !v.known: // to everybody
		return true
	case v.open:
		return !s.guarded()
	case v.person.Token:
		token, _ := bearer(r)
		now, known = s.cfg.Book.Bearer(token)
	default:
		now, known = s.cfg.Book.Session(v.session)
	}
	return known && now.Name == v.person.Name && now.Role == v.person.Role && slices.Equal(now.Scopes, v.person.Scopes)
}

// believe takes the word of a proxy that the configuration names about whom it asks for: of
// X-Forwarded-For the last address that is no such proxy.
func (s *Server) believe(r *http.Request, v *visitor, from netip.Addr) {
	if !s.proxy(from) {
		return
	}
	v.secure = v.secure || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		ip, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return
		}
		ip = ip.Unmap().WithZone("")
		v.addr, v.from = block(&net.TCPAddr{IP: ip.AsSlice()}), ip.String()
		if !s.proxy(ip) {
			return
		}
	}
}

func (s *Server) proxy(a netip.Addr) bool {
	for _, p := range s.cfg.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwarded says whether somebody asks on behalf of another.
func forwarded(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return true
		}
	}
	return false
}
