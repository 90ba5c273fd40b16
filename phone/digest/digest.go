// Package digest answers HTTP Digest challenges as SIP uses them (RFC 3261
// section 22, RFC 7616, RFC 8760).
//
// It parses whatever servers write, prefers SHA-256 over MD5, reuses a nonce
// with a rising count so that a known server is answered before it asks, and
// refuses to fall back to MD5 once a server has shown that it knows better. It
// knows nothing of SIP messages: header values go in, header values come out.
package digest

import (
	"crypto/md5" //nolint:gosec // RFC 3261 servers know nothing else; the connection is TLS
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Errors for which a caller branches.
var (
	// ErrNoChallenge means that none of the header values is a Digest challenge
	// that this package can answer.
	ErrNoChallenge = errors.New("no Digest challenge that can be answered")
	// ErrDowngrade means that a server that has offered SHA-256 before now offers
	// MD5 only: either it was changed, or somebody sits in between.
	ErrDowngrade = errors.New("the server offers MD5 only, but has offered SHA-256 before")
	// ErrWeak means that only MD5 is offered where it is not allowed.
	ErrWeak = errors.New("the server offers MD5 only, which is allowed inside TLS alone")
)

// Challenge is one Digest challenge of a server (RFC 7616, 3.3).
type Challenge struct {
	Realm     string
	Nonce     string
	Opaque    string
	Algorithm string   // in upper case; "MD5" when the server named none
	QOP       []string // in lower case; empty: RFC 2069 style
	Stale     bool
}

// Parse reads the values of WWW-Authenticate or Proxy-Authenticate headers.
// One value may hold several challenges. Schemes other than Digest and
// challenges without realm or nonce are left out.
func Parse(values ...string) []Challenge {
	var all []Challenge
	for _, v := range values {
		for _, c := range split(v) {
			if !strings.EqualFold(c.scheme, "Digest") {
				continue
			}
			ch := Challenge{
				Realm:     c.params["realm"],
				Nonce:     c.params["nonce"],
				Opaque:    c.params["opaque"],
				Algorithm: strings.ToUpper(c.params["algorithm"]),
				Stale:     strings.EqualFold(c.params["stale"], "true"),
			}
			if _, ok := c.params["realm"]; !ok || ch.Nonce == "" {
				continue
			}
			if ch.Algorithm == "" {
				ch.Algorithm = "MD5"
			}
			for q := range strings.SplitSeq(c.params["qop"], ",") {
				if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
					ch.QOP = append(ch.QOP, q)
				}
			}
			all = append(all, ch)
		}
	}
	return all
}

type rawChallenge struct {
	scheme string
	params map[string]string // names in lower case; the first of a name counts
}

// split cuts a header value into challenges: scheme, then name=value pairs. A
// word that is not followed by '=' begins the next challenge, unless it goes on with a
// list that lacks its quotes (qop=auth,auth-int).
func split(s string) []rawChallenge {
	var out []rawChallenge
	list := false // the last parameter was such a list
	for {
		s = strings.TrimLeft(s, " \t,;")
		if s == "" {
			return out
		}
		word := token(s)
		if word == "" { // not a token: skip one byte, never loop
			s = s[1:]
			continue
		}
		rest := strings.TrimLeft(s[len(word):], " \t")
		if list && (rest == "" || rest[0] == ',') {
			out[len(out)-1].params["qop"] += "," + word
			s = rest
			continue
		}
		list = false
		if !strings.HasPrefix(rest, "=") {
			out = append(out, rawChallenge{scheme: word, params: map[string]string{}})
			s = rest
			continue
		}
		text := strings.TrimLeft(rest[1:], " \t")
		value, after := paramValue(text)
		s = after
		if len(out) == 0 {
			continue
		}
		p, name := out[len(out)-1].params, strings.ToLower(word)
		if _, dup := p[name]; !dup {
			p[name] = value
			list = name == "qop" && !strings.HasPrefix(text, `"`)
		}
	}
}

func token(s string) string {
	i := strings.IndexAny(s, " \t,;=\"")
	if i < 0 {
		return s
	}
	return s[:i]
}

// paramValue reads a token or quoted string and returns what follows it.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", \t")
		if i < 0 {
			return s, ""
		}
		return s[:i], s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i+1 < len(s) {
				i++
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "" // the closing quote is missing
}

// rank orders algorithms by strength; 0 means unknown.
func rank(algorithm string) int {
	return 1 + slices.Index([]string{"MD5", "MD5-SESS", "SHA-256", "SHA-256-SESS", "SHA-512-256", "SHA-512-256-SESS"}, algorithm)
}

const rankSHA256 = 3

func newHash(algorithm string) hash.Hash {
	switch strings.TrimSuffix(algorithm, "-SESS") {
	case "SHA-256":
		return sha256.New()
	case "SHA-512-256":
		return sha512.New512_256()
	default:
		return md5.New() //nolint:gosec // see the import
	}
}

// Client holds the credentials of one user towards one server and what it has
// learnt from its challenges. It is not safe for concurrent use.
type Client struct {
	user, password string
	allowMD5       bool

	current Challenge
	count   uint32 // uses of the current nonce
	strong  bool   // the server has offered SHA-256 or better

	cnonce func() string // replaced in tests
}

// New returns a client for one user. allowMD5 says that the connection is
// encrypted and verified, or never leaves the machine.
func New(user, password string, allowMD5 bool) *Client {
	return &Client{user: user, password: password, allowMD5: allowMD5, cnonce: randomNonce}
}

func randomNonce() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return hex.EncodeToString(b[:])
}

// Challenged takes note of a server's challenge: the best one of the header
// values is answered from now on.
func (c *Client) Challenged(values ...string) (Challenge, error) {
	var best Challenge
	for _, ch := range Parse(values...) {
		if len(ch.QOP) > 0 && !slices.Contains(ch.QOP, "auth") && !slices.Contains(ch.QOP, "auth-int") {
			continue
		}
		if rank(ch.Algorithm) > rank(best.Algorithm) {
			best = ch
		}
	}
	switch r := rank(best.Algorithm); {
	case r == 0:
		return best, ErrNoChallenge
	case r >= rankSHA256:
		c.strong = true
	case c.strong:
		return best, ErrDowngrade
	case !c.allowMD5:
		return best, ErrWeak
	}
	if best.Nonce != c.current.Nonce || best.Realm != c.current.Realm || best.Algorithm != c.current.Algorithm {
		c.count = 0
	}
	c.current = best
	return best, nil
}

// Ready reports whether a challenge is known, so that a request can carry its
// answer at once.
func (c *Client) Ready() bool { return c.current.Nonce != "" }

// Nonce is the nonce that the next answer will use.
func (c *Client) Nonce() string { return c.current.Nonce }

// Forget drops the current nonce, keeping what is known of the server.
func (c *Client) Forget() { c.current, c.count = Challenge{}, 0 }

// Authorization returns the value of an Authorization or Proxy-Authorization
// header for a request. uri must be written as in the request line. It returns
// "" while no challenge is known.
func (c *Client) Authorization(method, uri string, body []byte) string {
	ch := c.current
	if ch.Nonce == "" {
		return ""
	}
	c.count++
	qop := ""
	switch {
	case slices.Contains(ch.QOP, "auth"):
		qop = "auth"
	case slices.Contains(ch.QOP, "auth-int"):
		qop = "auth-int"
	}
	nc, cnonce := fmt.Sprintf("%08x", c.count), c.cnonce()
	response := c.response(ch, method, uri, qop, nc, cnonce, body)

	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s", algorithm=%s`,
		quote(c.user), quote(ch.Realm), quote(ch.Nonce), quote(uri), response, spelled(ch.Algorithm))
	if qop != "" {
		fmt.Fprintf(&b, `, qop=%s, nc=%s, cnonce="%s"`, qop, nc, cnonce)
	} else if strings.HasSuffix(ch.Algorithm, "-SESS") {
		fmt.Fprintf(&b, `, cnonce="%s"`, cnonce)
	}
	if ch.Opaque != "" {
		fmt.Fprintf(&b, `, opaque=%s`, quote(ch.Opaque))
	}
	return b.String()
}

// spelled writes an algorithm as RFC 7616 does: "-sess" in lower case.
func spelled(algorithm string) string { return strings.Replace(algorithm, "-SESS", "-sess", 1) }

func (c *Client) response(ch Challenge, method, uri, qop, nc, cnonce string, body []byte) string {
	h := func(s string) string {
		d := newHash(ch.Algorithm)
		_, _ = d.Write([]byte(s)) // a hash never fails
		return hex.EncodeToString(d.Sum(nil))
	}
	a1 := c.user + ":" + ch.Realm + ":" + c.password
	if strings.HasSuffix(ch.Algorithm, "-SESS") {
		a1 = h(a1) + ":" + ch.Nonce + ":" + cnonce
	}
	a2 := method + ":" + uri
	if qop == "auth-int" {
		a2 += ":" + h(string(body))
	}
	if qop == "" {
		return h(h(a1) + ":" + ch.Nonce + ":" + h(a2))
	}
	return h(strings.Join([]string{h(a1), ch.Nonce, nc, cnonce, qop, h(a2)}, ":"))
}

// quote writes a quoted string. A quoted string cannot hold line ends, and
// nothing that a server sends may smuggle one into our request.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(s) + `"`
}
