package sketch

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"intercomd/station"
)

// door is what MQTT needs of the station.
type door interface {
	Snapshot() *station.Snapshot
	Subscribe(ctx context.Context, from uint64) iter.Seq[station.Event]
	Do(ctx context.Context, cmd station.Command) error
}

// broker is what it needs of an MQTT client.
type broker interface {
	Publish(topic string, payload []byte, retain bool) error
}

// mqtt tells a broker what happens at the door, and takes orders from it.
type mqtt struct {
	door   door
	broker broker
	base   string // of all topics, such as "intercomd/front"
}

// run tells until the door stops or ctx ends: each event below its kind, and the state, which
// the broker keeps for whoever comes later. A broker that is away for a while misses some
// events and gets the newest state.
func (m mqtt) run(ctx context.Context) {
	var seq uint64
	for e := range m.door.Subscribe(ctx, 0) {
		if data, err := json.Marshal(e); err == nil {
			_ = m.broker.Publish(m.base+"/event/"+strings.ReplaceAll(string(e.News.Kind()), ".", "/"), data, false)
		}
		if s := m.door.Snapshot(); s.Seq != seq {
			seq = s.Seq
			for topic, value := range map[string]any{"state": s.State, "registration": s.Registration.State, "faults": len(s.Faults)} {
				if data, err := json.Marshal(value); err == nil {
					_ = m.broker.Publish(m.base+"/"+topic, data, true)
				}
			}
		}
	}
	_ = m.broker.Publish(m.base+"/state", []byte(`"stopped"`), true)
}

var errTopic = errors.New("no such order")

// order carries out what comes on base/do/….
func (m mqtt) order(ctx context.Context, topic, client string) error {
	what, ok := strings.CutPrefix(topic, m.base+"/do/")
	kind, arg, _ := strings.Cut(what, "/")
	cmd := station.Command{Kind: station.CommandKind(kind), By: station.Principal{Via: "mqtt", Name: client}}
	switch {
	case !ok:
		return errTopic
	case cmd.Kind == station.CommandOpen:
		cmd.Relay = arg
	case cmd.Kind == station.CommandPress:
		cmd.Button = arg
	}
	return m.door.Do(ctx, cmd)
}

type notes map[string]string // the last payload by topic

func (n notes) Publish(topic string, payload []byte, retain bool) error {
	if retain {
		topic += "!"
	}
	n[topic] = string(payload)
	return nil
}

func TestMQTT(t *testing.T) {
	got := notes{}
	var m mqtt
	visit(t, func(ctx context.Context, h *house) {
		m = mqtt{h.Station, got, "home"}
		m.run(ctx)
	}, func(*house) {
		if err := m.order(context.Background(), "home/do/open/door", "hall"); err != nil {
			t.Error(err)
		}
		if err := m.order(context.Background(), "home/do/hangup", "hall"); !errors.Is(err, station.ErrNoCall) {
			t.Error(err)
		}
	})
	for topic, says := range map[string]string{
		"home/event/button/pressed": `"button":"bell"`, "home/event/call/answered": `"call":"c1"`, "home/event/call/ended": `"cause":"hung-up"`,
		"home/event/door/released": `"via":"mqtt","name":"hall"`, "home/state!": `"stopped"`, "home/registration!": `"registered"`,
	} {
		if !strings.Contains(got[topic], says) {
			t.Errorf("%s: %s, want %s; topics %q", topic, got[topic], says, slices.Sorted(maps.Keys(got)))
		}
	}
}
