package rtc

import (
	"intercomd/phone"
	"regexp"
	"strings"
	"testing"
)

// bundleOnly puts a stream before the audio stream of a description, and the transport into
// that one, as a browser does with the policy max-bundle.
func bundleOnly(t *testing.T, text []byte) []byte {
	t.Helper()
	port := regexp.MustCompile(`m=audio (\d+) `).FindStringSubmatch(string(text))[1]
	var transport strings.Builder
	lines := regexp.MustCompile(`(?m)^a=(ice-|fingerprint|setup|candidate|rtcp-|end-of)[^\r]*\r\n`)
	rest := lines.ReplaceAllStringFunc(string(text), func(l string) string {
		transport.WriteString(l)
		return ""
	})
	return edit(t, []byte(rest), "a=group:BUNDLE 0", "a=group:BUNDLE v 0", "a=mid:0", "a=mid:0\r\na=bundle-only", "m=audio "+port+" ",
		"m=video "+port+" UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 127.0.0.1\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\n"+transport.String()+"m=audio 0 ")
}

// A call whose audio stream is the second of a bundle, without a port of its own: connected,
// put on hold and taken back. The first stream speaks for the transport of both, so it is
// accepted, and stays idle.
func TestAudioSecondInBundle(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	offer, err := a.Offer()
	must(t, err)
	answer, err := b.Answer(bundleOnly(t, offer))
	must(t, err)
	text := string(answer)
	if !regexp.MustCompile(`(?s)a=group:BUNDLE v 0\r\n.*m=video [1-9]\d+ .*a=inactive\r\na=rtpmap:96 .*m=audio [1-9].*a=sendrecv`).MatchString(text) {
		t.Errorf("the answer is\n%s", text)
	}
	must(t, a.Accept(answer))
	awaitState(t, a, phone.MediaConnected)
	heard(t, a, b, 1)
	heard(t, b, a, 2)
	before := b.current.Load()
	again, err := a.Offer()
	must(t, err)
	_, err = b.Answer(edit(t, bundleOnly(t, again), "a=sendrecv", "a=sendonly"))
	must(t, err)
	if !b.OnHold() || b.current.Load() != before {
		t.Error("hold is no hold, or a new connection")
	}
	_, err = b.Answer(bundleOnly(t, again))
	must(t, err)
	heard(t, a, b, 3)
	heard(t, b, a, 4)
}
