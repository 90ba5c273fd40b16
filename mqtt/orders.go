package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"intercomd/station"
)

// Payloads of orders, as Home Assistant sends them.
const (
	payloadPress = "PRESS"
	payloadLock  = "LOCK" // of a lock: the door locks itself
	payloadOn    = "ON"
	payloadOff   = "OFF"
)

const (
	opens     = "open:"    // what a command begins with that opens
	orderTest = "selftest" // the word of the configuration for [station.CommandTest]
	orderTime = 5 * time.Second
	maxOrder  = 256 // bytes of topic and payload each
)

// Why an order came to nothing, besides the codes of [station.Code].
var (
	errNotAllowed = errors.New("not-allowed")   // by the configuration
	errPayload    = errors.New("bad-payload")   // this topic takes others
	errRetained   = errors.New("retained")      // an order that the broker keeps would be carried out at each start
	errTooFast    = errors.New("too-fast")      // orders are limited, those that open more than others
	errNothing    = errors.New("nothing-to-do") // no error
)

// orders carries out what comes through the broker, one after the other.
type orders struct {
	allowed []string
	door    Door
	base    string
	host    string
	log     *slog.Logger
	pace    *rate.Limiter // of all
	opening *rate.Limiter // of those that open, as on the page: 6 a minute
	refused chan []byte   // what came to nothing, for whoever ordered it; JSON
}

func newOrders(c Config, door Door, base, host string, log *slog.Logger) *orders {
	return &orders{allowed: c.Commands, door: door, base: base, host: host, log: log,
		pace: rate.NewLimiter(2, 10), opening: rate.NewLimiter(rate.Every(10*time.Second), 6), refused: make(chan []byte, ordersWaiting)}
}

// run carries out orders until ctx ends.
func (o *orders) run(ctx context.Context, in <-chan order) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-in:
			if err := o.carryOut(ctx, one); err != nil && !errors.Is(err, errNothing) && ctx.Err() == nil {
				o.refuse(one, err)
			}
		}
	}
}

// refuse tells of an order that came to nothing: in the log, and on a topic for whoever gave it.
func (o *orders) refuse(one order, err error) {
	topic := one.topic[:min(len(one.topic), maxOrder)]
	o.log.Warn("an order through the MQTT broker came to nothing", "topic", topic, "error", err)
	code := err.Error()
	if c := station.Code(err); c != "failed" {
		code = c
	}
	payload, merr := json.Marshal(map[string]string{"topic": topic, "code": code})
	if merr != nil {
		return
	}
	select {
	case o.refused <- payload:
	default:
	}
}

// carryOut asks the door for what was ordered.
func (o *orders) carryOut(ctx context.Context, one order) error {
	cmd, err := o.read(one)
	switch {
	case err != nil:
		return err
	case !o.pace.Allow(), cmd.Kind == station.CommandOpen && !o.opening.Allow():
		return errTooFast
	}
	cmd.By = station.Principal{Via: station.ViaMQTT, Name: "MQTT", From: o.host}
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	return o.door.Do(ctx, cmd)
}

// read understands an order, if it is allowed.
func (o *orders) read(one order) (cmd station.Command, err error) {
	if len(one.topic) > maxOrder || len(one.payload) > maxOrder {
		return cmd, errPayload
	}
	what, ok := strings.CutPrefix(one.topic, o.base+"/do/")
	verb, arg, has := strings.Cut(what, "/")
	needed := verb
	if verb == "open" {
		needed = opens + arg
	}
	switch {
	case !ok, !slices.Contains(o.allowed, needed), has != (verb == "open" || verb == "press"):
		return cmd, errNotAllowed
	case one.retained:
		return cmd, errRetained
	}
	cmd.Kind = station.CommandKind(verb)
	switch {
	case verb == "open" && one.payload == payloadLock:
		return cmd, errNothing
	case verb == "dnd" && (one.payload == payloadOn || one.payload == payloadOff):
		if o.door.Snapshot().Door.DoNotDisturb == (one.payload == payloadOn) {
			return cmd, errNothing
		}
		return cmd, nil
	case one.payload != payloadPress || verb == "dnd":
		return cmd, errPayload
	case verb == "open":
		cmd.Relay = arg
	case verb == "press":
		cmd.Button = arg
	case verb == orderTest:
		cmd.Kind = station.CommandTest
	}
	return cmd, nil
}
