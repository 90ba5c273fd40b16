// Package packaging holds what brings intercomd onto a system: the list of files, the
// Debian package, the repository and their papers. It has no code of the daemon.
package packaging

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// installed runs the list with a program of no use and returns where it put everything.
func installed(t *testing.T, prefix string) string {
	t.Helper()
	root, prompts := t.TempDir(), t.TempDir()
	program, word := filepath.Join(root, "program"), filepath.Join(prompts, "en", "open.wav")
	if err := os.Mkdir(filepath.Dir(word), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{program, word} {
		if err := os.WriteFile(file, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dest := filepath.Join(root, "dest")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask 077 && exec sh install.sh "$0"`, program)
	cmd.Env = append(os.Environ(), "DESTDIR="+dest, "PREFIX="+prefix, "PROMPTS="+prompts)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("install.sh: %v\n%s", err, out)
	}
	return dest
}

// Whatever one of the files names is there, under that prefix.
func TestInstalledFilesFindEachOther(t *testing.T) {
	for _, prefix := range []string{"/usr", "/usr/local"} {
		t.Run(prefix, func(t *testing.T) {
			dest := installed(t, prefix)
			named := regexp.MustCompile(`/usr(/local)?/(bin|share)/intercomd[a-z./]*`)
			for _, file := range []string{"systemd/system/intercomd.service", "sysusers.d/intercomd.conf", "tmpfiles.d/intercomd.conf", "udev/rules.d/60-intercomd.rules"} {
				data, err := os.ReadFile(filepath.Join(dest, prefix, "lib", file))
				if err != nil {
					t.Fatal(err)
				}
				for _, path := range named.FindAllString(string(data), -1) {
					if _, err := os.Stat(filepath.Join(dest, path)); err != nil {
						t.Errorf("%s names %s, which is not installed", file, path)
					}
				}
				for _, m := range regexp.MustCompile(`man:([a-z.]+)\((\d)\)`).FindAllStringSubmatch(string(data), -1) {
					page, err := os.Open(filepath.Join(dest, prefix, "share/man/man"+m[2], m[1]+"."+m[2]+".gz"))
					if err != nil {
						t.Error(err)
						continue
					}
					zip, err := gzip.NewReader(page)
					if err != nil {
						t.Fatal(err)
					}
					if text, err := io.ReadAll(zip); err != nil || !bytes.Contains(text, []byte(".TH "+strings.ToUpper(m[1])+" "+m[2])) {
						t.Errorf("%s is no manual page of that name: %v", m[0], err)
					}
				}
			}
			for _, file := range []string{"share/intercomd/prompts/en/open.wav", "share/doc/intercomd/examples/minimal.toml", "share/doc/intercomd/examples/boards/raspberry-pi-4.toml"} {
				if _, err := os.Stat(filepath.Join(dest, prefix, file)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A careful umask of the builder is no reason for files that nobody can read.
func TestInstalledModes(t *testing.T) {
	dest := installed(t, "/usr")
	var programs []string
	err := filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dest)
		switch mode := info.Mode().Perm(); {
		case d.IsDir() && mode != 0o755, !d.IsDir() && mode != 0o644 && mode != 0o755:
			t.Errorf("%s has mode %v", name, mode)
		case !d.IsDir() && mode == 0o755:
			programs = append(programs, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(programs, []string{"/usr/bin/intercomd"}) {
		t.Errorf("programs: %v", programs)
	}
	if entries, err := os.ReadDir(dest); err != nil || len(entries) != 1 {
		t.Errorf("installed outside of /usr: %v %v", entries, err)
	}
}

// The first configuration is short, and lacks what only the administrator knows; every line
// of it is one of the daemon's own settings.
func TestFirstConfiguration(t *testing.T) {
	data, err := os.ReadFile("intercom.toml")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile("../configs/intercom.toml")
	if err != nil {
		t.Fatal(err)
	}
	empty := 0
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !bytes.Contains(whole, []byte("\n"+line+"\n")) {
			t.Errorf("%q is not as in configs/intercom.toml", line)
		}
		if strings.HasSuffix(line, `= ""`) {
			empty++
		}
	}
	if empty != 4 {
		t.Errorf("%d settings to fill in, not 4", empty)
	}
}
