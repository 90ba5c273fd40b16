package station

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Change gives the running door another meaning: whom buttons call, who may open, how lamps look,
// how long things take. Calls that are up go on with what they began with. Inputs, lamps and
// contacts must be the ones that [New] was given; name, faults, memory and ports of cfg are not
// looked at, nor is when the door tests its sound.
func (s *Station) Change(ctx context.Context, cfg Config) error {
	r := request{change: &cfg, reply: make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.reply
	case <-s.done:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("change: %w", ctx.Err())
	}
}

// change is Change in the station's goroutine.
func (s *Station) change(cfg *Config) {
	cfg.complete()
	s.cfg.Buttons, s.cfg.Targets, s.cfg.Lamps = cfg.Buttons, slices.Clone(cfg.Targets), slices.Clone(cfg.Lamps)
	s.cfg.Call, s.cfg.Incoming = cfg.Call, cfg.Incoming
	s.cfg.Door = cfg.Door
	s.cfg.Door.Pulses, s.cfg.Door.Flashes = maps.Clone(cfg.Door.Pulses), maps.Clone(cfg.Door.Flashes)
	s.buttons.cfg = s.cfg.Buttons
	s.meanings, s.targets = meanings(&s.cfg), targets(&s.cfg)
	walk := s.walk.Load().with(checksOf(&s.cfg))
	s.walk.Store(&walk)
	s.access.renew(cfg.Door.Access)
	s.tell(ConfigRead{File: s.cfg.File, Faults: len(s.cfg.Faults)})
}

// renew changes who may open. What is remembered stays: which codes are used, how many were wrong.
func (a *access) renew(cfg AccessConfig) {
	fresh := newAccess(cfg, a.mem, a.clock)
	a.cfg, a.length, a.typed = fresh.cfg, fresh.length, ""
}
