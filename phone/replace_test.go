package phone

import (
	"fmt"
	"testing"
	"time"

	"intercomd/phone/siptest"
)

// replacing is the Replaces header for our call and that side of it.
func replacing(leg *siptest.Leg) string {
	if ours := leg.RemoteTag(); siptest.Tag(leg.Invite.Get("From")) == leg.Tag { // they called us
		return fmt.Sprintf("Replaces: %s;to-tag=%s;from-tag=%s", leg.Invite.Get("Call-ID"), ours, leg.Tag)
	}
	return fmt.Sprintf("Replaces: %s ; from-tag=%s ; to-tag = %s", leg.Invite.Get("Call-ID"), leg.Tag, siptest.Tag(leg.Invite.Get("From")))
}

// takenOver lets somebody else take our call over and talks with them.
func (s *stage) takenOver(c *Call, leg *siptest.Leg, extra ...string) {
	s.t.Helper()
	other := s.conn.Call(append(extra, replacing(leg), `P-Asserted-Identity: <sip:1009@pbx.test>`, sdp)...)
	other.ExpectStatus(200) // without ringing
	other.ACK(200)
	next := s.event(c, Transferred).Call
	if next.Remote().User != "1009" || !next.Incoming() {
		s.t.Errorf("taken over by %+v", next.Remote())
	}
	s.event(next, Answered)
	select {
	case <-s.media.incoming:
		s.t.Error("it rings as a call of its own")
	default:
	}
	c.End(HungUp) // whoever took the new call over
	s.ended(c, HungUp, 0)
	s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
	<-c.gone
	s.hangUp(next)
}

func TestReplaced(t *testing.T) {
	t.Run("a call that we made", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			s.takenOver(c, leg, "Require: replaces")
		}, allowTransfers)
	})
	t.Run("a call that we got", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.Answer()
			leg.ExpectStatus(200)
			leg.ACK(200)
			s.event(c, Answered)
			s.takenOver(c, leg)
		}, allowTransfers)
	})
	t.Run("a call that rings there, of the second of two telephones", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			a := s.conn.ExpectInvite()
			b := a.Fork()
			a.Respond(180, "Ringing")
			b.Respond(180, "Ringing")
			s.events(c, Sent, Ringing)
			other := s.conn.Call(replacing(b)+";early-only", sdp)
			other.ExpectStatus(200)
			other.ACK(200)
			next := s.event(c, Transferred).Call
			s.event(next, Answered)
			c.End(HungUp)
			s.ended(c, HungUp, 0)
			s.conn.Respond(s.conn.Expect("CANCEL"), 200, "OK")
			a.Respond(487, "Request Terminated")
			s.conn.Expect("ACK")
			<-c.gone
			s.hangUp(next)
		}, allowTransfers)
	})
	t.Run("no codec in common: the call goes on", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			other := s.conn.Call(replacing(leg), "\r\nv=0 nocodec\r\n")
			other.ExpectStatus(488)
			other.ACK(488)
			next := s.event(c, Transferred).Call
			s.ended(next, NoCodec, 0)
			<-next.gone
			s.hangUp(c)
		}, allowTransfers)
	})
}

// Who may not, and what is not there (RFC 3891, section 3).
func TestReplacesRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		header func(leg *siptest.Leg) []string
		status int
		option option
	}{
		"policy: never":   {func(l *siptest.Leg) []string { return []string{replacing(l)} }, 403, func(*Config) {}},
		"no such dialog":  {func(_ *siptest.Leg) []string { return []string{"Replaces: 4711;to-tag=a;from-tag=b"} }, 481, allowTransfers},
		"another far end": {func(l *siptest.Leg) []string { return []string{replacing(l) + "x"} }, 481, allowTransfers},
		"wrong from-tag": {func(l *siptest.Leg) []string {
			return []string{replacing(l), "=Replaces: " + l.Invite.Get("Call-ID") + ";from-tag=x;to-tag=" + siptest.Tag(l.Invite.Get("From"))}
		}, 481, allowTransfers},
		"answered, early only": {func(l *siptest.Leg) []string { return []string{replacing(l) + ";early-only"} }, 486, allowTransfers},
		"two":                  {func(l *siptest.Leg) []string { return []string{replacing(l), replacing(l)} }, 400, allowTransfers},
		"with Join":            {func(l *siptest.Leg) []string { return []string{replacing(l), "Join: a;to-tag=b;from-tag=c"} }, 400, allowTransfers},
		"malformed":            {func(l *siptest.Leg) []string { return []string{"Replaces: " + l.Invite.Get("Call-ID") + ";to-tag="} }, 400, allowTransfers},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				other := s.conn.Call(append(tc.header(leg), sdp)...)
				other.ExpectStatus(tc.status)
				other.ACK(tc.status)
				s.hangUp(c) // nothing happened to it
				for e := range eventsOf(c) {
					if e.Kind == Transferred {
						t.Error("told of a transfer")
					}
				}
			}, tc.option)
		})
	}
	t.Run("one that rings here", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.Ring()
			leg.ExpectStatus(180)
			other := s.conn.Call(replacing(leg), sdp)
			other.ExpectStatus(481)
			other.ACK(481)
			c.End(Busy)
			leg.ExpectStatus(486)
			leg.ACK(486)
			time.Sleep(time.Second)
			s.over(c)
		}, allowTransfers)
	})
	t.Run("one that has just ended", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			c.End(HungUp)
			bye := s.conn.Expect("BYE")
			other := s.conn.Call(replacing(leg), sdp)
			other.ExpectStatus(603)
			other.ACK(603)
			s.conn.Respond(bye, 200, "OK")
			time.Sleep(time.Second)
			s.over(c)
		}, allowTransfers)
	})
	t.Run("called only: not a call that we got", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.Answer()
			leg.ExpectStatus(200)
			leg.ACK(200)
			s.event(c, Answered)
			other := s.conn.Call(replacing(leg), sdp)
			other.ExpectStatus(403)
			other.ACK(403)
			leg.Request("REFER", "Refer-To: <sip:1009@pbx.test>")
			s.conn.ExpectStatus("REFER", 603)
			s.hangUp(c)
		}, func(c *Config) { c.Transfers = TransfersByCalled })
	})
	t.Run("called only: one that we made", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			s.takenOver(c, leg)
		}, func(c *Config) { c.Transfers = TransfersByCalled })
	})
}
