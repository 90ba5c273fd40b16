package rtc

import (
	"bytes"
	"errors"
	"fmt"
	"intercomd/phone"
	"strings"
	"testing"
	"time"

	"intercomd/phone/rtc/sdpfix"
)

// edit replaces text that must be there.
func edit(t testing.TB, text []byte, pairs ...string) []byte {
	t.Helper()
	s := string(text)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("no %q in\n%s", pairs[i], s)
		}
		s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
	}
	return []byte(s)
}

func TestOfferIsComplete(t *testing.T) {
	s := testSession(t, testFactory(t, Config{}))
	offer, err := s.Offer()
	must(t, err)
	text := string(offer)
	for _, want := range []string{
		"UDP/TLS/RTP/SAVPF 111 0 8 63 110 126\r\n", "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n", "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n",
		"a=rtpmap:110 telephone-event/48000\r\n", "a=rtpmap:126 telephone-event/8000\r\n",
		"c=IN IP4 127.0.0.1\r\n", "a=setup:actpass\r\n", "a=rtcp-mux\r\n", "a=end-of-candidates\r\n", "a=sendrecv\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "0.0.0.0") || strings.Contains(text, "m=audio 9 ") {
		t.Errorf("no real address in\n%s", text)
	}
	again, err := s.Offer()
	must(t, err)
	if !bytes.Equal(offer, again) {
		t.Errorf("the same offer differs:\n%s", again)
	}
}

// Hold, unhold and session refresh leave media as it is, whoever asks for it.
func TestReinvites(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	ssrc := heard(t, a, b, 1).SSRC
	transports := [2]*transport{a.current.Load(), b.current.Load()}
	defer func() {
		if transports != [2]*transport{a.current.Load(), b.current.Load()} {
			t.Error("a connection was replaced")
		}
	}()
	refresh, err := a.Offer()
	must(t, err)
	if !strings.Contains(string(refresh), "a=setup:passive\r\n") { // b was active
		t.Errorf("a further offer is to keep the role:\n%s", refresh)
	}

	answer, err := b.Answer(edit(t, refresh, "a=sendrecv", "a=sendonly", "a=setup:passive", "a=setup:actpass"))
	must(t, err)
	if s := string(answer); !strings.Contains(s, "a=recvonly") || !strings.Contains(s, "a=setup:active") {
		t.Errorf("the answer to hold is\n%s", answer)
	}
	must(t, a.Accept(answer))
	if !b.OnHold() || a.OnHold() {
		t.Errorf("b on hold: %t, a: %t", b.OnHold(), a.OnHold())
	}
	if _, due := b.Heard(); !due {
		t.Error("music may come on hold")
	}
	if _, due := a.Heard(); due {
		t.Error("the side that is only listened to waits for sound")
	}
	sent := b.Stats().Sent
	must(t, b.WriteFrame([]byte{1, 2, 3}, 960, false))
	if b.Stats().Sent != sent {
		t.Error("b sends although it is on hold")
	}
	before := time.Now()
	heard(t, a, b, 2) // music on hold
	if last, _ := b.Heard(); last.Before(before) || last.After(time.Now()) {
		t.Errorf("heard at %v, not after %v", last, before)
	}

	answer, err = b.Answer(edit(t, refresh, "a=sendrecv", "a=inactive"))
	must(t, err)
	if !strings.Contains(string(answer), "a=inactive") || !b.OnHold() {
		t.Errorf("the answer to inactive is\n%s", answer)
	}

	answer, err = b.Answer(refresh)
	must(t, err)
	must(t, a.Accept(answer))
	if b.OnHold() {
		t.Error("b is still on hold")
	}
	if p := heard(t, a, b, 3); p.SSRC != ssrc {
		t.Errorf("the source changed from %d to %d", ssrc, p.SSRC)
	}
	heard(t, b, a, 4)

	// And the other way round: the side that has answered refreshes.
	offer, err := b.Offer()
	must(t, err)
	answer, err = a.Answer(offer)
	must(t, err)
	must(t, b.Accept(answer))
	heard(t, a, b, 5)
	heard(t, b, a, 6)
	for _, s := range []*Session{a, b} {
		select {
		case state := <-s.States():
			t.Errorf("state %q: media was disturbed", state)
		default:
		}
	}
}

// The version of our description grows when it differs, and only then.
func TestVersions(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	offer, err := a.Offer()
	must(t, err)
	version := func(answer []byte) string {
		d, err := sdpfix.Parse(answer)
		must(t, err)
		return d.Version
	}
	var got []string
	for _, dir := range []string{"sendrecv", "sendrecv", "sendonly", "sendonly", "sendrecv"} {
		answer, err := b.Answer(edit(t, offer, "a=sendrecv", "a="+dir))
		must(t, err)
		got = append(got, version(answer))
	}
	if s := strings.Join(got, " "); s != "1 1 2 2 3" {
		t.Errorf("versions %s", s)
	}
}

// 183 with SDP, then 200 with the same, then with another choice of codec.
func TestEarlyMediaThenAnswer(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	offer, err := a.Offer()
	must(t, err)
	early, err := b.Answer(offer)
	must(t, err)
	must(t, a.Accept(early))
	awaitState(t, a, phone.MediaConnected)
	heard(t, b, a, 1)
	must(t, a.Accept(early))
	heard(t, b, a, 2)

	final, err := b.Answer(edit(t, offer, "SAVPF 111 0 8", "SAVPF 8"))
	must(t, err)
	must(t, a.Accept(final))
	if a.Codec().Name != "PCMA" || b.Codec().Name != "PCMA" {
		t.Errorf("codecs %q and %q", a.Codec().Name, b.Codec().Name)
	}
	if p := heard(t, b, a, 3); p.Codec.PayloadType != 8 {
		t.Errorf("payload type %d", p.Codec.PayloadType)
	}
	heard(t, a, b, 4)
	select {
	case state := <-a.States():
		t.Errorf("state %q: media was disturbed", state)
	default:
	}
}

// Early media comes from one endpoint, the answer from another that has got the
// same offer.
func TestAnotherForkAnswers(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	other := testSession(t, testFactory(t, Config{}))
	sameHost := testSession(t, f) // the same certificate as b, but other ICE credentials
	offer, err := a.Offer()
	must(t, err)
	early, err := b.Answer(offer)
	must(t, err)
	must(t, a.Accept(early))
	awaitState(t, a, phone.MediaConnected)
	first := heard(t, b, a, 1)

	for i, next := range []*Session{other, sameHost} {
		f.mu.Lock()
		f.cert = nil // renewed meanwhile; a running call must not notice
		f.mu.Unlock()
		final, err := next.Answer(offer)
		must(t, err)
		must(t, a.Accept(final))
		awaitState(t, next, phone.MediaConnected)
		inUse, err := a.current.Load().local(nil)
		must(t, err)
		if got, want := fmt.Sprint(inUse), fmt.Sprint(a.local); got != want {
			t.Errorf("connected with %s, offered was %s", got, want)
		}
		mark := byte(10 + i)
		p := heard(t, next, a, mark)
		if p.SSRC == first.SSRC {
			t.Error("the source did not change")
		}
		if q := heard(t, a, next, mark); q.SSRC == p.SSRC {
			t.Error("both sides use one SSRC")
		}
	}
	again, err := a.Offer()
	must(t, err)
	for _, key := range []string{"a=ice-ufrag:", "a=ice-pwd:", "m=audio ", "a=fingerprint:"} {
		if line(offer, key) != line(again, key) {
			t.Errorf("%q became %q", line(offer, key), line(again, key))
		}
	}
}

func line(text []byte, prefix string) string {
	for l := range strings.SplitSeq(string(text), "\r\n") {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}

// A re-INVITE with new ICE credentials restarts ICE; both may ask for it.
func TestRestart(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	for i, pair := range [][2]*Session{{a, b}, {b, a}, {a, b}} {
		x, y := pair[0], pair[1]
		before, err := x.Offer()
		must(t, err)
		must(t, x.Restart())
		offer, err := x.Offer()
		must(t, err)
		if line(before, "a=ice-ufrag:") == line(offer, "a=ice-ufrag:") {
			t.Error("the credentials are the old ones")
		}
		if line(before, "a=setup:") != line(offer, "a=setup:") {
			t.Errorf("%s became %s", line(before, "a=setup:"), line(offer, "a=setup:"))
		}
		answer, err := y.Answer(offer)
		must(t, err)
		must(t, x.Accept(answer))
		heard(t, x, y, byte(20+i))
		heard(t, y, x, byte(30+i))
	}
	if err := testSession(t, f).Restart(); err == nil {
		t.Error("a call that is not established was restarted")
	}
}

// The far end may come back with a new certificate: a new connection.
func TestOfferFromNewEndpoint(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, testFactory(t, Config{}))
	connect(t, a, b)
	heard(t, a, b, 1)
	offer, err := testSessionOffer(t, a, b)
	must(t, err)
	heard(t, offer, b, 2)
	heard(t, b, offer, 3)
}

// testSessionOffer lets a new session with another certificate take a's place.
func testSessionOffer(t *testing.T, _, b *Session) (*Session, error) {
	c := testSession(t, testFactory(t, Config{}))
	offer, err := c.Offer()
	must(t, err)
	answer, err := b.Answer(offer)
	must(t, err)
	return c, c.Accept(answer)
}

func TestFingerprintMustMatch(t *testing.T) {
	for _, side := range []string{"offer", "answer"} {
		t.Run(side, func(t *testing.T) {
			f := testFactory(t, Config{})
			a, b := testSession(t, f), testSession(t, f)
			offer, err := a.Offer()
			must(t, err)
			alter := func(text []byte) []byte {
				print := strings.Fields(line(text, "a=fingerprint:"))[1]
				other := "00" + print[2:]
				if print[:2] == "00" {
					other = "01" + print[2:]
				}
				return edit(t, text, print, other)
			}
			given := offer
			if side == "offer" {
				given = alter(offer)
			}
			answer, err := b.Answer(given)
			must(t, err)
			deceived := b
			if side == "answer" {
				answer, deceived = alter(answer), a
			}
			must(t, a.Accept(answer))
			awaitState(t, deceived, phone.MediaFailed)
			for _, s := range []*Session{a, b} {
				must(t, s.WriteFrame([]byte{1, 2, 3}, 960, false))
			}
			if n := deceived.Stats(); n.Sent != 0 || n.Received != 0 {
				t.Errorf("media was exchanged: %+v", n)
			}
		})
	}
}

func TestNoCommonCodec(t *testing.T) {
	f := testFactory(t, Config{})
	s := testSession(t, f)
	offer, err := testSession(t, f).Offer()
	must(t, err)
	answer, err := testSession(t, f).Answer(offer)
	must(t, err)
	_, err = s.Offer()
	must(t, err)
	strange := []string{"opus/48000/2", "speex/32000", "PCMU/8000", "x/8000", "PCMA/8000", "y/8000"}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"offer of strangers", second(testSession(t, f).Answer(edit(t, offer, strange...))), true},
		{"offer without audio", second(testSession(t, f).Answer(edit(t, offer, "m=audio", "m=video"))), true},
		{"answer of strangers", s.Accept(edit(t, answer, strange[:2]...)), true},
		{"no ICE", s.Accept(edit(t, answer, "a=ice-", "a=x-")), false},
		{"no SDP", s.Accept([]byte("hello")), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e interface{ NoCommonCodec() bool }
			if got := errors.As(tt.err, &e) && e.NoCommonCodec(); tt.err == nil || got != tt.want {
				t.Errorf("%v; no common codec: %t", tt.err, got)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// A refused description changes nothing in a running call.
func TestBadReinviteDisturbsNothing(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	offer, err := a.Offer()
	must(t, err)
	if _, err := b.Answer(edit(t, offer, "opus/", "silk/", "PCMU/", "x/", "PCMA/", "y/")); err == nil {
		t.Error("accepted")
	}
	heard(t, a, b, 1)
	heard(t, b, a, 2)
}

// Closing is possible at any time, more than once, and ends everything.
func TestClose(t *testing.T) {
	f := testFactory(t, Config{})
	offer := func(s *Session) []byte {
		text, err := s.Offer()
		must(t, err)
		return text
	}
	answer := func(s *Session, text []byte) []byte {
		text, err := s.Answer(text)
		must(t, err)
		return text
	}
	stages := map[string]func(a, b *Session){
		"at once":           func(_, _ *Session) {},
		"offered":           func(a, _ *Session) { offer(a) },
		"answered":          func(a, b *Session) { answer(b, offer(a)) },
		"during connecting": func(a, b *Session) { must(t, a.Accept(answer(b, offer(a)))) },
		"connected":         func(a, b *Session) { connect(t, a, b) },
		"sending digits":    func(a, b *Session) { connect(t, a, b); a.SendDigits("123456") },
	}
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			a, b := testSession(t, f), testSession(t, f)
			stage(a, b)
			for range 2 {
				must(t, a.Close())
			}
			last := phone.MediaState("")
			for state := range a.States() {
				last = state
			}
			if last != phone.MediaClosed {
				t.Errorf("the last state is %q", last)
			}
			for range a.Digits() {
			}
			if err := a.Receive(func(*Packet) {}); err == nil {
				t.Error("reading goes on")
			}
			if err := a.WriteFrame([]byte{1}, 960, false); err == nil {
				t.Error("writing goes on")
			}
			if _, err := a.Offer(); !errors.Is(err, ErrClosed) {
				t.Errorf("offering: %v", err)
			}
		})
	}
}

func TestDigitsAreHeard(t *testing.T) {
	for _, codec := range []string{"opus", "PCMU"} {
		t.Run(codec, func(t *testing.T) {
			f := testFactory(t, Config{Codecs: []string{codec}})
			a, b := testSession(t, f), testSession(t, f)
			connect(t, a, b)
			if !a.CanSendDigits() {
				t.Fatal("no telephone-event")
			}
			a.SendDigits("11#")
			a.SendDigits("dx*")
			var got []rune
			limit := time.After(patience)
			for len(got) < 5 {
				select {
				case key := <-b.Digits():
					got = append(got, key)
				case <-limit:
					t.Fatalf("heard %q", string(got))
				}
			}
			if string(got) != "11#D*" {
				t.Errorf("heard %q", string(got))
			}
			heard(t, a, b, 7) // and audio goes on
		})
	}
}

// A further offer has the streams and payload types of the call, even if they were
// the far end's (RFC 3264 §8): a browser refuses one that forgets its video.
func TestOfferAfterAnswer(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	offer, err := a.Offer()
	must(t, err)
	// 110 and 126 mean something else here.
	offer = edit(t, offer,
		"SAVPF 111 0 8 63 110 126", "SAVPF 96 126 0 101", "rtpmap:111", "rtpmap:96", "fmtp:111", "fmtp:96",
		"rtpmap:126 telephone-event/8000", "rtpmap:126 CN/48000", "rtpmap:110", "rtpmap:101",
		"a=group:BUNDLE 0", "a=group:BUNDLE x y", "a=mid:0", "a=mid:x",
		"a=end-of-candidates\r\n", "a=end-of-candidates\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:y\r\n")
	_, err = b.Answer(offer)
	must(t, err)
	again, err := b.Offer()
	must(t, err)
	text := string(again)
	for _, want := range []string{
		"SAVPF 96 0 8 101\r\n", "a=rtpmap:96 opus/48000/2\r\n", "a=rtpmap:101 telephone-event/48000\r\n",
		"a=group:BUNDLE x\r\n", "a=mid:x\r\n", "m=video 0 UDP/TLS/RTP/SAVPF 97\r\n", "a=mid:y\r\n", "a=setup:active\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Both sides restart ICE at once; ours gives way.
func TestRestartGlare(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	must(t, a.Restart())
	_, err := a.Offer() // refused with 491, say
	must(t, err)
	must(t, b.Restart())
	offer, err := b.Offer()
	must(t, err)
	answer, err := a.Answer(offer)
	must(t, err)
	must(t, b.Accept(answer))
	heard(t, a, b, 1)
	heard(t, b, a, 2)
	must(t, a.Restart()) // and later its turn comes
	offer, err = a.Offer()
	must(t, err)
	answer, err = b.Answer(offer)
	must(t, err)
	must(t, a.Accept(answer))
	heard(t, a, b, 3)
}
