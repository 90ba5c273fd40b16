package configs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile is far above the size of any configuration.
const maxFile = 1 << 20

// Load reads a configuration file and the files that it names: the password is in
// SIP.Password afterwards, and the paths are absolute or relative to the process. The
// error is of type [Faults]; the Config is complete in any case, see [Parse].
func Load(file string) (*Config, error) {
	data, err := read(file)
	if err != nil {
		cfg := Default()
		problem, remedy := explain(err)
		return &cfg, Faults{{File: file, Problem: problem, Remedy: remedy}}
	}
	c := parse(file, data)
	dir := filepath.Dir(file)
	c.passwordFile(dir)
	c.certificates(dir, "sip.ca_file", &c.cfg.SIP.CAFile)
	c.folder(dir, "audio.prompts", &c.cfg.Audio.Prompts)
	c.recordings()
	for i := range c.cfg.Notify {
		c.certificates(dir, fmt.Sprintf("notify[%d].ca_file", i), &c.cfg.Notify[i].CAFile)
	}
	c.faults.sort()
	if len(c.faults) > 0 {
		return &c.cfg, c.faults
	}
	return &c.cfg, nil
}

func (c *checker) passwordFile(dir string) {
	s := &c.cfg.SIP
	if s.PasswordFile == "" || s.Password != "" {
		return
	}
	s.PasswordFile = under(dir, s.PasswordFile)
	data, err := read(s.PasswordFile)
	if err != nil {
		problem, remedy := explain(err)
		c.bad("sip.password_file", s.PasswordFile+": "+problem, remedy)
		return
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	s.Password = Secret(strings.TrimRight(text, "\r"))
	if s.Password == "" {
		c.bad("sip.password_file", s.PasswordFile+": its first line is empty", "write the password there")
	}
}

// certificates looks at a file of certificates and makes its path one that can be opened.
func (c *checker) certificates(dir, key string, file *string) {
	if *file == "" {
		return
	}
	*file = under(dir, *file)
	data, err := read(*file)
	if err != nil {
		problem, remedy := explain(err)
		c.bad(key, *file+": "+problem, remedy)
		return
	}
	n := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			c.bad(key, fmt.Sprintf("%s: has %s in it", *file, strings.ToLower(block.Type)),
				"only certificates (BEGIN CERTIFICATE) belong there")
			return
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			c.bad(key, fmt.Sprintf("%s: certificate %d cannot be read: %v", *file, n+1, err), "copy it again from the server")
			return
		}
		n++
	}
	if n == 0 {
		c.bad(key, *file+": there is no certificate in it", "it must hold PEM text: -----BEGIN CERTIFICATE-----")
	}
}

// folder makes the path of a folder one that can be opened.
func (c *checker) folder(dir, key string, path *string) {
	if *path == "" {
		return
	}
	*path = under(dir, *path)
	if info, err := os.Stat(*path); err != nil {
		problem, remedy := explain(err)
		c.bad(key, *path+": "+problem, remedy)
	} else if !info.IsDir() {
		c.bad(key, *path+": is not a folder", "name the folder that holds the recordings")
	}
}

// recordings looks for those that targets name: a visitor must not hear nothing.
func (c *checker) recordings() {
	for i, t := range c.cfg.Targets {
		key := fmt.Sprintf("target[%d].prompt", i)
		if t.Prompt == "" || c.faulty(key) || c.faulty("audio.prompts") {
			continue
		}
		file := filepath.Join(c.cfg.Audio.Prompts, t.Prompt+".wav")
		if _, err := os.Stat(file); err != nil {
			problem, remedy := explain(err)
			c.bad(key, file+": "+problem, remedy)
		}
	}
}

func under(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

var errTooBig = errors.New("larger than 1 MB")

// read reads a file of bounded size, which may be a pipe.
func read(file string) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // the files that the administrator names are to be read
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errTooBig
	}
	return data, err
}

// explain says why a file cannot be read.
func explain(err error) (problem, remedy string) {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file", "check the path"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to read it", "make it readable for the user of the service"
	case errors.As(err, &pe):
		return "cannot be read: " + pe.Err.Error(), "check the path"
	}
	return "cannot be read: " + err.Error(), "check the file"
}
