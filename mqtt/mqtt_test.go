package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"intercomd/station"
	"intercomd/words"
)

const (
	testBase   = "intercomd/10000000abcdef01"
	testConfig = "homeassistant/device/10000000abcdef01/config"
)

func keeps(topic, part string) func(b *broker) bool {
	return func(b *broker) bool { return strings.Contains(b.kept[topic], part) }
}

func said(topic, part string) func(b *broker) bool {
	return func(b *broker) bool {
		return slices.ContainsFunc(b.seen, func(p *packets.Publish) bool { return p.Topic == topic && strings.Contains(string(p.Payload), part) })
	}
}

// A broker has the state and the device, hears of a ring once, and at the end that the door is away.
func TestBrokerIsTold(t *testing.T) {
	b, h := newBroker(t), newHouse()
	stop := start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.until("the state", keeps(testBase+"/state", `"state":"idle"`))
	b.until("the device", keeps(testConfig, `"device_class":"doorbell"`))
	h.happen(time.Now(), station.Pressed{Button: "bell", Label: "Family Example", Does: station.Dial})
	h.change(func(s *station.Snapshot) { s.State = station.Calling })
	b.until("the ring", said(testBase+"/ring/bell", `"event_type":"ring"`))
	b.until("the event", said(testBase+"/event/button/pressed", `"kind":"button.pressed"`))
	b.until("the call", keeps(testBase+"/state", `"state":"calling"`))
	h.happen(time.Now(), station.Pressed{Button: "light", Does: station.Toggle})
	h.change(func(s *station.Snapshot) { s.Door.DoNotDisturb = true })
	b.until("do not disturb", keeps(testBase+"/state", `"doNotDisturb":true`))
	h.happen(time.Now(), station.Pressed{Button: "bell", Does: station.Dial})
	h.happen(time.Now(), station.Halted{})
	b.until("all events", said(testBase+"/event/door/stopped", ""))
	b.mu.Lock()
	rings := 0
	for _, p := range b.seen {
		if strings.HasPrefix(p.Topic, testBase+"/ring/") {
			rings++
			if p.Retain || p.QoS != 1 || p.Properties.MessageExpiry == nil {
				t.Errorf("the ring is kept, or never ends: %+v", p)
			}
		} else if p.Retain != (b.kept[p.Topic] != "") {
			t.Errorf("%s: retain %v", p.Topic, p.Retain)
		}
	}
	if c := b.connects[0]; !c.CleanStart || c.WillTopic != testBase+"/availability" || !c.WillRetain || string(c.WillMessage) != offline || c.ClientID != "intercomd-10000000abcdef01" {
		t.Errorf("connect %+v", c)
	}
	b.mu.Unlock()
	if rings != 1 {
		t.Errorf("%d rings: one was of a light, one in the hours of rest", rings)
	}
	stop()
	b.until("the door is away", keeps(testBase+"/availability", offline))
}

// A broker that has forgotten all is told all, as it is then; a ring of yesterday is none.
func TestBrokerStartsAnew(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	for round := range 3 {
		h.happen(time.Now().Add(-time.Minute), station.Pressed{Button: "bell", Label: "stale", Does: station.Dial})
		name := fmt.Sprintf("Door %d", round)
		b.throwOut()
		h.change(func(s *station.Snapshot) { s.Name = name })
		h.happen(time.Now(), station.Pressed{Button: "bell", Label: name, Does: station.Dial})
		b.until("the state anew", keeps(testBase+"/state", name))
		b.until("the device anew", keeps(testConfig, name))
		b.until("the door is there anew", keeps(testBase+"/availability", online))
		b.until("the ring that came in between", said(testBase+"/ring/bell", name))
	}
	if b.mu.Lock(); said(testBase+"/ring/bell", "stale")(b) {
		t.Error("an old ring was told of")
	}
	b.mu.Unlock()
}

// When Home Assistant says that it has started, it is told all.
func TestHomeAssistantStartsAnew(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.set(func(b *broker) { clear(b.kept) })
	b.send("homeassistant/status", "offline", false)
	b.send("homeassistant/status", online, false)
	b.until("the device", keeps(testConfig, "doorbell"))
	b.until("the state", keeps(testBase+"/state", "idle"))
}

// What a broker that does not work says is a fault, which names what to do, and is over with it.
func TestFaultsOfBrokers(t *testing.T) {
	b, h := newBroker(t), newHouse()
	b.refuse = 0x86
	c := config(b.url())
	c.User, c.Password = "door", "hunter22"
	start(t, h, c)
	h.until(t, "a refusal is shown", func(h *house) bool { return h.faults[faultKey].Code == "mqtt-refused" })
	h.mu.Lock()
	f := h.faults[faultKey]
	h.mu.Unlock()
	if !strings.Contains(f.String(), "wrong user or password") || f.Remedy() == "" || strings.Contains(f.String(), "hunter22") {
		t.Errorf("%s; %s", f, f.Remedy())
	}
	b.set(func(b *broker) { b.refuse, b.deny = 0, "homeassistant/" })
	h.until(t, "what may not be written is shown", func(h *house) bool { return h.faults[faultKey].Code == "mqtt-silent" })
	b.until("what may be written", keeps(testBase+"/state", "idle"))
	b.set(func(b *broker) { b.deny = "" })
	b.throwOut()
	h.until(t, "all is well", func(h *house) bool { return len(h.faults) == 0 })
	b.until("all is there", keeps(testConfig, "doorbell"))
}

// A broker that goes silent is left, and found again.
func TestSilentBroker(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.set(func(b *broker) { b.silent = true })
	for i := range 3 * kept { // more than wait
		h.happen(time.Now(), station.Muted{On: i%2 == 0})
	}
	h.change(func(s *station.Snapshot) { s.Name = "Later" })
	b.until("it is left", func(b *broker) bool { return len(b.conns) == 0 })
	b.set(func(b *broker) { b.silent = false })
	b.until("it is found again", keeps(testBase+"/state", "Later"))
}

func TestOrders(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url(), "open:door", "dnd", "press", "hangup", "selftest"))
	b.until("orders are heard", func(b *broker) bool {
		return slices.ContainsFunc(b.subs, func(s packets.SubOptions) bool {
			return s.Topic == testBase+"/do/#" && s.RetainHandling == 2 && s.RetainAsPublished
		})
	})
	do := testBase + "/do/"
	for _, bad := range []struct {
		topic, payload, code string
		retain               bool
	}{
		{do + "open/gate", payloadPress, "not-allowed", false},
		{do + "open/door", payloadPress, "retained", true},
		{do + "open/door", "yes", "bad-payload", false},
		{do + "open/door", strings.Repeat("x", 1000), "bad-payload", false},
		{do + "open", payloadPress, "not-allowed", false},
		{do + "open/door/x", payloadPress, "not-allowed", false},
		{do + "answer", payloadPress, "not-allowed", false},
		{do + "mute", payloadPress, "not-allowed", false},
		{do + "test", payloadPress, "not-allowed", false},
		{do, payloadPress, "not-allowed", false},
		{do + "dnd", "PRESS", "bad-payload", false},
		{"elsewhere", payloadPress, "not-allowed", false},
	} {
		b.send(bad.topic, bad.payload, bad.retain)
		b.until(bad.topic+" is refused", said(testBase+"/refused", fmt.Sprintf(`{"code":%q,"topic":%q}`, bad.code, bad.topic)))
		b.set(func(b *broker) { b.seen = nil })
	}
	b.send(do+"dnd", payloadOff, false) // it is
	b.send(do+"open/door", payloadLock, false)
	for _, good := range []struct{ topic, payload string }{{"open/door", payloadPress}, {"dnd", payloadOn}, {"press/bell", payloadPress}, {"hangup", payloadPress}, {"selftest", payloadPress}} {
		b.send(do+good.topic, good.payload, false)
	}
	h.until(t, "orders are carried out", func(h *house) bool { return len(h.done) == 5 })
	by := station.Principal{Via: station.ViaMQTT, Name: "MQTT", From: "127.0.0.1"}
	want := []station.Command{{Kind: station.CommandOpen, Relay: "door", By: by}, {Kind: station.CommandDND, By: by}, {Kind: station.CommandPress, Button: "bell", By: by}, {Kind: station.CommandHangup, By: by}, {Kind: station.CommandTest, By: by}}
	h.mu.Lock()
	if !slices.Equal(h.done, want) {
		t.Errorf("done %+v", h.done)
	}
	h.refuse = station.ErrNoCall
	h.mu.Unlock()
	b.send(do+"hangup", payloadPress, false)
	b.until("the door refuses", said(testBase+"/refused", `"code":"no-call"`))
}

// Whoever orders too much gets less.
func TestOrdersAreLimited(t *testing.T) {
	h := newHouse()
	o := newOrders(config("", "open:door", "press"), h, testBase, "broker", config("").Log)
	fast := 0
	for range 8 {
		if err := o.carryOut(t.Context(), order{testBase + "/do/open/door", payloadPress, false}); errors.Is(err, errTooFast) {
			fast++
		}
	}
	if len(h.done) != 6 || fast != 2 {
		t.Errorf("opened %d times, refused %d", len(h.done), fast)
	}
	for range 100 {
		_ = o.carryOut(t.Context(), order{testBase + "/do/press/bell", payloadPress, false})
	}
	if len(h.done) > 15 {
		t.Errorf("%d orders", len(h.done))
	}
}

// Without any that is allowed, no orders are even heard.
func TestNoOrders(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.send(testBase+"/do/open/door", payloadPress, false)
	b.until("the order is refused", said(testBase+"/refused", "not-allowed"))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		if strings.HasPrefix(s.Topic, testBase) {
			t.Errorf("subscribed to %s", s.Topic)
		}
	}
	if len(h.done) > 0 {
		t.Errorf("done %+v", h.done)
	}
}

// A door that is told to end does so though its broker takes nothing, or is not there.
func TestEndWithABrokerThatHangs(t *testing.T) {
	b, h := newBroker(t), newHouse()
	b.silent = true
	stop := start(t, h, config(b.url()))
	b.until("it is connected", func(b *broker) bool { return len(b.conns) > 0 })
	stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	start(t, h, config("mqtt://"+l.Addr().String()))()
	if err := Run(t.Context(), h, config("mqtts://")); err == nil {
		t.Error("no address is none")
	}
}

// schema is what Home Assistant takes: for each platform the keys that it must have and those that
// it may have (https://www.home-assistant.io/integrations/event.mqtt/ and its like).
var schema = map[string]struct{ must, may, classes string }{
	"event":         {"state_topic event_types", "device_class", "button doorbell motion"},
	"button":        {"command_topic", "payload_press", "identify restart update"},
	"lock":          {"command_topic", "state_topic value_template payload_lock payload_unlock", ""},
	"binary_sensor": {"state_topic", "value_template device_class json_attributes_topic json_attributes_template", "door tamper safety problem connectivity"},
	"sensor":        {"state_topic", "value_template device_class options", "enum timestamp"},
	"switch":        {"command_topic", "state_topic value_template", "outlet switch"},
	"update":        {"", "state_topic device_class", "firmware"},
}

// Home Assistant takes everything that it is told.
func TestDiscoverySchema(t *testing.T) {
	h := newHouse()
	for _, commands := range [][]string{nil, {"open:door", "open:gate", "press", "answer", "hangup", "dnd", "selftest"}, {"open:gate"}} {
		tl := &teller{cfg: config("mqtt://x", commands...), door: h, base: testBase, update: &Update{}}
		tl.cfg.Page = "https://door.local:8443"
		var d struct {
			Device, Origin map[string]any
			Components     map[string]map[string]any
			Availability   string `json:"availability_topic"`
			QoS            int
		}
		topics := tl.retained()
		topic := regexp.MustCompile(`^homeassistant/device/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config$`)
		if !topic.MatchString(testConfig) || topics[testConfig] == "" {
			t.Fatalf("topics %v", topics)
		}
		if err := json.Unmarshal([]byte(topics[testConfig]), &d); err != nil {
			t.Fatal(err)
		}
		if ids, _ := d.Device["identifiers"].([]any); len(ids) != 1 || d.Device["serial_number"] != "10000000abcdef01" || d.Origin["name"] == "" || topics[d.Availability] != online {
			t.Errorf("device %v, origin %v, availability %q", d.Device, d.Origin, d.Availability)
		}
		for k := range d.Device {
			if !slices.Contains(strings.Fields("identifiers connections configuration_url manufacturer model model_id name hw_version serial_number sw_version suggested_area via_device"), k) {
				t.Errorf("device.%s is unknown", k)
			}
		}
		ids := map[any]bool{}
		for key, c := range d.Components {
			platform, _ := c["platform"].(string)
			s, known := schema[platform]
			if !known {
				t.Fatalf("%s: platform %q", key, platform)
			}
			for _, k := range append(strings.Fields(s.must), "unique_id", "name") {
				if c[k] == nil || c[k] == "" {
					t.Errorf("%s lacks %s", key, k)
				}
			}
			for k := range c {
				if !slices.Contains(strings.Fields(s.must+" "+s.may+" platform unique_id name icon entity_category"), k) {
					t.Errorf("%s.%s is unknown to %s", key, k, platform)
				}
			}
			if class, ok := c["device_class"].(string); ok && !slices.Contains(strings.Fields(s.classes), class) {
				t.Errorf("%s: class %q", key, class)
			}
			if (c["options"] != nil) != (c["device_class"] == "enum") {
				t.Errorf("%s: options belong to an enum", key)
			}
			for _, k := range []string{"state_topic", "json_attributes_topic"} {
				if at, ok := c[k].(string); ok && !strings.HasPrefix(at, testBase+"/ring/") && topics[at] == "" {
					t.Errorf("%s: nothing is told on %s", key, at)
				}
			}
			if ids[c["unique_id"]] {
				t.Errorf("%s is there twice", c["unique_id"])
			}
			ids[c["unique_id"]] = true
		}
		bell := d.Components["ring_bell"]
		if types, _ := bell["event_types"].([]any); bell["device_class"] != "doorbell" || !slices.Contains(types, any("ring")) {
			t.Errorf("bell %v", bell)
		}
		// A lock only where it may be opened, and a contact tells.
		if got := d.Components["lock"] != nil; got != slices.Contains(commands, "open:door") {
			t.Errorf("lock %v with %v", got, commands)
		}
		if got, _ := d.Components["dnd"]["platform"].(string); (got == "switch") != slices.Contains(commands, "dnd") {
			t.Errorf("do not disturb is a %s with %v", got, commands)
		}
		for key, c := range d.Components {
			if cmd, ok := c["command_topic"].(string); ok && len(commands) == 0 {
				t.Errorf("%s can be ordered on %s", key, cmd)
			}
		}
	}
	h.change(func(s *station.Snapshot) { s.Contacts = s.Contacts[1:] })
	tl := &teller{cfg: config("mqtt://x", "open:door"), door: h, base: testBase}
	if strings.Contains(tl.retained()[testConfig], `"platform":"lock"`) {
		t.Error("a lock of which nobody knows whether it is open")
	}
}

// What the broker keeps says how the door is.
func TestState(t *testing.T) {
	h := newHouse()
	h.change(func(s *station.Snapshot) {
		s.NotReady = words.New("no-bell")
		s.Contacts = slices.Clone(s.Contacts)
		s.Contacts[0].Active, s.Contacts[0].Alarm = true, station.AlarmHeld
		s.Faults = []station.Fault{{Key: faultKey, Message: words.New("mqtt-refused", "host", "x")}, {Key: "alarm.leaf", Message: words.New("alarm-held", "label", "Leaf", "after", "1m0s")}}
		s.Calls = []station.Record{{Ending: station.Ending{Cause: station.CauseBusy}}}
	})
	st := stateOf(h.snap, "door", words.In("de"))
	if st.Ready || st.NotReady == "" || !st.Open || !st.Contacts["leaf"] || st.Alarms["leaf"] != string(station.AlarmHeld) || len(st.Faults) != 1 || st.Faults[0].Remedy == "" || st.LastCall != words.In("de").Say("cause", words.New("busy")) {
		t.Errorf("%+v", st)
	}
}

func TestObjectID(t *testing.T) {
	if got := objectID("a.b/c#d-1"); got != "a_b_c_d-1" {
		t.Error(got)
	}
}

func FuzzOrders(f *testing.F) {
	f.Add(testBase+"/do/open/door", payloadPress, false)
	f.Add(testBase+"/do/press/", "", true)
	f.Fuzz(func(t *testing.T, topic, payload string, retained bool) {
		o := newOrders(config("", "open:door"), newHouse(), testBase, "x", config("").Log)
		cmd, err := o.read(order{topic, payload, retained})
		if err == nil && (cmd.Kind != station.CommandOpen || cmd.Relay != "door" || payload != payloadPress || retained || topic != testBase+"/do/open/door") {
			t.Errorf("%q %q: %+v", topic, payload, cmd)
		}
	})
}
