package provision

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"intercomd/configs"
	"intercomd/words"
)

// This file reads what tools that write cards leave on them, Raspberry Pi Imager above all:
// files of cloud-init (network-config in version 2, that of netplan; user-data), or the older
// custom.toml. Name, Wi-Fi and time zone apply to a door; all else is named in the log.

// maxTool is the size of the largest of these files that is read.
const maxTool = 256 << 10

// toolFiles are the files of tools that are read, those that win first.
func toolFiles() []string { return []string{"network-config", "user-data", "custom.toml"} }

// foreign are files that tools leave for systems of other kinds, and why they do not apply.
func foreign() map[string]words.Message {
	other, script, login := words.New("tool-other-system"), words.New("tool-script"), words.New("tool-login")
	return map[string]words.Message{
		"firstrun.sh": script, "wpa_supplicant.conf": other, "userconf.txt": other, "userconf": other,
		"ssh": login, "ssh.txt": login, "meta-data": other,
	}
}

// tool is what a tool has set up.
type tool struct {
	System configs.System
	WLAN   configs.WLAN
	Locale configs.Locale

	log   *slog.Logger
	notes []Note
}

// readTool reads what a tool has left in a folder of settings.
func readTool(dir string, log *slog.Logger) *tool {
	t := &tool{log: log}
	for _, name := range toolFiles() {
		data, err := readSome(filepath.Join(dir, name), maxTool+1)
		if os.IsNotExist(err) {
			continue
		}
		if err == nil && len(data) > maxTool {
			err = toolError(words.New("tool-too-large", "most", strconv.Itoa(maxTool>>10)))
		}
		if err == nil {
			err = t.read(name, data)
		}
		if err != nil {
			t.notes = append(t.notes, because(NoteTool, explain(err), "file", name))
			log.Error("a file of the tool that wrote the card cannot be used", "file", name, "error", err)
		}
	}
	return t
}

// toolError says why a file of a tool is not used.
type toolError words.Message

// Error is the sentence, in English.
func (e toolError) Error() string { return words.Message(e).String() }

// explain says why a file of a tool cannot be used.
func explain(err error) words.Message {
	if e, ok := errors.AsType[toolError](err); ok {
		return words.Message(e)
	}
	if faults, ok := errors.AsType[configs.Faults](err); ok && len(faults) > 0 {
		return faults[0].Message
	}
	return words.New("file-fails", "detail", plainError(err))
}

// sayForeign names the files on a card that do not apply at all.
func sayForeign(card string, log *slog.Logger) (notes []Note) {
	entries, err := os.ReadDir(card)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		why, ok := foreign()[name]
		if !ok {
			continue
		}
		log.Warn("a file on the card does not apply", "file", e.Name(), "why", why.String())
		if name == "firstrun.sh" || name == "wpa_supplicant.conf" { // somebody believes to have set the door up
			notes = append(notes, because(NoteTool, why, "file", e.Name()))
		}
	}
	return notes
}

// read takes one file in.
func (t *tool) read(name string, data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil { // whatever a card holds, the door starts
			err = toolError(words.New("file-fails", "detail", fmt.Sprint(r)))
		}
	}()
	text, err := configs.CleanText(data)
	if err != nil {
		return err
	}
	var one tool
	one.log = t.log
	switch name {
	case "custom.toml":
		err = one.customTOML(text)
	case "network-config":
		err = one.cloud(text, one.networkConfig)
	default:
		if len(strings.TrimSpace(string(text))) == 0 {
			return nil
		}
		if !strings.HasPrefix(string(text), "#cloud-config") {
			return toolError(words.New("tool-not-cloud-config"))
		}
		err = one.cloud(text, one.userData)
	}
	if err != nil {
		return err
	}
	t.merge(name, one)
	return nil
}

// merge takes over what is good of a file and what no file before it has.
func (t *tool) merge(name string, one tool) {
	system, wlan, locale, faults := configs.CheckCard(name, one.System, one.WLAN, one.Locale)
	for _, f := range faults {
		switch section, _, _ := strings.Cut(f.Key, "."); section {
		case "system":
			system = configs.System{}
		case "wlan":
			wlan = configs.WLAN{}
		case "locale":
			locale = configs.Locale{}
		}
		t.notes = append(t.notes, because(NoteTool, f.Message, "file", name, "key", f.Key))
		t.log.Error("a setting of the tool that wrote the card cannot be used", "fault", f.String())
	}
	if t.System.Hostname == "" {
		t.System = system
	}
	if t.WLAN.SSID == "" {
		country := t.WLAN.Country
		if t.WLAN = wlan; wlan.Country == "" {
			t.WLAN.Country = country
		}
	}
	if t.Locale.Timezone == "" {
		t.Locale = locale
	}
}

// ignored names a setting that does not apply. Its value may be a secret.
func (t *tool) ignored(file string, path ...string) {
	t.log.Warn("a setting of the tool that wrote the card does not apply", "file", file, "setting", strings.Join(path, "."))
}

// cloud reads YAML and hands the mapping at its top on.
func (t *tool) cloud(text []byte, take func(*yaml.Node)) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		// What is wrong there may be a password: only the place.
		return toolError(words.New("tool-not-yaml", "line", lineIn(err.Error())))
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return nil
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil
	}
	if top.Kind != yaml.MappingNode {
		return toolError(words.New("tool-no-settings"))
	}
	take(top)
	return nil
}

// lineIn is the line that an error of the YAML library names.
func lineIn(text string) string {
	if _, rest, ok := strings.Cut(text, "line "); ok {
		if n, _, _ := strings.Cut(rest, ":"); n != "" && strings.Trim(n, "0123456789") == "" {
			return n
		}
	}
	return ""
}

// pairs calls each for the keys of a mapping with their values.
func pairs(n *yaml.Node, each func(key string, val *yaml.Node)) {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := target(n.Content[i]); key != nil && key.Kind == yaml.ScalarNode {
			each(key.Value, target(n.Content[i+1]))
		}
	}
}

// target follows aliases, not for ever.
func target(n *yaml.Node) *yaml.Node {
	for range 8 {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

// word is the text of a scalar.
func word(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

func yes(n *yaml.Node) bool {
	b, err := strconv.ParseBool(strings.ToLower(word(n)))
	return err == nil && b || strings.EqualFold(word(n), "yes") || strings.EqualFold(word(n), "on")
}

// userData takes the settings of cloud-init's user-data.
func (t *tool) userData(top *yaml.Node) {
	pairs(top, func(key string, val *yaml.Node) {
		switch key {
		case "hostname":
			t.System.Hostname = word(val)
		case "timezone":
			t.Locale.Timezone = word(val)
		default:
			t.ignored("user-data", key)
		}
	})
}

// networkConfig takes the Wi-Fi of netplan's format.
func (t *tool) networkConfig(top *yaml.Node) {
	const file = "network-config"
	pairs(top, func(key string, val *yaml.Node) {
		switch key {
		case "network":
			t.networkConfig(val)
		case "version", "renderer":
		case "wifis":
			pairs(val, func(name string, val *yaml.Node) { t.wifi(name, val) })
		case "ethernets":
			pairs(val, func(name string, val *yaml.Node) {
				pairs(val, func(key string, val *yaml.Node) {
					if !asUsual(key, val) {
						t.ignored(file, "ethernets", name, key)
					}
				})
			})
		default:
			t.ignored(file, key)
		}
	})
}

// asUsual reports whether a setting of an interface is what a door does anyway.
func asUsual(key string, val *yaml.Node) bool {
	return key == "optional" || (key == "dhcp4" || key == "dhcp6") && yes(val)
}

func (t *tool) wifi(name string, n *yaml.Node) {
	const file = "network-config"
	pairs(n, func(key string, val *yaml.Node) {
		switch {
		case key == "regulatory-domain":
			t.WLAN.Country = word(val)
		case key == "access-points":
			pairs(val, func(ssid string, val *yaml.Node) {
				if t.WLAN.SSID != "" || ssid == "" {
					t.ignored(file, "wifis", name, key, ssid)
					return
				}
				t.WLAN.SSID = ssid
				t.accessPoint(val)
			})
		case !asUsual(key, val):
			t.ignored(file, "wifis", name, key)
		}
	})
}

func (t *tool) accessPoint(n *yaml.Node) {
	const file = "network-config"
	pairs(n, func(key string, val *yaml.Node) {
		switch key {
		case "password":
			t.WLAN.Password = configs.Secret(word(val))
		case "hidden":
			t.WLAN.Hidden = yes(val)
		case "auth":
			pairs(val, func(key string, val *yaml.Node) {
				switch key {
				case "password":
					t.WLAN.Password = configs.Secret(word(val))
				case "key-management":
					if w := word(val); w != "psk" && w != "sae" && w != "none" {
						t.ignored(file, "wifis", "access-points", "auth", key)
					}
				default:
					t.ignored(file, "wifis", "access-points", "auth", key)
				}
			})
		default:
			t.ignored(file, "wifis", "access-points", key)
		}
	})
}

// customTOML takes the settings of Raspberry Pi OS 12's custom.toml.
func (t *tool) customTOML(text []byte) error {
	var top map[string]any
	if err := toml.Unmarshal(text, &top); err != nil {
		if de, ok := err.(*toml.DecodeError); ok { //nolint:errorlint // Unmarshal wraps nothing
			line, _ := de.Position()
			return toolError(words.New("tool-not-toml", "line", strconv.Itoa(line)))
		}
		return toolError(words.New("tool-not-toml"))
	}
	for _, section := range slices.Sorted(maps.Keys(top)) {
		if section == "config_version" {
			continue
		}
		table, ok := top[section].(map[string]any)
		if !ok {
			t.ignored("custom.toml", section)
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(table)) {
			s, _ := table[key].(string)
			b, _ := table[key].(bool)
			switch section + "." + key {
			case "system.hostname":
				t.System.Hostname = s
			case "locale.timezone":
				t.Locale.Timezone = s
			case "wlan.ssid":
				t.WLAN.SSID = s
			case "wlan.password":
				t.WLAN.Password = configs.Secret(s)
			case "wlan.password_encrypted": // 64 digits tell it as well
			case "wlan.hidden":
				t.WLAN.Hidden = b
			case "wlan.country":
				t.WLAN.Country = s
			default:
				t.ignored("custom.toml", section, key)
			}
		}
	}
	return nil
}
