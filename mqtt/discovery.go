package mqtt

import (
	"fmt"
	"slices"
	"strings"

	"intercomd/station"
)

// This file is what Home Assistant is told of the door, in one message for the whole device, by the
// schema of https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery (device discovery).

// ringType is what the events of a doorbell must have among their types.
const ringType = "ring"

// discovery is the payload: keys are those of the schema.
type discovery struct {
	Device       map[string]any       `json:"device"`
	Origin       map[string]any       `json:"origin"`
	Components   map[string]component `json:"components"`
	Availability string               `json:"availability_topic"`
	QoS          int                  `json:"qos"`
}

// component is one entity; see the documentation of its platform for the keys.
type component map[string]any

// maxComponents bounds the message, whatever the configuration has.
const maxComponents = 100

func (t *teller) discovery(s *station.Snapshot) discovery {
	c, id := t.cfg, objectID(t.cfg.Serial)
	device := map[string]any{"identifiers": []string{"intercomd_" + id}, "name": s.Name, "manufacturer": "intercomd", "model": "SIP door station",
		"sw_version": s.Version, "serial_number": c.Serial}
	if c.Page != "" {
		device["configuration_url"] = c.Page
	}
	d := discovery{Device: device, Origin: map[string]any{"name": "intercomd", "sw_version": s.Version}, Components: map[string]component{},
		Availability: t.base + "/availability", QoS: 1}
	add := func(key, platform, name string, more component) {
		if len(d.Components) >= maxComponents {
			return
		}
		more["platform"], more["name"], more["unique_id"] = platform, name, "intercomd_"+id+"_"+key
		d.Components[key] = more
	}
	t.addBell(s, add)
	t.addDoor(s, add)
	t.addContacts(s, add)
	t.addStates(add)
	t.addOrders(s, add)
	device["name"] = deviceName(s.Name, d.Components)
	return d
}

// deviceName is the name of the door, unless that of an entity begins with it: Home Assistant from 2023.8 on puts
// the one before the other, takes "Door" off "Doorbell", and has the user told that the software is to be mended.
func deviceName(name string, all map[string]component) string {
	for _, c := range all {
		if entity, _ := c["name"].(string); strings.HasPrefix(entity, name) {
			return name + " (intercomd)"
		}
	}
	return name
}

type adder func(key, platform, name string, more component)

// addBell adds an entity for each button that calls somebody.
func (t *teller) addBell(s *station.Snapshot, add adder) {
	l := t.cfg.Language
	bells := slices.DeleteFunc(slices.Clone(s.Buttons), func(b station.Button) bool { return b.Does != station.Dial })
	for _, b := range bells {
		name := l.Text("entity.doorbell")
		if len(bells) > 1 {
			name += ": " + b.Label
		}
		add("ring_"+b.Input, "event", name, component{"device_class": "doorbell", "event_types": []string{ringType}, "state_topic": t.base + "/ring/" + b.Input})
	}
}

// addDoor adds what opens: a button for each relay, and a lock where a contact tells whether the
// door is open.
func (t *teller) addDoor(s *station.Snapshot, add adder) {
	l := t.cfg.Language
	for _, cmd := range t.cfg.Commands {
		relay, ok := strings.CutPrefix(cmd, opens)
		if !ok {
			continue
		}
		topic := t.base + "/do/open/" + relay
		add("open_"+relay, "button", l.Text("entity.open", "relay", relay), component{"command_topic": topic, "payload_press": payloadPress, "icon": "mdi:door-open"})
		if relay == t.cfg.Relay && slices.ContainsFunc(s.Contacts, func(c station.Contact) bool { return c.Watches == station.DoorContact }) {
			add("lock", "lock", l.Text("entity.lock"), component{"command_topic": topic, "payload_unlock": payloadPress, "payload_lock": payloadLock,
				"state_topic": t.base + "/state", "value_template": "{{ 'UNLOCKED' if value_json.open else 'LOCKED' }}"})
		}
	}
}

func (t *teller) addContacts(s *station.Snapshot, add adder) {
	classes := map[station.ContactKind]string{station.DoorContact: "door", station.TamperContact: "tamper", station.AlarmContact: "safety"}
	for _, c := range s.Contacts {
		e := t.flag(fmt.Sprintf("value_json.contacts['%s']", c.Input))
		if class := classes[c.Watches]; class != "" {
			e["device_class"] = class
		}
		add("contact_"+c.Input, "binary_sensor", c.Label, e)
		if c.Watches == station.DoorContact { // held or forced open; for the others being active is the alarm
			e := t.flag(fmt.Sprintf("value_json.alarms['%s']", c.Input))
			e["device_class"] = "problem"
			add("alarm_"+c.Input, "binary_sensor", t.cfg.Language.Text("entity.alarm", "label", c.Label), e)
		}
	}
}

// flag is a binary sensor that is on while an expression about the state is true.
func (t *teller) flag(expression string) component {
	return component{"state_topic": t.base + "/state", "value_template": "{{ 'ON' if " + expression + " else 'OFF' }}"}
}

// addStates adds what the door is about, and how it fares.
func (t *teller) addStates(add adder) {
	l := t.cfg.Language
	sensor := func(key, name, template string, more component) {
		more["state_topic"], more["value_template"] = t.base+"/state", "{{ "+template+" }}"
		add(key, "sensor", name, more)
	}
	diagnostic := func(c component) component { c["entity_category"] = "diagnostic"; return c }
	sensor("state", l.Text("entity.state"), "value_json.state", component{"device_class": "enum",
		"options": []string{string(station.Idle), string(station.Calling), string(station.Ringing), string(station.Talking), string(station.Stopped)}})
	sensor("last_call", l.Text("entity.ending"), "value_json.lastCall", component{})
	sensor("registration", l.Text("entity.registration"), "value_json.registration", diagnostic(component{"device_class": "enum",
		"options": station.RegStates()}))
	sensor("faults", l.Text("entity.faults"), "value_json.faults | length", diagnostic(component{}))
	sensor("started", l.Text("entity.started"), "value_json.started", diagnostic(component{"device_class": "timestamp"}))
	add("ready", "binary_sensor", l.Text("entity.ready"), diagnostic(t.flag("value_json.ready")))
	problem := diagnostic(t.flag("value_json.faults"))
	problem["device_class"] = "problem"
	problem["json_attributes_topic"] = t.base + "/state"
	problem["json_attributes_template"] = "{{ {'faults': value_json.faults} | tojson }}"
	add("problem", "binary_sensor", l.Text("entity.problem"), problem)
	if t.update != nil {
		add("update", "update", l.Text("entity.update"), diagnostic(component{"state_topic": t.base + "/update", "device_class": "firmware"}))
	}
}

// addOrders adds what else may be ordered.
func (t *teller) addOrders(s *station.Snapshot, add adder) {
	l := t.cfg.Language
	button := func(key, name, what string) {
		add(key, "button", name, component{"command_topic": t.base + "/do/" + what, "payload_press": payloadPress})
	}
	disturb := t.flag("value_json.doNotDisturb")
	for _, cmd := range t.cfg.Commands {
		switch station.CommandKind(cmd) {
		case station.CommandPress:
			for _, b := range s.Buttons {
				button("press_"+b.Input, l.Text("entity.press", "label", b.Label), "press/"+b.Input)
			}
		case station.CommandAnswer:
			button("answer", l.Text("entity.answer"), "answer")
		case station.CommandHangup:
			button("hangup", l.Text("entity.hangup"), "hangup")
		case orderTest:
			button("selftest", l.Text("entity.selftest"), orderTest)
		case station.CommandDND:
			disturb["command_topic"] = t.base + "/do/dnd"
		default: // opening is a matter of its own, and nothing else can be ordered
		}
	}
	if disturb["command_topic"] != nil {
		add("dnd", "switch", l.Text("entity.dnd"), disturb)
		return
	}
	add("dnd", "binary_sensor", l.Text("entity.dnd"), disturb)
}

// objectID is a text as a level of a discovery topic may be: [a-zA-Z0-9_-]+.
func objectID(s string) string {
	return strings.Map(func(r rune) rune {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return '_'
		}
		return r
	}, s)
}
