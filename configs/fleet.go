package configs

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"intercomd/configs/textfile"
	"intercomd/configs/toml"
	"intercomd/words"
)

// Fleet is the server that a door gets its configuration and its updates from.
type Fleet struct {
	URL      string        `toml:"url"`     // of a directory; "": there is none, or it is at fault
	Serial   string        `toml:"serial"`  // "": that of the board
	CAFile   string        `toml:"ca_file"` // after Load a path that can be opened, as the two below
	Pins     []string      `toml:"pins"`    // SHA-256 of public keys in base64 (RFC 7469, 2.4)
	CertFile string        `toml:"cert_file"`
	KeyFile  string        `toml:"key_file"`
	Interval time.Duration `toml:"interval" range:"1m..24h"`

	// Given tells that the file names a server, be it one that cannot be used: what was
	// fetched before stays in force.
	Given bool
}

// Own reports whether a section is read from the door's own file only: what the door needs to
// reach the server that could correct a mistake, and where it keeps what it got from there.
func Own(section string) bool {
	switch section {
	case "fleet", "network", "wlan", "eap", "system", "locale", "state":
		return true
	}
	return false
}

// notHere is the code of a fault that is never left out: it would change nothing.
const notHere = "config-own-file-kept"

// SameOwn is a [Judge] of a configuration that stands in place of the door's own file: what [Own]
// tells must be as it is there. Another program reads that from the file, before the daemon starts,
// or it is where the daemon keeps what stands in place of the file.
func SameOwn(own *Config) Judge {
	return func(c *Config) (faults []Fault) {
		a, b := reflect.ValueOf(own).Elem(), reflect.ValueOf(c).Elem()
		for i, section := range reflect.VisibleFields(a.Type()) {
			name := section.Tag.Get("toml")
			if !Own(name) {
				continue
			}
			for f := range section.Type.Fields() {
				key := f.Tag.Get("toml")
				if key != "" && !reflect.DeepEqual(a.Field(i).FieldByIndex(f.Index).Interface(), b.Field(i).FieldByIndex(f.Index).Interface()) {
					faults = append(faults, Fault{Key: toml.Join(name, key), Message: words.New(notHere)})
				}
			}
		}
		return faults
	}
}

// comesLater reports whether account and targets are still to be fetched: the file names a
// server for them, and has no account.
func (c *checker) comesLater() bool {
	_, given := c.lines["sip"]
	return c.cfg.Fleet.Given && !given && c.layers == nil
}

func (c *checker) fleet() {
	f := &c.cfg.Fleet
	broken := c.broken["fleet.url"] || c.broken["fleet"] || c.faulty("fleet.url")
	f.Given = f.URL != "" || broken
	if f.URL == "" {
		if (f.Serial != "" || f.CAFile != "" || len(f.Pins) > 0 || f.CertFile != "" || f.KeyFile != "") && !broken {
			c.missing("fleet.url", words.New("config-missing-fleet-url"))
			f.Given = true
		}
		if c.cfg.Update.Channel != "" && !f.Given && c.layers == nil {
			c.bad("update.channel", words.New("config-channel-without-fleet"))
		}
	}
	c.fleetURL()
	if f.Serial != "" && !isFileName(f.Serial) {
		c.bad("fleet.serial", words.New("config-not-file-name", "value", quotable(f.Serial)))
	}
	if name := c.cfg.Update.Channel; name != "" && !isFileName(name) {
		c.bad("update.channel", words.New("config-not-file-name", "value", quotable(name)))
	}
	for _, pin := range f.Pins {
		if sum, err := base64.StdEncoding.DecodeString(pin); err != nil || len(sum) != sha256.Size {
			c.bad("fleet.pins", words.New("config-not-pin", "value", quotable(pin)))
		}
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		c.bad("fleet.cert_file", words.New("config-half-a-pair"))
	}
}

func (c *checker) fleetURL() {
	raw := c.cfg.Fleet.URL
	if raw == "" {
		return
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		c.bad("fleet.url", words.New("config-not-directory-url", "value", quotable(raw)))
	case u.User != nil:
		c.bad("fleet.url", words.New("config-directory-url-user"))
	case u.RawQuery != "" || u.Fragment != "":
		c.bad("fleet.url", words.New("config-not-directory-url", "value", quotable(raw)))
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	default:
		c.bad("fleet.url", words.New("config-directory-url-plain", "value", quotable(raw)))
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// isFileName reports whether s is the plain name of a file, without what is before and
// behind it in a path.
func isFileName(s string) bool {
	return len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_", r)
	})
}

// fleetFiles reads what [fleet] names. A fault takes the server away: it would be trusted for
// other reasons than those that were meant.
func (c *checker) fleetFiles(dir string) {
	f := &c.cfg.Fleet
	if f.URL == "" {
		return
	}
	if fault := c.certificates(dir, "fleet.ca_file", &f.CAFile); fault != nil {
		c.faults = append(c.faults, *fault)
		f.URL = ""
	}
	if f.CertFile == "" || f.KeyFile == "" {
		return
	}
	f.CertFile, f.KeyFile = under(dir, f.CertFile), under(dir, f.KeyFile)
	if !c.pair("fleet.cert_file", f.CertFile, f.KeyFile) {
		f.URL = ""
	}
}

// A Layer is one of several files that together are a configuration.
type Layer struct {
	File string
	Name string // for faults
	// Own: the door's own file, of which only the sections that [Own] tells are taken. Of
	// the other files none of those sections are taken: they are faults there.
	Own bool
}

// layerBits is how far the number of a layer is shifted in the number of a line: more than a
// file has lines.
const layerBits = 21

// LoadLayers reads several files as one configuration: what a later one gives counts, setting
// by setting; lists of [[sections]] are replaced whole. Faults name the file that they are in.
// Else it is [Load].
func LoadLayers(layers []Layer, judges ...Judge) (*Config, error) {
	name := ""
	for _, l := range layers {
		if !l.Own {
			name = l.Name
		}
	}
	c := newChecker(name)
	c.layers = layers
	root := &toml.Value{Kind: toml.Table}
	intact := true
	for i, l := range layers {
		base := i << layerBits
		data, err := textfile.Read(l.File)
		if err != nil {
			f := textfile.Unreadable(err)
			c.faults = append(c.faults, Fault{File: l.Name, Line: base, Message: f.Message})
			intact = false
			continue
		}
		tree, f := parseTree(l.Name, data)
		if f != nil {
			f.Line += base
			c.faults = append(c.faults, *f)
			intact = false
			continue
		}
		intact = intact && tree.Whole
		for _, f := range syntaxFaults(l.Name, tree) {
			if section, _, _ := strings.Cut(f.Key+f.section, "."); tree.Whole && l.Own && section != "" && !Own(section) {
				continue
			}
			f.Line += base
			c.faults = append(c.faults, f)
			c.marks[mark{f.Key, f.Line}] = true
		}
		for key := range tree.Broken {
			if section, _, _ := strings.Cut(key, "."); !l.Own || Own(section) {
				c.broken[key] = true
			}
		}
		tree.Root.Shift(base)
		for _, e := range tree.Root.Entries {
			switch {
			case l.Own == Own(e.Name):
				root.Overlay(e)
			case !l.Own:
				c.fault(e.Value.Line, e.Name, words.New("config-own-file-only"))
			}
		}
	}
	if intact {
		c.table(reflect.ValueOf(&c.cfg).Elem(), root, "")
		c.check()
		c.spare()
	} else {
		c.cfg.noOutputs()
	}
	cfg, err := c.load(func(key string) string {
		return filepath.Dir(layers[min(c.lineOf(key)>>layerBits, len(layers)-1)].File)
	}, judges)
	if faults, bad := errors.AsType[Faults](err); bad {
		for i, f := range faults {
			if f.Line > 0 {
				faults[i].File, faults[i].Line = layers[f.Line>>layerBits].Name, f.Line&(1<<layerBits-1)
			}
		}
	}
	return cfg, err
}

// Fetched names the files beside a configuration that came from a [Fleet]'s server: those
// that its own sections name by relative paths, as [LoadLayers] has not yet found them.
func Fetched(layers []Layer) (files []string) {
	for _, l := range layers {
		data, err := textfile.Read(l.File)
		if l.Own || err != nil {
			continue
		}
		cfg, _ := Parse(l.Name, data)
		all := []string{cfg.SIP.PasswordFile, cfg.SIP.CAFile, cfg.MQTT.PasswordFile, cfg.MQTT.CAFile, cfg.MQTT.CertFile, cfg.MQTT.KeyFile}
		for _, n := range cfg.Notify {
			all = append(all, n.CAFile, n.SecretFile)
		}
		for _, path := range all {
			if path != "" && filepath.IsLocal(path) && !slices.Contains(files, path) {
				files = append(files, path)
			}
		}
	}
	return files
}
