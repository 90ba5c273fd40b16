package phone

import (
	"errors"
	"time"
)

// MediaSession is the media of one call: SDP in and out, and what happens to it.
// The phone calls Offer, Answer, Accept and Close from one goroutine at a time.
type MediaSession interface {
	// Offer returns a complete offer with all candidates. Called again after an
	// answer it makes a re-offer of the running session.
	Offer() ([]byte, error)
	// Answer answers the far end's offer, the first or a later one.
	Answer(offer []byte) ([]byte, error)
	// Accept applies the answer to our offer. A repeated identical answer changes
	// nothing; a different one replaces it (early media of another fork).
	Accept(answer []byte) error
	// States tells what becomes of the connection. It is closed after [MediaClosed].
	States() <-chan MediaState
	// Digits tells each DTMF key once.
	Digits() <-chan rune
	// SendDigits sends DTMF keys in RTP.
	SendDigits(digits string)
	// CanSendDigits reports whether the far end takes keys in RTP (RFC 4733). Where it does
	// not they are sent by INFO.
	CanSendDigits() bool
	// OnHold reports whether the far end's last SDP put us on hold.
	OnHold() bool
	// Heard says when the last RTP packet of the far end came, the zero time if none has, and
	// whether any are due: a far end may have agreed to listen only, and a session may not know;
	// a call whose session does not is never ended for silence. It may be called from any
	// goroutine.
	Heard() (last time.Time, due bool)
	// LastReport says when the last RTCP report of the far end came (RFC 3550, 6.4), the zero
	// time if none has. A far end that is muted sends nothing else. It may be called from any
	// goroutine.
	LastReport() time.Time
	// Restart makes the next Offer one with new candidates and credentials (ICE restart), after
	// [MediaMoved]. It fails while an earlier one is unanswered.
	Restart() error
	// Close ends the session within a second. It may be called again.
	Close() error
}

// MediaState says how the connection of a [MediaSession] is.
type MediaState string

// The states of a connection.
const (
	// MediaConnected: audio can flow. After MediaDisconnected it means that the far end is
	// reachable again.
	MediaConnected MediaState = "connected"
	// MediaDisconnected: the far end has not been heard of for some seconds. Sending goes on, and
	// it may recover.
	MediaDisconnected MediaState = "disconnected"
	// MediaMoved: the address in use is no longer one of this machine, and there is another.
	// [MediaSession.Restart] and a further offer bring the audio back.
	MediaMoved MediaState = "moved"
	// MediaFailed: there will be no audio, such as where the far end's certificate is not the one
	// that its SDP names.
	MediaFailed MediaState = "failed"
	// MediaClosed: Close was called. Nothing follows.
	MediaClosed MediaState = "closed"
)

// noCommonCodec reports whether a media error says that both sides share no
// codec, which is told apart from faults (488, and a clear word to the user).
func noCommonCodec(err error) bool {
	var e interface{ NoCommonCodec() bool }
	return errors.As(err, &e) && e.NoCommonCodec()
}
