package phone

import (
	"context"
	"errors"
	"time"
)

// MediaFactory makes the media of calls.
type MediaFactory interface {
	// NewSession returns a session that can offer or answer within milliseconds.
	NewSession(ctx context.Context) (MediaSession, error)
}

// MediaFunc makes a [MediaFactory] of a function.
type MediaFunc func(ctx context.Context) (MediaSession, error)

// NewSession calls f.
func (f MediaFunc) NewSession(ctx context.Context) (MediaSession, error) { return f(ctx) }

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
	// States tells "connected" when audio can flow, "disconnected" when it stopped,
	// "moved" when the local address in use has gone (see [Restarter]), "failed" and
	// "closed" when it is over.
	States() <-chan string
	// Digits tells each DTMF key once.
	Digits() <-chan rune
	// SendDigits sends DTMF keys.
	SendDigits(digits string)
	// OnHold reports whether the far end's last SDP put us on hold.
	OnHold() bool
	// Close ends the session within a second. It may be called again.
	Close() error
}

// Hearer is what a [MediaSession] may implement as well: it can tell whether the far
// end is heard. A call whose session cannot is never ended for silence. Heard may be
// called from any goroutine.
type Hearer interface {
	// Heard says when the last RTP packet of the far end came, the zero time if none
	// has, and whether any are due: a far end may have agreed to listen only.
	Heard() (last time.Time, due bool)
}

// Participant is what a [MediaSession] may implement as well: it knows that the far end
// is there although it is not heard. LastReport may be called from any goroutine.
type Participant interface {
	// LastReport says when the last RTCP report of the far end came (RFC 3550, 6.4), the
	// zero time if none has. A far end that is muted sends nothing else.
	LastReport() time.Time
}

// Restarter is what a [MediaSession] may implement as well: it can find new paths
// after it has told "moved". Restart is called like Offer, which follows it.
type Restarter interface {
	// Restart makes the next Offer one with new candidates and credentials (ICE
	// restart). It fails while an earlier one is unanswered.
	Restart() error
}

// Words of [MediaSession.States].
const (
	mediaConnected    = "connected"
	mediaDisconnected = "disconnected"
	mediaMoved        = "moved"
	mediaFailed       = "failed"
	mediaClosed       = "closed"
)

// noCommonCodec reports whether a media error says that both sides share no
// codec, which is told apart from faults (488, and a clear word to the user).
func noCommonCodec(err error) bool {
	var e interface{ NoCommonCodec() bool }
	return errors.As(err, &e) && e.NoCommonCodec()
}
