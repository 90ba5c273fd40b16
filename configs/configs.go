// Package configs reads the one configuration file of intercomd and tells every fault
// in it: where, what is wrong and what would be right.
//
// It refuses to know what the settings do: it has plain values, units and ranges, and
// cmd maps them onto the rooms. It opens no device and no connection; of the file
// system it reads the file itself and the files that it names.
package configs

import (
	_ "embed"
	"log/slog"
	"time"
)

// DefaultFile is the documented default: every setting with its comment.
//
//go:embed intercom.toml
var DefaultFile string

// Config is a configuration. The comments of its fields are in [DefaultFile], which a
// test holds complete; here are only units and what differs from the file.
//
// Tags: toml is the key; range is the allowed values, both ends included; oneof is the
// allowed words.
type Config struct {
	SIP       SIP        `toml:"sip"`
	Network   Network    `toml:"network"`
	Call      Call       `toml:"call"`
	Targets   []Target   `toml:"target"`
	Time      Time       `toml:"time"`
	Schedules []Schedule `toml:"schedule"`
	Incoming  Incoming   `toml:"incoming"`
	Door      Door       `toml:"door"`
	Keys      []Key      `toml:"key"`
	Codes     []Code     `toml:"code"`
	Notify    []Notify   `toml:"notify"`
	MQTT      MQTT       `toml:"mqtt"`
	Audio     Audio      `toml:"audio"`
	Mixer     []Mixer    `toml:"mixer"`
	Board     Board      `toml:"board"`
	Buttons   []Button   `toml:"button"`
	Contacts  []Contact  `toml:"contact"`
	Lamps     []Lamp     `toml:"lamp"`
	Relays    []Relay    `toml:"relay"`
	Canary    Canary     `toml:"canary"`
	Web       Web        `toml:"web"`
	Log       Log        `toml:"log"`
	State     State      `toml:"state"`
	History   History    `toml:"history"`
	System    System     `toml:"system"`
	WLAN      WLAN       `toml:"wlan"`
	EAP       EAP        `toml:"eap"`
	Locale    Locale     `toml:"locale"`
	Update    Update     `toml:"update"`
	Fleet     Fleet      `toml:"fleet"`
}

// SIP is the account of the door.
type SIP struct {
	Servers      []string      `toml:"server"` // URLs, in the order to try
	User         string        `toml:"user"`   // without domain
	AuthUser     string        `toml:"auth_user"`
	Password     Secret        `toml:"password"` // also from PasswordFile, after Load
	PasswordFile string        `toml:"password_file"`
	Domain       string        `toml:"domain"`
	DisplayName  string        `toml:"display_name"`
	CAFile       string        `toml:"ca_file"` // after Load a path that can be opened
	Pins         []string      `toml:"pins"`    // SHA-256 of public keys in base64 (RFC 7469, 2.4)
	Expires      time.Duration `toml:"expires" range:"1m..24h"`
	WhenTaken    string        `toml:"when_taken" oneof:"take-back yield"`
	// ReconnectSpread is over how long the doors of a site come back; 0: each within seconds.
	ReconnectSpread time.Duration `toml:"reconnect_spread" range:"0s..10m"`
}

// Network is what calls go over. All but Interfaces is for the card image; see [Config.ForCard].
type Network struct {
	Interfaces []string `toml:"interfaces"` // names; none: all that lead out of this machine
	Addresses  []string `toml:"address"`    // with prefix lengths; ["dhcp"] or none: those that DHCP gives
	Gateway    string   `toml:"gateway"`    // an address; "": none
	DNS        []string `toml:"dns"`        // addresses of name servers
	VLAN       int      `toml:"vlan" range:"0..4094"`
}

// Static reports whether the addresses are given, and not those that DHCP gives.
func (n Network) Static() bool {
	return len(n.Addresses) > 0 && n.Addresses[0] != dhcp
}

// Call is how the door calls.
type Call struct {
	Target       string        `toml:"target"`
	RingTime     time.Duration `toml:"ring_time" range:"5s..3m"`
	TalkTime     time.Duration `toml:"talk_time" range:"10s..1h"`
	TalkWarning  time.Duration `toml:"talk_warning" range:"0s..1m"`
	ExtendKey    string        `toml:"extend_key"` // one DTMF digit; "" is off
	TalkKey      string        `toml:"talk_key"`   // one DTMF digit; "" is off
	HoldPress    time.Duration `toml:"hold_press" range:"0s..2m"`
	MediaTimeout time.Duration `toml:"media_timeout" range:"0s..10m"`
	Transfers    string        `toml:"transfers" oneof:"partner called never"`
}

// Incoming is what becomes of calls to the door.
type Incoming struct {
	Answer          string        `toml:"answer" oneof:"button auto reject"`
	AutoAnswer      []string      `toml:"auto_answer"` // users
	AutoAnswerDelay time.Duration `toml:"auto_answer_delay" range:"0s..30s"`
	AnswerOnRequest []string      `toml:"answer_on_request"` // users
	Second          string        `toml:"second" oneof:"busy queue"`
	QueueLength     int           `toml:"queue_length" range:"1..8"`
	QueueTime       time.Duration `toml:"queue_time" range:"5s..5m"`
}

// Audio is the sound.
type Audio struct {
	Input            string        `toml:"input"`
	Output           string        `toml:"output"`
	InputGain        float64       `toml:"input_gain" range:"-30..30"`  // dB
	OutputGain       float64       `toml:"output_gain" range:"-30..30"` // dB
	Codecs           []string      `toml:"codecs" oneof:"opus pcmu pcma"`
	OpusComplexity   int           `toml:"opus_complexity" range:"1..10"`
	EchoCanceller    string        `toml:"echo_canceller" oneof:"kalman speexdsp off"`
	NoiseSuppression string        `toml:"noise_suppression" oneof:"off low high max"`
	AGC              bool          `toml:"agc"`
	Duplex           string        `toml:"duplex" oneof:"auto full switched push-to-talk"`
	AmbientBoost     float64       `toml:"ambient_boost" range:"0..20"` // dB
	SilentAfter      time.Duration `toml:"silent_after" range:"0s..10m"`
	SelfTest         Clock         `toml:"self_test"`
	ToneRegion       string        `toml:"tone_region" oneof:"eu de fr uk us cn"`
	Language         string        `toml:"language" oneof:"off en de fr es zh"`
	Prompts          string        `toml:"prompts"` // after Load a path that can be opened
}

// Mixer is a level in the mixer of a sound card.
type Mixer struct {
	Card    string `toml:"card"`
	Control string `toml:"control"`
	Side    string `toml:"side" oneof:"auto playback capture"`
	Level   Level  `toml:"level"`
}

func newMixer() Mixer { return Mixer{Card: "default", Side: "auto"} }

// Level is how a control of a mixer is set. The zero value is nothing at all.
type Level struct {
	Given bool
	Off   bool // muted
	DB    bool // Value is in dB, else in percent
	Value float64
}

// Board is what buttons, lamps and relays have in common.
type Board struct {
	Driver     string   `toml:"driver" oneof:"auto gpio sim none"`
	Profile    string   `toml:"profile" oneof:"auto raspberry-pi-zero-2-w raspberry-pi-3 raspberry-pi-4 raspberry-pi-5 generic"`
	Chips      []string `toml:"chips"` // labels, names or paths; those of the profile if the file gives none
	Night      Hours    `toml:"night"`
	NightLevel float64  `toml:"night_level" range:"0.02..1"` // of full light; never dark: a live microphone must be seen
}

// Button is an input that calls somebody.
type Button struct {
	Name     string        `toml:"name"`
	Label    string        `toml:"label"` // the name if the file gives none
	Chip     string        `toml:"chip"`
	Line     Line          `toml:"line"`
	Pull     string        `toml:"pull" oneof:"up down none"`
	Active   string        `toml:"active" oneof:"low high"`
	Debounce time.Duration `toml:"debounce" range:"5ms..500ms"`
	// Whom the actions call that name nobody themselves; that of Call if the file gives none.
	Target    string        `toml:"target"`
	Press     Action        `toml:"press"` // after Parse, actions that call say whom
	Long      Action        `toml:"long"`
	LongAfter time.Duration `toml:"long_after" range:"300ms..10s"`
	InCall    Action        `toml:"in_call"`
	Pause     time.Duration `toml:"pause" range:"0s..10m"`
}

// Lamp is an indicator.
type Lamp struct {
	Name      string   `toml:"name"`
	Chip      string   `toml:"chip"`
	Line      Line     `toml:"line"`
	RGB       []Line   `toml:"rgb"` // red, green, blue, in place of Line
	Active    string   `toml:"active" oneof:"low high"`
	OpenDrain bool     `toml:"open_drain"`
	Shows     string   `toml:"shows" oneof:"status ready call talk mic door fault alarm dnd"`
	Looks     []Look   `toml:"looks"`
	Dim       bool     `toml:"dim"`
	PWM       []string `toml:"pwm"` // channels such as "pwmchip0/1", of Line or of each of RGB
}

// Look is how a lamp shows a state.
type Look struct {
	State   string // of [LampStates]
	Pattern string // of [LampPatterns]; "" is the usual one
	Colour  uint32 // 0xRRGGBB; 0 is the usual one
}

// Relay is a switched contact.
type Relay struct {
	Name      string        `toml:"name"`
	Chip      string        `toml:"chip"`
	Line      Line          `toml:"line"`
	Active    string        `toml:"active" oneof:"low high"`
	OpenDrain bool          `toml:"open_drain"`
	Pulse     time.Duration `toml:"pulse" range:"100ms..1h"` // more than 1 min only if Latching
	FlashOn   time.Duration `toml:"flash_on" range:"100ms..1m"`
	FlashOff  time.Duration `toml:"flash_off" range:"100ms..1m"`
	Flashes   int           `toml:"flashes" range:"1..1000"` // together no longer than Pulse may be
	Latching  bool          `toml:"latching"`
}

// Canary is a call to an extension that sends back what it hears.
type Canary struct {
	Target string        `toml:"target"` // user or SIP URI; "" is off
	Every  time.Duration `toml:"every" range:"10m..168h"`
	Hours  Hours         `toml:"hours"` // none is always
}

// Web is the status page.
type Web struct {
	Listen   string   `toml:"listen"`   // host:port; "" is off
	Names    []string `toml:"names"`    // of this device besides its own, or addresses
	Proxies  []string `toml:"proxies"`  // addresses or networks
	Password Secret   `toml:"password"` // of the account "admin"; "": accounts are made on the page
	// Announce has the page found by multicast DNS, where it is served to the network.
	Announce bool `toml:"announce"`
}

// Log is the log.
type Log struct {
	Level  string `toml:"level" oneof:"debug info warn error"`
	Format string `toml:"format" oneof:"text json"`
}

// State is what survives a restart.
type State struct {
	Dir string `toml:"dir"` // absolute; "" is that of systemd
}

// History is what is remembered of calls and events.
type History struct {
	Days int `toml:"days" range:"0..3650"` // 0: as long as there is room
}

// Update is how a card image takes other systems.
type Update struct {
	Hours   Hours         `toml:"hours"` // of restarts; none is always
	Trial   time.Duration `toml:"trial" range:"2m..1h"`
	Channel string        `toml:"channel"` // name of an index on the server of Fleet; "" is none
}

// Line is the address of a line on its chip.
type Line struct {
	Name   string // "" addresses by Offset
	Offset int    // 0 to 1023
}

// Clock is a time of day. The zero value is none.
type Clock struct {
	Given  bool
	Minute int // since midnight
}

// Hours is a part of every day in local time, such as 22:00 to 06:00. The zero value is
// no time at all.
type Hours struct {
	From, To int // minutes since midnight; From is in, To is out
}

// Contain reports whether t is in the hours.
func (h Hours) Contain(t time.Time) bool {
	m := t.Hour()*60 + t.Minute()
	if h.From <= h.To {
		return m >= h.From && m < h.To
	}
	return m >= h.From || m < h.To
}

// Secret is a password, a code or an address with a token in it. It does not show itself to formatting, logs or JSON; convert
// it to a string to use it.
type Secret string

const hidden = "(hidden)"

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Default is the configuration that [DefaultFile] documents. It lacks the settings that
// have no default.
func Default() Config {
	return Config{
		SIP: SIP{DisplayName: "Door", Expires: 10 * time.Minute, WhenTaken: "take-back"},
		Call: Call{RingTime: 30 * time.Second, TalkTime: 2 * time.Minute, TalkWarning: 10 * time.Second,
			ExtendKey: "#", TalkKey: "*", HoldPress: 10 * time.Second, MediaTimeout: 20 * time.Second, Transfers: "partner"},
		Incoming: Incoming{Answer: "button", Second: "busy", QueueLength: 2, QueueTime: time.Minute},
		Door: Door{Relay: "door", WrongPerCall: 3, WrongPerHour: 10, Lock: 30 * time.Minute,
			TamperBlock: 30 * time.Minute},
		Audio: Audio{Input: "default", Output: "default", Codecs: []string{"opus", "pcmu", "pcma"},
			OpusComplexity: 5, EchoCanceller: "kalman", NoiseSuppression: "low", Duplex: "auto", AGC: true, SilentAfter: 20 * time.Second, ToneRegion: "eu", Language: "off"},
		Board: Board{Driver: "auto", Profile: "auto",
			Chips: []string{"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"}, NightLevel: 0.3},
		Buttons: []Button{bell()},
		Lamps:   []Lamp{statusLamp()},
		Relays:  []Relay{doorRelay()},
		Network: Network{Addresses: []string{dhcp}},
		EAP:     EAP{Method: "off"},
		Update:  Update{Trial: 10 * time.Minute},
		MQTT:    MQTT{Topic: "intercomd", Discovery: "homeassistant", Language: "en"},
		Fleet:   Fleet{Interval: time.Hour},
		History: History{Days: 365},
		Canary:  Canary{Every: 6 * time.Hour},
		Web:     Web{Listen: "127.0.0.1:8080", Announce: true},
		Log:     Log{Level: "info", Format: "text"},
	}
}

// bell is the button of a file without [[button]]; name and line of it are not
// defaults for the buttons of a file.
func bell() Button {
	b := newButton()
	b.Name, b.Label, b.Line = "bell", "bell", Line{Offset: 17}
	return b
}

// newButton is what every [[button]] begins with.
func newButton() Button {
	return Button{Pull: "up", Active: "low", Debounce: 25 * time.Millisecond,
		Press: Action{Do: DoCall}, Long: Action{Do: DoNothing}, LongAfter: time.Second, InCall: Action{Do: DoHangup}}
}

func statusLamp() Lamp {
	return Lamp{Name: "status", Line: Line{Offset: 27}, Active: "high", Shows: "status"}
}

func doorRelay() Relay {
	r := newRelay()
	r.Name, r.Line = "door", Line{Offset: 22}
	return r
}

// newRelay is what every [[relay]] begins with.
func newRelay() Relay {
	return Relay{Active: "high", Pulse: 3 * time.Second, FlashOn: 500 * time.Millisecond, FlashOff: 500 * time.Millisecond, Flashes: 10}
}
