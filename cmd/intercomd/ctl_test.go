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

	"intercomd/web"
	"intercomd/web/api"
	"intercomd/words"
)

// ctlDoor is a door that writes down what it is asked; what is not of the interface is refused.
func ctlDoor(t *testing.T) *[]string {
	t.Helper()
	asked := &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
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
		{"log level=warn part=phone", 0, "GET /api/v1/log?level=warn&part=phone"},
		{"log warn", 1, ""},
		{"history calls what=missed", 0, "GET /api/v1/history/calls?what=missed"},
		{"history", exitUsage, ""},
		{"history people", 1, ""},
		{"erase 30", 0, `POST /api/v1/history/erase {"days":30}`},
		{"erase all", 1, ""},
		{"trace a@b", 0, "GET /api/v1/calls/a@b/trace"},
		{"device", 0, "GET /api/v1/device"},
		{"testcall home", 0, `POST /api/v1/dial {"target":"home","test":true}`},
		{"locate", 0, "POST /api/v1/locate {}"},
		{"canary", 0, "POST /api/v1/tests/canary {}"},
		{"report format=html", 0, "GET /api/v1/walk/report?format=html"},
		{"check lamp status", 0, `POST /api/v1/walk/try {"check":"lamp","of":"status"}`},
		{"check tone", 0, `POST /api/v1/walk/try {"check":"tone","of":""}`},
		{"check relay door", 0, `POST /api/v1/walk/relay {"of":"door"}`},
		{"check lamp status now", exitUsage, ""},
		{"judge passed lamp status", 0, `POST /api/v1/walk/judge {"check":"lamp","of":"status","result":"passed"}`},
		{"restart", 0, `POST /api/v1/restart {"now":false}`},
		{"restart now", 0, `POST /api/v1/restart {"now":true}`},
		{"restart later", 1, ""},
		{"reset sure", 0, `POST /api/v1/reset {"sure":true}`},
		{"reset", exitUsage, ""},
		{"backup", 0, "GET /api/v1/configuration/backup"},
		{"diff 3", 0, "GET /api/v1/configuration/versions/3"},
		{"people format=csv", 0, "GET /api/v1/people?format=csv"},
		{"import " + text, 0, "POST /api/v1/people?dry=false [sip]"},
		{"import " + text + " dry", 0, "POST /api/v1/people?dry=true [sip]"},
		{"import " + text + " now", 1, ""},
		{"drop anna", 0, "DELETE /api/v1/people/anna"},
		{"update", 0, "GET /api/v1/update"},
		{"install https://example.org/x.raucb", 0, `POST /api/v1/update {"address":"https://example.org/x.raucb"}`},
		{"install " + text, 0, "POST /api/v1/update/bundle [sip]"},
		{"install /nowhere/x.raucb", 1, ""},
		{"certificate", 0, "GET /api/v1/certificate"},
		{"request", 0, "GET /api/v1/certificate/request"},
		{"certify " + text, 0, "PUT /api/v1/certificate [sip]"},
		{"again 3", 0, "POST /api/v1/configuration/versions/3/try {}"},
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
	for args, want := range map[string][]string{
		"fly": {`there is no verb "fly"`, "intercomd ctl help"}, "press": {"usage: intercomd ctl press BUTTON\n"}, "trace |": {"usage: intercomd ctl trace CALL\n"}, "erase all": {`"all" is no number of days`},
	} {
		*asked = nil
		_, out, complaint := ctl(t, strings.Split(strings.TrimSuffix(args, "|"), " ")...)
		for _, w := range want {
			if !strings.Contains(complaint, w) || strings.Contains(complaint, "strconv") || strings.Count(complaint, "\n") > 2 || out != "" || len(*asked) > 0 {
				t.Errorf("%q: %q, asked %q", args, complaint, *asked)
			}
		}
	}
	// Who asks for help gets it where a pager reads it.
	for _, args := range []string{"help", "--help", "-h", "help press", "press --help", "status -h"} {
		if code, out, complaint := ctl(t, strings.Fields(args)...); code != exitOK || !strings.Contains(out, "press BUTTON") || !strings.Contains(out, "-config FILE") || complaint != "" {
			t.Errorf("%q: %d, %q, %q", args, code, out, complaint)
		}
	}
	if _, _, complaint := ctl(t, "hangup"); complaint != "intercomd ctl: No call is in progress. (no-call)\n" {
		t.Errorf("%q", complaint)
	}
}

// What is wrong with a list is told by its lines.
func TestCtlFaults(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		api.Problem{Status: http.StatusUnprocessableEntity, Code: "setup-faults", Detail: "No.", Faults: web.SetupFaults{
			{Line: 3, Key: "code.from", Message: words.New("config-not-date", "value", "soon")}, {Message: words.New("setup-no-name")}}}.Write(w)
	}))
	t.Cleanup(srv.Close)
	t.Setenv(ctlURL, srv.URL)
	list := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(list, []byte("name\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, complaint := ctl(t, "import", list)
	if lines := strings.Split(complaint, "\n"); code != exitFailed || len(lines) != 4 || !strings.HasPrefix(lines[0], "line 3: code.from: ") || !strings.Contains(lines[0], "soon") || lines[1] == "" || lines[2] != "intercomd ctl: No. (setup-faults)" {
		t.Errorf("%d %q", code, complaint)
	}
}

// What is no JSON comes as the door sends it.
func TestCtlBytes(t *testing.T) {
	bundle := "\x1f\x8b\x00 \n\n"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, bundle) }))
	t.Cleanup(srv.Close)
	t.Setenv(ctlURL, srv.URL)
	if code, out, complaint := ctl(t, "support"); code != exitOK || out != bundle {
		t.Errorf("%d %q %q", code, out, complaint)
	}
}

// The log is followed with what is wanted of it.
func TestCtlTail(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") != "" {
			api.Problem{Status: http.StatusForbidden, Code: "scope-missing", Detail: "No."}.Write(w)
			return
		}
		if r.URL.Path != "/api/v1/log" || r.URL.Query().Get("level") != "warn" {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"lines":[{"text":"a"},{"text":"b"}],"cursor":"x-2"}`)
	}))
	t.Cleanup(srv.Close)
	t.Setenv(ctlURL, srv.URL)
	if code, out, complaint := ctl(t, "tail", "level=warn"); code != exitFailed || out != "{\"text\":\"a\"}\n{\"text\":\"b\"}\n" || !strings.Contains(complaint, "scope-missing") {
		t.Errorf("%d %q %q", code, out, complaint)
	}
	if code, _, _ := ctl(t, "tail", "warn"); code != exitFailed {
		t.Error("a parameter without a value")
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
