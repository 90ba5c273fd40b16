package configs

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// This file judges what becomes part of a SIP URI: names of hosts, and of users.

// isHost reports whether s is a name or an address as SIP URIs have it (RFC 3261, 25.1), or
// a name with letters of other scripts that has such a form (RFC 5891).
func isHost(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return false
		}
		s = ascii
	}
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return a.Zone() == ""
	}
	s = strings.TrimSuffix(s, ".") // which says that it is the whole name
	if len(s) > 253 {              // RFC 1035, 2.3.4
		return false
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		last = label
	}
	// What ends with a number is an address, or was to be one.
	return strings.Trim(last, "0123456789") != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
	})
}

// isHostPort is isHost with a port, or without.
func isHostPort(s string) bool {
	u, err := url.Parse("//" + s)
	if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return isPort(u.Port()) && isHost(u.Hostname())
}

// isPort reports whether there is such a port, or none given.
func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return s == "" || err == nil && n >= 1 && n <= 65535
}

// isUser holds user names to what people can mean by one: letters and digits of any script
// and the marks of RFC 3261, section 25.1. What SIP does not allow in a URI is escaped on
// the way. A comma is more likely a list that lacks its quotes.
func isUser(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_+*#~!'()&=$", r)
	})
}

// isCallable reports whether s is a user, user@host, a SIP URI or a telephone number.
func isCallable(s string) bool {
	if number, ok := strings.CutPrefix(s, "tel:"); ok {
		return number != "" && strings.Trim(number, "+0123456789-.()*#") == ""
	}
	rest, uri := strings.CutPrefix(s, "sip:")
	if !uri {
		rest, uri = strings.CutPrefix(s, "sips:")
	}
	user, host, hasHost := strings.Cut(rest, "@")
	if uri {
		host, _, _ = strings.Cut(host, ";")
		if plain, err := url.PathUnescape(user); err == nil { // a URI may be escaped already
			user = plain
		}
	}
	return isUser(user) && (!hasHost || isHostPort(host))
}
