package phone

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"

	"intercomd/phone/ws"
)

// Party is one end of a call.
type Party struct {
	URI  string // URI without parameters, as it is on the wire
	User string // who that is: the user, without escapes, or the number of a tel URI
	Name string // display name, if there is one
}

// parseTarget reads whom to call: "1001", "1001@host", a SIP URI or, as others send them,
// a tel URI. What the grammar does not allow in a user is escaped ("*21#1001"), and the
// names of hosts may have letters of any script.
func parseTarget(target, domain string) (sip.Uri, error) {
	scheme, rest := cutScheme(strings.TrimSpace(target))
	switch {
	case scheme == "tel":
		return telTarget(rest, domain)
	case scheme != "":
	default:
		user, host, ok := strings.Cut(rest, "@")
		if strings.Contains(user, ":") { // another scheme, or a password where nobody writes one
			return sip.Uri{}, fmt.Errorf("%q is not an extension, user@host or SIP URI", target)
		}
		if !ok {
			host = domain
		}
		scheme, rest = "sip", user+"@"+host
	}
	uri, err := sipTarget(scheme, rest)
	if err != nil {
		return uri, fmt.Errorf("%q is not an extension, user@host or SIP URI: %w", target, err)
	}
	return uri, nil
}

// cutScheme tells the schemes that can be called from extensions.
func cutScheme(s string) (scheme, rest string) {
	for _, known := range []string{"sip", "sips", "tel"} {
		if n := len(known); len(s) > n && s[n] == ':' && strings.EqualFold(s[:n], known) {
			return known, s[n+1:]
		}
	}
	return "", s
}

// sipTarget makes a URI that can stand in a request line.
func sipTarget(scheme, rest string) (sip.Uri, error) {
	who := ""
	if user, host, ok := strings.Cut(rest, "@"); ok {
		user, password, secret := strings.Cut(user, ":")
		if !cleanUser(user) || secret && !cleanUser(password) {
			return sip.Uri{}, fmt.Errorf("%q is not a user", user)
		}
		who, rest = escapeUser(user), host
		if secret {
			who += ":" + escapeUser(password)
		}
		who += "@"
	}
	end := strings.IndexAny(rest, ":;?[")
	if end < 0 {
		end = len(rest)
	}
	host, err := ws.ASCIIHost(rest[:end])
	if err != nil {
		return sip.Uri{}, err
	}
	if strings.ContainsFunc(rest[end:], func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"\`, r) }) {
		return sip.Uri{}, errors.New("what follows the host has no place in a URI")
	}
	uri, err := parseURI(scheme + ":" + who + host + rest[end:])
	if err == nil && (!cleanHost(uri.Host) || uri.Wildcard || uri.HierarhicalSlashes) {
		err = errors.New("it names no host")
	}
	uri.Headers = nil // they would end up in the INVITE
	return uri, err
}

// telTarget makes a SIP URI for a telephone number (RFC 3261, 19.1.6): which way it goes
// is the server's business.
func telTarget(rest, domain string) (sip.Uri, error) {
	n := number(rest)
	if strings.Trim(n, "0123456789abcdefABCDEF*#") != strings.Repeat("+", strings.Count(n, "+")) || n == "" || domain == "" {
		return sip.Uri{}, fmt.Errorf("\"tel:%s\" is not a telephone number", oneLine(rest))
	}
	return sipTarget("sip", n+"@"+domain+";user=phone")
}

// partyOf reads a From, To or P-Asserted-Identity value.
func partyOf(value string) Party {
	a, err := parseAddress(value)
	if err != nil {
		return Party{}
	}
	uri, err := parseURI(a.uri)
	if err != nil {
		return Party{}
	}
	p := partyOfURI(uri)
	p.Name = a.name
	return p
}

// callerOf is who a request comes from: P-Asserted-Identity, which the registered
// flow makes trustworthy (RFC 3325), else From. It may name a SIP URI and a tel URI.
func callerOf(req *sip.Request) Party {
	for _, h := range headerValues(req, "p-asserted-identity") {
		for _, id := range splitOutside(h, ',') {
			if p := partyOf(id); p.User != "" {
				return p
			}
		}
	}
	return partyOf(fromValue(req))
}

func partyOfURI(uri sip.Uri) Party {
	p := Party{URI: uri.Addr(), User: userOf(uri)}
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		p.URI = uri.Scheme + ":" + cmp.Or(p.User, uri.Raw())
	}
	return p
}

// nameAddr writes a display name and a URI as a From value without a tag.
func nameAddr(name, uri string) string {
	if name == "" {
		return "<" + uri + ">"
	}
	return quote(name) + " <" + uri + ">"
}
