package configs

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/configs/textfile"
	"intercomd/words"
)

// This file is what a card image makes of the machine itself: its name, its network, its
// clock. On other systems the administrator has done that in other ways; the settings are
// checked all the same.

// dhcp is the address of a door that asks the network for one.
const dhcp = "dhcp"

// System is the machine.
type System struct {
	Hostname string `toml:"hostname"` // one label (RFC 1123, section 2.1); "" is that of the image
	Seal     bool   `toml:"seal"`     // take the secrets out of the file on the card
}

// WLAN is the radio network that the machine joins. Without an SSID it joins none.
type WLAN struct {
	SSID     string `toml:"ssid"`     // up to 32 bytes
	Password Secret `toml:"password"` // a passphrase, or 64 hexadecimal digits; "": an open network
	Hidden   bool   `toml:"hidden"`
	Country  string `toml:"country"` // ISO 3166-1 alpha-2, in capitals after Parse
}

// EAP is how the machine authenticates itself on a wire (IEEE 802.1X).
type EAP struct {
	Method       string `toml:"method" oneof:"off peap ttls tls"`
	Identity     string `toml:"identity"`
	Anonymous    string `toml:"anonymous"` // outer identity
	Password     Secret `toml:"password"`  // also from PasswordFile, after Load
	PasswordFile string `toml:"password_file"`
	CAFile       string `toml:"ca_file"` // after Load a path that can be opened
	Server       string `toml:"server"`  // suffix of the domain in the server's certificate
	CertFile     string `toml:"cert_file"`
	KeyFile      string `toml:"key_file"`
}

// Locale is where the machine is.
type Locale struct {
	Timezone string `toml:"timezone"` // of the IANA time zone database; "" is UTC
}

// ForCard names the settings that are given and that only the card image heeds, such as
// "wlan.ssid".
func (c *Config) ForCard() (keys []string) {
	for _, s := range []struct {
		key   string
		given bool
	}{
		{"network.address", c.Network.Static()},
		{"network.gateway", c.Network.Gateway != ""},
		{"network.dns", len(c.Network.DNS) > 0},
		{"network.vlan", c.Network.VLAN != 0},
		{"system.seal", c.System.Seal},
		{"system.hostname", c.System.Hostname != ""},
		{"wlan.ssid", c.WLAN.SSID != ""},
		{"wlan.country", c.WLAN.Country != ""},
		{"eap.method", c.EAP.Method != "off"},
		{"locale.timezone", c.Locale.Timezone != ""},
	} {
		if s.given {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// CheckCard checks settings of the machine that came from somewhere else than a
// configuration, such as the tool that wrote the card. The faults have keys and no lines.
func CheckCard(file string, s System, w WLAN, l Locale) (System, WLAN, Locale, Faults) {
	c := newChecker(file)
	c.cfg.System, c.cfg.WLAN, c.cfg.Locale = s, w, l
	c.machine()
	c.wlan()
	return c.cfg.System, c.cfg.WLAN, c.cfg.Locale, c.faults
}

func (c *checker) card() {
	c.addresses()
	c.machine()
	c.wlan()
	c.eap()
}

// machine checks the name and the clock.
func (c *checker) machine() {
	if h := c.cfg.System.Hostname; h != "" && !isLabel(h) {
		c.bad("system.hostname", words.New("config-not-hostname", "value", quotable(h)))
	}
	if z := c.cfg.Locale.Timezone; z != "" {
		if _, err := time.LoadLocation(z); err != nil || z == "Local" {
			c.bad("locale.timezone", words.New("config-not-zone", "value", quotable(z)))
		}
	}
}

// isLabel reports whether s is one label of the name of a host.
func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && !strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		})
}

// addresses checks the address of the machine, and what is reached through it.
func (c *checker) addresses() {
	n := &c.cfg.Network
	var nets []netip.Prefix
	good := true
	for _, text := range n.Addresses {
		if strings.EqualFold(text, dhcp) {
			if len(n.Addresses) > 1 {
				c.bad("network.address", words.New("config-dhcp-among-others"))
			}
			n.Addresses = []string{dhcp}
			break
		}
		p, m := hostAddress(text)
		if !m.None() {
			c.bad("network.address", m)
			good = false
			continue
		}
		nets = append(nets, p)
	}
	c.gateway(nets, good)
	for _, text := range n.DNS {
		if a, err := netip.ParseAddr(text); err != nil || !isUnicastHost(a) {
			c.bad("network.dns", words.New("config-not-name-server", "value", quotable(text)))
		}
	}
	if n.Static() && len(n.DNS) == 0 && !c.faulty("network.dns") {
		for _, raw := range c.cfg.SIP.Servers {
			if u, err := url.Parse(raw); err == nil && needsDNS(u.Hostname()) {
				c.bad("network.address", words.New("config-needs-dns", "host", u.Hostname()))
				break
			}
		}
	}
}

// gateway checks the router. good tells that all addresses could be read.
func (c *checker) gateway(nets []netip.Prefix, good bool) {
	n := &c.cfg.Network
	if n.Gateway == "" {
		return
	}
	a, err := netip.ParseAddr(n.Gateway)
	switch {
	case err != nil || !isUnicastHost(a):
		c.bad("network.gateway", words.New("config-not-gateway", "value", quotable(n.Gateway)))
	case !n.Static():
		c.bad("network.gateway", words.New("config-gateway-alone"))
	case slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Addr() == a }):
		c.bad("network.gateway", words.New("config-gateway-is-door", "address", a.String()))
	case good && (a.Is4() || !a.IsLinkLocalUnicast()) && !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(a) }):
		c.bad("network.gateway", words.New("config-gateway-elsewhere", "address", a.String(), "network", nets[0].Masked().String()))
	}
}

// hostAddress reads the address of a machine with its prefix length.
func hostAddress(text string) (p netip.Prefix, fault words.Message) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil {
			bits := 24
			if a.Is6() {
				bits = 64
			}
			return p, words.New("config-address-no-prefix", "value", text, "example", fmt.Sprintf("%s/%d", a, bits))
		}
		if host, mask, ok := strings.Cut(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '/' }), "/"), "/"); ok {
			if ones, ok := maskLength(mask); ok {
				return p, words.New("config-address-mask", "value", quotable(text), "example", fmt.Sprintf("%s/%d", quotable(host), ones))
			}
		}
		return p, words.New("config-not-address", "value", quotable(text))
	}
	a := p.Addr()
	switch {
	case !isUnicastHost(a):
		return p, words.New("config-address-unfit", "address", a.String())
	case a.Is4() && p.Bits() < 31 && (a == p.Masked().Addr() || a == lastOf(p)):
		return p, words.New("config-address-network", "address", p.String())
	case p.Bits() == 0:
		return p, words.New("config-address-world", "address", p.String())
	}
	return p, words.Message{}
}

// maskLength is the length of a mask such as 255.255.255.0.
func maskLength(text string) (ones int, ok bool) {
	ip := net.ParseIP(text).To4()
	if ip == nil {
		return 0, false
	}
	ones, bits := net.IPMask(ip).Size()
	return ones, bits == 32
}

// lastOf is the last address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// isUnicastHost reports whether a machine can have the address.
func isUnicastHost(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.Is4In6() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// needsDNS reports whether a name server must be asked for a host.
func needsDNS(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "" || host == "localhost" {
		return false
	}
	return !strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".local") // mDNS
}

// Limits of a radio network (IEEE 802.11, 9.4.2.2 and annex J.4).
const (
	maxSSID       = 32 // bytes
	minPassphrase = 8
	maxPassphrase = 63
	pskDigits     = 64
)

// IsPSK reports whether the password of a radio network is its key itself.
func IsPSK(password string) bool {
	return len(password) == pskDigits && strings.Trim(strings.ToLower(password), "0123456789abcdef") == ""
}

func (c *checker) wlan() {
	w := &c.cfg.WLAN
	if len(w.SSID) > maxSSID {
		c.bad("wlan.ssid", words.New("config-ssid-long", "n", strconv.Itoa(len(w.SSID)), "most", strconv.Itoa(maxSSID)))
	}
	switch p := string(w.Password); {
	case p == "" || IsPSK(p):
	case len(p) < minPassphrase || len(p) > maxPassphrase:
		c.bad("wlan.password", words.New("config-wlan-password-length", "n", strconv.Itoa(len(p)), "low", strconv.Itoa(minPassphrase), "high", strconv.Itoa(maxPassphrase)))
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r > '~' }):
		c.bad("wlan.password", words.New("config-wlan-password-letters"))
	}
	w.Country = strings.ToUpper(w.Country)
	if cc := w.Country; cc != "" && (len(cc) != 2 || strings.Trim(cc, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		c.bad("wlan.country", words.New("config-not-country", "value", quotable(cc)))
	}
	if w.SSID != "" {
		return
	}
	if (w.Password != "" || w.Hidden) && !c.faulty("wlan.ssid") {
		c.missing("wlan.ssid", words.New("config-missing-ssid"))
	}
}

func (c *checker) eap() {
	e, w := &c.cfg.EAP, &c.cfg.WLAN
	if w.SSID != "" && c.cfg.Network.VLAN != 0 {
		c.bad("network.vlan", words.New("config-vlan-on-wlan"))
	}
	if e.Method == "off" {
		return
	}
	if w.SSID != "" {
		c.bad("eap.method", words.New("config-eap-on-wlan"))
	}
	if e.Identity == "" {
		c.missing("eap.identity", words.New("config-missing-identity"))
	}
	if e.CAFile == "" {
		c.missing("eap.ca_file", words.New("config-missing-eap-authority"))
	}
	if e.Server != "" && !isHost(e.Server) {
		c.bad("eap.server", words.New("config-not-eap-server", "value", quotable(e.Server)))
	}
	if e.Method == "tls" {
		if e.CertFile == "" {
			c.missing("eap.cert_file", words.New("config-missing-eap-certificate"))
		}
		if e.KeyFile == "" {
			c.missing("eap.key_file", words.New("config-missing-eap-key"))
		}
		return
	}
	switch {
	case e.Password != "" && e.PasswordFile != "":
		c.bad("eap.password_file", words.New("config-both", "other", "password"))
	case e.Password == "" && e.PasswordFile == "" && !c.broken["eap.password_file"]:
		c.missing("eap.password", words.New("config-missing-eap-password"))
	}
}

// eapFiles reads what [eap] names. A door that does not come into its network rings nobody,
// so none of it is optional.
func (c *checker) eapFiles(dir string) {
	e := &c.cfg.EAP
	if e.Method == "off" {
		return
	}
	c.passwordFile(dir, "eap.password_file", &e.PasswordFile, &e.Password)
	if f := c.certificates(dir, "eap.ca_file", &e.CAFile); f != nil {
		c.faults = append(c.faults, *f)
	}
	if e.CertFile == "" || e.KeyFile == "" {
		return
	}
	if f := c.certificates(dir, "eap.cert_file", &e.CertFile); f != nil {
		c.faults = append(c.faults, *f)
		return
	}
	e.KeyFile = under(dir, e.KeyFile)
	data, err := textfile.Read(e.KeyFile)
	if err != nil {
		f := textfile.Unreadable(err)
		c.bad("eap.key_file", f.At(e.KeyFile))
		return
	}
	text, _, fault := textfile.Clean(data)
	if fault != nil {
		c.bad("eap.key_file", fault.At(e.KeyFile))
		return
	}
	cert, err := textfile.Read(e.CertFile)
	if err == nil {
		cert, _, _ = textfile.Clean(cert)
		_, err = tls.X509KeyPair(cert, text)
	}
	if err != nil {
		// What the library says of a key has none of its secrets in it, but file names of neither.
		c.bad("eap.key_file", words.New("config-eap-key-unfit", "in", e.KeyFile, "detail", strings.TrimPrefix(err.Error(), "tls: ")))
	}
}
