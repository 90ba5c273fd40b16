package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"intercomd/configs/textfile"
	"intercomd/words"
)

// A Judge looks at what a configuration names and this package does not know, such as
// recordings. The paths in the Config can be opened. Of its faults Load fills in File,
// Line and Optional from the Key, which has the numbers of repeated sections: "target[0].prompt".
type Judge func(*Config) []Fault

// Load reads a configuration file and the files that it names: the password is in
// SIP.Password afterwards, and the paths are absolute or relative to the process. The
// error is of type [Faults]; the Config is complete in any case, see [Parse]. What cannot
// be used and can be done without is left out of it: see [Fault.Optional].
func Load(file string, judges ...Judge) (*Config, error) {
	data, err := textfile.Read(file)
	if err != nil {
		cfg := Default()
		lamps := cfg.Lamps
		cfg.noOutputs()
		if errors.Is(err, fs.ErrNotExist) {
			cfg.Lamps = lamps // nobody has said anything else, and it shows what is missing
		}
		f := textfile.Unreadable(err)
		return &cfg, Faults{{File: file, Message: f.Message}}
	}
	return LoadText(file, data, judges...)
}

// LoadText is [Load] of a text that stands in place of what is in the file: the paths in it are
// relative to the file's folder.
func LoadText(file string, data []byte, judges ...Judge) (*Config, error) {
	c := parse(file, data)
	dir := filepath.Dir(file)
	return c.load(func(string) string { return dir }, judges)
}

// load reads what the settings name. dirOf gives the folder that the paths of a setting are in.
func (c *checker) load(dirOf func(key string) string, judges []Judge) (*Config, error) {
	c.passwordFile(dirOf("sip.password_file"), "sip.password_file", &c.cfg.SIP.PasswordFile, &c.cfg.SIP.Password)
	c.eapFiles(dirOf("eap"))
	if f := c.certificates(dirOf("sip.ca_file"), "sip.ca_file", &c.cfg.SIP.CAFile); f != nil {
		c.faults = append(c.faults, *f)
	}
	c.fleetFiles(dirOf("fleet"))
	c.mqttFiles(dirOf)
	for i := range c.cfg.Notify {
		n := &c.cfg.Notify[i]
		c.webhookKey(dirOf(fmt.Sprintf("notify[%d].secret_file", i)), i)
		key := fmt.Sprintf("notify[%d].ca_file", i)
		if f := c.certificates(dirOf(key), key, &n.CAFile); f != nil {
			n.Webhook = "" // never another authority than the one that was meant
			c.faults = append(c.faults, *f)
		}
	}
	if f := c.folder(dirOf("audio.prompts"), "audio.prompts", &c.cfg.Audio.Prompts); f != nil {
		c.cfg.Audio.Prompts = ""
		c.faults = append(c.faults, *f)
	}
	for _, judge := range judges {
		for _, f := range judge(&c.cfg) {
			c.faults = append(c.faults, Fault{File: c.file, Line: c.lineOf(f.Key), Key: plain(f.Key), Message: f.Message})
		}
	}
	if faults := c.faults.settle(); len(faults) > 0 {
		return &c.cfg, faults
	}
	return &c.cfg, nil
}

// webhookKey reads the file that holds the key of a webhook. Without it nothing is sent there:
// what is not signed would be taken for somebody else's.
func (c *checker) webhookKey(dir string, i int) {
	n := &c.cfg.Notify[i]
	key := fmt.Sprintf("notify[%d].secret_file", i)
	before := len(c.faults)
	c.passwordFile(dir, key, &n.SecretFile, &n.Secret)
	if n.SecretFile != "" && n.Secret != "" && !isWebhookKey(string(n.Secret)) {
		c.bad(key, words.New("config-not-webhook-key"))
	}
	if len(c.faults) > before {
		n.Webhook, n.Secret = "", ""
	}
}

// passwordFile reads the file that holds a password, unless the password is given.
func (c *checker) passwordFile(dir, key string, file *string, password *Secret) {
	if *file == "" || *password != "" {
		return
	}
	*file = under(dir, *file)
	secret, fault := textfile.Secret(*file)
	if fault != nil {
		c.bad(key, fault.At(*file))
		return
	}
	*password = Secret(secret)
}

// Files names what else belongs to a configuration, as [Parse] has it: the paths of files
// and of folders, relative to the configuration or absolute.
func (c *Config) Files() (files, folders []string) {
	files = []string{c.SIP.PasswordFile, c.SIP.CAFile, c.EAP.PasswordFile, c.EAP.CAFile, c.EAP.CertFile, c.EAP.KeyFile,
		c.Fleet.CAFile, c.Fleet.CertFile, c.Fleet.KeyFile, c.MQTT.PasswordFile, c.MQTT.CAFile, c.MQTT.CertFile, c.MQTT.KeyFile}
	for _, n := range c.Notify {
		files = append(files, n.CAFile, n.SecretFile)
	}
	none := func(path string) bool { return path == "" }
	return slices.DeleteFunc(files, none), slices.DeleteFunc([]string{c.Audio.Prompts}, none)
}

// certificates judges a file of certificates and makes its path one that can be opened.
func (c *checker) certificates(dir, key string, file *string) *Fault {
	if *file == "" {
		return nil
	}
	*file = under(dir, *file)
	_, fault := textfile.Certificates(*file)
	if fault == nil {
		return nil
	}
	return c.named(key, fault.At(*file))
}

// folder makes the path of a folder one that can be opened.
func (c *checker) folder(dir, key string, path *string) *Fault {
	if *path == "" {
		return nil
	}
	*path = under(dir, *path)
	_, err := os.ReadDir(*path)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return c.named(key, words.New("folder-is-file", "in", *path))
	}
	f := textfile.Unreadable(err)
	return c.named(key, f.At(*path))
}

// named is a fault of what a setting names.
func (c *checker) named(key string, m words.Message) *Fault {
	return &Fault{File: c.file, Line: c.lineOf(key), Key: plain(key), Message: m}
}

func under(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}
