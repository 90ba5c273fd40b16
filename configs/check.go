package configs

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"intercomd/words"
)

// checker looks at what the settings mean together.
type checker struct {
	decoder
	cfg    Config
	layers []Layer // nil: one file
}

// bad reports a fault of a key, at its line or that of its section.
func (c *checker) bad(key string, m words.Message) {
	c.fault(c.lineOf(key), key, m)
}

func (c *checker) lineOf(key string) int {
	for key != "" {
		if n, ok := c.lines[key]; ok {
			return n
		}
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return 0
}

// missing reports a setting that must be given, unless its line could not be read or
// was refused already.
func (c *checker) missing(key string, m words.Message) {
	section, _, _ := strings.Cut(plain(key), ".")
	if _, given := c.lines[key]; given && c.faulty(key) || c.broken[plain(key)] || c.broken[section] {
		return
	}
	if c.comesLater() && (section == "sip" || section == "call") {
		return
	}
	c.bad(key, m)
}

func (c *checker) faulty(key string) bool {
	return c.marks[mark{plain(key), c.lineOf(key)}]
}

func (c *checker) check() {
	c.fleet()
	c.names()
	c.account()
	c.network()
	c.calls()
	c.zone()
	c.schedules()
	c.targets()
	c.incoming()
	c.sound()
	c.mixer()
	c.buttons()
	c.contacts()
	c.lamps()
	c.relays()
	c.door()
	c.keys()
	c.codes()
	c.notify()
	c.mqtt()
	c.unused()
	c.profile()
	c.sharedLines()
	c.page()
	if t := c.cfg.Canary.Target; t != "" {
		c.dialable("canary.target", t)
	}
	c.directory()
	c.card()
}

func (c *checker) account() {
	s := &c.cfg.SIP
	if len(s.Servers) == 0 {
		c.missing("sip.server", words.New("config-missing-server"))
	}
	for _, raw := range s.Servers {
		if m := server(raw); !m.None() {
			c.bad("sip.server", m)
		}
	}
	domainKey := c.user()
	switch {
	case s.Password != "" && s.PasswordFile != "":
		c.bad("sip.password_file", words.New("config-both", "other", "password"))
	case s.Password == "" && s.PasswordFile == "":
		if !c.broken["sip.password_file"] {
			c.missing("sip.password", words.New("config-missing-password"))
		}
	}
	if s.Domain == "" && len(s.Servers) > 0 {
		domainKey = "" // the server's name is judged there
		if u, err := url.Parse(s.Servers[0]); err == nil {
			s.Domain = u.Hostname()
		}
	}
	s.Domain = strings.TrimSuffix(s.Domain, ".") // DNS needs it at times, SIP has it nowhere
	c.pins()
	if domainKey != "" && s.Domain != "" && !isHost(s.Domain) {
		c.bad(domainKey, words.New("config-not-domain", "value", quotable(s.Domain)))
	}
}

// pins holds the pins to what a pin is: 32 bytes in base64 (RFC 7469, section 2.4).
func (c *checker) pins() {
	for _, pin := range c.cfg.SIP.Pins {
		if sum, err := base64.StdEncoding.DecodeString(pin); err != nil || len(sum) != sha256.Size {
			c.bad("sip.pins", words.New("config-not-pin", "value", quotable(pin)))
		}
	}
}

// network holds the names of interfaces to what the kernel allows.
func (c *checker) network() {
	for _, name := range c.cfg.Network.Interfaces {
		if name == "" || len(name) > maxInterface || strings.ContainsAny(name, "/: \t") {
			c.bad("network.interfaces", words.New("config-not-interface", "value", quotable(name)))
		}
	}
}

// maxInterface is the length of the longest name that the kernel takes (IFNAMSIZ).
const maxInterface = 15

// user splits user@domain and fills in what follows from it. It returns the key at which
// the domain is given.
func (c *checker) user() (domainKey string) {
	s := &c.cfg.SIP
	domainKey = "sip.domain"
	s.User = strings.TrimPrefix(s.User, "sip:")
	if name, domain, both := strings.Cut(s.User, "@"); both {
		if domain == "" {
			c.bad("sip.user", words.New("config-user-no-domain"))
		}
		if s.Domain != "" && s.Domain != domain {
			c.bad("sip.domain", words.New("config-domain-differs", "value", quotable(s.Domain), "other", quotable(domain)))
		}
		domainKey = "sip.user"
		s.User, s.Domain = name, domain
	}
	switch {
	case s.User == "" && domainKey == "sip.user":
		c.bad("sip.user", words.New("config-user-none", "value", quotable("@"+s.Domain)))
	case s.User == "":
		c.missing("sip.user", words.New("config-missing-user"))
	case !isUser(s.User):
		c.bad("sip.user", words.New("config-not-user", "value", quotable(shown(s.User))))
	}
	if s.AuthUser == "" {
		s.AuthUser = s.User
	}
	return domainKey
}

// server says what is wrong with the address of a server, or nothing.
func server(raw string) words.Message {
	if strings.Count(raw, "://") > 1 {
		return words.New("config-server-twice")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		if strings.Contains(raw, "@") {
			raw = hidden // there may be a password in it
		}
		return words.New("config-server-url", "value", quotable(raw))
	}
	if u.User != nil {
		return words.New("config-server-user")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.Zone() != "" {
		return words.New("config-server-zone", "host", u.Hostname())
	}
	if strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "[") {
		return words.New("config-server-ipv6", "host", u.Host)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return words.New("config-server-query")
	}
	if !isHost(u.Hostname()) {
		return words.New("config-server-host", "host", quotable(u.Hostname()))
	}
	if p := u.Port(); !isPort(p) {
		return words.New("config-server-port", "port", p)
	}
	switch u.Scheme {
	case "wss":
		return words.Message{}
	case "ws":
		if isLoopback(u.Hostname()) {
			return words.Message{}
		}
		return words.New("config-server-plain")
	}
	return words.New("config-server-scheme", "scheme", u.Scheme)
}

// shown is what somebody wrote as a user, without a password behind it.
func shown(user string) string {
	scheme := ""
	for _, s := range []string{"sip:", "sips:", "tel:"} {
		if strings.HasPrefix(strings.ToLower(user), s) {
			scheme, user = user[:len(s)], user[len(s):]
		}
	}
	name, rest, has := strings.Cut(user, ":")
	if _, port := strconv.Atoi(rest); !has || strings.Contains(name, "@") && port == nil {
		return scheme + user
	}
	return scheme + name + ":" + hidden
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (c *checker) calls() {
	call := &c.cfg.Call
	if call.TalkWarning >= call.TalkTime {
		c.bad("call.talk_warning", words.New("config-warning-too-long"))
	}
	if k := call.ExtendKey; k != "" && (!isDigits(k) || len(k) > 1) {
		c.bad("call.extend_key", words.New("config-not-one-key", "value", quotable(k)))
	}
	c.talkKey()
	c.callee("call.target", call.Target)
}

// talkKey checks the key that turns the direction of a talk, and that somebody can.
func (c *checker) talkKey() {
	k := c.cfg.Call.TalkKey
	switch button := slices.ContainsFunc(c.cfg.Buttons, func(b Button) bool { return b.InCall.Do == DoTalk }); {
	case k != "" && (!isDigits(k) || len(k) > 1):
		c.bad("call.talk_key", words.New("config-not-one-key", "value", quotable(k)))
	case c.cfg.Audio.Duplex != "push-to-talk":
	case k == "" && !button:
		c.bad("call.talk_key", words.New("config-no-talk-key"))
	case k != "" && k == c.cfg.Call.ExtendKey:
		c.bad("call.talk_key", words.New("config-talk-key-extends"))
	}
}

func (c *checker) incoming() {
	c.users("incoming.auto_answer", c.cfg.Incoming.AutoAnswer)
	c.users("incoming.answer_on_request", c.cfg.Incoming.AnswerOnRequest)
}

func (c *checker) users(key string, list []string) {
	for _, u := range list {
		if !isUser(u) {
			c.bad(key, words.New("config-not-user-listed", "value", quotable(shown(u))))
		}
	}
}

func (c *checker) sound() {
	a := &c.cfg.Audio
	if len(a.Codecs) == 0 && !c.faulty("audio.codecs") {
		c.bad("audio.codecs", words.New("config-empty-codecs"))
	}
	if a.Input == "" {
		c.bad("audio.input", words.New("config-empty-device"))
	}
	if a.Output == "" {
		c.bad("audio.output", words.New("config-empty-device"))
	}
}

func (c *checker) mixer() {
	seen := make(map[Mixer]int) // and the line
	for i, m := range c.cfg.Mixer {
		key := fmt.Sprintf("mixer[%d]", i)
		if m.Card == "" {
			c.bad(key+".card", words.New("config-empty-card"))
		}
		if m.Control == "" {
			c.missing(key+".control", words.New("config-missing-control"))
		}
		if !m.Level.Given {
			c.missing(key+".level", words.New("config-missing-level"))
		}
		m.Level = Level{}
		if first, twice := seen[m]; twice && m.Control != "" {
			c.bad(key+".control", words.New("config-control-twice", "value", quotable(m.Control), "first", strconv.Itoa(first)))
		}
		seen[m] = c.lineOf(key + ".control")
	}
}

// names checks that everything with a name can be told from its like.
func (c *checker) names() {
	for _, kind := range []struct {
		section string
		names   []string
		others  string // section whose names are of the same kind
	}{
		{section: "target", names: namesOf(c.cfg.Targets, func(t Target) string { return t.Name })},
		{section: "schedule", names: namesOf(c.cfg.Schedules, func(s Schedule) string { return s.Name })},
		{section: "code", names: namesOf(c.cfg.Codes, func(d Code) string { return d.Name })},
		{section: "button", names: namesOf(c.cfg.Buttons, func(b Button) string { return b.Name })},
		{section: "contact", names: namesOf(c.cfg.Contacts, func(k Contact) string { return k.Name }), others: "button"},
		{section: "lamp", names: namesOf(c.cfg.Lamps, func(l Lamp) string { return l.Name })},
		{section: "relay", names: namesOf(c.cfg.Relays, func(r Relay) string { return r.Name })},
	} {
		seen := make(map[string]int) // names and their lines; 0 is that of the defaults
		if kind.others == "button" {
			for i, b := range c.cfg.Buttons {
				seen[b.Name] = c.lineOf(fmt.Sprintf("button[%d].name", i))
			}
		}
		for i, name := range kind.names {
			key := fmt.Sprintf("%s[%d].name", kind.section, i)
			first, taken := seen[name]
			switch {
			case name == "":
				c.missing(key, words.New("config-missing-name"))
				continue
			case !isName(name):
				c.bad(key, words.New("config-not-name", "value", quotable(name)))
			case taken && first == 0:
				c.bad(key, words.New("config-name-of-default", "value", name))
			case taken:
				c.bad(key, words.New("config-name-taken", "value", name, "first", strconv.Itoa(first)))
			}
			seen[name] = c.lineOf(key)
		}
	}
}

func namesOf[T any](list []T, name func(T) string) (names []string) {
	for _, one := range list {
		names = append(names, name(one))
	}
	return names
}

func isName(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func isDigits(s string) bool {
	return s != "" && len(s) <= 16 && strings.Trim(s, "0123456789*#ABCD") == ""
}

// sharedLines finds lines that are used twice, as far as the file tells: on the board
// the kernel refuses the second.
func (c *checker) sharedLines() {
	if c.cfg.Board.Driver == "sim" || c.cfg.Board.Driver == "none" {
		return
	}
	type address struct {
		chip string
		line Line
	}
	type user struct{ section, name string }
	seen := make(map[address]user)
	setting := "line"
	check := func(section string, i int, name, chip string, line Line) {
		key := fmt.Sprintf("%s[%d]", section, i)
		if _, given := c.lines[key]; given {
			if _, given := c.lines[key+"."+setting]; !given {
				c.missing(key+"."+setting, words.New("config-missing-line"))
				return
			}
		}
		if c.faulty(key + "." + setting) {
			return
		}
		a := address{chip, line}
		if other, taken := seen[a]; taken {
			c.bad(key+"."+setting, words.New("config-line-taken", "line", line.String(), "by", other.section, "name", quotable(other.name)))
			return
		}
		seen[a] = user{section, name}
	}
	for i, b := range c.cfg.Buttons {
		check("button", i, b.Name, b.Chip, b.Line)
	}
	for i, k := range c.cfg.Contacts {
		check("contact", i, k.Name, k.Chip, k.Line)
	}
	for i, l := range c.cfg.Lamps {
		if c.faulty(fmt.Sprintf("lamp[%d].rgb", i)) {
			continue
		}
		var lines []*Line
		for setting, lines = l.lines(); len(lines) > 0; lines = lines[1:] {
			check("lamp", i, l.Name, l.Chip, *lines[0])
		}
	}
	setting = "line"
	for i, r := range c.cfg.Relays {
		check("relay", i, r.Name, r.Chip, r.Line)
	}
}

// String is the line as the file gives it.
func (l Line) String() string {
	if l.Name != "" {
		return strconv.Quote(l.Name)
	}
	return strconv.Itoa(l.Offset)
}

func (c *checker) page() {
	listen := c.cfg.Web.Listen
	if listen == "" {
		return
	}
	_, port, err := net.SplitHostPort(listen)
	n, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil || n < 1 || n > 65535 {
		c.bad("web.listen", words.New("config-not-address-port", "value", quotable(listen)))
	}
	for _, p := range c.cfg.Web.Proxies {
		if _, err := netip.ParsePrefix(p); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(p); err != nil {
			c.bad("web.proxies", words.New("config-not-network", "value", quotable(p)))
		}
	}
	if p := c.cfg.Web.Password; p != "" && len([]rune(string(p))) < 8 {
		c.bad("web.password", words.New("config-short-password"))
	}
}

func (c *checker) directory() {
	if d := c.cfg.State.Dir; d != "" && !path.IsAbs(d) {
		c.bad("state.dir", words.New("config-not-absolute", "value", quotable(d)))
	}
}
