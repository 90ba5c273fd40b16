// Package systemd holds the files that make a service of intercomd. It has no code;
// its tests ask systemd itself what it thinks of them.
package systemd

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unit = "intercomd.service"

// analyze runs systemd-analyze on a copy of the unit whose programs exist.
func analyze(t *testing.T, change func(string) string, args ...string) string {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable() // any program will do
	if err != nil {
		t.Fatal(err)
	}
	text := change(strings.ReplaceAll(string(data), "/usr/bin/intercomd", self))
	path := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, append(args, path)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_COLOR=0", "SYSTEMD_PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("%v: %v", cmd, err)
	}
	return string(out)
}

func same(s string) string { return s }

// Unknown keys do not make systemd-analyze fail, so any word of it is a fault.
func TestVerify(t *testing.T) {
	if out := analyze(t, same, "verify", "--man=no"); out != "" {
		t.Errorf("systemd-analyze verify says\n%s", out)
	}
	spoil := func(s string) string { return strings.Replace(s, "NoNewPrivileges", "NoNewPrivilege", 1) }
	if out := analyze(t, spoil, "verify", "--man=no"); !strings.Contains(out, "NoNewPrivilege") {
		t.Errorf("an unknown key is not noticed: %q", out)
	}
}

// The exposure that systemd finds (0 to 10) stays at 2 or below.
func TestSecurity(t *testing.T) {
	out := analyze(t, same, "security", "--offline=yes", "--threshold=20", "--no-pager")
	if strings.Contains(out, "unrecognized option") {
		t.Skip("this systemd-analyze cannot judge a unit that is not loaded")
	}
	if !regexp.MustCompile(`Overall exposure level for .*: [01]\.[0-9] OK`).MatchString(out) {
		t.Errorf("systemd-analyze security says\n%s", out)
	}
	t.Log(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:])
}

// User, groups and paths of the unit are those that the other files make.
func TestFilesAgree(t *testing.T) {
	service := keys(t, unit)
	users, err := os.ReadFile("intercomd.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"u " + service["User"], "g gpio"}
	for _, group := range strings.Fields(service["SupplementaryGroups"]) {
		want = append(want, "m "+service["User"]+" "+group)
	}
	for _, w := range want {
		if !regexp.MustCompile(`(?m)^` + w + `( |$)`).Match(users) {
			t.Errorf("intercomd.sysusers lacks %q", w)
		}
	}
	rules, err := os.ReadFile("60-intercomd.rules")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(rules, []byte(`GROUP="gpio"`)) {
		t.Error("the udev rule does not give GPIO chips to group gpio")
	}
	tmp, err := os.ReadFile("intercomd.tmpfiles")
	if err != nil {
		t.Fatal(err)
	}
	config := service["ExecStart"][strings.LastIndexByte(service["ExecStart"], ' ')+1:]
	if !bytes.Contains(tmp, []byte(config+" 0640 root "+service["Group"])) {
		t.Errorf("intercomd.tmpfiles does not protect %s", config)
	}
	if !strings.HasSuffix(service["ExecStopPost"], " lock "+config) {
		t.Errorf("ExecStopPost=%s does not lock the relays of %s", service["ExecStopPost"], config)
	}
	if strings.Contains(service["LoadCredential"], "/") {
		t.Error("a missing credential would keep the door from starting")
	}
}

// keys reads the settings of a unit; of those that are given twice, the last.
func keys(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make(map[string]string)
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, val, ok := strings.Cut(s.Text(), "="); ok && !strings.HasPrefix(key, "#") {
			all[key] = val
		}
	}
	return all
}
