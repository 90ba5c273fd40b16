package provision

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/configs"
)

// What Raspberry Pi Imager 2 writes, with everything switched on.
const (
	imagerUserData = `#cloud-config
hostname: door-north
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  preserve_sources_list: true
timezone: Europe/Berlin
keyboard:
  model: pc105
  layout: "de"
users:
- name: pi
  groups: users,adm,gpio
  shell: /bin/bash
  lock_passwd: false
  passwd: $5$hunter22
  ssh_authorized_keys:
    - ssh-ed25519 AAAA hunter22
  sudo: ALL=(ALL) NOPASSWD:ALL
enable_ssh: true
ssh_pwauth: true
runcmd:
  - [ systemctl, enable, ssh ]
`
	imagerNetwork = `network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "DE"
      access-points:
        "Käse: 1":
          password: "hunter22"
          hidden: true
      optional: true
`
	oldImager = `# custom.toml of Raspberry Pi OS 12
config_version = 1
[system]
hostname = "door-south"
[user]
name = "pi"
password = "$5$hunter22"
password_encrypted = true
[ssh]
enabled = true
authorized_keys = [ "ssh-ed25519 hunter22" ]
[wlan]
ssid = "net"
password = "4d0d0d0d4d0d0d0d4d0d0d0d4d0d0d0d4d0d0d0d4d0d0d0d4d0d0d0d4d0d0d0d"
password_encrypted = true
hidden = false
country = "GB"
[locale]
keymap = "gb"
timezone = "Europe/London"
`
)

// tooled reads the files of a tool; the log comes back too.
func tooled(t *testing.T, files map[string]string) (*tool, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	got := readTool(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if strings.Contains(log.String(), "hunter22") {
		t.Errorf("a secret is in the log:\n%s", log.String())
	}
	for _, n := range got.notes {
		if strings.Contains(strings.Join(n.Params, " "), "hunter22") {
			t.Errorf("a secret is in a note: %v", n)
		}
	}
	return got, log.String()
}

func TestImager(t *testing.T) {
	wifi := configs.WLAN{SSID: "Käse: 1", Password: "hunter22", Hidden: true, Country: "DE"}
	psk := configs.Secret(strings.Repeat("4d0d0d0d", 8))
	for what, tc := range map[string]struct {
		files    map[string]string
		host     string
		wlan     configs.WLAN
		timezone string
		ignored  string // settings, in order
		notes    string // files
	}{
		"today's": {map[string]string{"user-data": imagerUserData, "network-config": imagerNetwork}, "door-north", wifi, "Europe/Berlin",
			"manage_etc_hosts packages apt keyboard users enable_ssh ssh_pwauth runcmd", ""},
		"the older one": {map[string]string{"custom.toml": oldImager}, "door-south", configs.WLAN{SSID: "net", Password: psk, Country: "GB"}, "Europe/London",
			"locale.keymap ssh.authorized_keys ssh.enabled user.name user.password user.password_encrypted", ""},
		"both": {map[string]string{"custom.toml": oldImager, "user-data": "#cloud-config\nhostname: door-east\n"}, "door-east", configs.WLAN{SSID: "net", Password: psk, Country: "GB"}, "Europe/London",
			"locale.keymap ssh.authorized_keys ssh.enabled user.name user.password user.password_encrypted", ""},
		"Windows": {map[string]string{"network-config": "\ufeff" + strings.ReplaceAll(imagerNetwork, "\n", "\r\n"), "user-data": utf16Of(imagerUserData, binary.LittleEndian)},
			"door-north", wifi, "Europe/Berlin", "manage_etc_hosts packages apt keyboard users enable_ssh ssh_pwauth runcmd", ""},
		"no top": {map[string]string{"network-config": "version: 2\nwifis: {wlan0: {access-points: {net: {auth: {key-management: sae, password: hunter22}}}}}\n"}, "", configs.WLAN{SSID: "net", Password: "hunter22"}, "", "", ""},
		"open":   {map[string]string{"network-config": "network: {wifis: {wlan0: {access-points: {net: }}}}\n"}, "", configs.WLAN{SSID: "net"}, "", "", ""},
		"static": {map[string]string{"network-config": "network:\n  renderer: networkd\n  ethernets:\n    eth0:\n      dhcp4: false\n      addresses: [10.0.0.2/24]\n  bridges: {}\n  wifis:\n    wlan0:\n      dhcp4: no\n      access-points: {a: {password: hunter22}, b: {password: hunter22, bssid: x}}\n"},
			"", configs.WLAN{SSID: "a", Password: "hunter22"}, "", "ethernets.eth0.dhcp4 ethernets.eth0.addresses bridges wifis.wlan0.dhcp4 wifis.wlan0.access-points.b", ""},
		"enterprise": {map[string]string{"network-config": "network: {wifis: {wlan0: {access-points: {a: {auth: {key-management: eap, identity: x, password: hunter22}}}}}}\n"},
			"", configs.WLAN{SSID: "a", Password: "hunter22"}, "", "wifis.access-points.auth.key-management wifis.access-points.auth.identity", ""},
		"an alias":      {map[string]string{"network-config": "x: &a {password: hunter22}\nwifis: {wlan0: {access-points: {net: *a}}}\n"}, "", configs.WLAN{SSID: "net", Password: "hunter22"}, "", "x", ""},
		"only comments": {map[string]string{"network-config": "# nothing\n", "user-data": "#cloud-config\n# nothing\n", "custom.toml": ""}, "", configs.WLAN{}, "", "", ""},
		"a script":      {map[string]string{"user-data": "#!/bin/sh\nrm -rf /\n"}, "", configs.WLAN{}, "", "", "user-data"},
		"broken YAML":   {map[string]string{"user-data": "#cloud-config\nhostname: [hunter22\n", "network-config": imagerNetwork}, "", wifi, "", "", "user-data"},
		"a list":        {map[string]string{"network-config": "- hunter22\n"}, "", configs.WLAN{}, "", "", "network-config"},
		"broken TOML":   {map[string]string{"custom.toml": "[wlan]\npassword = hunter22\n"}, "", configs.WLAN{}, "", "", "custom.toml"},
		"bad values":    {map[string]string{"user-data": "#cloud-config\nhostname: door.example.lan\ntimezone: Berlin\n", "network-config": strings.Replace(imagerNetwork, "hunter22", "short", 1)}, "", configs.WLAN{}, "", "", "network-config user-data user-data"},
		"typed oddly":   {map[string]string{"user-data": "#cloud-config\nhostname: 17\ntimezone: [a]\n", "custom.toml": "system = 1\n[wlan]\nssid = 4\n"}, "17", configs.WLAN{}, "", "system", ""},
		"too large":     {map[string]string{"user-data": "#cloud-config\n" + strings.Repeat("# x\n", maxTool)}, "", configs.WLAN{}, "", "", "user-data"},
		"no text":       {map[string]string{"user-data": "#cloud-config\x00\n"}, "", configs.WLAN{}, "", "", "user-data"},
	} {
		t.Run(what, func(t *testing.T) {
			got, log := tooled(t, tc.files)
			if got.System.Hostname != tc.host || got.WLAN != tc.wlan || got.Locale.Timezone != tc.timezone {
				t.Errorf("got %+v %+v %+v\n%s", got.System, got.WLAN, got.Locale, log)
			}
			var ignored []string
			for line := range strings.Lines(log) {
				if _, rest, ok := strings.Cut(line, "does not apply\" file="); ok {
					_, setting, _ := strings.Cut(strings.TrimSpace(rest), "setting=")
					ignored = append(ignored, setting)
				}
			}
			if s := strings.Join(ignored, " "); s != tc.ignored {
				t.Errorf("named are %q, want %q", s, tc.ignored)
			}
			var notes []string
			for _, n := range got.notes {
				notes = append(notes, n.Params[1])
			}
			if s := strings.Join(notes, " "); s != tc.notes {
				t.Errorf("notes on %q, want %q: %v", s, tc.notes, got.notes)
			}
		})
	}
}

// Files of systems of other kinds are named; those with which somebody believes to have set
// the door up are shown.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"FIRSTRUN.SH", "ssh", "meta-data", "wpa_supplicant.conf", "photo.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	notes := sayForeign(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if len(notes) != 2 || notes[0].Params[1] != "FIRSTRUN.SH" || notes[1].Params[1] != "wpa_supplicant.conf" {
		t.Error(notes)
	}
	if n := strings.Count(log.String(), "\n"); n != 4 {
		t.Errorf("%d files are named:\n%s", n, log.String())
	}
}

func FuzzTool(f *testing.F) {
	f.Add(0, []byte(imagerNetwork))
	f.Add(1, []byte(imagerUserData))
	f.Add(2, []byte(oldImager))
	f.Add(0, []byte("a: &a [*a, *a]\nwifis: *a\n"))
	f.Add(0, []byte("wifis: &w\n  x: *w\n"))
	f.Add(1, []byte("#cloud-config\n<<: {hostname: x}\n? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		one := &tool{log: slog.New(slog.DiscardHandler)}
		err := one.read(toolFiles()[uint(which)%3], data)
		if err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Fatal(err)
		}
		if _, _, _, faults := configs.CheckCard("x", one.System, one.WLAN, one.Locale); faults != nil {
			t.Fatalf("taken over though at fault: %v", faults)
		}
	})
}
