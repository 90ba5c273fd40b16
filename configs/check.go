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
)

// checker looks at what the settings mean together.
type checker struct {
	decoder
	cfg Config
}

// bad reports a fault of a key, at its line or that of its section.
func (c *checker) bad(key, problem, remedy string) {
	c.fault(c.lineOf(key), key, problem, remedy)
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
func (c *checker) missing(key, remedy string) {
	section, _, _ := strings.Cut(plain(key), ".")
	if _, given := c.lines[key]; given && c.faulty(key) || c.broken[plain(key)] || c.broken[section] {
		return
	}
	c.bad(key, "is missing", remedy)
}

func (c *checker) faulty(key string) bool {
	return c.marks[mark{plain(key), c.lineOf(key)}]
}

func (c *checker) check() {
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
	c.unused()
	c.profile()
	c.sharedLines()
	c.page()
	c.directory()
	c.card()
}

func (c *checker) account() {
	s := &c.cfg.SIP
	if len(s.Servers) == 0 {
		c.missing("sip.server", `give the address of the SIP server: server = "wss://pbx.example.lan:7443"`)
	}
	for _, raw := range s.Servers {
		if problem, remedy := server(raw); problem != "" {
			c.bad("sip.server", problem, remedy)
		}
	}
	domainKey := c.user()
	switch {
	case s.Password != "" && s.PasswordFile != "":
		c.bad("sip.password_file", "password is given too", "give one of them")
	case s.Password == "" && s.PasswordFile == "":
		if !c.broken["sip.password_file"] {
			c.missing("sip.password", `give the password of the user: password = "..."`)
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
		c.bad(domainKey, fmt.Sprintf("%q is not a domain", s.Domain), `write it like "example.lan"`)
	}
	if strings.ContainsAny(s.DisplayName, "\"\\<>") {
		c.bad("sip.display_name", `has one of " \ < > in it`, "remove it")
	}
}

// pins holds the pins to what a pin is: 32 bytes in base64 (RFC 7469, section 2.4).
func (c *checker) pins() {
	for _, pin := range c.cfg.SIP.Pins {
		if sum, err := base64.StdEncoding.DecodeString(pin); err != nil || len(sum) != sha256.Size {
			c.bad("sip.pins", fmt.Sprintf("%q is not the SHA-256 of a public key in base64", pin),
				"write its 44 characters; the log names the key that the server shows")
		}
	}
}

// network holds the names of interfaces to what the kernel allows.
func (c *checker) network() {
	for _, name := range c.cfg.Network.Interfaces {
		if name == "" || len(name) > maxInterface || strings.ContainsAny(name, "/: \t") {
			c.bad("network.interfaces", fmt.Sprintf("%q is not the name of a network interface", name), `write names such as "eth0" (ip link lists them)`)
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
			c.bad("sip.user", "has nothing behind its @", `write it like "1000" or "1000@example.lan"`)
		}
		if s.Domain != "" && s.Domain != domain {
			c.bad("sip.domain", fmt.Sprintf("%q differs from the domain of user, %q", s.Domain, domain), "give one of them")
		}
		domainKey = "sip.user"
		s.User, s.Domain = name, domain
	}
	switch {
	case s.User == "" && domainKey == "sip.user":
		c.bad("sip.user", fmt.Sprintf("there is no user in %q", "@"+s.Domain), `write it like "1000@example.lan"`)
	case s.User == "":
		c.missing("sip.user", `give the user (extension) of the door: user = "1000"`)
	case !isUser(s.User):
		c.bad("sip.user", fmt.Sprintf("%q is not a SIP user", shown(s.User)), "use letters, digits and . _ - + * # only")
	}
	if s.AuthUser == "" {
		s.AuthUser = s.User
	}
	return domainKey
}

func server(raw string) (problem, remedy string) {
	const example = `write it like "wss://pbx.example.lan:7443"`
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		if strings.Contains(raw, "@") {
			raw = hidden // there may be a password in it
		}
		return fmt.Sprintf("%q is not the URL of a WebSocket", raw), example
	}
	if u.User != nil {
		return "has a user or password in it", "remove it: they belong to user and password"
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.Zone() != "" {
		return fmt.Sprintf("%q is an address of one interface only (%%%s)", u.Hostname(), a.Zone()), "give the server an address for the whole network, or a name"
	}
	if strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "[") {
		return fmt.Sprintf("in %q nobody can tell the port from the address", u.Host), `write an IPv6 address between brackets: "wss://[2001:db8::1]:7443"`
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "has ? or # in it", "the address of a server ends with its path: " + example
	}
	if !isHost(u.Hostname()) {
		return fmt.Sprintf("%q is not the name of a host", u.Hostname()), example
	}
	if p := u.Port(); !isPort(p) {
		return fmt.Sprintf("port %s does not exist", p), "allowed: 1 to 65535"
	}
	switch u.Scheme {
	case "wss":
		return "", ""
	case "ws":
		if isLoopback(u.Hostname()) {
			return "", ""
		}
		return "ws:// is not encrypted and is accepted for this machine only", "use wss://"
	}
	return fmt.Sprintf("%s:// is not supported", u.Scheme), "calls go over a secure WebSocket: " + example
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
		c.bad("call.talk_warning", "is not shorter than talk_time", `shorten it, or write "0s" for no warning`)
	}
	if k := call.ExtendKey; k != "" && (!isDigits(k) || len(k) > 1) {
		c.bad("call.extend_key", fmt.Sprintf("%q is not one telephone key", k), `write one of 0-9 * # A-D, or "" for none`)
	}
	c.talkKey()
	c.callee("call.target", call.Target)
}

// talkKey checks the key that turns the direction of a talk, and that somebody can.
func (c *checker) talkKey() {
	k := c.cfg.Call.TalkKey
	switch button := slices.ContainsFunc(c.cfg.Buttons, func(b Button) bool { return b.InCall.Do == DoTalk }); {
	case k != "" && (!isDigits(k) || len(k) > 1):
		c.bad("call.talk_key", fmt.Sprintf("%q is not one telephone key", k), `write one of 0-9 * # A-D, or "" for none`)
	case c.cfg.Audio.Duplex != "push-to-talk":
	case k == "" && !button:
		c.bad("call.talk_key", "is empty, and no button has in_call = \"talk\": the far end would never be heard", `write talk_key = "*"`)
	case k != "" && k == c.cfg.Call.ExtendKey:
		c.bad("call.talk_key", "is the key that extends the talk too (extend_key)", "choose another one")
	}
}

func (c *checker) incoming() {
	c.users("incoming.auto_answer", c.cfg.Incoming.AutoAnswer)
	c.users("incoming.answer_on_request", c.cfg.Incoming.AnswerOnRequest)
}

func (c *checker) users(key string, list []string) {
	for _, u := range list {
		if !isUser(u) {
			c.bad(key, fmt.Sprintf("%q is not a SIP user", shown(u)), `write users such as "1001"`)
		}
	}
}

func (c *checker) sound() {
	a := &c.cfg.Audio
	if len(a.Codecs) == 0 && !c.faulty("audio.codecs") {
		c.bad("audio.codecs", "is empty", `name at least one: ["opus", "pcmu", "pcma"]`)
	}
	if a.Input == "" {
		c.bad("audio.input", "is empty", `give a name, "default" or "none"`)
	}
	if a.Output == "" {
		c.bad("audio.output", "is empty", `give a name, "default" or "none"`)
	}
}

func (c *checker) mixer() {
	seen := make(map[Mixer]string)
	for i, m := range c.cfg.Mixer {
		key := fmt.Sprintf("mixer[%d]", i)
		if m.Card == "" {
			c.bad(key+".card", "is empty", `give the card, such as "hw:0" or "default"`)
		}
		if m.Control == "" {
			c.missing(key+".control", `name the control: control = "Speaker"`)
		}
		if !m.Level.Given {
			c.missing(key+".level", `say how loud: level = "80%"`)
		}
		m.Level = Level{}
		if place, twice := seen[m]; twice && m.Control != "" {
			c.bad(key+".control", fmt.Sprintf("%q is set %s too", m.Control, place), "remove one of them")
		}
		seen[m] = c.place(key + ".control")
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
		seen := make(map[string]string) // names and where they are given
		if kind.others == "button" {
			for i, b := range c.cfg.Buttons {
				seen[b.Name] = c.place(fmt.Sprintf("button[%d].name", i))
			}
		}
		for i, name := range kind.names {
			key := fmt.Sprintf("%s[%d].name", kind.section, i)
			place, taken := seen[name]
			switch {
			case name == "":
				c.missing(key, `give it a name: name = "..."`)
				continue
			case !isName(name):
				c.bad(key, fmt.Sprintf("%q is not a name", name), `use up to 32 of a-z, 0-9, "-" and "_"`)
			case taken:
				c.bad(key, fmt.Sprintf("%q is the name of the one %s too", name, place), "choose another one")
			}
			seen[name] = c.place(key)
		}
	}
}

func namesOf[T any](list []T, name func(T) string) (names []string) {
	for _, one := range list {
		names = append(names, name(one))
	}
	return names
}

// place says where a key is given.
func (c *checker) place(key string) string {
	if n := c.lineOf(key); n > 0 {
		return fmt.Sprintf("in line %d", n)
	}
	return "of the defaults"
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
	seen := make(map[address]string)
	setting := "line"
	check := func(section string, i int, name, chip string, line Line) {
		key := fmt.Sprintf("%s[%d]", section, i)
		if _, given := c.lines[key]; given {
			if _, given := c.lines[key+"."+setting]; !given {
				c.missing(key+"."+setting, fmt.Sprintf(`give the line of the chip, such as %s = 17`, setting))
				return
			}
		}
		if c.faulty(key + "." + setting) {
			return
		}
		who := section + " " + strconv.Quote(name)
		a := address{chip, line}
		if other, taken := seen[a]; taken {
			c.bad(key+"."+setting, fmt.Sprintf("line %s is that of %s too", line, other), "one of them must use another line")
			return
		}
		seen[a] = who
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
	host, port, err := net.SplitHostPort(listen)
	n, err2 := strconv.Atoi(port)
	switch {
	case err != nil || err2 != nil || n < 1 || n > 65535:
		c.bad("web.listen", fmt.Sprintf("%q is not an address with a port", listen), `write it like "127.0.0.1:8080"`)
	case !isLoopback(host):
		c.bad("web.listen", "the page has no password yet and can be shown on this machine only",
			fmt.Sprintf(`write "127.0.0.1:%s"`, port))
	}
}

func (c *checker) directory() {
	if d := c.cfg.State.Dir; d != "" && !path.IsAbs(d) {
		c.bad("state.dir", fmt.Sprintf("%q does not begin with /", d), `write the whole path, such as "/var/lib/intercomd"`)
	}
}
