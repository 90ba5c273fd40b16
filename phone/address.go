package phone

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"
)

// This file reads and writes addresses and URIs (RFC 3261, section 25.1; RFC 3966). The
// headers that hold them are kept as they were written and read here: sipgo's parsers take
// a '>' in a quoted parameter for the end of the address, an IPv6 reference in a parameter
// for the host, and give up a message whose Record-Route lacks its brackets.

// address is one value of From, To, Contact, Record-Route and their like.
type address struct {
	name   string // display name, without quotes and escapes
	uri    string // as it was written, without <>
	params string // what follows, from its ';' on
	bare   bool   // it had no <>
}

var errAddress = errors.New("not an address")

// parseAddress reads a name-addr or addr-spec with its parameters.
func parseAddress(s string) (address, error) {
	s = strings.TrimSpace(s)
	var a address
	open := indexOutside(s, '<')
	if end := indexOutside(s, ';'); open < 0 || end >= 0 && end < open {
		a.bare = true
		a.uri = s
		if end >= 0 { // without brackets they belong to the header (RFC 3261, 20)
			a.uri, a.params = s[:end], s[end:]
		}
		a.uri = strings.TrimSpace(a.uri)
		return a, a.check()
	}
	name := strings.TrimSpace(s[:open])
	uri, rest, closed := strings.Cut(s[open+1:], ">")
	if !closed {
		return a, fmt.Errorf("%w: no > in it", errAddress)
	}
	if strings.HasPrefix(name, `"`) {
		if !quoted(name) {
			return a, fmt.Errorf("%w: its display name is not quoted as it should be", errAddress)
		}
		name = unquote(name)
	} else if strings.ContainsAny(name, `",;:@()[]\`) {
		return a, fmt.Errorf("%w: its display name must be quoted", errAddress)
	}
	a.name = strings.ToValidUTF8(oneLine(name), "\ufffd")
	a.uri, a.params = uri, strings.TrimSpace(rest)
	if a.params != "" && a.params[0] != ';' {
		return a, fmt.Errorf("%w: %q follows it", errAddress, oneLine(a.params))
	}
	return a, a.check()
}

func (a address) check() error {
	if a.uri == "" || strings.ContainsFunc(a.uri, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' || r == '"' }) {
		return fmt.Errorf("%w: %q is not a URI", errAddress, oneLine(a.uri))
	}
	return nil
}

// param returns a parameter of the header, without quotes and escapes.
func (a address) param(name string) (string, bool) { return paramOf(a.params, name) }

// quoted reports whether s is one whole quoted string.
func quoted(s string) bool {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i == len(s)-1
		}
	}
	return false
}

// addresses reads all values of the headers of these names, of one header or of several.
// Those that are no addresses are left out.
func addresses(m sip.Message, names ...string) []address {
	var out []address
	for _, n := range names {
		for _, h := range headerValues(m, n) {
			for _, v := range splitOutside(h, ',') {
				if a, err := parseAddress(v); err == nil {
					out = append(out, a)
				}
			}
		}
	}
	return out
}

// contactOf is where the sender of a message wants to be reached in this dialog.
func contactOf(m sip.Message) (sip.Uri, bool) {
	for _, a := range addresses(m, "contact", "m") {
		if uri, err := parseURI(a.uri); err == nil && !uri.Wildcard {
			uri.Headers = nil // not in a request line (RFC 3261, 19.1.1)
			return uri, true
		}
	}
	return sip.Uri{}, false
}

// uriOf is the URI of one address.
func uriOf(value string) (sip.Uri, bool) {
	a, err := parseAddress(value)
	if err != nil {
		return sip.Uri{}, false
	}
	uri, err := parseURI(a.uri)
	return uri, err == nil
}

// route is one URI of a route set, exactly as it was written (RFC 3261, 12.1.1).
type route string

// routesOf reads Record-Route or Service-Route. Without brackets, which they must have,
// what follows the URI is taken for a part of it: it is most often "lr".
func routesOf(m sip.Message, name string) []route {
	var out []route
	for _, a := range addresses(m, name) {
		if a.bare {
			a.uri += a.params
		}
		out = append(out, route(a.uri))
	}
	return out
}

// loose reports whether the router keeps the request line (RFC 3261, 19.1.1, lr).
func (r route) loose() bool {
	_, rest := cutHost(string(r))
	params, _, _ := strings.Cut(rest, "?")
	_, lr := paramOf(params, "lr")
	return lr
}

// parseURI reads a URI. Of one that is neither sip nor sips nothing is interpreted.
func parseURI(s string) (sip.Uri, error) {
	var uri sip.Uri
	core, rest := cutHost(s)
	low := strings.ToLower(s)
	if !strings.HasPrefix(low, "sip:") && !strings.HasPrefix(low, "sips:") {
		core, rest = s, ""
	}
	if err := sip.ParseUri(core, &uri); err != nil {
		return uri, fmt.Errorf("%q is not a URI: %w", oneLine(s), err)
	}
	params, headers, _ := strings.Cut(rest, "?")
	uri.UriParams, uri.Headers = pairs(params, ';'), pairs(headers, '&')
	return uri, nil
}

// cutHost cuts a URI behind host and port: what follows may hold all that sipgo looks for
// before them. A user may hold ';' and '?'.
func cutHost(s string) (core, rest string) {
	from := strings.IndexByte(s, '@') + 1
	if i := strings.IndexAny(s[from:], ";?"); i >= 0 {
		return s[:from+i], s[from+i:]
	}
	return s, ""
}

func pairs(s string, sep byte) sip.HeaderParams {
	var out sip.HeaderParams
	for _, p := range splitOutside(s, sep) {
		if k, v, _ := strings.Cut(p, "="); k != "" {
			out = append(out, sip.HeaderKV{K: k, V: v})
		}
	}
	return out
}

// uriParam finds a parameter of a URI: their names have no case (RFC 3261, 19.1.4).
func uriParam(uri sip.Uri, name string) (string, bool) {
	for _, p := range uri.UriParams {
		if strings.EqualFold(p.K, name) {
			return p.V, true
		}
	}
	return "", false
}

func withoutParam(uri sip.Uri, name string) sip.Uri {
	uri.UriParams = slices.DeleteFunc(slices.Clone(uri.UriParams), func(p sip.HeaderKV) bool { return strings.EqualFold(p.K, name) })
	return uri
}

// escapeUser writes a name as the user part of a URI (RFC 3261, 25.1). What is escaped
// already stays so, since people copy what they see in traces.
func escapeUser(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0, escaped(s[i:]):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// escaped reports whether s begins with an escape.
func escaped(s string) bool { return len(s) > 2 && s[0] == '%' && hexDigit(s[1]) && hexDigit(s[2]) }

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unescapeUser is the name behind the user part of a URI, for comparing and for people.
// Escapes that make no printable text are left as they are.
func unescapeUser(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if escaped(s[i:]) {
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8) // it is two hexadecimal digits
			b.WriteByte(byte(n))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	if out := b.String(); utf8.ValidString(out) && !strings.ContainsFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return out
	}
	return s
}

// userOf is who a URI means: the user of a SIP URI, or a telephone number.
func userOf(uri sip.Uri) string {
	if uri.Scheme == "tel" {
		return number(uri.Raw())
	}
	if phone, _ := uriParam(uri, "user"); strings.EqualFold(phone, "phone") || strings.HasPrefix(uri.User, "+") {
		return number(uri.User)
	}
	return unescapeUser(uri.User)
}

// number is a telephone number without parameters and visual separators (RFC 3966, 5.1.1).
func number(s string) string {
	s, _, _ = strings.Cut(s, ";")
	s = unescapeUser(s)
	if strings.ContainsFunc(s, unicode.IsLetter) {
		return s // a name, whatever the URI says
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.()", r) {
			return -1
		}
		return r
	}, s)
}
