package provision

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/configs"
)

// machine is what SetUp has made of a card: files by path, links as "-> target".
func machine(t *testing.T, c *card, root string) (files map[string]string, name string, notes []Note) {
	t.Helper()
	s := c.start()
	if !s.Good || len(s.Notes) > 0 {
		t.Fatalf("the configuration is not good: %v\n%s", s.Notes, c.log.String())
	}
	notes = SetUp(s, c.places.Card, root, func(n string) error { name = n; return nil }, slog.New(slog.NewTextHandler(&c.log, nil)))
	if strings.Contains(c.log.String(), "hunter22") {
		t.Errorf("the password is in the log:\n%s", c.log.String())
	}
	files = map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if link, err := os.Readlink(path); err == nil {
			files[rel] = "-> " + link
			return nil
		}
		data, err := os.ReadFile(path)
		files[rel] = string(data)
		if info, err := d.Info(); err == nil && strings.Contains(files[rel], "hunter22") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds a password and has mode %v", rel, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, name, notes
}

func TestMachine(t *testing.T) {
	wire := func(rest string) string {
		return "[Match]\nName=eth0\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nMulticastDNS=resolve\nIPv6PrivacyExtensions=no\n" + rest
	}
	const address = "run/systemd/network/70-card-address.network"
	for what, tc := range map[string]struct {
		text string
		name string
		want map[string]string
	}{
		"nothing": {"", "intercom", map[string]string{}},
		"name":    {"[system]\nhostname = \"door-north\"", "door-north", map[string]string{"etc/hostname": "door-north\n", "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 door-north\n"}},
		"clock":   {"[locale]\ntimezone = \"Europe/Berlin\"", "intercom", map[string]string{"etc/localtime": "-> ../usr/share/zoneinfo/Europe/Berlin"}},
		"static": {"[network]\naddress = [\"10.1.2.3/24\", \"fd00::3/64\"]\ngateway = \"10.1.2.1\"\ndns = [\"10.1.2.1\", \"9.9.9.9\"]", "intercom",
			map[string]string{address: wire("DHCP=no\nAddress=10.1.2.3/24\nAddress=fd00::3/64\nGateway=10.1.2.1\nDNS=10.1.2.1\nDNS=9.9.9.9\n")}},
		"own name server": {"[network]\ndns = \"10.1.2.1\"", "intercom",
			map[string]string{address: wire("DHCP=yes\nDNS=10.1.2.1\n\n[DHCPv4]\nRapidCommit=yes\nClientIdentifier=mac\nUseNTP=yes\nUseDNS=no\n\n[DHCPv6]\nRapidCommit=yes\nUseDNS=no\n\n[IPv6AcceptRA]\nUseDNS=no\n")}},
		"VLAN": {"[network]\nvlan = 12\naddress = \"10.1.2.3/24\"\ndns = \"10.1.2.1\"", "intercom", map[string]string{
			"run/systemd/network/70-card.netdev":  "[NetDev]\nName=vlan12\nKind=vlan\n\n[VLAN]\nId=12\n",
			"run/systemd/network/70-card.network": "[Match]\nName=eth0\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nVLAN=vlan12\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
			address:                               strings.Replace(wire("DHCP=no\nAddress=10.1.2.3/24\nDNS=10.1.2.1\n"), "eth0", "vlan12", 1)}},
		"Wi-Fi": {"[wlan]\nssid = \"Our net_2-4\"\npassword = ' hunter22\\ '\ncountry = \"de\"", "intercom", map[string]string{
			"var/lib/iwd/Our net_2-4.psk": "[Security]\nPassphrase=\\shunter22\\\\\\s\n\n[Settings]\nAutoConnect=true\nHidden=false\n",
			"etc/iwd/main.conf":           "[General]\nEnableNetworkConfiguration=false\nCountry=DE\n", "run/intercom/wlan": ""}},
		"hidden, with a static address": {"[wlan]\nssid = \"Käse/../x.y\"\npassword = \"hunter22\"\nhidden = true\n[network]\naddress = \"10.1.2.3/24\"\ndns = \"10.1.2.1\"", "intercom", map[string]string{
			"var/lib/iwd/=" + hex.EncodeToString([]byte("Käse/../x.y")) + ".psk": "[Security]\nPassphrase=hunter22\n\n[Settings]\nAutoConnect=true\nHidden=true\n",
			"etc/iwd/main.conf": "[General]\nEnableNetworkConfiguration=false\n", "run/intercom/wlan": "",
			address: strings.Replace(wire("DHCP=no\nAddress=10.1.2.3/24\nDNS=10.1.2.1\n"), "Name=eth0", "Type=wlan", 1)}},
		"open": {"[wlan]\nssid = \"x\"", "intercom", map[string]string{
			"var/lib/iwd/x.open": "[Settings]\nAutoConnect=true\nHidden=false\n", "etc/iwd/main.conf": "[General]\nEnableNetworkConfiguration=false\n", "run/intercom/wlan": ""}},
		"key": {"[wlan]\nssid = \"x\"\npassword = \"" + strings.Repeat("AB", 32) + "\"", "intercom", map[string]string{
			"var/lib/iwd/x.psk": "[Security]\nPreSharedKey=" + strings.Repeat("ab", 32) + "\n\n[Settings]\nAutoConnect=true\nHidden=false\n",
			"etc/iwd/main.conf": "[General]\nEnableNetworkConfiguration=false\n", "run/intercom/wlan": ""}},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCard(t)
			root := t.TempDir()
			// What an earlier run has made is gone.
			for _, old := range []string{address, "run/systemd/network/70-card.netdev", "var/lib/iwd/old.psk", "run/intercom/eap.conf", "run/intercom/wlan"} {
				if err := (file{path: old, mode: 0o600, text: "old"}).put(root); err != nil {
					t.Fatal(err)
				}
			}
			c.put("intercom.toml", config("1000")+tc.text+"\n")
			files, name, notes := machine(t, c, root)
			if name != tc.name || len(notes) > 0 {
				t.Errorf("the name is %q, notes %v", name, notes)
			}
			for path, text := range files {
				if want, ok := tc.want[path]; !ok || text != want {
					t.Errorf("%s is\n%s\nwant\n%s", path, text, want)
				}
			}
			for path := range tc.want {
				if _, ok := files[path]; !ok {
					t.Errorf("%s is not there", path)
				}
			}
		})
	}
}

// authority is a certificate and its key.
func authority(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func TestEAP(t *testing.T) {
	x := func(s string) string { return hex.EncodeToString([]byte(s)) }
	cert, key := authority(t)
	c := newCard(t)
	c.put("ca.pem", "\ufeff"+strings.ReplaceAll("From the office\n"+cert, "\n", "\r\n"))
	c.put("door.pem", strings.ReplaceAll(cert, "\n", "\r\n"))
	c.put("door.key", "\ufeff"+key)
	c.put("intercom.toml", config("1000")+"[eap]\nmethod = \"peap\"\nidentity = 'do\"or'\nanonymous = \"anon\"\npassword = 'hunter22\"\\'\nca_file = \"ca.pem\"\nserver = \"radius.lan\"\n")
	files, _, notes := machine(t, c, t.TempDir())
	want := "ap_scan=0\nnetwork={\n\tkey_mgmt=IEEE8021X\n\teapol_flags=0\n\teap=PEAP\n\tidentity=" + x(`do"or`) + "\n\tca_cert=" + x("/run/intercom/eap-ca.pem") +
		"\n\tdomain_suffix_match=" + x("radius.lan") + "\n\tanonymous_identity=" + x("anon") + "\n\tpassword=" + x(`hunter22"\`) + "\n\tphase2=\"auth=MSCHAPV2\"\n}\n"
	if got := files["run/intercom/eap.conf"]; got != want || len(notes) > 0 {
		t.Errorf("wpa_supplicant gets\n%s\nwant\n%s\n%v", got, want, notes)
	}
	if files["run/intercom/eap-ca.pem"] != cert {
		t.Errorf("the authority is\n%s", files["run/intercom/eap-ca.pem"])
	}
	c.put("intercom.toml", config("1000")+"[eap]\nmethod = \"tls\"\nidentity = \"door\"\nca_file = \"ca.pem\"\ncert_file = \"door.pem\"\nkey_file = \"door.key\"\n")
	files, _, notes = machine(t, c, t.TempDir())
	want = "ap_scan=0\nnetwork={\n\tkey_mgmt=IEEE8021X\n\teapol_flags=0\n\teap=TLS\n\tidentity=" + x("door") + "\n\tca_cert=" + x("/run/intercom/eap-ca.pem") +
		"\n\tclient_cert=" + x("/run/intercom/eap-door.pem") + "\n\tprivate_key=" + x("/run/intercom/eap-door.key") + "\n}\n"
	if got := files["run/intercom/eap.conf"]; got != want || len(notes) > 0 {
		t.Errorf("wpa_supplicant gets\n%s\nwant\n%s\n%v", got, want, notes)
	}
	if files["run/intercom/eap-door.key"] != key || files["run/intercom/eap-door.pem"] != cert {
		t.Error("key or certificate have what an editor put into them")
	}
}

// The configuration comes before the tool that wrote the card, which is heeded where the
// former is silent, and every difference is told.
func TestConfigurationBeforeTool(t *testing.T) {
	for what, tc := range map[string]struct {
		text, tool string
		name, wlan string
		said       string
	}{
		"silent":         {"", imagerNetwork, "door-north", "=" + hex.EncodeToString([]byte("Käse: 1")) + ".psk", "setting=wlan.ssid value=\"Käse: 1\""},
		"another":        {"[system]\nhostname = \"d\"\n[wlan]\nssid = \"mine\"\n", imagerNetwork, "d", "mine.open", "setting=system.hostname value=d other=door-north"},
		"only a country": {"[wlan]\ncountry = \"AT\"\n", strings.Replace(imagerNetwork, "      regulatory-domain: \"DE\"\n", "", 1), "door-north", "=" + hex.EncodeToString([]byte("Käse: 1")) + ".psk", ""},
		"a cable":        {"[network]\nvlan = 3\n", imagerNetwork, "door-north", "", "from the tool that wrote the card is not used"},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCard(t)
			c.put("intercom.toml", config("1000")+tc.text)
			c.put("user-data", imagerUserData)
			c.put("network-config", tc.tool)
			files, name, notes := machine(t, c, t.TempDir())
			wlan := ""
			for path := range files {
				if strings.HasPrefix(path, "var/lib/iwd/") {
					wlan = filepath.Base(path)
				}
			}
			if name != tc.name || wlan != tc.wlan || len(notes) > 0 || !strings.Contains(c.log.String(), tc.said) {
				t.Errorf("name %q, Wi-Fi %q, notes %v, the log\n%s", name, wlan, notes, c.log.String())
			}
			if what == "only a country" && !strings.Contains(files["etc/iwd/main.conf"], "Country=AT") {
				t.Error(files["etc/iwd/main.conf"])
			}
			// Without the card it is the same.
			c.places.Card, c.places.Why = "", errors.New("gone")
			s := c.start()
			again := ""
			SetUp(s, "", t.TempDir(), func(n string) error { again = n; return nil }, slog.New(slog.DiscardHandler))
			if again != tc.name {
				t.Errorf("without the card the name is %q", again)
			}
		})
	}
}

// What cannot be done is told, and the rest is done.
func TestMachineAsFarAsItGoes(t *testing.T) {
	c := newCard(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "etc"), nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	c.put("intercom.toml", config("1000")+"[system]\nhostname = \"d\"\n[network]\naddress = \"10.0.0.2/8\"\ndns = \"10.0.0.1\"\n")
	var log bytes.Buffer
	notes := SetUp(c.start(), c.places.Card, root, func(string) error { return errors.New("refused") }, slog.New(slog.NewTextHandler(&log, nil)))
	if len(notes) != 1 || notes[0].Code != NoteMachine || !strings.Contains(notes[0].Params[1], "refused") || !strings.Contains(notes[0].Params[1], "not a directory") {
		t.Error(notes)
	}
	if _, err := os.Stat(filepath.Join(root, "run/systemd/network/70-card-address.network")); err != nil {
		t.Error(err)
	}
}

// No value of a configuration that is good adds a line or a setting of its own to a file.
func FuzzRender(f *testing.F) {
	f.Add("net", "hunter22", "10.0.0.2/8", "10.0.0.1", "door")
	f.Add("a\\nb", "\\n[Settings]", "10.0.0.2/8\nx", "1\n2", "d\ne")
	f.Fuzz(func(t *testing.T, ssid, password, address, dns, host string) {
		q := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
		text := config("1000") + "[system]\nhostname = " + q(host) + "\n[wlan]\nssid = " + q(ssid) + "\npassword = " + q(password) +
			"\n[network]\naddress = " + q(address) + "\ndns = " + q(dns) + "\n"
		c, faults := configs.Parse("x", []byte(text))
		if len(faults) > 0 {
			return
		}
		list, err := render(&c)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			if !filepath.IsLocal(one.path) || strings.Count(one.path, "/") > 4 {
				t.Errorf("a file outside: %q", one.path)
			}
			for line := range strings.Lines(one.text) {
				if strings.HasSuffix(one.path, ".network") || strings.HasPrefix(one.path, iwdDir) {
					key, _, setting := strings.Cut(strings.TrimSpace(line), "=")
					known := " Name Type RequiredForOnline MulticastDNS IPv6PrivacyExtensions DHCP Address DNS RapidCommit ClientIdentifier UseNTP UseDNS Passphrase PreSharedKey AutoConnect Hidden "
					if setting && !strings.Contains(known, " "+key+" ") {
						t.Errorf("%s has the setting %q", one.path, key)
					}
				}
			}
		}
	})
}
