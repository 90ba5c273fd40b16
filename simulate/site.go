package simulate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"intercomd/phone"
	"intercomd/phone/rtc"
)

const (
	leaving     = 4 * time.Millisecond // from one door that goes to the next
	pressHold   = 10 * time.Second     // that a press waits for a registration, as at a door
	pressLimit  = 25 * time.Second     // for the far end to ring
	answerLimit = 10 * time.Second     // for an answer, after a telephone has rung for as long as it shall
	pressAfter  = 3 * time.Second      // from the first door that comes back to the first press: telephones come back too
	tick        = 250 * time.Millisecond
)

// Account is one user of the server.
type Account struct{ User, Password string }

// Config says what is played. Servers of Phone, and Doors, are required.
type Config struct {
	// Phone is what all doors have in common: servers, domain, authorities, the policy of coming
	// back. Account, owner and trace are set for each.
	Phone phone.Config
	Doors []Account
	// Phones are telephones that ring for whoever calls them, and answer where there is media. They
	// come back as soon as they can.
	Phones []Account
	// Arrive is over how long the doors register at first.
	Arrive time.Duration

	// Presses are made within a time, by as many doors: once all are registered, and once more
	// whenever they have begun to come back after more than half of them were lost.
	Presses int
	Within  time.Duration
	// Ring is how long a call rings before the visitor gives up; with Media, before a telephone
	// that is played here answers.
	Ring time.Duration
	// Target is whom doors call; "": the telephones, in turn.
	Target string
	// Media makes the media of calls, which last for Talk; nil: nobody answers, and no call has
	// any. The site does not close it.
	Media *rtc.Factory
	Talk  time.Duration
}

// Site is the doors and telephones of one simulation.
type Site struct {
	cfg    Config
	doors  []*door
	phones []*door
	book   *ledger
	all    sync.WaitGroup // every goroutine of a run
}

// door is one door, or telephone.
type door struct {
	site  *Site
	ua    *phone.UA
	rings bool // it is a telephone
	end   context.CancelFunc
	over  chan struct{}
	mark  mark // of the ledger
}

// New checks what is to be played. Nothing happens before [Site.Run].
func New(cfg Config) (*Site, error) {
	switch {
	case len(cfg.Doors) == 0:
		return nil, errors.New("simulate: no door to play")
	case cfg.Presses > 0 && cfg.Target == "" && len(cfg.Phones) == 0:
		return nil, errors.New("simulate: presses need a target, or telephones that are played")
	case cfg.Presses > 0 && cfg.Within <= 0:
		return nil, errors.New("simulate: presses need a time to be made in")
	}
	s := &Site{cfg: cfg, book: newLedger(len(cfg.Doors), len(cfg.Phones))}
	for _, a := range cfg.Doors {
		d, err := s.add(a, false)
		if err != nil {
			return nil, err
		}
		s.doors = append(s.doors, d)
	}
	for _, a := range cfg.Phones {
		d, err := s.add(a, true)
		if err != nil {
			return nil, err
		}
		s.phones = append(s.phones, d)
	}
	return s, nil
}

func (s *Site) add(a Account, rings bool) (*door, error) {
	d := &door{site: s, rings: rings, over: make(chan struct{})}
	c := s.cfg.Phone
	c.User, c.AuthUser, c.Password, c.DisplayName = a.User, "", a.Password, a.User
	c.Owner, c.InstanceID, c.Untraced = d, "", true
	if rings {
		c.ReconnectSpread, c.Together = 0, false
	}
	var err error
	if d.ua, err = phone.New(c); err != nil {
		return nil, fmt.Errorf("simulate: %s: %w", a.User, err)
	}
	return d, nil
}

// Registered implements [phone.Owner].
func (d *door) Registered(r phone.Registration) { d.site.book.registered(d, r) }

// Called implements [phone.Owner]: telephones ring, doors are busy.
func (d *door) Called(c *phone.Call) bool {
	if !d.rings {
		return false
	}
	l := newListener(d.site.cfg.Media)
	c.Hear(l)
	c.Ring()
	d.site.all.Go(func() { d.site.serve(c, l) })
	return true
}

// Texted implements [phone.Owner].
func (*door) Texted(phone.Text) bool { return false }

// Report is how the doors fare now. It may be called from any goroutine, while Run runs and after.
func (s *Site) Report() Report { return s.book.report(time.Now()) }

// Run plays until ctx ends. Then all doors hang up and take their registration back, some hundred a
// second, and Run returns when every goroutine has ended. It can be called once.
func (s *Site) Run(ctx context.Context) {
	s.book.begin(time.Now())
	defer s.all.Wait()
	lives := context.WithoutCancel(ctx) // each goes in its turn
	for i, d := range s.phones {
		s.start(lives, ctx.Done(), d, time.Duration(i)*s.cfg.Arrive/time.Duration(len(s.phones))/4)
	}
	for i, d := range s.doors {
		s.start(lives, ctx.Done(), d, time.Duration(i)*s.cfg.Arrive/time.Duration(len(s.doors)))
	}
	s.play(ctx)
	s.book.end()
	for _, d := range append(s.doors, s.phones...) {
		d.end()
		select {
		case <-d.over:
		case <-time.After(leaving):
		}
	}
}

// start starts one door after a while, unless the site ends before.
func (s *Site) start(ctx context.Context, closed <-chan struct{}, d *door, after time.Duration) {
	ctx, d.end = context.WithCancel(ctx)
	s.all.Go(func() {
		defer close(d.over)
		select {
		case <-time.After(after):
			_ = d.ua.Run(ctx) // always nil
		case <-closed:
		}
	})
}

// play makes presses when it is time for them, until ctx ends.
func (s *Site) play(ctx context.Context) {
	look := time.NewTicker(tick)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			if s.book.pressesDue(now) && s.cfg.Presses > 0 {
				s.all.Go(func() { s.round(ctx) })
			}
		}
	}
}

// round presses as often as the configuration says, at doors that are spread over all.
func (s *Site) round(ctx context.Context) {
	pace := time.NewTicker(max(s.cfg.Within/time.Duration(s.cfg.Presses), time.Millisecond))
	defer pace.Stop()
	for i := range s.cfg.Presses {
		d := s.doors[i*len(s.doors)/s.cfg.Presses%len(s.doors)]
		s.all.Go(func() { s.press(ctx, d, s.target(i)) })
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Site) target(i int) string {
	if s.cfg.Target != "" {
		return s.cfg.Target
	}
	return s.cfg.Phones[i%len(s.cfg.Phones)].User
}
