package notify

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The receiver of docs/webhooks.md takes what the door signs, once, and nothing else.
func TestReceiverOfTheDocuments(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	doc, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(doc), "```python\n")
	code, _, ok := strings.Cut(code, "```")
	if !ok {
		t.Fatal("docs/webhooks.md has no receiver")
	}
	// Any free port, which it tells.
	code = strings.Replace(code, `http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()`,
		"s = http.server.HTTPServer((\"127.0.0.1\", int(sys.argv[1])), Receiver)\nprint(s.server_port, flush=True)\ns.serve_forever()", 1)
	dir := t.TempDir()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	for name, text := range map[string]string{"receiver.py": code, "key": secret + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join(dir, "receiver.py"), "0", filepath.Join(dir, "key"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	read := func() string {
		t.Helper()
		line := make([]byte, 0, 100)
		for b := make([]byte, 1); ; line = append(line, b[0]) {
			if n, err := out.Read(b); n == 0 || err != nil || b[0] == '\n' {
				return string(line)
			}
		}
	}
	address := "http://127.0.0.1:" + read() + "/"
	signed, err := newWebhook(address, secret, nil, "Front door", "intercomd/test")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := newWebhook(address, "", nil, "Front door", "intercomd/test")
	if err != nil {
		t.Fatal(err)
	}
	e := entry{ID: "msg_1", Since: time.Now(), Notice: alarm}
	if err := plain.post(t.Context(), e); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("not signed: %v", err)
	}
	for range 2 {
		if err := signed.post(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
	e.ID, e.Notice.Key = "msg_2", "second"
	if err := signed.post(t.Context(), e); err != nil {
		t.Error(err)
	}
	if first, second := read(), read(); first != "alarm alarm.leaf "+alarm.Text || second != "alarm second "+alarm.Text {
		t.Errorf("it printed %q and %q", first, second)
	}
}
