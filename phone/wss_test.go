package phone

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
	"intercomd/phone/ws"
)

func overSockets(c *Config) { c.NetDial = nil }

// The same as in the other stories, with real sockets and real TLS.
func TestOverTLS(t *testing.T) {
	pki := siptest.NewPKI(t)
	srv := siptest.New(t, siptest.Options{TLS: siptest.TLS(pki.Issue(nil)), Password: "secret"})
	s := begin(t, srv, overSockets, func(c *Config) { c.RootCAs = pki.Pool })
	s.conn = srv.Conn()
	s.state(Registered)
	if via := srv.Registers()[0].Get("Via"); !strings.HasPrefix(via, "SIP/2.0/WSS ") {
		t.Errorf("Via %q: FreeSWITCH would never answer", via)
	}
	c := s.dial("1001")
	leg := s.conn.ExpectInvite()
	leg.Respond(180, "Ringing")
	leg.Respond(200, "OK", sdp)
	if ack := s.conn.Expect("ACK"); !strings.HasPrefix(ack.Get("Via"), "SIP/2.0/WSS ") {
		t.Errorf("ACK:\n%s", ack)
	}
	s.events(c, Sent, Ringing, Answered)
	leg.Request("BYE")
	s.conn.ExpectStatus("BYE", 200)
	s.ended(c, HungUp, 0)
	<-c.gone

	in := s.conn.Call(sdp)
	ring := <-s.media.incoming
	ring.Answer()
	in.ExpectStatus(200)
	in.ACK(200)
	s.event(ring, Answered)
	s.conn.Kill() // and back
	s.conn = srv.Conn()
	s.conn.Expect("INVITE")
	s.quit()
	s.ended(ring, Shutdown, 0)
}

// A certificate that cannot be trusted is a fault with a name and a remedy, and
// nothing is sent to such a server.
func TestUntrusted(t *testing.T) {
	pki := siptest.NewPKI(t)
	good := pki.Issue(nil)
	pin := sha256.Sum256(good.Leaf.RawSubjectPublicKeyInfo)
	for name, tc := range map[string]struct {
		change func(*x509.Certificate)
		config func(*Config)
		cause  ws.Cause
		remedy string
	}{
		"unknown authority":  {nil, func(c *Config) { c.RootCAs = siptest.NewPKI(t).Pool }, ws.UnknownCA, "ca_file"},
		"expired":            {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, nil, ws.Expired, "renew"},
		"the clock is wrong": {func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, nil, ws.NotYetValid, "clock"},
		"another name":       {func(c *x509.Certificate) { c.IPAddresses = nil; c.DNSNames = []string{"else.test"} }, nil, ws.WrongHost, "name"},
		"clock floor":        {nil, func(c *Config) { c.ClockFloor = time.Now().Add(48 * time.Hour) }, ws.Expired, "renew"},
		"another key":        {nil, func(c *Config) { c.Pins = [][sha256.Size]byte{pin} }, ws.WrongPin, "pin"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := siptest.New(t, siptest.Options{TLS: siptest.TLS(pki.Issue(tc.change))})
			s := begin(t, srv, overSockets, func(c *Config) {
				c.RootCAs = pki.Pool
				if tc.config != nil {
					tc.config(c)
				}
			})
			r := s.state(FailedRetrying)
			var de *ws.DialError
			if !errors.As(r.Err, &de) || de.Cause != tc.cause || !strings.Contains(r.Problem.Remedy(), tc.remedy) {
				t.Errorf("%v, %q", r.Err, r.Problem.Remedy())
			}
			s.quit()
			if n := len(srv.Registers()); n != 0 {
				t.Errorf("%d REGISTERs to a server that is not trusted", n)
			}
		})
	}
	t.Run("pinned", func(t *testing.T) {
		srv := siptest.New(t, siptest.Options{TLS: siptest.TLS(good)})
		s := begin(t, srv, overSockets, func(c *Config) { c.Pins = [][sha256.Size]byte{pin} })
		s.state(Registered)
		s.quit()
	})
}
