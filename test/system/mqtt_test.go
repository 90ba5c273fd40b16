package system

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// online is what a listener at the broker hears of a door that is there.
var online = regexp.MustCompile(`/availability \d online`)

const brokerPort = 18883

// brokerCA is who vouches for a broker. It skips the test where there can be none.
func brokerCA(t *testing.T, dir string) *lab.CA {
	t.Helper()
	if !lab.Wanted() {
		t.Skip("needs Mosquitto and a network namespace: run make system")
	}
	ca, err := lab.NewCA(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// listener hears all that comes to a broker, until the test ends.
func listener(t *testing.T, m *lab.Mosquitto, more ...string) *lab.Proc {
	t.Helper()
	ears, err := m.Listen(within(t, 10*time.Second), more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ears.Stop(time.Second) })
	return ears
}

// startBroker starts a Mosquitto, and returns it with the settings of a door that uses it.
func startBroker(t *testing.T, ca *lab.CA, commands string, lines ...string) (*lab.Mosquitto, map[string]string) {
	t.Helper()
	m, err := lab.StartMosquitto(within(t, 20*time.Second), filepath.Join(t.TempDir(), "mosquitto"), ca, brokerPort, lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.Hang(false)
		_ = m.Stop(3 * time.Second)
		if t.Failed() {
			t.Logf("log of the broker:\n%s", m.Tail(60))
		}
	})
	return m, map[string]string{
		"mqtt.server": strconv.Quote("mqtts://127.0.0.1:" + strconv.Itoa(brokerPort)), "mqtt.user": strconv.Quote(lab.MQTTDoor), "mqtt.password": strconv.Quote(lab.Password(lab.MQTTDoor)),
		"mqtt.ca_file": strconv.Quote(ca.CertFile), "mqtt.commands": commands, "fleet.serial": `""`, "sip.server": `"wss://127.0.0.1:9"`,
	}
}

// Mosquitto has the door with its entities, hears of a press, and opens it where that is allowed;
// whatever becomes of it, all that it kept is there again, and the door goes on.
func TestMQTT(t *testing.T) {
	dir := t.TempDir()
	ca := brokerCA(t, dir)
	m, keys := startBroker(t, ca, `["open:door"]`)
	c := lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort(), Keys: keys,
		Tables: "\n[[contact]]\nname = \"leaf\"\nline = 9\n"}
	ears := listener(t, m)
	d := startDoor(t, c)
	hears := func(pattern string) string {
		t.Helper()
		line, err := ears.WaitLine(within(t, 30*time.Second), regexp.MustCompile(pattern))
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	line := hears(`/availability 0 online`)
	base, _, _ := strings.Cut(line, "/availability")
	press := func() {
		t.Helper()
		if _, err := d.Press(within(t, 10*time.Second), "bell"); err != nil {
			t.Fatal(err)
		}
	}
	press()
	hears(`/ring/bell 0 .*"event_type":"ring"`)
	if err := m.Say(within(t, 10*time.Second), base+"/do/open/door", "PRESS"); err != nil {
		t.Fatal(err)
	}
	hears(`/event/door/released 0 .*"ok":true.*"via":"mqtt"`)
	if err := lab.Poll(within(t, 10*time.Second), func() error {
		audit, err := os.ReadFile(filepath.Join(c.Dir, "state", "audit.log"))
		if err == nil && !strings.Contains(string(audit), `"how":"mqtt"`) {
			err = fmt.Errorf("the audit log: %s", audit)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := m.Say(within(t, 10*time.Second), base+"/do/open/door", "PRESS", "-r"); err != nil {
		t.Fatal(err)
	}
	hears(`/refused 0 .*"code":"retained"`)

	all := func(when string) {
		t.Helper()
		if err := lab.Poll(within(t, 60*time.Second), func() error {
			kept, err := m.Kept(within(t, 10*time.Second), "#")
			if err != nil {
				return err
			}
			for topic, want := range map[string]string{base + "/availability": "online", base + "/state": `"contacts":{"leaf":false}`,
				"homeassistant/device/" + filepath.Base(base) + "/config": `"platform":"lock"`} {
				if !strings.Contains(kept[topic], want) {
					return &missing{when, topic, kept[topic]}
				}
			}
			for topic, payload := range kept {
				if strings.HasPrefix(payload, "{") && !json.Valid([]byte(payload)) || strings.Contains(topic, "/ring/") || strings.Contains(topic, "/event/") {
					t.Errorf("%s: kept on %s: %s", when, topic, payload)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	all("at first")

	// The broker ends, and starts anew without memory.
	_ = m.Stop(3 * time.Second)
	press()
	if err := m.Again(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	all("after a restart")

	// The broker hangs: the door does not notice, and is noticed again.
	if err := m.Hang(true); err != nil {
		t.Fatal(err)
	}
	press()
	press()
	time.Sleep(12 * time.Second) // longer than it may take to confirm, and be greeted
	press()
	if err := m.Hang(false); err != nil {
		t.Fatal(err)
	}
	all("after it hung")

	// A door that is gone is not there.
	if err := d.Stop(6 * time.Second); err != nil {
		t.Error(err)
	}
	if err := lab.Poll(within(t, 30*time.Second), func() error {
		kept, err := m.Kept(within(t, 10*time.Second), base+"/availability")
		if err == nil && kept[base+"/availability"] != "offline" {
			err = &missing{"at the end", base + "/availability", kept[base+"/availability"]}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

type missing struct{ when, topic, got string }

func (m *missing) Error() string { return m.when + ": " + m.topic + " is " + m.got }

// A broker that nobody vouches for, or that refuses the door, is a fault, and nothing more.
func TestMQTTRefused(t *testing.T) {
	dir := t.TempDir()
	ca := brokerCA(t, dir)
	_, keys := startBroker(t, ca, "[]")
	keys["mqtt.password"] = `"hunter22"`
	d := startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort(), Keys: keys})
	s, err := d.Wait(within(t, 30*time.Second), "refused by its broker", func(s lab.Status) bool {
		for _, f := range s.Faults {
			if f.Key == "mqtt" {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(s)
	if !strings.Contains(string(text), "mqtt-refused") || strings.Contains(string(text), "hunter22") || strings.Contains(d.Tail(1000), "hunter22") {
		t.Errorf("%s", text)
	}
	if _, err := d.Press(within(t, 10*time.Second), "bell"); err != nil {
		t.Error(err)
	}
}

// mqttDoor starts a door with settings for its broker.
func mqttDoor(t *testing.T, keys map[string]string) *lab.Door {
	t.Helper()
	return startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort(), Keys: keys})
}

// brokerFault waits until a door says what is wrong with its broker.
func brokerFault(t *testing.T, d *lab.Door, code, detail string) {
	t.Helper()
	s, err := d.Wait(within(t, 45*time.Second), "told what is wrong with its broker", func(s lab.Status) bool { return s.Fault("mqtt") != "" })
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Fault("mqtt"); !strings.HasPrefix(got, code+" ") || !strings.Contains(got, detail) {
		t.Errorf("the fault is %s", got)
	}
}

// A broker that wants a certificate takes that of the door. One of somebody else, one that is over, and none at
// all are a fault each, at once, and a press is a press.
func TestMQTTCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := brokerCA(t, dir)
	strange, err := lab.NewCA(dir, "strange")
	if err != nil {
		t.Fatal(err)
	}
	m, keys := startBroker(t, ca, "[]", lab.MQTTCertificates)
	with := func(ca *lab.CA, name string, until time.Time) map[string]string {
		cert, key, err := ca.IssueClient(dir, name, until)
		if err != nil {
			t.Fatal(err)
		}
		all := maps.Clone(keys)
		all["mqtt.cert_file"], all["mqtt.key_file"] = strconv.Quote(cert), strconv.Quote(key)
		return all
	}
	tomorrow := time.Now().AddDate(0, 0, 1)
	ears := listener(t, m)
	good := mqttDoor(t, with(ca, "good", tomorrow))
	if _, err := ears.WaitLine(within(t, 30*time.Second), online); err != nil {
		t.Fatal(err)
	}
	if s, err := good.Status(within(t, 10*time.Second)); err != nil || s.Fault("mqtt") != "" {
		t.Errorf("%v, %s", err, s.Fault("mqtt"))
	}
	for name, row := range map[string]struct {
		keys   map[string]string
		detail string
	}{
		"none":    {keys, "certificate"},
		"strange": {with(strange, "stranger", tomorrow), "certificate"},
		"expired": {with(ca, "expired", time.Now().Add(-time.Hour)), "expired certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			d := mqttDoor(t, row.keys)
			brokerFault(t, d, "mqtt-refused", row.detail)
			if _, err := d.Press(within(t, 10*time.Second), "bell"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A broker that has as many connections as it may have, and one that another device has turned to under the name of
// the door: the door says so, and is back when there is room.
func TestMQTTFullAndTakenOver(t *testing.T) {
	ca := brokerCA(t, t.TempDir())
	m, keys := startBroker(t, ca, "[]", "max_connections 1")
	keys["fleet.serial"], keys["fleet.url"] = `"10000000abcdef01"`, `"https://127.0.0.1:9/doors"`
	first := listener(t, m)
	d := mqttDoor(t, keys)
	if _, err := d.WaitLine(within(t, 30*time.Second), regexp.MustCompile(`the MQTT broker is away.*without a word`)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Press(within(t, 10*time.Second), "bell"); err != nil {
		t.Error(err)
	}
	_ = first.Stop(time.Second)
	if _, err := d.WaitLine(within(t, 60*time.Second), regexp.MustCompile(`the MQTT broker is told`)); err != nil {
		t.Fatal(err)
	}
	_ = m.Stop(3 * time.Second)

	var err error
	if m, err = lab.StartMosquitto(within(t, 20*time.Second), m.Dir, ca, brokerPort); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.Stop(3 * time.Second)
		if t.Failed() {
			t.Logf("log of the second broker:\n%s", m.Tail(60))
		}
	})
	if _, err := m.WaitLine(within(t, 60*time.Second), regexp.MustCompile(`Sending PUBACK to intercomd-10000000abcdef01`)); err != nil {
		t.Fatal(err)
	}
	other := listener(t, m, "-i", "intercomd-10000000abcdef01")
	brokerFault(t, d, "mqtt-refused", "another device")
	if _, err := d.Press(within(t, 10*time.Second), "bell"); err != nil {
		t.Error(err)
	}
	_ = other.Stop(time.Second)
	if _, err := d.Wait(within(t, 60*time.Second), "alone with its broker", func(s lab.Status) bool { return s.Fault("mqtt") == "" }); err != nil {
		t.Fatal(err)
	}
	// The last will of the connection that was thrown out is not what stays.
	if kept, err := m.Kept(within(t, 10*time.Second), "intercomd/10000000abcdef01/availability"); err != nil || kept["intercomd/10000000abcdef01/availability"] != "online" {
		t.Errorf("%v, %v", kept, err)
	}
}
