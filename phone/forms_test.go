package phone

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// This file has headers and bodies in forms that are legal and rare.

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/forms/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Bodies of a 200, and whether a session description is found in them. What is found is
// given to the media exactly as it was.
func TestBodiesOfAnswers(t *testing.T) {
	const part = "--sep\r\nContent-Type: application/sdp\r\n\r\nv=0 fs\r\n\r\n"
	isup := read(t, "answer-multipart-sdp-isup.body")
	for name, tc := range map[string]struct {
		kind, body string
		extra      []string
		found      bool
	}{
		"SDP and ISUP":              {`multipart/mixed;boundary=sep`, isup, nil, true},
		"boundary in quotes":        {`multipart/mixed; boundary="sep"`, isup, nil, true},
		"other letters and spaces":  {`Multipart/MIXED ; x="a;boundary=no" ; Boundary = "sep" ; y=1`, isup, nil, true},
		"a boundary of odd letters": {`multipart/mixed;boundary="a b'()+_,-./:=?"`, strings.ReplaceAll(isup, "--sep", "--a b'()+_,-./:=?"), nil, true},
		"preamble and epilogue":     {`multipart/mixed;boundary=sep`, "This is for others.\r\n--sepx\r\n" + part + "--sep--\r\nand this", nil, true},
		"LF alone":                  {`multipart/mixed;boundary=sep`, strings.ReplaceAll(part+"--sep--\r\n", "\r\n", "\n"), nil, true},
		"the last boundary missing": {`multipart/mixed;boundary=sep`, part, nil, true},
		"compact header":            {"", isup, []string{"c: multipart/mixed;boundary=sep"}, true},
		"in a multipart in a multipart": {`multipart/mixed;boundary=out`, "--out\r\nContent-Type: text/plain\r\n\r\nhello\r\n" +
			"--out\r\nContent-Type: multipart/related;boundary=sep\r\n\r\n" + part + "--sep--\r\n--out--\r\n", nil, true},
		"alternatives: the last is the best": {`multipart/alternative;boundary=sep`,
			"--sep\r\nContent-Type: application/sdp\r\n\r\nv=0 broken\r\n" + part + "--sep\r\nContent-Type: text/html\r\n\r\nno\r\n--sep--\r\n", nil, true},
		"mixed: the first counts": {`multipart/mixed;boundary=sep`, part + "--sep\r\nContent-Type: application/sdp\r\n\r\nv=0 broken\r\n--sep--\r\n", nil, true},
		"early media of RFC 3959 beside the session": {`multipart/mixed;boundary=sep`,
			"--sep\r\nContent-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\nv=0 broken\r\n" + part + "--sep--\r\n", nil, true},
		"base64": {`multipart/mixed;boundary=sep`,
			"--sep\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0wIGZz\r\nDQo=\r\n--sep--\r\n", nil, true},
		"quoted-printable": {`multipart/mixed;boundary=sep`,
			"--sep\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nv=3D0 fs=\r\n=0D=0A\r\n--sep--\r\n", nil, true},
		"with parameters":         {`application/sdp;charset=utf-8`, "v=0 fs\r\n", nil, true},
		"a session, so it says":   {`application/sdp`, "v=0 fs\r\n", []string{"Content-Disposition: session;handling=required"}, true},
		"not encoded, so it says": {`APPLICATION/SDP`, "v=0 fs\r\n", []string{"Content-Encoding: identity"}, true},

		"compressed":            {`application/sdp`, "v=0 fs\r\n", []string{"e: gzip"}, false},
		"another disposition":   {`application/sdp`, "v=0 fs\r\n", []string{"Content-Disposition: early-session"}, false},
		"no boundary":           {`multipart/mixed`, isup, nil, false},
		"another boundary":      {`multipart/mixed;boundary=seq`, isup, nil, false},
		"no SDP in it":          {`multipart/mixed;boundary=sep`, "--sep\r\nContent-Type: text/plain\r\n\r\nv=0 fs\r\n--sep--\r\n", nil, false},
		"nested without an end": {`multipart/mixed;boundary=a`, strings.Repeat("--a\r\nContent-Type: multipart/mixed;boundary=a\r\n\r\n", 100), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c := s.dial("1001")
				leg := s.conn.ExpectInvite()
				extra := tc.extra
				if tc.kind != "" {
					extra = append(extra, "Content-Type: "+tc.kind)
				}
				leg.Respond(200, "OK", append(extra, "\r\n"+tc.body)...)
				s.conn.Expect("ACK")
				s.event(c, Sent)
				if !tc.found {
					s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
					s.ended(c, NoCodec, 0)
					s.over(c)
					return
				}
				s.event(c, Answered)
				if got := s.media.last().accepts; len(got) != 1 || strings.TrimSpace(got[0]) != "v=0 fs" {
					t.Errorf("the media was given %q", got)
				}
				s.hangUp(c)
			})
		})
	}
}

// Bodies of an INVITE: what must be understood, and is not, is refused.
func TestBodiesOfOffers(t *testing.T) {
	const offer = "--sep\r\nContent-Type: application/sdp\r\n\r\nv=0 fs\r\n"
	for name, tc := range map[string]struct {
		headers []string
		body    string
		status  int
	}{
		"SDP and ISUP":              {[]string{"Content-Type: multipart/mixed;boundary=sep"}, read(t, "answer-multipart-sdp-isup.body"), 486},
		"a part that is required":   {[]string{"Content-Type: multipart/mixed;boundary=sep"}, offer + "--sep\r\nContent-Type: application/x\r\nContent-Disposition: signal ; handling=Required\r\n\r\nx\r\n--sep--\r\n", 415},
		"a picture of the caller":   {[]string{"Content-Type: multipart/mixed;boundary=sep"}, offer + "--sep\r\nContent-Type: image/png\r\nContent-Disposition: icon\r\n\r\nx\r\n--sep--\r\n", 486},
		"a body that is not needed": {[]string{"Content-Type: application/x", "Content-Disposition: render;handling=optional"}, "x", 486},
		"a body that is":            {[]string{"Content-Type: application/x"}, "x", 415},
		"compressed":                {[]string{"Content-Type: application/sdp", "Content-Encoding: gzip"}, "x", 415},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(append(tc.headers, "\r\n"+tc.body)...)
				if tc.status == 486 {
					(<-s.media.incoming).End(Busy)
				}
				m := leg.ExpectStatus(tc.status)
				if tc.status == 415 && (!strings.Contains(m.Get("Accept"), "multipart/mixed") || m.Get("Accept-Encoding") != "identity") {
					t.Errorf("refused with\n%s", m)
				}
				leg.ACK(tc.status)
			})
		})
	}
}

// A call from the telephone network: From and To are tel URIs (RFC 3966).
func TestInviteFromTel(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		invite := strings.ReplaceAll(strings.ReplaceAll(read(t, "invite-from-tel.sip"), "\r\n", "\n"), "\n", "\r\n")
		s.conn.Send(invite)
		c := <-s.media.incoming
		if c.Remote() != (Party{URI: "tel:+493055501234", User: "+493055501234"}) {
			t.Errorf("%+v", c.Remote())
		}
		c.Answer()
		ok := s.conn.ExpectStatus("INVITE", 200)
		if ok.Get("From") != "<tel:+493055501234>;tag=t1" || !strings.HasPrefix(ok.Get("To"), "<tel:+493055500000>;tag=") {
			t.Errorf("200:\n%s", ok)
		}
		ack := siptest.Parse(invite)
		ack.Start = "ACK sip:1000@pbx.test SIP/2.0"
		ack.Set("CSeq", "7 ACK").Set("To", ok.Get("To")).Set("Content-Type", "").Set("Via", "SIP/2.0/WSS 192.0.2.5:7443;branch=z9hG4bKtel2").Body = ""
		s.conn.Send(ack.String())
		s.event(c, Answered)
		c.End(HungUp)
		bye := s.conn.Expect("BYE")
		if bye.URI() != "sip:192.0.2.5:5060;transport=wss" || bye.Get("To") != "<tel:+493055501234>;tag=t1" {
			t.Errorf("BYE:\n%s", bye)
		}
		s.conn.Respond(bye, 200, "OK")
		s.ended(c, HungUp, 0)
		s.over(c)
	})
}

// Who calls, as From and P-Asserted-Identity say it.
func TestCallers(t *testing.T) {
	for name, tc := range map[string]struct {
		headers []string
		want    Party
	}{
		"escaped":               {[]string{"=From: <sip:9901%231@pbx.test>;tag=a"}, Party{URI: "sip:9901%231@pbx.test", User: "9901#1"}},
		"umlaut":                {[]string{"=From: <sip:t%C3%BCr@pbx.test>;tag=a"}, Party{URI: "sip:t%C3%BCr@pbx.test", User: "tür"}},
		"escapes of nothing":    {[]string{"=From: <sip:a%00%0A@pbx.test>;tag=a"}, Party{URI: "sip:a%00%0A@pbx.test", User: "a%00%0A"}},
		"no brackets":           {[]string{"=From: sip:1001@pbx.test;tag=a"}, Party{URI: "sip:1001@pbx.test", User: "1001"}},
		"bare tel":              {[]string{"=From: tel:+49-30-(555).1;phone-context=x;tag=a"}, Party{URI: "tel:+49305551", User: "+49305551"}},
		"local tel":             {[]string{"=From: <tel:7042;phone-context=example.com>;tag=a"}, Party{URI: "tel:7042", User: "7042"}},
		"number in a SIP URI":   {[]string{"=From: <sip:+49-30-555;isub=2@gw.test;user=phone>;tag=a"}, Party{URI: "sip:+49-30-555;isub=2@gw.test", User: "+4930555"}},
		"another user":          {[]string{"=From: <sip:1001;x@pbx.test>;tag=a"}, Party{URI: "sip:1001;x@pbx.test", User: "1001;x"}},
		"tokens":                {[]string{"=From: Front Desk <sip:1001@pbx.test>;tag=a"}, Party{URI: "sip:1001@pbx.test", User: "1001", Name: "Front Desk"}},
		"an empty name":         {[]string{`=From: "" <sip:1001@pbx.test>;tag=a`}, Party{URI: "sip:1001@pbx.test", User: "1001"}},
		"quotes, > and ; in it": {[]string{`=From: "a \"b\" <c>; tag=x, d" <sip:1001@pbx.test>;tag=a`}, Party{URI: "sip:1001@pbx.test", User: "1001", Name: `a "b" <c>; tag=x, d`}},
		"a > behind it":         {[]string{`=From: <sip:1001@pbx.test>;x="<a>;b>c";tag=a`}, Party{URI: "sip:1001@pbx.test", User: "1001"}},
		"IPv6":                  {[]string{`=From: <sip:1001@[2001:db8::1]:5060>;tag=a`}, Party{URI: "sip:1001@[2001:db8::1]:5060", User: "1001"}},
		"IPv6 in a parameter":   {[]string{`=From: <sip:pbx.test;maddr=[2001:db8::1]>;tag=a`}, Party{URI: "sip:pbx.test"}},
		"compact":               {[]string{`=From:`, `f: <sip:1001@pbx.test>;tag=a`}, Party{URI: "sip:1001@pbx.test", User: "1001"}},
		"asserted":              {[]string{`P-Asserted-Identity: "Bell, A." <sip:1007@pbx.test>, <tel:+491>`}, Party{URI: "sip:1007@pbx.test", User: "1007", Name: "Bell, A."}},
		"asserted by tel":       {[]string{`P-Asserted-Identity: tel:+491`}, Party{URI: "tel:+491", User: "+491"}},
		"asserted twice":        {[]string{`P-Asserted-Identity: <sip:pbx.test>`, `P-Asserted-Identity: <tel:+491>`}, Party{URI: "tel:+491", User: "+491"}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(append(tc.headers, sdp)...)
				c := <-s.media.incoming
				if c.Remote() != tc.want {
					t.Errorf("%+v, want %+v", c.Remote(), tc.want)
				}
				c.End(Busy)
				leg.ExpectStatus(486)
				leg.ACK(486)
				s.ended(c, Busy, 0)
				s.over(c)
			})
		})
	}
}

// Requests in odd clothes are understood as what they are.
func TestOddClothes(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		m := leg.Make("OPTIONS")
		m.Set("CSeq", strings.Replace(m.Get("CSeq"), " ", " \t  ", 1))
		text := strings.NewReplacer("From:", "f  :", "To:", "T:", "Via:", "v\t:", "Call-ID:", "i :", "Max-Forwards:", "MAX-FORWARDS :", "CSeq:", "cSEQ :").Replace(m.String())
		s.conn.Send(strings.Replace(text, ";branch=", "\r\n ;branch=", 1))
		s.conn.ExpectStatus("OPTIONS", 200)
		s.hangUp(c)
	})
}

// The way to the far end, as proxies write it: it comes back in every request, URI by URI
// as it was.
func TestRoutes(t *testing.T) {
	for name, tc := range map[string]struct {
		headers []string
		uri     string
		routes  []string
	}{
		"two headers": {[]string{"Record-Route: <sip:a.test;lr>", "Record-Route: <sip:b.test;lr=on;ftag=x%3By>"},
			"sip:1001@10.0.0.1:5060", []string{"<sip:b.test;lr=on;ftag=x%3By>", "<sip:a.test;lr>"}},
		"two values in one": {[]string{`Record-Route: "A, <b>" <sip:a.test;lr>;x="1,2>", <sips:b.test:5061;transport=ws;LR>`},
			"sip:1001@10.0.0.1:5060", []string{"<sips:b.test:5061;transport=ws;LR>", "<sip:a.test;lr>"}},
		"without brackets": {[]string{"Record-Route: sip:a.test;lr", "Record-Route: sip:b.test:5060;transport=ws;lr"},
			"sip:1001@10.0.0.1:5060", []string{"<sip:b.test:5060;transport=ws;lr>", "<sip:a.test;lr>"}},
		"IPv6": {[]string{"Record-Route: <sip:[2001:db8::1]:5060;lr;received=sip:[2001:db8::2]>"},
			"sip:1001@10.0.0.1:5060", []string{"<sip:[2001:db8::1]:5060;lr;received=sip:[2001:db8::2]>"}},
		"a user with ;lr is none": {[]string{"Record-Route: <sip:x;lr@a.test>", "Record-Route: <sip:b.test;lr>"},
			"sip:1001@10.0.0.1:5060", []string{"<sip:b.test;lr>", "<sip:x;lr@a.test>"}},
		"a strict router": {[]string{"Record-Route: <sip:b.test;lr>", "Record-Route: <sip:a.test:5062;transport=ws;method=INVITE?x=y>"},
			"sip:a.test:5062;transport=ws", []string{"<sip:b.test;lr>", "<sip:1001@10.0.0.1:5060>"}},
		"Contact compact, with all it may have": {[]string{"=Contact:", `m: "A; b" <sip:1001@h.test;alias=[2001:db8::1]~5060~6;x=%22?Subject=no>;q=0.1;+sip.instance="<urn:x>"`},
			"sip:1001@h.test;alias=[2001:db8::1]~5060~6;x=%22", nil},
		"Contact without brackets": {[]string{"=Contact: sip:1001@h.test;expires=60"}, "sip:1001@h.test", nil},
		"Contact is a tel URI":     {[]string{"=Contact: <tel:+4930>"}, "tel:+4930", nil},
		"two Contacts":             {[]string{"=Contact: <sip:a@h.test>, <sip:b@h.test>"}, "sip:a@h.test", nil},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c := s.dial("1001")
				leg := s.conn.ExpectInvite()
				leg.Contact = "<sip:1001@10.0.0.1:5060>"
				leg.Respond(200, "OK", append(tc.headers, sdp)...)
				ack := s.conn.Expect("ACK")
				s.events(c, Sent, Answered)
				c.End(HungUp)
				bye := s.conn.Expect("BYE")
				for _, m := range []*siptest.Msg{ack, bye} {
					if got := m.All("Route"); m.URI() != tc.uri || strings.Join(got, " ") != strings.Join(tc.routes, " ") {
						t.Errorf("%s goes to %s by %q", m.Method(), m.URI(), got)
					}
				}
				s.conn.Respond(bye, 200, "OK")
				s.ended(c, HungUp, 0)
				s.over(c)
			})
		})
	}
}

// What the grammar does not allow in a user is escaped wherever it goes on the wire, and
// nowhere else: not for digest, and not for people.
func TestUsersAreEscaped(t *testing.T) {
	play(t, siptest.Options{Password: "sec#ret%41 ü"}, func(s *stage) {
		reg := s.srv.Registers()[1]
		if !strings.Contains(reg.Get("Authorization"), `username="9901#1"`) || siptest.URIOf(reg.Get("To")) != "sip:9901%231@pbx.test" ||
			partyOf(reg.Get("From")) != (Party{URI: "sip:9901%231@pbx.test", User: "9901#1", Name: `Tür "1" \ <a>, b`}) || !strings.HasPrefix(siptest.URIOf(reg.Get("Contact")), "sip:9901%231@") {
			t.Errorf("REGISTER:\n%s", reg)
		}
		if !strings.HasPrefix(reg.Get("From"), `"Tür \"1\" \\ <a>, b" <`) {
			t.Errorf("From: %s", reg.Get("From"))
		}
		if got := s.ua.Registration().User; got != "9901#1@pbx.test" {
			t.Errorf("registered as %q", got)
		}
		c := s.dial("*21#1001")
		leg := s.conn.ExpectInvite()
		if leg.Invite.URI() != "sip:*21%231001@pbx.test" || leg.Invite.Get("To") != "<sip:*21%231001@pbx.test>" || c.Remote().User != "*21#1001" {
			t.Errorf("%+v:\n%s", c.Remote(), leg.Invite)
		}
		if !strings.Contains(leg.Invite.Get("Proxy-Authorization"), `uri="sip:*21%231001@pbx.test"`) {
			t.Errorf("credentials: %s", leg.Invite.Get("Proxy-Authorization"))
		}
		leg.Respond(486, "Busy")
		s.conn.Expect("ACK")
		s.event(c, Sent)
		s.ended(c, Busy, 486)
		s.over(c)
		in := s.conn.Call(sdp) // to the Contact that was registered
		call := <-s.media.incoming
		call.End(Busy)
		in.ExpectStatus(486)
		in.ACK(486)
	}, func(c *Config) {
		c.User, c.Password, c.DisplayName = "9901#1", "sec#ret%41 ü", "Tür \"1\" \\ <a>, b\r\n"
	})
}

func TestEscapedUsers(t *testing.T) {
	for in, want := range map[string]string{
		"1001": "1001", "a.b-c_d!e~f*g'h(i)j": "a.b-c_d!e~f*g'h(i)j", "&=+$,;?/": "&=+$,;?/", "*21#1": "*21%231", "a b": "a%20b",
		"tür": "t%C3%BCr", "%": "%25", "%4": "%254", "%41": "%41", "%zz": "%25zz", "100%": "100%25", `"\^[]{}|`: "%22%5C%5E%5B%5D%7B%7D%7C",
	} {
		if got := escapeUser(in); got != want || escapeUser(got) != got {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// The answer to REGISTER says by which way calls go out (RFC 3608).
func TestServiceRoute(t *testing.T) {
	var routes atomic.Pointer[[]string] // what the server answers with
	answer := func(lines ...string) { routes.Store(&lines) }
	o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		extra := append([]string{"Contact: " + m.Get("Contact")}, *routes.Load()...)
		c.Respond(m, 200, "OK", extra...)
		return true
	}}
	dial := func(s *stage, uri string, want ...string) {
		s.t.Helper()
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		if got := leg.Invite.All("Route"); leg.Invite.URI() != uri || strings.Join(got, " ") != strings.Join(want, " ") {
			s.t.Errorf("INVITE to %s by %q, want %q", leg.Invite.URI(), got, want)
		}
		leg.Respond(180, "Ringing")
		s.events(c, Sent, Ringing)
		c.End(HungUp)
		cancel := s.conn.Expect("CANCEL")
		if got := cancel.All("Route"); strings.Join(got, " ") != strings.Join(want, " ") {
			s.t.Errorf("CANCEL by %q", got)
		}
		s.conn.Respond(cancel, 200, "OK")
		leg.Respond(487, "Request Terminated")
		if got := s.conn.Expect("ACK").All("Route"); strings.Join(got, " ") != strings.Join(want, " ") {
			s.t.Errorf("ACK by %q", got)
		}
		s.ended(c, HungUp, 0)
		s.over(c)
	}
	answer("Service-Route: <sip:orig@192.0.2.9:5060;lr>", `Service-Route: "B, c" <sip:b.test;lr=on>, <sip:c.test;lr>`)
	play(t, o, func(s *stage) {
		all := []string{"<sip:orig@192.0.2.9:5060;lr>", "<sip:b.test;lr=on>", "<sip:c.test;lr>"}
		dial(s, "sip:1001@pbx.test", all...)
		go func() { _ = s.ua.SendText(s.t.Context(), "1001", "hello") }()
		m := s.conn.Expect("MESSAGE")
		if got := m.All("Route"); strings.Join(got, " ") != strings.Join(all, " ") {
			t.Errorf("MESSAGE by %q", got)
		}
		s.conn.Respond(m, 200, "OK")

		// The way within a dialog is that of the dialog.
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(200, "OK", "Record-Route: <sip:p.test;lr>", sdp)
		if got := s.conn.Expect("ACK").All("Route"); strings.Join(got, " ") != "<sip:p.test;lr>" {
			t.Errorf("ACK by %q", got)
		}
		s.events(c, Sent, Answered)
		s.hangUp(c)

		answer("Service-Route: <sip:d.test;lr>")
		time.Sleep(5 * time.Minute) // a refresh
		dial(s, "sip:1001@pbx.test", "<sip:d.test;lr>")
		for _, r := range s.srv.Registers() {
			if r.Get("Route") != "" {
				t.Errorf("REGISTER by %q", r.Get("Route"))
			}
		}
		answer("Service-Route: <sip:strict.test>")
		time.Sleep(5 * time.Minute)
		dial(s, "sip:strict.test", "<sip:1001@pbx.test>")
		answer()
		time.Sleep(5 * time.Minute)
		dial(s, "sip:1001@pbx.test")
		answer("Service-Route: " + strings.Repeat("<sip:x.test;lr>, ", 8) + "<sip:x.test;lr>")
		time.Sleep(5 * time.Minute)
		dial(s, "sip:1001@pbx.test")
	})
}

// The addresses of a redirection are tried by their q (RFC 3261, 8.1.3.4 and 20.10).
func TestRedirections(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int
		contact []string
		want    []string // URIs of the INVITEs that follow
		routes  string   // of the first
	}{
		"by q":                   {302, []string{"Contact: <sip:a@pbx.test>;q=0.2, <sip:b@pbx.test>;q=0.9, <sip:c@pbx.test>;q=0.5"}, []string{"sip:b@pbx.test", "sip:c@pbx.test", "sip:a@pbx.test"}, ""},
		"equal q: as they stand": {300, []string{"Contact: <sip:a@pbx.test>;q=0.5", "m: <sip:b@pbx.test>;q=0.50"}, []string{"sip:a@pbx.test", "sip:b@pbx.test"}, ""},
		"none is 1":              {301, []string{"Contact: <sip:a@pbx.test>;q=0.99, <sip:b@pbx.test>, <sip:c@pbx.test>;q=1.0"}, []string{"sip:b@pbx.test", "sip:c@pbx.test", "sip:a@pbx.test"}, ""},
		"nonsense is 1":          {302, []string{"Contact: <sip:a@pbx.test>;q=0.9, <sip:b@pbx.test>;q=x, <sip:c@pbx.test>;Q=\"0.1\""}, []string{"sip:b@pbx.test", "sip:a@pbx.test", "sip:c@pbx.test"}, ""},
		"a number":               {302, []string{"Contact: <tel:+49-30-555>"}, []string{"sip:+4930555@pbx.test;user=phone"}, ""},
		"not by call":            {302, []string{"Contact: *, <1001>, <mailto:a@pbx.test>, <sip:a@pbx.test;method=MESSAGE>, <sip:b@pbx.test;method=INVITE?Subject=x>"}, []string{"sip:b@pbx.test"}, ""},
		"to itself":              {302, []string{"Contact: <sip:1001@pbx.test>"}, nil, ""},
		"through a proxy":        {305, []string{"Contact: <sip:proxy.test;lr>"}, []string{"sip:1001@pbx.test"}, "<sip:proxy.test;lr>"},
		"another service":        {380, []string{"Contact: <sip:112@pbx.test>"}, nil, ""},
		"no more than four":      {302, []string{"Contact: <sip:a@pbx.test>,<sip:b@pbx.test>,<sip:c@pbx.test>,<sip:d@pbx.test>,<sip:e@pbx.test>"}, []string{"sip:a@pbx.test", "sip:b@pbx.test", "sip:c@pbx.test", "sip:d@pbx.test"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c := s.dial("1001")
				s.conn.ExpectInvite().Respond(tc.status, "Elsewhere", tc.contact...)
				s.conn.Expect("ACK")
				s.event(c, Sent)
				last := Failed
				status := tc.status
				for i, want := range tc.want {
					leg := s.conn.ExpectInvite()
					if leg.Invite.URI() != want || i == 0 && leg.Invite.Get("Route") != tc.routes {
						t.Errorf("INVITE %d:\n%s", i, leg.Invite)
					}
					leg.Respond(486, "Busy Here")
					s.conn.Expect("ACK")
					last, status = Busy, 486
				}
				s.ended(c, last, status)
				s.over(c)
			})
		})
	}
}

// Why a registration is refused is told in the server's own words.
func TestRefusedRegistrationIsTold(t *testing.T) {
	o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		c.Respond(m, 403, "Forbidden", `Warning: 399 pbx.test "Device limit, \"1000\" has two"`)
		return true
	}}
	synctest.Test(t, func(t *testing.T) {
		o.Pipe = true
		s := begin(t, siptest.New(t, o))
		s.conn = s.srv.Conn()
		r := s.state(RefusedRetrying)
		if want := `403 Forbidden (Device limit, "1000" has two)`; r.Err == nil || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("told %v, want %s", r.Err, want)
		}
		s.quit()
	})
}

// A caller who gives up because somebody else answered has not been missed.
func TestAnsweredElsewhere(t *testing.T) {
	for name, header := range map[string]string{
		"SIP": `Reason: SIP;cause=200;text="Call completed elsewhere"`, "Q.850": "Reason: Q.850 ;cause=26", "FreeSWITCH": `Reason: FreeSWITCH;cause=702;text="LOSE_RACE"`,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(sdp)
				c := <-s.media.incoming
				leg.Cancel(header)
				s.conn.ExpectStatus("CANCEL", 200)
				leg.ExpectStatus(487)
				leg.ACK(487)
				s.ended(c, AnsweredElsewhere, 487)
				s.over(c)

				leg = s.conn.Call(sdp) // by BYE, as RFC 3261 allows it to a caller
				c = <-s.media.incoming
				c.Ring()
				leg.ExpectStatus(180)
				leg.Request("BYE", header)
				s.conn.ExpectStatus("BYE", 200)
				leg.ExpectStatus(487)
				leg.ACK(487)
				if e := s.event(c, Ended).Ending; e.Cause != AnsweredElsewhere {
					t.Errorf("BYE: %+v", e)
				}
				s.over(c)
			})
		})
	}
}

// A server with letters that DNS does not know is looked up, verified and named on the
// wire in the form that it does.
func TestServerWithUmlaut(t *testing.T) {
	for _, name := range []string{"tür.example.org", "TÜR.example.org", "tu\u0308r.example.org", "tür。example.org"} {
		ua, err := New(Config{Servers: []string{"wss://" + name + ":7443"}, User: "1000", Owner: newFakeMedia()})
		if err != nil {
			t.Fatal(err)
		}
		if s := ua.servers[0]; s.host != "xn--tr-xka.example.org" || s.domain != "xn--tr-xka.example.org" {
			t.Errorf("%q is %+v", name, s)
		}
		for _, target := range []string{"1001@" + name, "sip:1001@" + name + ":5060;x=y"} {
			if uri, err := parseTarget(target, ""); err != nil || uri.Host != "xn--tr-xka.example.org" {
				t.Errorf("%q is %q (%v)", target, uri.String(), err)
			}
		}
	}
	for _, c := range []Config{
		{Servers: []string{"wss://tür_x.example.org"}, User: "1000"}, {Servers: []string{"wss://a"}, User: "1000@tür_x.org"}, {Servers: []string{"wss://a"}, User: "1000", Domain: "tür x"},
	} {
		c.Owner = newFakeMedia()
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	ua, err := New(Config{Servers: []string{"wss://[::1]:7443"}, User: "1000", Domain: "::1", Owner: newFakeMedia()})
	if err != nil || ua.servers[0].domain != "[::1]" {
		t.Errorf("the domain of an address: %v", err)
	}
}
