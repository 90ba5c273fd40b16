package siptest

import (
	"crypto/md5" //nolint:gosec // what SIP servers use
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Realm of all challenges.
const Realm = "pbx.test"

// Challenge answers a request with 401 or 407 and a new nonce.
func (c *Conn) Challenge(req *Msg, status int, extra ...string) {
	name, phrase := "WWW-Authenticate", "Unauthorized"
	if status == 407 {
		name, phrase = "Proxy-Authenticate", "Proxy Authentication Required"
	}
	c.s.mu.Lock()
	c.s.nonce++
	nonce := fmt.Sprintf("nonce-%d", c.s.nonce)
	c.s.uses[nonce] = 0
	c.s.mu.Unlock()
	for _, a := range c.s.o.Algorithms {
		extra = append(extra, fmt.Sprintf(`%s: Digest realm="%s", nonce="%s", algorithm=%s, qop="auth"`, name, Realm, nonce, a))
	}
	c.Respond(req, status, phrase, extra...)
}

// Forget makes all nonces so far stale.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses = map[string]int{}
}

// authorized checks credentials. asked is false when there are none, or stale ones.
func (s *Server) authorized(m *Msg, name string) (ok, asked bool) {
	if s.o.Password == "" {
		return true, true
	}
	v := m.Get(name)
	if v == "" {
		return false, false
	}
	p := map[string]string{}
	for _, kv := range strings.Split(strings.TrimPrefix(v, "Digest "), ",") {
		k, val, _ := strings.Cut(strings.TrimSpace(kv), "=")
		p[k] = strings.Trim(val, `"`)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.uses[p["nonce"]]
	nc, err := strconv.ParseInt(p["nc"], 16, 32)
	if !known || err != nil || int(nc) <= last {
		return false, false
	}
	s.uses[p["nonce"]] = int(nc)
	h := func(in string) string {
		d := md5.New() //nolint:gosec // what SIP servers use
		if p["algorithm"] == "SHA-256" {
			d = sha256.New()
		}
		d.Write([]byte(in))
		return hex.EncodeToString(d.Sum(nil))
	}
	want := h(strings.Join([]string{
		h(p["username"] + ":" + Realm + ":" + s.o.Password), p["nonce"], p["nc"], p["cnonce"], "auth", h(m.Method() + ":" + m.URI()),
	}, ":"))
	return want == p["response"] && p["uri"] == m.URI(), true
}
