package simulate

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"intercomd/phone"
)

// mute is the media of a call that shall only ring: an offer as a door makes it, and nothing behind.
// It implements [phone.MediaSession].
type mute struct {
	states chan phone.MediaState
	digits chan rune
	closed bool // by Close, which like all others is called by one goroutine at a time
}

func newMute() *mute {
	return &mute{states: make(chan phone.MediaState), digits: make(chan rune)}
}

var errMute = errors.New("simulate: this call has no media")

// Offer is one of WebRTC (RFC 8829), so that a far end that judges it before it rings does so. Its one
// candidate is of TEST-NET-1 (RFC 5737), where nobody is.
func (*mute) Offer() ([]byte, error) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	key := strings.ReplaceAll(fmt.Sprintf("% X", b), " ", ":")
	return []byte(strings.ReplaceAll(`v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
t=0 0
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 101
c=IN IP4 192.0.2.1
a=rtpmap:111 opus/48000/2
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=ice-ufrag:`+rand.Text()[:8]+`
a=ice-pwd:`+rand.Text()+`
a=fingerprint:sha-256 `+key+`
a=setup:actpass
a=mid:0
a=rtcp-mux
a=sendrecv
a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host
a=end-of-candidates
`, "\n", "\r\n")), nil
}

// Answer refuses: what has no media answers no call.
func (*mute) Answer([]byte) ([]byte, error) { return nil, errMute }

// Accept takes any answer: the call is hung up at once.
func (*mute) Accept([]byte) error { return nil }

// States tells nothing before Close.
func (m *mute) States() <-chan phone.MediaState { return m.states }

// Digits tells nothing.
func (m *mute) Digits() <-chan rune { return m.digits }

// SendDigits does nothing.
func (*mute) SendDigits(string) {}

// CanSendDigits is false.
func (*mute) CanSendDigits() bool { return false }

// OnHold is false.
func (*mute) OnHold() bool { return false }

// Heard says that nothing is due.
func (*mute) Heard() (last time.Time, due bool) { return last, false }

// LastReport is never.
func (*mute) LastReport() time.Time { return time.Time{} }

// Restart fails.
func (*mute) Restart() error { return errMute }

// Close ends it.
func (m *mute) Close() error {
	if !m.closed {
		m.closed = true
		close(m.states)
		close(m.digits)
	}
	return nil
}
