package simulate

import (
	"bytes"
	"context"
	"time"

	"intercomd/phone"
	"intercomd/phone/rtc"
)

// packet is how much sound goes in one packet. Its bytes are silence in one law of G.711 and nearly so
// in the other: nobody listens.
const packet = 20 * time.Millisecond

// listener hears what becomes of a call, and makes its media.
type listener struct {
	media   *rtc.Factory
	events  chan phone.Event // all but the last
	ended   chan phone.Ending
	session chan *rtc.Session
}

func newListener(media *rtc.Factory) *listener {
	return &listener{media: media, events: make(chan phone.Event, 64), ended: make(chan phone.Ending, 1), session: make(chan *rtc.Session, 1)}
}

// NewMedia implements [phone.Listener].
func (l *listener) NewMedia(ctx context.Context) (phone.MediaSession, error) {
	if l.media == nil {
		return newMute(), nil
	}
	s, err := l.media.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	l.session <- s
	return s, nil
}

// Happened implements [phone.Listener].
func (l *listener) Happened(e phone.Event) {
	if e.Kind == phone.Ended {
		l.ended <- e.Ending
		return
	}
	select {
	case l.events <- e:
	default: // nobody needs that many
	}
}

// press presses the button of a door and follows the call to its end.
func (s *Site) press(ctx context.Context, d *door, target string) {
	l := newListener(s.cfg.Media)
	began := time.Now()
	s.book.pressed()
	d.ua.Hurry(pressHold)
	call := d.ua.Dial(target, l)
	limit := time.NewTimer(pressLimit)
	defer limit.Stop()
	rang := false
	var talk <-chan struct{}
	for {
		select {
		case e := <-l.events:
			switch e.Kind {
			case phone.Ringing, phone.EarlyMedia, phone.Answered:
				if !rang {
					rang = true
					s.book.rang(e.At.Sub(began))
					limit.Reset(s.patience())
				}
			}
			if e.Kind == phone.Answered {
				s.book.answered()
				limit.Reset(s.cfg.Talk)
				if s.cfg.Media == nil {
					limit.Reset(0)
				}
			}
			if e.Kind == phone.MediaUp && talk == nil {
				talk = s.talk(l, true)
			}
		case <-limit.C:
			if !rang {
				call.End(phone.NoAnswer)
			} else {
				call.End(phone.HungUp)
			}
		case <-ctx.Done():
			call.End(phone.Shutdown)
			ctx = context.WithoutCancel(ctx) // its end comes
		case e := <-l.ended:
			if talk != nil {
				<-talk
			}
			s.book.over(rang, e)
			return
		}
	}
}

// patience is how long somebody waits at a door for an answer: longer than a telephone that answers
// rings.
func (s *Site) patience() time.Duration {
	if s.cfg.Media != nil {
		return s.cfg.Ring + answerLimit
	}
	return s.cfg.Ring
}

// serve is a telephone that rings, and answers where there is media.
func (s *Site) serve(c *phone.Call, l *listener) {
	var answer <-chan time.Time
	if s.cfg.Media != nil {
		answer = time.After(s.cfg.Ring)
	}
	var talk <-chan struct{}
	for {
		select {
		case <-answer:
			c.Answer()
		case e := <-l.events:
			if e.Kind == phone.MediaUp && talk == nil {
				talk = s.talk(l, false)
			}
		case <-l.ended:
			if talk != nil {
				<-talk
			}
			return
		}
	}
}

// talk sends silence and takes what comes until the session is closed. counts says whether the ledger
// counts it: once for each call.
func (s *Site) talk(l *listener, counts bool) <-chan struct{} {
	over := make(chan struct{})
	session := <-l.session
	go func() {
		defer close(over)
		silence := bytes.Repeat([]byte{0xff}, int(packet/time.Millisecond)*8)
		pace := time.NewTicker(packet)
		defer pace.Stop()
		for range pace.C {
			if session.WriteFrame(silence, uint32(len(silence)), false) != nil || session.Receive(func(*rtc.Packet) {}) != nil {
				break // the call is over
			}
		}
		if counts {
			s.book.heard(session.Stats())
		}
	}()
	return over
}
