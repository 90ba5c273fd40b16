package web

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"intercomd/station"
	"intercomd/web/accounts"
)

// The examples of the document work as they stand there, and those that command do what they say.
func TestExamplesOfTheDocument(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	doc, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	p := withPrograms(t)
	p.st.publish(furnishedSnapshot())
	p.st.happens(station.Pressed{Button: "bell"})
	token, err := p.book.NewToken("examples", "", "admin", accounts.Scopes()...)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(p.Handler())
	t.Cleanup(srv.Close)
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte("fail-with-body\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) < 4 {
		t.Fatalf("there are %d blocks of examples", len(blocks))
	}
	for _, b := range blocks {
		for line := range strings.Lines(b[1]) {
			cmd := exec.CommandContext(t.Context(), "sh", "-ec", line)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CURL_HOME=" + home, "DOOR=" + srv.URL, "TOKEN=" + token}
			if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 {
				t.Errorf("%s%v: %s", line, err, out)
			}
		}
	}
	var did []string
	for _, c := range p.st.told {
		did = append(did, strings.TrimSpace(string(c.Kind)+" "+c.Button+c.Target+c.Relay+string(c.Check)))
	}
	if got, want := strings.Join(did, ", "), "press bell, dial 1001, mute, hangup, open door, locate, check lamp, check relay, judge lamp"; got != want || !slices.Equal(p.process.restarts, []bool{false}) {
		t.Errorf("the door was told %s, and to restart %v; want %s", got, p.process.restarts, want)
	}
	if got := strings.Join(p.updates.did, ", "); got != "install https://example.org/intercomd.raucb" {
		t.Errorf("the system was told %s", got)
	}
	if got := strings.Join(p.setup.did, ", "); !strings.HasPrefix(got, `add {"Name":"plumber","Digits":"472911"`) {
		t.Errorf("the configuration was told %s", got)
	}
}

// The document has the scopes of the code, with their roles.
func TestScopesOfTheDocument(t *testing.T) {
	doc, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| .* \\| (.*) \\|$").FindAllStringSubmatch(string(doc), -1) {
		rows[m[1]] = m[2]
	}
	for _, s := range accounts.Scopes() {
		var roles []string
		for _, r := range accounts.Roles() {
			if (accounts.Person{Role: r}).Has(s) {
				roles = append(roles, string(r))
			}
		}
		want := strings.Join(roles, ", ")
		if s.Explicit() {
			want = "none: it is always given by itself"
		}
		if rows[string(s)] != want {
			t.Errorf("%s is of %q, the document says %q", s, want, rows[string(s)])
		}
		delete(rows, string(s))
	}
	if len(rows) != 0 {
		t.Errorf("the document has other scopes: %v", rows)
	}
}
