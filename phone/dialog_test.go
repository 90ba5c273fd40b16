package phone

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// playUnregistered runs a story with a phone that is connected and no more.
func playUnregistered(t *testing.T, o siptest.Options, story func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Pipe = true
		s := begin(t, siptest.New(t, o))
		s.conn = s.srv.Conn()
		s.state(Registering)
		synctest.Wait()
		story(s)
		s.quit()
	})
}

func (s *stage) hangUp(c *Call) {
	s.t.Helper()
	c.End(HungUp)
	s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
	s.over(c)
}

func TestHold(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		hold := leg.Request("INVITE", "Contact: <sip:other@127.0.0.1:5070>", "\r\nv=0 a=sendonly\r\n")
		ok := s.conn.ExpectStatus("INVITE", 200)
		if ok.Body != "v=0 answer 1\r\n" || ok.Get("CSeq") != hold.Get("CSeq") || ok.Get("Contact") == "" {
			t.Errorf("200:\n%s", ok)
		}
		leg.ACK(200)
		s.event(c, Held)
		leg.Request("UPDATE", "\r\nv=0 a=sendrecv\r\n") // back by UPDATE, which works as well
		if ok := s.conn.ExpectStatus("UPDATE", 200); ok.Body != "v=0 answer 2\r\n" {
			t.Errorf("200:\n%s", ok)
		}
		s.event(c, Resumed)
		leg.Request("INVITE", "Contact: "+leg.Contact, "\r\nv=0 nocodec\r\n") // not possible: the call goes on
		s.conn.ExpectStatus("INVITE", 488)
		leg.ACK(488)
		leg.Request("INVITE", "Contact: "+leg.Contact, "\r\nv=0 broken\r\n")
		s.conn.ExpectStatus("INVITE", 500)
		leg.ACK(500)
		leg.Request("UPDATE", "\r\nv=0 nocodec\r\n")
		s.conn.ExpectStatus("UPDATE", 488)
		leg.Request("INVITE", "Content-Type: text/plain", "\r\nhello")
		s.conn.ExpectStatus("INVITE", 415)
		leg.ACK(415)
		c.End(HungUp)
		bye := s.conn.Expect("BYE")
		if bye.URI() != "sip:other@127.0.0.1:5070" {
			t.Errorf("the new target was not taken over:\n%s", bye)
		}
		s.conn.Respond(bye, 200, "OK")
		s.over(c)
	})
}

func TestReinviteWithoutOffer(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		leg.Request("INVITE", "Contact: "+leg.Contact)
		if ok := s.conn.ExpectStatus("INVITE", 200); ok.Body != "v=0 offer 2\r\n" {
			t.Errorf("200:\n%s", ok)
		}
		leg.Request("UPDATE", sdp) // an offer of ours is open
		s.conn.ExpectStatus("UPDATE", 491)
		leg.ACK(200, "\r\nv=0 a=sendonly\r\n")
		s.event(c, Held)
		s.hangUp(c)
	})
}

func TestOrderInDialog(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		old := leg.Make("INFO")
		leg.Request("OPTIONS")
		s.conn.ExpectStatus("OPTIONS", 200)
		s.conn.Send(old.String())
		s.conn.ExpectStatus("INFO", 500)
		for method, status := range map[string]int{
			"REFER": 603, "MESSAGE": 415, "SUBSCRIBE": 405, "NOTIFY": 489, "FOO": 501, "PRACK": 481, "INFO": 200, "UPDATE": 200,
		} {
			leg.Request(method)
			s.conn.ExpectStatus(method, status)
		}
		leg.Request("OPTIONS", "Require: foo, timer, bar")
		if m := s.conn.ExpectStatus("OPTIONS", 420); m.Get("Unsupported") != "foo, bar" {
			t.Errorf("420:\n%s", m)
		}
		s.hangUp(c)
		leg.Request("INFO") // the call is over
		s.conn.ExpectStatus("INFO", 481)
		leg.Request("BYE")
		s.conn.ExpectStatus("BYE", 481)
		leg.ACK(200) // no answer to an ACK, whatever it means
		s.conn.Quiet(time.Second)
	})
}

// Both sides hang up in the same moment.
func TestBYECrossing(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		c.End(HungUp)
		bye := s.conn.Expect("BYE")
		leg.Request("BYE")
		s.conn.ExpectStatus("BYE", 200)
		s.conn.Respond(bye, 481, "Gone")
		s.ended(c, HungUp, 0)
		s.over(c)
	})
}

func TestBYEChallenged(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		c, _ := s.talk()
		c.End(HungUp)
		first := s.conn.Expect("BYE")
		if first.Get("Proxy-Authorization") != "" {
			t.Error("credentials for nobody who asked")
		}
		s.conn.Challenge(first, 407)
		bye := s.conn.Expect("BYE")
		if bye.Get("Proxy-Authorization") == "" || bye.Seq() != first.Seq()+1 {
			t.Errorf("BYE:\n%s", bye)
		}
		s.conn.Respond(bye, 200, "OK")
		s.over(c)
	})
}

// Keys in INFO, in the forms that are in the field.
func TestInfoKey(t *testing.T) {
	for body, want := range map[string]rune{
		"5": '5', " 5 \r\n": '5', "d=5": '5', "D = 5\r\n": '5', "d=5\r\nd=250\r\n": '5',
		"Signal=5\r\nDuration=160": '5', "Signal: 5\nDuration: 160\n": '5', "Signal= 5\r\nDuration= 160\r\n": '5',
		"signal=5": '5', "SIGNAL=5\rDURATION=160": '5', "\r\nSignal=5\r\n\r\n": '5', "Duration=160\r\nSignal=5": '5',
		"d=160\r\nSignal=5": '5', "Signal=5;Duration=160": '5', "Signal=5 Duration=160": '5', "Signal=\"5\"": '5', "\tSignal\t=\t5": '5',
		"p=Digit-Collection\r\ny=Digits\r\ns=success\r\nu=12345678\r\ni=87654321\r\nd=5\r\n": '5', // Nortel
		"Signal=*": '*', "Signal=#\r\n": '#', "#": '#', "*": '*', "d=#": '#', "Signal=10": '*', "11": '#', "d=10": '*',
		"Signal=a": 'A', "D": 'D', "12": 'A', "Signal=15\r\nDuration=100": 'D', "Signal=0": '0', "d=0\n": '0', "Digit: 9": '9',
		"": 0, "\r\n": 0, "Signal=": 0, "Signal=16\r\nDuration=250": 0, "16": 0, "!": 0, "d=": 0, "x=5": 0,
		"Duration=5": 0, "55": 0, "Signal=55": 0, "-1": 0, "e": 0, "5x": 0, "\xff": 0, "٥": 0,
	} {
		if key, ok := infoKey(body); key != want || ok != (want != 0) {
			t.Errorf("%q: %q %t, want %q", body, key, ok, want)
		}
	}
}

func FuzzInfoKey(f *testing.F) {
	for _, seed := range []string{"5", "d=5", "Signal= #\r\nDuration= 160\r\n", "Signal:\"11\";d=3", "=\r\n:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if key, ok := infoKey(body); ok != strings.ContainsRune("0123456789*#ABCD", key) {
			t.Errorf("%q: %q %t", body, key, ok)
		}
	})
}

func TestInfoDigits(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		info := func(kind, body string) {
			t.Helper()
			leg.Request("INFO", "Content-Type: "+kind, "\r\n"+body)
			s.conn.ExpectStatus("INFO", 200)
		}
		want := func(keys string) {
			t.Helper()
			for _, k := range keys {
				if e := s.event(c, Digit); e.Digit != k {
					t.Errorf("got %c, want %c", e.Digit, k)
				}
			}
		}
		info("application/dtmf-relay", "Signal=1\r\nDuration=1200\r\n") // as FreeSWITCH writes it
		info("application/dtmf-relay; charset=utf-8", "Duration=160\nsignal = #\n")
		info("application/dtmf", " 5 \r\n")
		info("application/dtmf", "10")
		info("application/dtmf-relay", "Signal=12")
		info("application/dtmf", "")
		info("application/dtmf", "55")
		info("application/dtmf-relay", "Signal=x")
		want("1#5*A")
		info("audio/telephone-event", "4")
		info("audio/telephone-event", "d=3")
		info("application/dtmf", "d=2")
		info("application/dtmf", "Signal=6\r\nDuration=160")
		info("Application/DTMF-Relay", "Signal: 9\r\n")
		info("multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n"+
			"Content-Type: application/dtmf-relay\r\nContent-Disposition: signal;handling=optional\r\n\r\nSignal=0\r\n\r\n--b--\r\n")
		want("432690")
		leg.Request("INFO", "Content-Type: text/plain", "\r\n1")
		s.conn.ExpectStatus("INFO", 415)

		// The same key by RTP and by INFO is one key; twice by the same way is two.
		m := s.media.last()
		m.digits <- '7'
		want("7")
		info("application/dtmf-relay", "Signal=7")
		m.digits <- '8'
		m.digits <- '8'
		want("88")
		time.Sleep(2 * time.Second)
		info("application/dtmf-relay", "Signal=8")
		want("8")
		c.SendDigits("12#")
		synctest.Wait()
		if m.sent != "12#" {
			t.Errorf("sent %q", m.sent)
		}
		for _, l := range s.ua.Trace() {
			if strings.Contains(l.Text, "Signal=1") || strings.Contains(l.Text, "\r\n\r\n 5") {
				t.Errorf("a key is in the trace:\n%s", l.Text)
			}
		}
		s.hangUp(c)
	})
}

func TestOutsideOfCalls(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call(sdp)
		(<-s.media.incoming).End(Busy)
		leg.ExpectStatus(486)
		leg.ACK(486)
		plain := func(method string, status int, extra ...string) *siptest.Msg {
			t.Helper()
			m := leg.Make(method, extra...)
			m.Set("To", "<sip:1000@pbx.test>").Set("Call-ID", "out-"+method)
			s.conn.Send(m.String())
			return s.conn.ExpectStatus(method, status)
		}
		if ok := plain("OPTIONS", 200); !strings.Contains(ok.Get("Allow"), "INVITE") || !strings.HasPrefix(ok.Get("Accept"), "application/sdp") || siptest.Tag(ok.Get("To")) == "" {
			t.Errorf("OPTIONS:\n%s", ok)
		}
		plain("NOTIFY", 200, "Event: message-summary", "Content-Type: application/simple-message-summary", "\r\nMessages-Waiting: no\r\n")
		plain("NOTIFY", 489, "Event: check-sync")
		plain("BYE", 481)
		plain("INFO", 481)
		plain("REFER", 403)
		plain("REGISTER", 405)
		plain("FOO", 501)
		plain("INVITE", 420, "Require: precondition", "Contact: "+leg.Contact)
		leg.ACK(420)
		plain("INVITE", 415, "Content-Type: text/plain", "Contact: "+leg.Contact, "\r\nhello")
		plain("INVITE", 422, "Supported: timer", "Session-Expires: 60", "Contact: "+leg.Contact, sdp)
		plain("INVITE", 406, "Accept: text/plain", "Contact: "+leg.Contact)
	})
}

func TestSessionTimer(t *testing.T) {
	t.Run("theirs, refreshed by re-INVITE, then no more", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp, "Session-Expires: 90;refresher=uac")
			c := <-s.media.incoming
			c.Answer()
			leg.ExpectStatus(200)
			leg.ACK(200)
			for range 2 {
				time.Sleep(45 * time.Second)
				leg.Request("INVITE", "Contact: "+leg.Contact, "Supported: timer", "Session-Expires: 90;refresher=uac", sdp)
				if ok := s.conn.ExpectStatus("INVITE", 200); ok.Get("Session-Expires") != "90;refresher=uac" {
					t.Errorf("200:\n%s", ok)
				}
				leg.ACK(200)
			}
			start := time.Now()
			s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
			if d := time.Since(start); d < 55*time.Second || d > 65*time.Second {
				t.Errorf("hung up after %v", d)
			}
			s.event(c, Answered)
			s.ended(c, NetworkLost, 408)
			s.over(c)
		})
	})
	t.Run("ours, by UPDATE", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, _ := s.talk("Session-Expires: 120;refresher=uac", "Require: timer")
			for range 3 {
				start := time.Now()
				up := s.conn.Expect("UPDATE")
				if d := time.Since(start); d < 50*time.Second || d > 70*time.Second || up.Body != "" || up.Get("Session-Expires") != "120;refresher=uac" {
					t.Errorf("after %v:\n%s", d, up)
				}
				s.conn.Respond(up, 200, "OK", "Session-Expires: 120;refresher=uac")
			}
			s.hangUp(c)
		})
	})
	t.Run("ours, by re-INVITE, since UPDATE is not liked", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk("Session-Expires: 120;refresher=uac", "Require: timer")
			s.conn.Respond(s.conn.Expect("UPDATE"), 405, "Not Allowed")
			m := s.conn.Expect("INVITE")
			if m.Body != "v=0 offer 2\r\n" || siptest.Tag(m.Get("To")) != leg.Tag {
				t.Errorf("re-INVITE:\n%s", m)
			}
			s.conn.Respond(m, 491, "Request Pending") // glare
			s.conn.Expect("ACK")
			m = s.conn.Expect("INVITE")
			s.conn.Send(siptest.Response(m, 200, "OK", "", "Contact: "+leg.Contact, "Session-Expires: 120;refresher=uac", sdp).String())
			s.conn.Expect("ACK")
			if m = s.conn.Expect("INVITE"); m.Get("Session-Expires") != "120;refresher=uac" {
				t.Errorf("re-INVITE:\n%s", m)
			}
			leg.Request("INVITE", "Contact: "+leg.Contact, sdp) // glare, the other way
			s.conn.ExpectStatus("INVITE", 491)
			leg.ACK(491)
			s.conn.Respond(m, 481, "Gone")
			s.conn.Expect("ACK")
			s.conn.Respond(s.conn.Expect("BYE"), 481, "Gone")
			s.ended(c, HungUp, 481)
			s.over(c)
		})
	})
	t.Run("too small", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(422, "Session Interval Too Small", "Min-SE: 1800")
			s.conn.Expect("ACK")
			leg = s.conn.ExpectInvite()
			if leg.Invite.Get("Session-Expires") != "1800;refresher=uas" || leg.Invite.Get("Min-SE") != "1800" || leg.Invite.Seq() != 2 {
				t.Errorf("INVITE:\n%s", leg.Invite)
			}
			leg.Respond(422, "Session Interval Too Small", "Min-SE: 1800") // and again: no
			s.conn.Expect("ACK")
			s.event(c, Sent)
			s.ended(c, Failed, 422)
			s.over(c)
		})
	})
	t.Run("they never answer a refresh", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, _ := s.talk("Session-Expires: 120;refresher=uac")
			s.conn.Expect("UPDATE")
			s.conn.Expect("BYE")
			s.ended(c, NetworkLost, 408)
			s.over(c)
		})
	})
}

// The connection dies in a call: media goes on, and the far end is told the new way.
func TestConnectionLostInCall(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		c, leg := s.talk()
		s.conn.Kill()
		s.conn = s.srv.Conn()
		m := s.conn.Expect("INVITE")
		if siptest.Tag(m.Get("To")) != leg.Tag || m.Body != "v=0 offer 2\r\n" || m.Seq() != leg.Invite.Seq()+1 {
			t.Errorf("re-INVITE:\n%s", m)
		}
		s.conn.Challenge(m, 407)
		s.conn.Expect("ACK")
		m = s.conn.Expect("INVITE")
		s.conn.Send(siptest.Response(m, 200, "OK", "", "Contact: "+leg.Contact, sdp).String())
		s.conn.Expect("ACK")
		if s.media.all()[0].isClosed() {
			t.Error("the media was closed")
		}
		s.hangUp(c)
	})
}

// The button is pressed while the socket is dead without knowing it: the call is
// made on a new one, seconds later.
func TestInviteOnDeadConnection(t *testing.T) {
	play(t, siptest.Options{Mute: true}, func(s *stage) {
		start := time.Now()
		c := s.dial("1001")
		s.conn.Expect("INVITE") // swallowed
		s.event(c, Sent)
		s.conn = s.srv.Conn()
		leg := s.conn.ExpectInvite()
		if d := time.Since(start); d > 9*time.Second {
			t.Errorf("repeated after %v", d)
		}
		leg.Respond(486, "Busy Here")
		s.conn.Expect("ACK")
		s.ended(c, Busy, 486)
		s.over(c)

		c = s.dial("1001") // and no connection comes
		s.conn.Expect("INVITE")
		s.event(c, Sent)
		s.srv.Close()
		s.ended(c, NetworkLost, 0)
		s.over(c)
	})
}

func TestConnectionLostForGood(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(s *stage)
		want Cause
	}{
		"the server has forgotten the call": {func(s *stage) {
			s.conn = s.srv.Conn()
			m := s.conn.Expect("INVITE")
			s.conn.Respond(m, 481, "Gone")
			s.conn.Expect("ACK")
			s.conn.Respond(s.conn.Expect("BYE"), 481, "Gone")
		}, HungUp}, // or hung up while we were away
		"the server was started anew": {func(s *stage) {
			s.srv.Down()
			time.Sleep(2 * time.Second)
			s.srv.Up()
			s.conn = s.srv.Conn()
			m := s.conn.Expect("INVITE")
			s.conn.Respond(m, 481, "Gone")
			s.conn.Expect("ACK")
			s.conn.Respond(s.conn.Expect("BYE"), 481, "Gone")
		}, NetworkLost},
		"the server does not come back": {func(s *stage) { s.srv.Close() }, NetworkLost},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, _ := s.talk()
				s.conn.Kill()
				tc.end(s)
				if e := s.event(c, Ended).Ending; e.Cause != tc.want {
					t.Errorf("%+v", e)
				}
				s.over(c)
			})
		})
	}
}
