package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"intercomd/configs"
	"intercomd/phone"
	"intercomd/station"
)

// This file tells people who are not at the door. The door never waits for that:
// each way out has a bounded queue and a goroutine of its own.

const (
	noticesKept  = 32 // that wait for one way out; beyond that the oldest go
	noticeTries  = 3
	noticeLimit  = 5 * time.Second // of one try
	noticePause  = 2 * time.Second // before the second try; five times that before the third
	noticeRemedy = "check the address, and that whoever it belongs to is on; the log has every attempt"
)

// courier delivers notices by one way.
type courier struct {
	key   string   // of its fault, such as "notify.1.webhook"
	to    string   // in words, without secrets
	kinds []string // that it takes
	send  func(ctx context.Context, n station.Notice) error
	log   *slog.Logger
	queue chan station.Notice

	limit time.Duration // of one try
	pause time.Duration // before the second try

	fault func(station.Fault) // the notice was not delivered
	clear func(key string)    // it works again
}

// permanentError is a failure that another try would not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// newCouriers makes the couriers that the configuration asks for, without fault
// and clear. ua may be nil: then nothing goes by SIP. A way that cannot be used is a
// fault and leaves the others.
func newCouriers(c *configs.Config, ua *phone.UA, log *slog.Logger) (out []*courier, faults []station.Fault) {
	add := func(i int, way, to string, send func(context.Context, station.Notice) error) {
		out = append(out, &courier{key: fmt.Sprintf("notify.%d.%s", i+1, way), to: to, kinds: c.Notify[i].Kinds, send: send,
			log: log.With("to", to), queue: make(chan station.Notice, noticesKept), limit: noticeLimit, pause: noticePause})
	}
	for i, n := range c.Notify {
		if n.Webhook != "" {
			hook, err := newWebhook(string(n.Webhook), n.CAFile, c.SIP.DisplayName)
			if err == nil {
				add(i, "webhook", "the web service at "+hook.host, hook.post)
			} else {
				faults = append(faults, station.Fault{Key: fmt.Sprintf("notify.%d.webhook", i+1), Code: station.FaultUntold, Text: err.Error(),
					Remedy: "correct [[notify]] in the configuration file and restart intercomd"})
			}
		}
		for _, user := range n.Message {
			if ua != nil {
				add(i, user, "user "+user, func(ctx context.Context, n station.Notice) error {
					return ua.SendText(ctx, user, c.SIP.DisplayName+": "+n.Text)
				})
			}
		}
	}
	return out, faults
}

// tell queues a notice if the courier takes its kind. It never blocks, and has
// one caller at a time.
func (c *courier) tell(n station.Notice) {
	if !slices.Contains(c.kinds, string(n.Kind)) {
		return
	}
	for {
		select {
		case c.queue <- n:
			return
		default:
		}
		select {
		case old := <-c.queue:
			c.log.Error("notice dropped: too many are waiting", "kind", old.Kind, "key", old.Key)
		default:
		}
	}
}

// run delivers until ctx ends.
func (c *courier) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-c.queue:
			c.deliver(ctx, n)
		}
	}
}

// deliver tries to deliver one notice, and shows how that went.
func (c *courier) deliver(ctx context.Context, n station.Notice) {
	pause := c.pause
	for try := 1; ; try++ {
		err := c.once(ctx, n)
		switch {
		case err == nil:
			c.log.Info("notice delivered", "kind", n.Kind, "key", n.Key, "try", try)
			c.clear(c.key)
			return
		case ctx.Err() != nil:
			c.log.Warn("notice not delivered: shutting down", "kind", n.Kind, "key", n.Key)
			return
		}
		c.log.Warn("notice not delivered", "kind", n.Kind, "key", n.Key, "try", try, "error", err)
		if try == noticeTries || errors.As(err, new(permanentError)) {
			c.fault(station.Fault{Key: c.key, Code: station.FaultUntold, Text: "a notice could not be delivered to " + c.to + ": " + err.Error(),
				Remedy: noticeRemedy})
			return
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		pause *= 5
	}
}

// once is one try. A way out that breaks must not take the door along.
func (c *courier) once(ctx context.Context, n station.Notice) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	return c.send(ctx, n)
}
