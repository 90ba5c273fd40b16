package provision

import (
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"intercomd/configs"
	"intercomd/store"
)

// file is one file of the machine.
type file struct {
	path string // from the root of the system
	mode os.FileMode
	text string
	link bool // text is what the file links to
}

// The files that a machine gets, from the root of the system. All are in memory on a card
// image, whose root is read-only below.
const (
	networkDir  = "run/systemd/network"
	ours        = "70-card" // what our files there begin with; the image's own are 80 and later
	iwdDir      = "var/lib/iwd"
	iwdMain     = "etc/iwd/main.conf"
	wlanMark    = "run/intercom/wlan" // iwd starts where it is
	eapConf     = "run/intercom/eap.conf"
	eapCA       = "run/intercom/eap-ca.pem"
	eapCert     = "run/intercom/eap-door.pem"
	eapKey      = "run/intercom/eap-door.key"
	hostname    = "etc/hostname"
	hosts       = "etc/hosts"
	localtime   = "etc/localtime"
	wire        = "eth0" // as net.ifnames=0 calls the first
	defaultName = "intercom"
)

// SetUp makes the machine what settled says, and what a tool has left beside it where the
// configuration is silent. root is where the system is, sethostname tells the kernel its
// name. What cannot be done is in the notes; the rest is done all the same.
func SetUp(settled *Settled, card, root string, sethostname func(string) error, log *slog.Logger) []Note {
	c := settled.Config
	t := readTool(filepath.Dir(settled.File), log)
	notes := append(sayForeign(card, log), t.notes...)
	overlay(c, t, log)
	var problems []error
	if err := clear(root); err != nil {
		problems = append(problems, err)
	}
	list, err := render(c)
	if err != nil {
		problems = append(problems, err)
	}
	for _, f := range list {
		if err := f.put(root); err != nil {
			problems = append(problems, err)
		}
	}
	name := c.System.Hostname
	if name == "" {
		name = defaultName
	}
	if err := sethostname(name); err != nil {
		problems = append(problems, fmt.Errorf("the name %s: %w", name, err))
	}
	if err := errors.Join(problems...); err != nil {
		notes = append(notes, Note{NoteMachine, []string{"detail", strings.ReplaceAll(err.Error(), "\n", "; ")}})
		log.Error("the machine is not as configured", "error", err)
	}
	log.Info("the machine", "name", name, "address", c.Network.Addresses, "vlan", c.Network.VLAN, "wlan", c.WLAN.SSID, "eap", c.EAP.Method, "timezone", c.Locale.Timezone)
	return notes
}

// overlay puts what a tool has set up where the configuration says nothing.
func overlay(c *configs.Config, t *tool, log *slog.Logger) {
	took := func(what, value string) {
		log.Info("taken from the tool that wrote the card", "setting", what, "value", value)
	}
	wins := func(what, value, other string) {
		if value != other {
			log.Warn("the configuration overrides the tool that wrote the card", "setting", what, "value", value, "other", other)
		}
	}
	if other := t.System.Hostname; other != "" {
		if c.System.Hostname == "" {
			c.System.Hostname = other
			took("system.hostname", other)
		} else {
			wins("system.hostname", c.System.Hostname, other)
		}
	}
	if other := t.Locale.Timezone; other != "" {
		if c.Locale.Timezone == "" {
			c.Locale.Timezone = other
			took("locale.timezone", other)
		} else {
			wins("locale.timezone", c.Locale.Timezone, other)
		}
	}
	if c.WLAN.Country == "" {
		c.WLAN.Country = t.WLAN.Country
	}
	switch other := t.WLAN.SSID; {
	case other == "":
	case c.WLAN.SSID != "":
		wins("wlan.ssid", c.WLAN.SSID, other)
	case c.Network.VLAN != 0 || c.EAP.Method != "off":
		log.Warn("the configuration is for a cable; the Wi-Fi from the tool that wrote the card is not used", "setting", "wlan.ssid", "other", other)
	default:
		country := c.WLAN.Country
		if c.WLAN = t.WLAN; c.WLAN.Country == "" {
			c.WLAN.Country = country
		}
		took("wlan.ssid", other)
	}
}

// clear removes what an earlier run has made.
func clear(root string) error {
	var paths []string
	for _, pattern := range []string{networkDir + "/" + ours + "*", iwdDir + "/*.psk", iwdDir + "/*.open", iwdMain, wlanMark, eapConf, eapCA, eapCert, eapKey} {
		list, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		paths = append(paths, list...)
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// put writes the file as a whole, or leaves what was there.
func (f file) put(root string) error {
	path := filepath.Join(root, f.path)
	mode := os.FileMode(0o755)
	if f.mode&0o077 == 0 && !f.link && strings.HasPrefix(f.path, iwdDir) {
		mode = 0o700
	}
	if err := os.MkdirAll(filepath.Dir(path), mode); err != nil {
		return err
	}
	if f.link {
		return point(path, f.text)
	}
	return store.WriteFile(path, []byte(f.text), f.mode)
}

// render makes the files of a machine. Those that can be made are there also with an error.
func render(c *configs.Config) (list []file, err error) {
	if h := c.System.Hostname; h != "" {
		list = append(list,
			file{path: hostname, mode: 0o644, text: h + "\n"},
			file{path: hosts, mode: 0o644, text: "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 " + h + "\n"})
	}
	if z := c.Locale.Timezone; z != "" {
		list = append(list, file{path: localtime, text: "../usr/share/zoneinfo/" + z, link: true})
	}
	list = append(list, networkFiles(c)...)
	if c.WLAN.SSID != "" {
		list = append(list, wlanFiles(c.WLAN)...)
	}
	if c.EAP.Method != "off" {
		var more []file
		more, err = eapFiles(c.EAP)
		list = append(list, more...)
	}
	return list, err
}

// networkFiles are those of systemd-networkd (systemd.network(5), systemd.netdev(5)). Without
// any, the image's own ask for an address on whatever there is.
func networkFiles(c *configs.Config) (list []file) {
	n := c.Network
	match := "Name=" + wire
	if c.WLAN.SSID != "" {
		match = "Type=wlan"
	}
	if n.VLAN != 0 {
		vlan := fmt.Sprintf("vlan%d", n.VLAN)
		list = append(list,
			file{path: networkDir + "/" + ours + ".netdev", mode: 0o644, text: fmt.Sprintf("[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%d\n", vlan, n.VLAN)},
			file{path: networkDir + "/" + ours + ".network", mode: 0o644, text: fmt.Sprintf(
				"[Match]\n%s\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nVLAN=%s\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n", match, vlan)})
		match = "Name=" + vlan
	}
	if n.VLAN == 0 && !n.Static() && len(n.DNS) == 0 {
		return list
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[Match]\n%s\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nMulticastDNS=resolve\nIPv6PrivacyExtensions=no\n", match)
	if n.Static() {
		b.WriteString("DHCP=no\n")
		for _, a := range n.Addresses {
			fmt.Fprintf(&b, "Address=%s\n", a)
		}
		if n.Gateway != "" {
			fmt.Fprintf(&b, "Gateway=%s\n", n.Gateway)
		}
	} else {
		b.WriteString("DHCP=yes\n")
	}
	for _, a := range n.DNS {
		fmt.Fprintf(&b, "DNS=%s\n", a)
	}
	if !n.Static() {
		own := "yes"
		if len(n.DNS) > 0 {
			own = "no"
		}
		fmt.Fprintf(&b, "\n[DHCPv4]\nRapidCommit=yes\nClientIdentifier=mac\nUseNTP=yes\nUseDNS=%s\n\n[DHCPv6]\nRapidCommit=yes\nUseDNS=%s\n\n[IPv6AcceptRA]\nUseDNS=%s\n", own, own, own)
	}
	return append(list, file{path: networkDir + "/" + ours + "-address.network", mode: 0o644, text: b.String()})
}

// wlanFiles are those of iwd (iwd.network(5), iwd.config(5)).
func wlanFiles(w configs.WLAN) []file {
	var b strings.Builder
	kind := "psk"
	switch p := string(w.Password); {
	case p == "":
		kind = "open"
	case configs.IsPSK(p):
		fmt.Fprintf(&b, "[Security]\nPreSharedKey=%s\n\n", strings.ToLower(p))
	default:
		fmt.Fprintf(&b, "[Security]\nPassphrase=%s\n\n", iwdValue(p))
	}
	fmt.Fprintf(&b, "[Settings]\nAutoConnect=true\nHidden=%t\n", w.Hidden)
	main := "[General]\nEnableNetworkConfiguration=false\n"
	if w.Country != "" {
		main += "Country=" + w.Country + "\n"
	}
	return []file{
		{path: iwdDir + "/" + iwdName(w.SSID) + "." + kind, mode: 0o600, text: b.String()},
		{path: iwdMain, mode: 0o644, text: main},
		{path: wlanMark, mode: 0o644},
	}
}

// iwdName is the name of a network's file: itself, or "=" and its bytes where it has more
// than letters, digits, blanks, "_" and "-" of ASCII.
func iwdName(ssid string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(" _-", r)
	}
	if strings.ContainsFunc(ssid, odd) {
		return "=" + hex.EncodeToString([]byte(ssid))
	}
	return ssid
}

// iwdValue is a value as files of iwd have it: a backslash escapes, and blanks at the
// beginning or the end would get lost.
func iwdValue(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	left := strings.TrimLeft(s, " ")
	bare := strings.TrimRight(left, " ")
	return strings.Repeat(`\s`, len(s)-len(left)) + bare + strings.Repeat(`\s`, len(left)-len(bare))
}

// eapFiles are those of wpa_supplicant (wpa_supplicant.conf(5)). Texts are in hexadecimal
// digits, which need no quoting.
func eapFiles(e configs.EAP) ([]file, error) {
	certs, err := configs.ReadCertificates(e.CAFile)
	if err != nil {
		return nil, fmt.Errorf("802.1X: %w", err)
	}
	var ca strings.Builder
	for _, c := range certs {
		ca.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	list := []file{{path: eapCA, mode: 0o644, text: ca.String()}}
	var b strings.Builder
	text := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "\t%s=%s\n", key, hex.EncodeToString([]byte(value)))
		}
	}
	b.WriteString("ap_scan=0\nnetwork={\n\tkey_mgmt=IEEE8021X\n\teapol_flags=0\n")
	fmt.Fprintf(&b, "\teap=%s\n", strings.ToUpper(e.Method))
	text("identity", e.Identity)
	text("ca_cert", "/"+eapCA)
	text("domain_suffix_match", e.Server)
	if e.Method == "tls" {
		for _, f := range []struct {
			key, from, to string
			mode          os.FileMode
		}{{"client_cert", e.CertFile, eapCert, 0o644}, {"private_key", e.KeyFile, eapKey, 0o600}} {
			data, err := readSome(f.from, maxFile)
			if err == nil {
				data, err = configs.CleanText(data)
			}
			if err != nil {
				return nil, fmt.Errorf("802.1X: %w", err)
			}
			list = append(list, file{path: f.to, mode: f.mode, text: string(data)})
			text(f.key, "/"+f.to)
		}
	} else {
		text("anonymous_identity", e.Anonymous)
		text("password", string(e.Password))
		b.WriteString("\tphase2=\"auth=MSCHAPV2\"\n")
	}
	b.WriteString("}\n")
	return append(slices.Clip(list), file{path: eapConf, mode: 0o600, text: b.String()}), nil
}
