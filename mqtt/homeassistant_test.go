package mqtt

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"intercomd/station"
)

// What Home Assistant takes, as its own code has it (Home Assistant 2026, components/mqtt). A device message is
// refused as a whole for one key that it does not know; a component is left out for one that it lacks, or whose
// value is not among those that it knows; keys that it does not know are dropped there without a word.

// haDevice, haOrigin and haRoot are schemas.py: MQTT_ENTITY_DEVICE_INFO_SCHEMA, MQTT_ORIGIN_INFO_SCHEMA, DEVICE_DISCOVERY_SCHEMA.
const (
	haDevice = "identifiers connections manufacturer model model_id name hw_version serial_number sw_version via_device suggested_area configuration_url"
	haOrigin = "name sw_version support_url"
	haRoot   = "device components origin state_topic command_topic qos encoding " + haAvailability
	// haAvailability is MQTT_AVAILABILITY_SCHEMA: the topic or the list, never both.
	haAvailability = "availability availability_mode availability_topic availability_template payload_available payload_not_available"
	// haCommon is MQTT_ENTITY_COMMON_SCHEMA, with MQTT_BASE_SCHEMA of config.py.
	haCommon = "device origin enabled_by_default entity_category entity_picture icon json_attributes_topic json_attributes_template default_entity_id unique_id qos encoding platform name " + haAvailability
	haRead   = "value_template"                // MQTT_RO_SCHEMA, which requires state_topic
	haWrite  = "optimistic retain state_topic" // MQTT_RW_SCHEMA, which requires command_topic
)

// haPlatforms are the platforms by their files: keys that each requires, those that it knows besides the common
// ones, and its device classes as far as a door has them.
var haPlatforms = map[string]struct{ must, may, classes string }{
	"event":         {"state_topic event_types", haRead + " device_class", "button doorbell motion"},
	"button":        {"command_topic", "command_template device_class payload_press retain", "identify restart update"},
	"lock":          {"command_topic", haWrite + " value_template code_format command_template payload_lock payload_unlock payload_open payload_reset state_jammed state_locked state_locking state_open state_opening state_unlocked state_unlocking", ""},
	"binary_sensor": {"state_topic", haRead + " device_class expire_after force_update off_delay payload_off payload_on", "door tamper safety problem connectivity"},
	"sensor":        {"state_topic", haRead + " device_class expire_after force_update last_reset_value_template options suggested_display_precision state_class unit_of_measurement", "enum timestamp"},
	"switch":        {"command_topic", haWrite + " value_template command_template device_class payload_off payload_on state_off state_on", "outlet switch"},
	"update":        {"state_topic", haRead + " command_topic device_class display_precision latest_version_template latest_version_topic payload_install release_summary release_url retain title", "firmware"},
}

// haUpdate is update.py, MQTT_JSON_UPDATE_SCHEMA: one key too many, or one that is null, and nothing is taken; but
// for the percentage, which is null while nothing is installed.
const haUpdate = "installed_version latest_version title release_summary release_url entity_picture in_progress update_percentage"

// haTopic is TOPIC_MATCHER of discovery.py.
var haTopic = regexp.MustCompile(`^homeassistant/(?:\w+)/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config$`)

// unknown are the keys of an object that are not among those of a list.
func unknown[V any](object map[string]V, known string) (out []string) {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(object)), func(k string) bool { return slices.Contains(strings.Fields(known), k) })
}

// haMessage is a device message as Home Assistant reads it.
type haMessage struct {
	Device, Origin map[string]any
	Components     map[string]map[string]any
	Availability   string `json:"availability_topic"`
	QoS            int
}

// faultsOf are what Home Assistant would have against a component.
func faultsOf(key string, c map[string]any) (out []string) {
	platform, _ := c["platform"].(string)
	s, known := haPlatforms[platform]
	if !known {
		return []string{key + ": platform " + platform}
	}
	for _, k := range append(strings.Fields(s.must), "unique_id", "name") {
		if c[k] == nil || c[k] == "" {
			out = append(out, key+" lacks "+k)
		}
	}
	for _, k := range unknown(c, s.must+" "+s.may+" "+haCommon) {
		out = append(out, key+"."+k+" is unknown to "+platform)
	}
	if class, ok := c["device_class"].(string); ok && !slices.Contains(strings.Fields(s.classes), class) {
		out = append(out, key+": class "+class)
	}
	// entity.py: sensors of both kinds, and events, may not be of the category config.
	if category := c["entity_category"]; category != nil && category != "diagnostic" {
		out = append(out, key+": category")
	}
	// sensor.py, validate_sensor_state_and_device_class_config.
	if options, ok := c["options"].([]any); (c["device_class"] == "enum") != (len(options) > 0) || ok && (c["unit_of_measurement"] != nil || c["state_class"] != nil) {
		out = append(out, key+": options belong to an enum, which has neither unit nor class of state")
	}
	// event.py: a doorbell has the type ring (components/event, DoorbellEventType).
	if types, _ := c["event_types"].([]any); c["device_class"] == "doorbell" && !slices.Contains(types, any("ring")) {
		out = append(out, key+": a doorbell without ring")
	}
	// util.py, valid_publish_topic and valid_subscribe_topic.
	for _, k := range []string{"command_topic", "state_topic", "json_attributes_topic"} {
		if topic, _ := c[k].(string); strings.ContainsAny(topic, "+#\x00") || strings.HasPrefix(topic, "/") {
			out = append(out, key+"."+k+" is "+topic)
		}
	}
	return out
}

// Home Assistant takes everything that it is told.
func TestDiscoverySchema(t *testing.T) {
	h := newHouse()
	for _, commands := range [][]string{nil, {"open:door", "open:gate", "press", "answer", "hangup", "dnd", "selftest"}, {"open:gate"}} {
		tl := &teller{cfg: config("mqtt://x", commands...), door: h, base: testBase, update: &Update{Installed: "1.0", Latest: "1.0"}}
		tl.cfg.Page = "https://door.local:8443"
		topics := tl.retained()
		if !haTopic.MatchString(testConfig) || topics[testConfig] == "" {
			t.Fatalf("topics %v", topics)
		}
		var root map[string]json.RawMessage
		var d haMessage
		for _, into := range []any{&root, &d} {
			if err := json.Unmarshal([]byte(topics[testConfig]), into); err != nil {
				t.Fatal(err)
			}
		}
		for what, list := range map[string][]string{"the message": unknown(root, haRoot), "device": unknown(d.Device, haDevice), "origin": unknown(d.Origin, haOrigin)} {
			if len(list) > 0 {
				t.Errorf("%s has %v, and is refused as a whole", what, list)
			}
		}
		if ids, _ := d.Device["identifiers"].([]any); len(ids) != 1 || d.Device["serial_number"] != "10000000abcdef01" || d.Origin["name"] == "" || topics[d.Availability] != online || d.QoS > 2 {
			t.Errorf("device %v, origin %v, availability %q", d.Device, d.Origin, d.Availability)
		}
		ids := map[any]bool{}
		for key, c := range d.Components {
			for _, f := range faultsOf(key, c) {
				t.Error(f)
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
			if cmd, ok := c["command_topic"].(string); ok && len(commands) == 0 {
				t.Errorf("%s can be ordered on %s", key, cmd)
			}
		}
		if bell := d.Components["ring_bell"]; bell["device_class"] != "doorbell" {
			t.Errorf("bell %v", bell)
		}
		// A lock only where it may be opened, and a contact tells.
		if got := d.Components["lock"] != nil; got != slices.Contains(commands, "open:door") {
			t.Errorf("lock %v with %v", got, commands)
		}
		if got, _ := d.Components["dnd"]["platform"].(string); (got == "switch") != slices.Contains(commands, "dnd") {
			t.Errorf("do not disturb is a %s with %v", got, commands)
		}
		// A state that is not among the options is ignored (sensor.py, _update_state).
		for key, states := range map[string][]any{
			"state":        {string(station.Idle), string(station.Calling), string(station.Ringing), string(station.Talking), string(station.Stopped)},
			"registration": {string(station.RegOff), string(station.RegConnecting), string(station.RegRegistering), string(station.RegRegistered), string(station.RegFailed), string(station.RegRefused)},
		} {
			if options, _ := d.Components[key]["options"].([]any); !slices.Equal(options, states) {
				t.Errorf("%s may be %v, and is one of %v", key, options, states)
			}
		}
	}
	h.change(func(s *station.Snapshot) { s.Contacts = s.Contacts[1:] })
	tl := &teller{cfg: config("mqtt://x", "open:door"), door: h, base: testBase}
	if strings.Contains(tl.retained()[testConfig], `"platform":"lock"`) {
		t.Error("a lock of which nobody knows whether it is open")
	}
}

// No entity's name begins with that of the device: Home Assistant takes that off, and asks for the software to be
// mended (components/mqtt/entity.py, _set_entity_name). Doors are named "Door" unless somebody says otherwise, and a
// door as often as its contact.
func TestDeviceName(t *testing.T) {
	for name, want := range map[string]string{"Door": "Door (intercomd)", "Front door": "Front door (intercomd)", "Main entrance": "Main entrance"} {
		h := newHouse()
		h.change(func(s *station.Snapshot) {
			s.Name = name
			s.Contacts[0].Label = "Front door"
		})
		tl := &teller{cfg: config("mqtt://x"), door: h, base: testBase}
		var d haMessage
		if err := json.Unmarshal([]byte(tl.retained()[testConfig]), &d); err != nil {
			t.Fatal(err)
		}
		device, _ := d.Device["name"].(string)
		if device != want {
			t.Errorf("%s is %q, want %q", name, device, want)
		}
		for key, c := range d.Components {
			if entity, _ := c["name"].(string); strings.HasPrefix(entity, device) {
				t.Errorf("%s: %q begins with %q", key, entity, device)
			}
		}
	}
}

// What is wrong with a component is found, so that the test above can fail.
func TestDiscoverySchemaFindsFaults(t *testing.T) {
	good := func() map[string]any {
		return map[string]any{"platform": "sensor", "name": "n", "unique_id": "u", "state_topic": "a/b", "device_class": "enum", "options": []any{"x"}}
	}
	if f := faultsOf("good", good()); len(f) > 0 {
		t.Error(f)
	}
	for key, value := range map[string]any{"platform": "doorbell", "unique_id": nil, "state_topic": "a/#", "options": []any{}, "unit_of_measurement": "s", "colour": "red", "device_class": "door", "entity_category": "config"} {
		c := good()
		c[key] = value
		if f := faultsOf("bad", c); len(f) == 0 {
			t.Errorf("%s: %v is taken", key, value)
		}
	}
}

// The payloads of an update and of a ring are those that Home Assistant reads.
func TestPayloads(t *testing.T) {
	for _, u := range []*Update{{}, {Installed: "1.0", Latest: "1.1", Busy: true, Percent: 100}} {
		tl := &teller{cfg: config("mqtt://x"), door: newHouse(), base: testBase, update: u}
		var got map[string]any
		if err := json.Unmarshal([]byte(tl.retained()[testBase+"/update"]), &got); err != nil {
			t.Fatal(err)
		}
		_, busy := got["in_progress"].(bool)
		if list := unknown(got, haUpdate); len(list) > 0 || !busy {
			t.Errorf("%v: %v", list, got)
		}
		for k, v := range got {
			if v == nil && k != "update_percentage" {
				t.Errorf("%s is null: nothing of the message is taken", k)
			}
		}
	}
}
