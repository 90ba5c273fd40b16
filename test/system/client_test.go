package system

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// A client that a generator made of the description works at a door, and another library that judges the
// description, each request and each answer by it has nothing to say.
func TestGeneratedClient(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs a network namespace and a generated client: run make system")
	}
	client := os.Getenv("INTERCOMD_CLIENT")
	if client == "" {
		t.Fatal("INTERCOMD_CLIENT names no client; test/tools/client.sh makes it")
	}
	d := startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort(),
		Keys: map[string]string{"web.password": strconv.Quote(adminPassword), "sip.server": `"wss://127.0.0.1:9"`, "call.target": `"1001"`}})
	p := newProgram(t, d, allScopes()...)
	_, text := p.send(http.MethodGet, "/openapi.json", "", "")
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t, 3*time.Minute), client, d.URL, file)
	cmd.Env = append(os.Environ(), "TOKEN="+p.token)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "exchanges as described") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
