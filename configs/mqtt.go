package configs

import (
	"net/url"
	"slices"
	"strings"

	"intercomd/words"
)

// MQTT is the broker that the door tells what happens, and may take orders from.
type MQTT struct {
	Server       string   `toml:"server"` // URL; "": there is none, or it is at fault
	User         string   `toml:"user"`
	Password     Secret   `toml:"password"` // also from PasswordFile, after Load
	PasswordFile string   `toml:"password_file"`
	CAFile       string   `toml:"ca_file"` // after Load a path that can be opened, as the two below
	CertFile     string   `toml:"cert_file"`
	KeyFile      string   `toml:"key_file"`
	Topic        string   `toml:"topic"`     // what all topics of all doors begin with
	Discovery    string   `toml:"discovery"` // prefix of Home Assistant's discovery; "" is none
	Language     string   `toml:"language" oneof:"en de fr es zh"`
	Commands     []string `toml:"commands"` // of [MQTTCommands], and "open:RELAY"
}

// MQTTCommands are the commands that a broker may be allowed, besides "open:" and a relay.
func MQTTCommands() []string {
	return []string{"press", "answer", "hangup", "dnd", "selftest"}
}

// mqttOpens is what a command begins with that opens a relay.
const mqttOpens = "open:"

// mqtt checks the broker, and what it may order.
func (c *checker) mqtt() {
	m := &c.cfg.MQTT
	if m.Server == "" {
		if m.User != "" || m.Password != "" || m.PasswordFile != "" || m.CAFile != "" || m.CertFile != "" || len(m.Commands) > 0 {
			c.missing("mqtt.server", words.New("config-missing-broker"))
		}
		return
	}
	c.broker(m.Server)
	if m.Password != "" && m.PasswordFile != "" {
		c.bad("mqtt.password_file", words.New("config-both", "other", "password"))
	}
	if m.User == "" && (m.Password != "" || m.PasswordFile != "") {
		c.missing("mqtt.user", words.New("config-missing-broker-user"))
	}
	if (m.CertFile == "") != (m.KeyFile == "") {
		c.bad("mqtt.cert_file", words.New("config-half-a-pair"))
	}
	if m.Topic != "" && !isTopic(m.Topic) {
		c.bad("mqtt.topic", words.New("config-not-topic", "value", quotable(m.Topic)))
	}
	if m.Discovery != "" && !isTopic(m.Discovery) {
		c.bad("mqtt.discovery", words.New("config-not-topic", "value", quotable(m.Discovery)))
	}
	allowed := MQTTCommands()
	for _, r := range c.cfg.Relays {
		if !r.Latching {
			allowed = append(allowed, mqttOpens+r.Name)
		}
	}
	for _, cmd := range m.Commands {
		if !slices.Contains(allowed, cmd) {
			c.bad("mqtt.commands", choices("config-unknown-value", cmd, allowed))
		}
	}
}

// broker judges the address of a broker.
func (c *checker) broker(raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || !isHost(u.Hostname()) || !isPort(u.Port()) || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		if strings.Contains(raw, "@") {
			raw = hidden // there may be a password in it
		}
		c.bad("mqtt.server", words.New("config-not-broker", "value", quotable(raw)))
	case u.User != nil:
		c.bad("mqtt.server", words.New("config-broker-user"))
	case u.Scheme == "mqtts":
	case u.Scheme == "mqtt" && isLoopback(u.Hostname()):
	case u.Scheme == "mqtt":
		c.bad("mqtt.server", words.New("config-broker-plain"))
	default:
		c.bad("mqtt.server", words.New("config-not-broker", "value", quotable(raw)))
	}
}

// isTopic reports whether topics may begin with s: no wildcards, no empty levels, nothing of
// the broker's own (MQTT 5.0, section 4.7).
func isTopic(s string) bool {
	if len(s) > 128 || strings.HasPrefix(s, "$") {
		return false
	}
	for level := range strings.SplitSeq(s, "/") {
		if level == "" || strings.ContainsFunc(level, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
		}) {
			return false
		}
	}
	return true
}

// mqttFiles reads what [mqtt] names. A fault takes the broker away: it would be trusted for
// other reasons than those that were meant.
func (c *checker) mqttFiles(dirOf func(key string) string) {
	m := &c.cfg.MQTT
	if m.Server == "" {
		return
	}
	before := len(c.faults)
	c.passwordFile(dirOf("mqtt.password_file"), "mqtt.password_file", &m.PasswordFile, &m.Password)
	if f := c.certificates(dirOf("mqtt.ca_file"), "mqtt.ca_file", &m.CAFile); f != nil {
		c.faults = append(c.faults, *f)
	}
	if m.CertFile != "" && m.KeyFile != "" {
		m.CertFile, m.KeyFile = under(dirOf("mqtt.cert_file"), m.CertFile), under(dirOf("mqtt.key_file"), m.KeyFile)
		c.pair("mqtt.cert_file", m.CertFile, m.KeyFile)
	}
	if len(c.faults) > before {
		m.Server = ""
	}
}
