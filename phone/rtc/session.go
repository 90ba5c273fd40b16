package rtc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"intercomd/phone"
	"intercomd/phone/rtc/sdpfix"
)

const (
	reportInterval = 5 * time.Second // of RTCP (RFC 3550 §6.2)
	lookInterval   = time.Second     // at the addresses of this machine
	negotiateLimit = 2 * time.Second // for gathering candidates during a call
)

// Session is the media of one call. Offer, Answer, Accept and Restart are for the
// signalling side, one at a time; WriteFrame is for one writer at a time; everything else may be called from any goroutine.
type Session struct {
	f     *Factory
	log   *slog.Logger
	ssrc  uint32
	cname string
	life  context.Context //nolint:containedctx // ends with Close; negotiation waits under it
	end   context.CancelFunc
	wait  sync.WaitGroup // the watcher
	wake  chan struct{}  // the connection's state may have changed
	hurry chan struct{}  // connecting began: check candidate pairs often

	in      *receiver
	arrived atomic.Pointer[func()]
	out     *sender
	agreed  atomic.Pointer[agreement]
	current atomic.Pointer[transport]

	events   sync.Mutex // guards sending to and closing of the two channels
	isClosed bool
	states   chan phone.MediaState
	digits   chan rune

	mu      sync.Mutex // guards the negotiation below
	closed  bool
	text    description // our last description
	local   sdpfix.ICE
	remote  *sdpfix.Description
	shape   *sdpfix.Description // the last offer that we answered: further ones have its streams
	ours    []sdpfix.Format     // what our last offer said
	answer  string              // the far end's last answer, word for word
	role    sdpfix.Setup        // ours in DTLS, once it is settled
	open    bool                // an offer of ours is unanswered in pion
	seeking bool                // names of the far end are looked for
}

func newSession(f *Factory, t *transport) *Session {
	s := &Session{
		f: f, ssrc: rand.Uint32(), //nolint:gosec // SSRCs and names need no secrecy
		cname:  strconv.FormatUint(rand.Uint64(), 36), //nolint:gosec // as above
		wake:   make(chan struct{}, 1),
		hurry:  make(chan struct{}, 1),
		states: make(chan phone.MediaState, 16),
		digits: make(chan rune, 64),
	}
	s.log = f.log.With("media", s.cname)
	s.text.id = rand.Uint64() >> 2 //nolint:gosec // RFC 8866 §5.2 wants a number, and some read it as signed
	s.life, s.end = context.WithCancel(context.Background())
	s.in = newReceiver(s.pressed)
	s.out = newSender(s.write, s.life.Done())
	s.out.lost = func(digits int) {
		s.log.Warn("digits were not sent: the call was on hold or had no connection for too long", "count", digits)
	}
	s.adopt(t)
	s.wait.Go(s.watch)
	return s
}

// adopt makes t the transport of the session.
func (s *Session) adopt(t *transport) {
	s.current.Store(t)
	t.listen(s)
}

// States delivers changes of the connection; the channel is closed after
// phone.MediaClosed. States that nobody reads are dropped, the newest first.
func (s *Session) States() <-chan phone.MediaState { return s.states }

// Digits delivers the keys that the far end presses, one for each press; the
// channel is closed with the session.
func (s *Session) Digits() <-chan rune { return s.digits }

// OnHold reports whether the far end has put us on hold: it does not want to
// receive. Nothing is sent then.
func (s *Session) OnHold() bool {
	a := s.agreed.Load()
	return a != nil && a.held
}

// Codec is what WriteFrame has to carry now. Its Name is empty until a description
// of the far end was accepted. It can change with each further one, and with what the far end
// reports of loss.
func (s *Session) Codec() Codec {
	a := s.agreed.Load()
	if a == nil {
		return Codec{}
	}
	c := a.send
	c.Clean, c.Copies = s.out.spends()
	return c
}

// Receive calls take for each audio packet that waits, in order of arrival, and returns; it
// never blocks. The packet and its payload belong to take until that returns; it must be
// quick and must not call the session, since packets that come meanwhile wait for it. Digits are
// not among them. A change of the source shows as a new SSRC. At most 64 packets are kept, and
// those that have waited for more than 250 ms are dropped. The only error is io.EOF, after Close.
func (s *Session) Receive(take func(*Packet)) error { return s.in.drain(take) }

// OnPacket has arrived called, from another goroutine, whenever a packet has come, for who would come for it at
// once. It must be quick and must not call the session.
func (s *Session) OnPacket(arrived func()) { s.arrived.Store(&arrived) }

// WriteFrame sends one frame of audio. samples is its length on the codec's RTP
// clock. marker begins a talk spurt; after a pause it is set anyway. While there
// is no connection, on hold, and during digits the frame is dropped and the result
// is nil. The only error is io.ErrClosedPipe, after Close.
func (s *Session) WriteFrame(payload []byte, samples uint32, marker bool) error {
	return s.out.frame(payload, samples, marker)
}

// SendDigits sends keys (0-9, *, #, A-D) as telephone-events, 100 ms each with
// pauses of 70 ms. It returns at once. Audio is held back meanwhile. On hold and
// while there is no connection they wait, for five seconds.
func (s *Session) SendDigits(digits string) {
	if n := s.out.digits(digits); n > 0 {
		s.log.Warn("digits were not sent: the far end does not support telephone-event, or they are not DTMF keys", "count", n)
	}
}

// CanSendDigits reports whether the far end takes telephone-event.
func (s *Session) CanSendDigits() bool {
	a := s.agreed.Load()
	return a != nil && a.digits.Name != ""
}

// Close ends the media: it says good-bye to the far end, closes the sockets and
// waits for all goroutines, at most about a second. Further calls do nothing.
func (s *Session) Close() error {
	s.end() // first, so that a negotiation under way gives up
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.out.close()
	s.in.close()
	s.wait.Wait()
	s.out.wait.Wait()
	s.current.Load().close()
	s.tell(phone.MediaClosed)
	s.events.Lock()
	defer s.events.Unlock()
	s.isClosed = true
	close(s.states)
	close(s.digits)
	return nil
}

// tell passes a state on unless nobody reads them.
func (s *Session) tell(state phone.MediaState) {
	s.events.Lock()
	defer s.events.Unlock()
	if s.isClosed {
		return
	}
	select {
	case s.states <- state:
	default:
	}
}

func (s *Session) pressed(key rune) {
	s.events.Lock()
	defer s.events.Unlock()
	if s.isClosed {
		return
	}
	select {
	case s.digits <- key:
	default:
	}
}

func (s *Session) write(h *rtp.Header, payload []byte) (int, error) {
	h.SSRC = s.ssrc
	return s.current.Load().write(h, payload)
}

// onRTP implements listener.
func (s *Session) onRTP(t *transport, packet []byte) {
	defer s.guard("RTP")
	if t == s.current.Load() {
		s.in.packet(s.agreed.Load(), packet, time.Now())
		if arrived := s.arrived.Load(); arrived != nil {
			(*arrived)()
		}
	}
}

// onChange implements listener.
func (s *Session) onChange() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// guard keeps a fault in code that the network drives from ending the daemon.
func (s *Session) guard(what string) {
	if r := recover(); r != nil {
		s.log.Error("a fault while reading "+what, "panic", r, "stack", string(debug.Stack()))
	}
}

func (s *Session) quicken() {
	select {
	case s.hurry <- struct{}{}:
	default:
	}
}

// watch watches over the connection, checks candidate pairs often while it comes up, and
// sends RTCP reports. It ends with the session.
func (s *Session) watch() {
	report := time.NewTicker(reportInterval)
	defer report.Stop()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	where := s.f.mover()
	defer where.news.close()
	check := time.NewTimer(time.Hour)
	defer check.Stop()
	told, begun := phone.MediaState(""), time.Now()
	for {
		select {
		case <-s.life.Done():
			return
		case <-s.wake:
			if state := stateOf(s.current.Load().state()); state != "" && state != told {
				told = state
				s.log.Debug("media", "state", state)
				s.tell(state)
			}
		case <-s.hurry:
			begun = time.Now()
			check.Reset(checkPause(0))
		case now := <-check.C:
			if t := s.current.Load(); t.connecting() {
				t.forceChecks()
				check.Reset(checkPause(now.Sub(begun)))
			}
		case now := <-report.C:
			s.report(now)
		case <-look.C:
			if where.moved(s.current.Load().localAddr(), s.f.has) && told != phone.MediaMoved {
				told = phone.MediaMoved
				s.log.Info("the local address of a running call is gone")
				s.tell(phone.MediaMoved)
			}
		}
	}
}

// checkPause is the time to the next check of all pairs, by how long connecting has
// taken so far.
func checkPause(since time.Duration) time.Duration {
	switch {
	case since < 30*time.Millisecond:
		return 4 * time.Millisecond
	case since < 100*time.Millisecond:
		return 10 * time.Millisecond
	case since < 400*time.Millisecond:
		return 20 * time.Millisecond
	case since < 1500*time.Millisecond:
		return 50 * time.Millisecond
	case since < 10*time.Second:
		return 200 * time.Millisecond
	}
	return time.Second // each adds to pion's list of candidates
}

func stateOf(s webrtc.PeerConnectionState) phone.MediaState {
	switch s {
	case webrtc.PeerConnectionStateConnected:
		return phone.MediaConnected
	case webrtc.PeerConnectionStateDisconnected:
		return phone.MediaDisconnected
	case webrtc.PeerConnectionStateFailed:
		return phone.MediaFailed
	}
	return ""
}

func (s *Session) report(now time.Time) {
	t := s.current.Load()
	if t.state() != webrtc.PeerConnectionStateConnected {
		return
	}
	if err := t.control(s.control(now)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.log.Debug("an RTCP report was not sent", "error", err)
	}
}
