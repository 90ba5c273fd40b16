package phone

import (
	"errors"
	"fmt"
	"sync"

	"github.com/emiago/sipgo/sip"

	"intercomd/phone/digest"
)

// errWrongPassword means that the server asked again after a fresh answer.
var errWrongPassword = errors.New("the server does not accept user and password")

// credentials answers the challenges of the server in use, for all calls and the
// registration. What one server can do says nothing about another: each has its
// challenges. It is safe for concurrent use.
type credentials struct {
	user, password string

	mu      sync.Mutex
	servers map[string]*challenges // by URL
	*challenges
}

// challenges are those of one server.
type challenges struct {
	reg   asked // by the registrar
	calls asked // by the proxy that calls go through
}

// asked holds the two kinds of challenges, each with its nonce.
type asked struct {
	www   *digest.Client // 401, Authorization
	proxy *digest.Client // 407, Proxy-Authorization
}

func newCredentials(user, password string) *credentials {
	c := &credentials{user: user, password: password, servers: map[string]*challenges{}}
	c.use("")
	return c
}

// use names the server that is talked to from now on.
func (c *credentials) use(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.servers[server] == nil {
		// MD5 is allowed: what is not TLS does not leave the machine (ws.CheckURL).
		client := func() *digest.Client { return digest.New(c.user, c.password, true) }
		c.servers[server] = &challenges{reg: asked{client(), client()}, calls: asked{client(), client()}}
	}
	c.challenges = c.servers[server]
}

func (c *credentials) of(method sip.RequestMethod) asked {
	if method == sip.REGISTER {
		return c.reg
	}
	return c.calls
}

// authTry is the history of one request: which of its challenges were answered.
type authTry struct {
	answers    int  // challenges answered
	www, proxy bool // of these kinds
	preempted  bool // it carried credentials before anybody asked
	stripped   bool // it was repeated without them
}

const maxChallenges = 4

// sign adds credentials: for the challenges of this request and, where preempt is
// set and nobody has asked yet, those that the server asked for last time
// (RFC 3261, 22.2), which saves a round trip.
func (c *credentials) sign(req *sip.Request, t *authTry, preempt bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	early := preempt && t.answers == 0 && !t.stripped
	put := func(d *digest.Client, wanted bool, name string) {
		if !wanted && !early || !d.Ready() {
			return
		}
		t.preempted = t.preempted || !wanted
		add(req, name, d.Authorization(string(req.Method), req.Recipient.String(), req.Body()))
	}
	a := c.of(req.Method)
	put(a.www, t.www, "Authorization")
	put(a.proxy, t.proxy, "Proxy-Authorization")
}

// retry decides what to do about a 401, 403 or 407: nil means to send the request
// again (signed anew), an error is final.
func (c *credentials) retry(method sip.RequestMethod, res *sip.Response, t *authTry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.of(method)
	if res.StatusCode == sip.StatusForbidden {
		if !t.preempted || t.answers > 0 || t.stripped {
			return fmt.Errorf("%d %s", res.StatusCode, oneLine(res.Reason))
		}
		// Perhaps it was only the old nonce: ask for a new one.
		a.www.Forget()
		a.proxy.Forget()
		t.stripped, t.preempted = true, false
		return nil
	}
	d, name, before := a.www, "WWW-Authenticate", &t.www
	if res.StatusCode == sip.StatusProxyAuthRequired {
		d, name, before = a.proxy, "Proxy-Authenticate", &t.proxy
	}
	ch, err := d.Challenged(headerValues(res, name)...)
	if err != nil {
		return err
	}
	if *before && !ch.Stale || t.answers >= maxChallenges {
		d.Forget()
		return errWrongPassword
	}
	t.answers++
	*before = true
	return nil
}
