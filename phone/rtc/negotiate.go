package rtc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"intercomd/phone/rtc/sdpfix"
)

// description numbers our session descriptions (RFC 3264 §5, §8).
type description struct {
	id, version uint64
	last        string // without the version
}

// Offer returns a complete description with all candidates: the first offer of a
// call, or a further one (session refresh, end of hold) that repeats what is
// established: the same streams and payload types, whoever has offered them first.
// It takes less than a millisecond.
func (s *Session) Offer() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.local.Ufrag == "" {
		local, err := s.begin(false)
		if err != nil {
			return nil, err
		}
		s.local = local
	}
	setup := sdpfix.ActPass
	if s.role != "" {
		setup = s.role // RFC 8842 §5.3: the same role keeps the DTLS association
	}
	s.ours = s.f.formats
	if s.shape != nil {
		s.ours = offerAgain(s.f.formats, s.shape.Formats)
	}
	return s.render(sdpfix.SendRecv, setup, s.ours, s.shape), nil
}

// begin makes pion offer: at the start of a call, or to restart ICE.
func (s *Session) begin(restart bool) (sdpfix.ICE, error) {
	ctx, cancel := context.WithTimeout(s.life, negotiateLimit)
	defer cancel()
	local, err := s.current.Load().offer(ctx, restart)
	if err == nil {
		s.open = true
	}
	return local, err
}

// Restart prepares an ICE restart, for when the machine's addresses have changed:
// the next Offer has new credentials and candidates (RFC 8839 §4.4.1.1.1). Audio
// stops until its answer is accepted and a new path is found; DTLS goes on.
func (s *Session) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.remote == nil || s.open {
		return errors.New("restarting ICE: the call is not established, or a restart is under way")
	}
	n, err := s.f.network()
	if err != nil {
		return fmt.Errorf("restarting ICE: %w", err)
	}
	s.current.Load().move(n)
	local, err := s.begin(true)
	if err != nil {
		return fmt.Errorf("restarting ICE: %w", err)
	}
	s.local = local
	return nil
}

// Answer accepts an offer of the far end and returns our answer: the first one of
// an incoming call, or a later one (hold, session refresh, change of codec). With
// unchanged ICE credentials the media goes on undisturbed; new ones restart ICE; a
// new fingerprint makes a new connection. After an error everything is as before.
func (s *Session) Answer(offer []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	d, err := parse(offer)
	if err != nil {
		return nil, err
	}
	a, err := fromOffer(s.f.formats, d)
	if err != nil {
		return nil, err
	}
	role := s.role
	if role == "" {
		role = answerRole(d.DTLS.Setup)
	}
	switch s.change(d) {
	case changeFirst, changeICE:
		err = s.answerICE(d, role)
	case changeDTLS:
		err = s.answerAnew(d)
	case changeNone:
		s.addCandidates(d)
	}
	if err != nil {
		return nil, err
	}
	if s.role == "" {
		s.role = role
	}
	s.remote, s.shape = d, d
	s.agree(a)
	s.seek(d)
	return s.render(a.direction, s.role, a.formats, d), nil
}

// answerRole takes the DTLS role of an answer (RFC 5763 §5): client where the far
// end lets us choose, which saves half a round trip.
func answerRole(theirs sdpfix.Setup) sdpfix.Setup {
	if theirs == sdpfix.Active {
		return sdpfix.Passive
	}
	return sdpfix.Active
}

func (s *Session) answerICE(d *sdpfix.Description, role sdpfix.Setup) error {
	ctx, cancel := context.WithTimeout(s.life, negotiateLimit)
	defer cancel()
	t := s.current.Load()
	if s.open && s.remote != nil {
		// A restart of ours gives way to theirs. pion cannot take an offer back, but an
		// answer that changes nothing ends it as well.
		if err := t.accept(s.remote, role); err != nil {
			return err
		}
		s.open = false
	}
	local, err := t.answer(ctx, d, role)
	if err != nil {
		return err
	}
	s.local = local
	s.quicken()
	return nil
}

// answerAnew connects to a new DTLS association with a fresh transport.
func (s *Session) answerAnew(d *sdpfix.Description) error {
	ctx, cancel := context.WithTimeout(s.life, negotiateLimit)
	defer cancel()
	n, err := s.f.network()
	if err != nil {
		return fmt.Errorf("reading the network interfaces: %w", err)
	}
	t, err := s.f.newTransport(ctx, n, nil, identity{})
	if err != nil {
		return err
	}
	role := answerRole(d.DTLS.Setup)
	local, err := t.answer(ctx, d, role)
	if err != nil {
		t.close()
		return err
	}
	old := s.current.Load()
	s.adopt(t)
	old.close()
	s.local, s.role, s.open = local, role, false
	s.quicken()
	return nil
}

// Accept takes an answer to our offer: the SDP of a 183 or of a 200. The same one
// again is ignored. One that differs while ICE and DTLS stay as they are changes
// codecs and direction only. Different credentials are those of another endpoint
// (another fork has answered): it is connected to anew, on the same ports. After
// an error everything is as before, but for a failed change of endpoint.
func (s *Session) Accept(answer []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.local.Ufrag == "" {
		return errors.New("accepting an answer: no offer was made")
	}
	if string(answer) == s.answer && !s.open {
		return nil
	}
	d, err := parse(answer)
	if err != nil {
		return err
	}
	a, err := fromAnswer(s.ours, d)
	if err != nil {
		return err
	}
	// Before packets can arrive: they are read by it.
	before := s.agreed.Load()
	s.agree(a)
	if err := s.acceptTransport(d); err != nil {
		if before != nil {
			s.agree(before)
		}
		return err
	}
	s.remote, s.answer = d, string(answer)
	s.seek(d)
	return nil
}

func (s *Session) acceptTransport(d *sdpfix.Description) error {
	what, role := s.change(d), s.role
	if role == "" {
		role = offerRole(d.DTLS.Setup)
	}
	switch {
	case s.open && what != changeDTLS:
		if err := s.current.Load().accept(d, role); err != nil {
			return err
		}
		s.open = false
	case what == changeNone:
		s.addCandidates(d)
		return nil
	default:
		role = offerRole(d.DTLS.Setup)
		if err := s.acceptAnew(d, role); err != nil {
			return err
		}
	}
	s.role = role
	s.quicken()
	return nil
}

// offerRole is the DTLS role of who has offered: server, unless the far end's answer wants
// to be it.
func offerRole(theirs sdpfix.Setup) sdpfix.Setup {
	if theirs == sdpfix.Passive {
		return sdpfix.Active
	}
	return sdpfix.Passive
}

// acceptAnew connects to another endpoint that has got the same offer: with a new
// connection on our old ports, with our old ICE credentials and certificate.
func (s *Session) acceptAnew(d *sdpfix.Description, role sdpfix.Setup) error {
	ctx, cancel := context.WithTimeout(s.life, negotiateLimit)
	defer cancel()
	n, err := s.f.network()
	if err != nil {
		return fmt.Errorf("reading the network interfaces: %w", err)
	}
	old := s.current.Load()
	old.sockets.takeBack()
	defer old.close() // later: the new connection is what somebody waits for
	t, err := s.f.newTransport(ctx, n, old.sockets, identity{s.local.Ufrag, s.local.Pwd, old.cert})
	old.sockets.release()
	if err != nil {
		return err
	}
	s.adopt(t)
	s.role, s.open = "", false
	if _, err := t.offer(ctx, false); err != nil {
		return err
	}
	return t.accept(d, role)
}

// Kinds of change between two descriptions of the far end.
type change int

const (
	changeNone  change = iota // same ICE and DTLS
	changeFirst               // there was none before
	changeICE                 // new ICE credentials, same certificate
	changeDTLS                // another certificate
)

func (s *Session) change(d *sdpfix.Description) change {
	switch r := s.remote; {
	case r == nil:
		return changeFirst
	case r.DTLS.Fingerprint != d.DTLS.Fingerprint:
		return changeDTLS
	case r.ICE.Ufrag != d.ICE.Ufrag || r.ICE.Pwd != d.ICE.Pwd:
		return changeICE
	}
	return changeNone
}

// addCandidates adds those that the description before did not have.
func (s *Session) addCandidates(d *sdpfix.Description) {
	known := map[string]bool{}
	for _, c := range s.remote.ICE.Candidates {
		known[c.Addr.String()+" "+strconv.Itoa(int(c.Port))] = true
	}
	for _, c := range d.ICE.Candidates {
		if known[c.Addr.String()+" "+strconv.Itoa(int(c.Port))] {
			continue
		}
		if err := s.current.Load().addCandidate(c); err != nil {
			s.log.Debug("a candidate of the far end cannot be used", "candidate", c.String(), "error", err)
		}
	}
}

func (s *Session) agree(a *agreement) {
	s.agreed.Store(a)
	s.out.agree(a)
}

// render writes our description; its version grows only when it differs from the
// one before (RFC 3264 §8).
func (s *Session) render(dir sdpfix.Direction, setup sdpfix.Setup, formats []sdpfix.Format, shape *sdpfix.Description) []byte {
	l := sdpfix.Local{
		SessionID: s.text.id, Direction: dir, Formats: formats, Ptime: int(defaultPtime / time.Millisecond),
		ICE: s.local, DTLS: sdpfix.DTLS{Hash: "sha-256", Fingerprint: s.current.Load().fingerprint, Setup: setup},
		SSRC: s.ssrc, CNAME: s.cname, Shape: shape,
	}
	if plain := string(sdpfix.Render(l)); plain != s.text.last {
		s.text.last = plain
		s.text.version++
	}
	l.Version = s.text.version
	return sdpfix.Render(l)
}
