package phone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/phone/siptest"
)

// Everything that must not be seen, in every place where it may stand.
func TestRedact(t *testing.T) {
	const invite = "INVITE sip:1001@pbx.test SIP/2.0\r\nVia: SIP/2.0/WSS h.invalid;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n"
	const info = "INFO sip:1001@pbx.test SIP/2.0\r\nCSeq: 2 INFO\r\n"
	for name, text := range map[string]string{
		"credentials":               invite + "Authorization: Digest username=\"1000\", response=\"SECRET\"\r\n\r\n",
		"of a proxy":                invite + "Proxy-Authorization: Digest response=SECRET\r\n\r\n",
		"folded":                    invite + "Proxy-Authorization: Digest realm=x,\r\n response=SECRET\r\n\tcnonce=SECRET\r\n\r\n",
		"with a space":              invite + "authorization : Digest response=SECRET\r\n\r\n",
		"bare line feeds":           strings.ReplaceAll(invite+"Authorization: SECRET\r\n\r\n", "\r\n", "\n"),
		"bare carriage returns":     "INVITE sip:a@b SIP/2.0\rAuthorization: SECRET\r\r",
		"Authentication-Info":       "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nAuthentication-Info: rspauth=\"SECRET\"\r\n\r\n",
		"a header of nobody":        invite + "X-Door-Code: SECRET\r\n\r\n",
		"no header at all":          invite + "SECRET\r\n\r\n",
		"password in a URI":         "INVITE sip:1001:SECRET@pbx.test SIP/2.0\r\nFrom: <sip:1000:SECRET@pbx.test>;tag=1\r\n\r\n",
		"password of the web":       invite + "Call-Info: <https://door:SECRET@pbx.test/x>;answer-after=0\r\n\r\n",
		"token of the web":          invite + "Alert-Info: <https://pbx.test/ring.wav?token=SECRET>\r\n\r\n",
		"headers in a URI":          "REFER sip:a@b SIP/2.0\r\nRefer-To: <sip:1009@pbx.test?Authorization=SECRET>\r\n\r\n",
		"keys of the media":         invite + "Content-Type: application/sdp\r\n\r\nv=0\r\na=ice-pwd:SECRET\r\na=crypto:1 AES inline:SECRET\r\nk=clear:SECRET\r\na=key-mgmt:mikey SECRET\r\n",
		"SDP of another age":        invite + "c: application/sdp\r\n\r\nv=0\ni=SECRET\na=SECRET\nu=http://SECRET\na=x-secret:SECRET\nSECRET\n",
		"keys, dtmf-relay":          info + "Content-Type: application/dtmf-relay\r\n\r\nSignal=SECRET\r\nDuration=160\r\n",
		"keys, dtmf":                info + "Content-Type: application/dtmf\r\n\r\nSECRET",
		"keys as what they are not": info + "Content-Type: application/sdp\r\n\r\ns=SECRET\r\n",
		"keys without a type":       info + "\r\nSECRET",
		"a text":                    "MESSAGE sip:1000@pbx.test SIP/2.0\r\nContent-Type: text/plain\r\n\r\nSECRET",
		"a text in an INVITE":       invite + "Content-Type: text/plain\r\n\r\nSECRET",
		"two types":                 invite + "Content-Type: text/plain\r\nc: application/sdp\r\n\r\ns=SECRET",
		"no type":                   invite + "\r\ns=SECRET",
		"parts":                     invite + "Content-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\nv=0\r\ns=SECRET\r\n--x--",
		"body of an answer":         "SIP/2.0 200 OK\r\nCSeq: 3 MESSAGE\r\nContent-Type: application/sdp\r\n\r\ns=SECRET",
		"a notice":                  "NOTIFY sip:1000@pbx.test SIP/2.0\r\nContent-Type: message/sipfrag\r\n\r\nSECRET\r\n",
		"no SIP":                    "SECRET\r\n\r\nSECRET",
		"a secret alone":            "SECRET",
		"folded start":              " SECRET\r\n\tSECRET\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := redact(text); strings.Contains(got, "SECRET") {
				t.Errorf("shows\n%s", got)
			}
		})
	}
}

// What is needed to understand a call is still there.
func TestRedactLeaves(t *testing.T) {
	for _, pattern := range []string{"testdata/freeswitch/*.sip", "testdata/torture/*.dat"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := siptest.Parse(string(data))
			if m == nil || strings.Contains(file, "torture") {
				_ = redact(string(data)) // must not break on it
				continue
			}
			got := redact(string(data))
			want := []string{m.Start, "Call-ID: " + m.Get("Call-ID"), "CSeq: " + m.Get("CSeq"), "From: " + m.Get("From")}
			if strings.Contains(m.Body, "a=fingerprint") && m.Method() == "INVITE" {
				want = append(want, "a=ice-ufrag:", "a=rtpmap:", "m=audio", "a=ice-pwd:"+redacted)
			}
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("%s lacks %q:\n%s", file, w, got)
				}
			}
		}
	}
}

// A secret in any of the places that are for secrets is never shown, whatever stands
// around it.
func FuzzRedact(f *testing.F) {
	for _, s := range []string{"", "INVITE sip:a@b SIP/2.0", "Via: SIP/2.0/WSS h", "a=rtpmap:0 PCMU/8000", "Content-Type: application/sdp", " folded", "\r\n", "\n\n"} {
		f.Add(s, s, uint8(len(s)))
	}
	f.Fuzz(func(t *testing.T, before, after string, place uint8) {
		const secret = "7h3-C0D3"
		if strings.Contains(before+after, secret) {
			return
		}
		places := []string{
			"\r\nAuthorization: Digest response=\"%s\"\r\n", "\r\nProxy-Authorization: Digest\r\n response=%s\r\n",
			"\r\nAuthentication-Info: rspauth=%s\r\n", "\r\na=ice-pwd:%s\r\n", "\r\na=crypto:1 X inline:%s\r\n", "\r\nk=clear:%s\r\n",
			"\r\nSignal=%s\r\n", "\r\nFrom: <sip:1000:%s@pbx.test>\r\n", "\r\nContact: <sip:1000@h?Authorization=%s>\r\n",
		}
		line := fmt.Sprintf(places[int(place)%len(places)], secret)
		if got := redact(before + line + after); strings.Contains(got, secret) {
			t.Errorf("%q shows\n%s", before+line+after, got)
		}
		// And a body of a message that is for keys or texts.
		for _, method := range []string{"INFO", "MESSAGE"} {
			text := method + " sip:a@b SIP/2.0\r\nCSeq: 1 " + method + "\r\n\r\n" + before + secret + after
			if got := redact(text); strings.Contains(got, secret) {
				t.Errorf("%q shows\n%s", text, got)
			}
		}
	})
}

func TestLadderKeepsCalls(t *testing.T) {
	var l sipTrace
	call := func(id string) { l.add(true, id, "INVITE sip:a@b SIP/2.0\r\nCall-ID: "+id+"\r\n\r\n") }
	more := func(id string, n int) {
		for i := range n {
			l.add(i%2 == 0, id, fmt.Sprintf("INFO sip:a@b SIP/2.0\r\nCSeq: %d INFO\r\n\r\n", i+2))
		}
	}
	l.add(false, "early", "BYE sip:a@b SIP/2.0\r\n\r\n") // of no call
	call("first")
	more("first", 3)
	for i := range 1000 {
		l.add(true, "reg", fmt.Sprintf("REGISTER sip:b SIP/2.0\r\nCSeq: %d REGISTER\r\n\r\n", i))
	}
	if got := l.of("first"); len(got) != 4 || !strings.HasPrefix(got[0].Text, "INVITE") || got[0].CallID != "first" {
		t.Errorf("a night of registrations left %d messages of the call", len(got))
	}
	if l.of("early") != nil || l.of("reg") != nil {
		t.Error("not a call")
	}

	more("first", 200)
	got := l.of("first")
	if len(got) != traceHead+traceTail || got[traceHead].Skipped != 204-traceHead-traceTail || !strings.Contains(got[len(got)-1].Text, "CSeq: 201 ") {
		t.Errorf("%d messages, %d skipped, the last %q", len(got), got[traceHead].Skipped, got[len(got)-1].Text)
	}
	for i := 1; i < len(got); i++ {
		if got[i].seq <= got[i-1].seq {
			t.Error("out of order")
		}
	}
	for i := range traceCalls {
		call(fmt.Sprint("c", i))
	}
	if l.of("first") != nil || len(l.of("c0")) != 1 {
		t.Error("the oldest call must go first")
	}
	all := l.all()
	if len(all) != traceCalls+traceRest {
		t.Errorf("%d messages in all", len(all))
	}
}

func TestLadderIsBounded(t *testing.T) {
	var l sipTrace
	big := "INVITE sip:a@b SIP/2.0\r\nTo: " + strings.Repeat("é", traceSize) + "\r\n\r\n"
	for c := range 2 * traceCalls {
		for range 2 * (traceHead + traceTail) {
			l.add(true, fmt.Sprint("call", c), big)
		}
	}
	l.add(true, strings.Repeat("x", traceID+1), big) // no call for whoever makes up such a name
	n := 0
	for _, m := range l.all() {
		n += len(m.Text)
	}
	if most := traceBytes + traceRest*(traceSize+8); n > most || n < traceBytes/2 {
		t.Errorf("%d bytes, at most %d", n, most)
	}
	if l.bytes > traceBytes {
		t.Errorf("counts %d bytes", l.bytes)
	}
}
