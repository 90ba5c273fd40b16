package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/web/api"
)

// ctlDoor is a door that writes down what it is asked; what is not of the interface is refused.
func ctlDoor(t *testing.T) *[]string {
	t.Helper()
	asked := &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(r.Method+" "+r.URL.EscapedPath()+" "+string(body)))
		switch {
		case r.Header.Get("Authorization") != "Bearer icd_x":
			api.Problem{Status: http.StatusUnauthorized, Code: "sign-in", Detail: "Sign in first."}.Write(w)
		case r.URL.Path == "/api/v1/hangup":
			api.Problem{Status: http.StatusConflict, Code: "no-call", Detail: "No call is in progress."}.Write(w)
		default:
			_, _ = w.Write([]byte(`{"after":"x-1"}`))
		}
	}))
	t.Cleanup(srv.Close)
	t.Setenv(ctlURL, srv.URL)
	t.Setenv(ctlToken, "icd_x")
	return asked
}

func ctl(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = command(t.Context(), append([]string{"ctl"}, args...), streams{&o, &e})
	return code, o.String(), e.String()
}

func TestCtl(t *testing.T) {
	asked := ctlDoor(t)
	text := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(text, []byte("[sip]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		want string // that the door is asked
	}{
		{"status", 0, "GET /api/v1/status"},
		{"press bell", 0, `POST /api/v1/press {"button":"bell"}`},
		{"dial home", 0, `POST /api/v1/dial {"target":"home"}`},
		{"mute on", 0, `POST /api/v1/mute {"on":true}`},
		{"mute perhaps", 1, ""},
		{"open gate/2", 0, `POST /api/v1/relays/gate%2F2/open {}`},
		{"switch light off", 0, `POST /api/v1/relays/light/switch {"on":false}`},
		{"try " + text, 0, `PUT /api/v1/configuration [sip]`},
		{"try /nowhere/x.toml", 1, ""},
		{"hangup", 1, "POST /api/v1/hangup {}"},
		{"", exitUsage, ""},
		{"fly", exitUsage, ""},
		{"press", exitUsage, ""},
		{"status now", exitUsage, ""},
	} {
		*asked = nil
		code, out, complaint := ctl(t, strings.Fields(tc.args)...)
		if code != tc.code || strings.Join(*asked, "|") != tc.want || (code == 0) != strings.Contains(out, `"after": "x-1"`) || (code != 0) != (complaint != "") {
			t.Errorf("%q: code %d, asked %q, said %q and %q", tc.args, code, *asked, out, complaint)
		}
	}
	if _, _, complaint := ctl(t, "hangup"); complaint != "intercomd ctl: No call is in progress. (no-call)\n" {
		t.Errorf("%q", complaint)
	}
}

// The token comes from a file, too; without any the door says no.
func TestCtlToken(t *testing.T) {
	ctlDoor(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("icd_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(ctlToken, "")
	if code, _, complaint := ctl(t, "status"); code != exitFailed || !strings.Contains(complaint, "sign-in") {
		t.Errorf("without a token: %d %q", code, complaint)
	}
	t.Setenv(ctlTokenFile, file)
	if code, _, complaint := ctl(t, "status"); code != exitOK {
		t.Errorf("with the file: %d %q", code, complaint)
	}
	t.Setenv(ctlURL, "http://door.example.lan")
	if code, _, complaint := ctl(t, "status"); code != exitFailed || !strings.Contains(complaint, "https://") {
		t.Errorf("where others read it: %d %q", code, complaint)
	}
}
