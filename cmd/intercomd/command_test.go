package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a subcommand and returns its exit code and output.
func run(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var b strings.Builder
	code = command(t.Context(), args, streams{out: &b, err: &b})
	return code, b.String()
}

func TestCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "door.toml")
	if err := os.WriteFile(file, []byte("[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npasword = \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		code int
		want []string
	}{
		"nothing":        {nil, exitUsage, []string{"Usage:", "intercomd run"}},
		"help":           {[]string{"help"}, exitOK, []string{"Usage:"}},
		"unknown":        {[]string{"dance"}, exitUsage, []string{`no command "dance"`}},
		"version":        {[]string{"version"}, exitOK, []string{"intercomd "}},
		"check nothing":  {[]string{"check"}, exitUsage, []string{"usage: intercomd check [--lang LANGUAGE] FILE"}},
		"check no file":  {[]string{"check", file + ".not"}, exitConfig, []string{file + ".not", "; "}},
		"check faults":   {[]string{"check", file}, exitConfig, []string{file + ":4: sip.pasword", "password", "call.target"}},
		"check, German":  {[]string{"check", "--lang", "de", file}, exitConfig, []string{file + `:4: sip.pasword: unbekannte Einstellung; ist "password" gemeint?`}},
		"check, Klingon": {[]string{"check", "--lang", "tlh", file}, exitUsage, []string{"languages: en, de, es, fr, zh"}},
		"run, no file":   {[]string{"run", "--help"}, exitUsage, []string{"no option --help"}},
		"lock, no file":  {[]string{"lock", "-x"}, exitUsage, []string{"no option -x"}},
		"too many files": {[]string{"run", "a", "b"}, exitUsage, []string{"one file at most"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, out := run(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, w := range tt.want {
				if !strings.Contains(out, w) {
					t.Errorf("output lacks %q:\n%s", w, out)
				}
			}
		})
	}
}
