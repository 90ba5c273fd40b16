package phone

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Party is one end of a call.
type Party struct {
	URI  string // SIP URI without parameters
	User string // its user part
	Name string // display name, if there is one
}

// parseTarget reads whom to call: "1001", "1001@host" or a SIP URI.
func parseTarget(target, domain string) (sip.Uri, error) {
	s := strings.TrimSpace(target)
	low := strings.ToLower(s)
	if !strings.HasPrefix(low, "sip:") && !strings.HasPrefix(low, "sips:") {
		user, host, ok := strings.Cut(s, "@")
		if !ok {
			host = domain
		}
		if !cleanUser(user) {
			return sip.Uri{}, fmt.Errorf("%q is not an extension, user@host or SIP URI", target)
		}
		s = "sip:" + user + "@" + host
	}
	if strings.ContainsAny(s, " \t<>\"\\") || oneLine(s) != s {
		return sip.Uri{}, fmt.Errorf("%q is not a SIP URI", target)
	}
	var uri sip.Uri
	if err := sip.ParseUri(s, &uri); err != nil {
		return uri, fmt.Errorf("%q is not a SIP URI: %w", target, err)
	}
	if uri.Host == "" || uri.Wildcard || uri.HierarhicalSlashes {
		return uri, fmt.Errorf("%q is not a SIP URI: %w", target, errors.New("no host"))
	}
	uri.Headers = nil // they would end up in the INVITE
	return uri, nil
}

// partyOf reads a From, To or P-Asserted-Identity value.
func partyOf(value string) Party {
	var (
		uri    sip.Uri
		params sip.HeaderParams
	)
	name, err := sip.ParseAddressValue(value, &uri, &params)
	if err != nil {
		return Party{}
	}
	return Party{URI: uri.Addr(), User: uri.User, Name: unquote(`"` + oneLine(name) + `"`)}
}

// callerOf is who a request comes from: P-Asserted-Identity, which the registered
// flow makes trustworthy (RFC 3325), else From.
func callerOf(req *sip.Request) Party {
	if id := header(req, "p-asserted-identity"); id != "" {
		if p := partyOf(splitOutsideQuotes(id, ',')[0]); p.User != "" {
			return p
		}
	}
	return partyOf(fromValue(req))
}

func partyOfURI(uri sip.Uri) Party {
	return Party{URI: uri.Addr(), User: uri.User}
}

// nameAddr writes a display name and a URI as a From value without a tag.
func nameAddr(name, uri string) string {
	if name == "" {
		return "<" + uri + ">"
	}
	return quote(name) + " <" + uri + ">"
}
