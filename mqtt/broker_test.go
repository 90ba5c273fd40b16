package mqtt

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"intercomd/station"
	"intercomd/words"
)

// broker is a scripted MQTT 5 broker.
type broker struct {
	net.Listener
	t *testing.T

	mu       sync.Mutex
	refuse   byte              // reason code for CONNECT
	deny     string            // topics that begin so are not to be written
	silent   bool              // nothing is confirmed
	conns    map[net.Conn]bool // open
	seen     []*packets.Publish
	kept     map[string]string
	subs     []packets.SubOptions
	connects []*packets.Connect
	more     chan struct{} // closed and replaced at each change
}

func newBroker(t *testing.T) *broker { t.Helper(); return newSecureBroker(t, nil) }

// newSecureBroker is one with TLS; nil: without.
func newSecureBroker(t *testing.T, secure *tls.Config) *broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	b := &broker{Listener: l, t: t, conns: map[net.Conn]bool{}, kept: map[string]string{}, more: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		b.throwOut()
		all.Wait()
	})
	return b
}

func (b *broker) url() string { return "mqtt://" + b.Addr().String() }

// set changes the script.
func (b *broker) set(change func(b *broker)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
	close(b.more)
	b.more = make(chan struct{})
}

// throwOut ends all connections, and forgets what was kept, as a broker that starts anew.
func (b *broker) throwOut() {
	b.set(func(b *broker) {
		for c := range b.conns {
			_ = c.Close()
		}
		clear(b.kept)
	})
}

// dismiss ends all connections with a reason (MQTT 5.0, 3.14).
func (b *broker) dismiss(reason byte) {
	b.set(func(b *broker) {
		for c := range b.conns {
			p := packets.NewControlPacket(packets.DISCONNECT)
			p.Content.(*packets.Disconnect).ReasonCode = reason //nolint:forcetypeassert // it was made so
			if _, err := p.WriteTo(c); err != nil {
				b.t.Error(err)
			}
			_ = c.Close()
		}
	})
}

// until waits until the broker has seen what is asked for.
func (b *broker) until(what string, ok func(b *broker) bool) {
	b.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		done, more := ok(b), b.more
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-limit:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("never: %s; kept %v, saw %d", what, b.kept, len(b.seen))
		}
	}
}

// send publishes something to everybody.
func (b *broker) send(topic, payload string, retain bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		p := packets.NewControlPacket(packets.PUBLISH)
		pub := p.Content.(*packets.Publish) //nolint:forcetypeassert // it was made so
		pub.Topic, pub.Payload, pub.Retain = topic, []byte(payload), retain
		if _, err := p.WriteTo(c); err != nil {
			b.t.Error(err)
		}
	}
}

func (b *broker) serve(c net.Conn) {
	b.set(func(b *broker) { b.conns[c] = true })
	var will *packets.Connect
	defer func() {
		_ = c.Close()
		b.set(func(b *broker) {
			delete(b.conns, c)
			if will != nil && will.WillFlag && b.kept[will.WillTopic] != "" {
				b.kept[will.WillTopic] = string(will.WillMessage)
			}
		})
	}()
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		answer, last := b.answer(p, &will)
		if answer != nil {
			if _, err := answer.WriteTo(c); err != nil {
				return
			}
		}
		if last {
			return
		}
	}
}

func (b *broker) answer(p *packets.ControlPacket, will **packets.Connect) (answer *packets.ControlPacket, last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		close(b.more)
		b.more = make(chan struct{})
	}()
	if b.silent {
		return nil, false
	}
	switch in := p.Content.(type) {
	case *packets.Connect:
		b.connects = append(b.connects, in)
		answer = packets.NewControlPacket(packets.CONNACK)
		answer.Content.(*packets.Connack).ReasonCode = b.refuse //nolint:forcetypeassert // it was made so
		*will = in
		return answer, b.refuse != 0
	case *packets.Subscribe:
		b.subs = append(b.subs, in.Subscriptions...)
		answer = packets.NewControlPacket(packets.SUBACK)
		ack := answer.Content.(*packets.Suback) //nolint:forcetypeassert // it was made so
		ack.PacketID = in.PacketID
		for range in.Subscriptions {
			ack.Reasons = append(ack.Reasons, 1)
		}
	case *packets.Publish:
		answer = packets.NewControlPacket(packets.PUBACK)
		ack := answer.Content.(*packets.Puback) //nolint:forcetypeassert // it was made so
		ack.PacketID = in.PacketID
		if b.deny != "" && strings.HasPrefix(in.Topic, b.deny) {
			ack.ReasonCode = 0x87
			return answer, false
		}
		b.seen = append(b.seen, in)
		if in.Retain {
			b.kept[in.Topic] = string(in.Payload)
		}
	case *packets.Pingreq:
		answer = packets.NewControlPacket(packets.PINGRESP)
	case *packets.Disconnect:
		if in.ReasonCode == 0 {
			*will = nil
		}
		return nil, true
	}
	return answer, false
}

// house is a door whose state and events are what a test says.
type house struct {
	mu      sync.Mutex
	snap    *station.Snapshot
	changed chan struct{}
	more    chan struct{}
	events  []station.Event
	faults  map[string]station.Fault
	done    []station.Command
	told    chan struct{} // at each command and fault
	refuse  error
}

func newHouse() *house {
	return &house{changed: make(chan struct{}), more: make(chan struct{}), faults: map[string]station.Fault{}, told: make(chan struct{}, 100), snap: &station.Snapshot{Events: 1, Name: "Front door", Version: "1.0",
		Started: time.Unix(1_700_000_000, 0).UTC(), State: station.Idle, Registration: station.Registration{State: station.RegRegistered},
		Buttons:  []station.Button{{Input: "bell", Label: "Family Example", Does: station.Dial, Target: "1001"}, {Input: "light", Label: "Light", Does: station.Toggle}},
		Contacts: []station.Contact{{Input: "leaf", Label: "Leaf", Watches: station.DoorContact}, {Input: "case", Label: "Housing", Watches: station.TamperContact}, {Input: "mat", Label: "Mat", Watches: station.PlainContact}},
		Board:    station.BoardState{Relays: []station.Relay{{Name: "door"}, {Name: "gate"}}}}}
}

func (h *house) Snapshot() *station.Snapshot { h.mu.Lock(); defer h.mu.Unlock(); return h.snap }
func (h *house) Changed() <-chan struct{}    { h.mu.Lock(); defer h.mu.Unlock(); return h.changed }

func (h *house) Since(from uint64) ([]station.Event, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[min(int(from)-1, len(h.events)):], h.more
}

func (h *house) Do(_ context.Context, cmd station.Command) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, cmd)
	h.tell()
	return h.refuse
}

func (h *house) SetFault(f station.Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults[f.Key] = f
	h.tell()
}

func (h *house) ClearFault(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.faults, key)
	h.tell()
}

func (h *house) tell() {
	select {
	case h.told <- struct{}{}:
	default:
	}
}

// change makes the state another.
func (h *house) change(do func(s *station.Snapshot)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := *h.snap
	do(&s)
	s.Seq++
	h.snap = &s
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *house) happen(at time.Time, n station.News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, station.Event{Seq: uint64(len(h.events) + 1), At: at, News: n})
	close(h.more)
	h.more = make(chan struct{})
}

// until waits until the house is as is asked for.
func (h *house) until(t *testing.T, what string, ok func(h *house) bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		h.mu.Lock()
		done := ok(h)
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-h.told:
		case <-limit:
			t.Fatalf("never: %s; done %+v, faults %+v", what, h.done, h.faults)
		}
	}
}

func config(server string, commands ...string) Config {
	return Config{Server: server, Topic: "intercomd", Serial: "10000000abcdef01", Discovery: "homeassistant", Language: words.English(), Relay: "door", Commands: commands,
		Log: slog.New(slog.DiscardHandler)}
}

// start runs a reader until the test is over.
func start(t *testing.T, h *house, c Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- Run(ctx, h, c) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}
