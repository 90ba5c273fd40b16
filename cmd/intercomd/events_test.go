package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/web/api"
	"intercomd/words"
)

func TestEventLines(t *testing.T) {
	for data, want := range map[string]string{
		`{"seq":1,"at":"2026-11-29T12:00:00Z","kind":"button.pressed","data":{"button":"bell","label":"Front door","long":false,"by":{"via":"button","name":"bell"}}}`: `button pressed  button=bell by.name=bell by.via=button label="Front door" long=false`,
		`{"kind":"fault.raised","data":{"fault":{"key":"x","code":"microphone-off","params":{}}}}`:                                                                     "fault: no microphone is configured",
		`{"kind":"text.received","data":{"from":{"name":"\u001b[31mred"}}}`:                                                                                            "\ufffd[31mred",
		`{"kind":"door.stopped","data":{}}`:     "the door has stopped",
		`{"kind":"of.tomorrow","data":{"n":5}}`: "n=5",
		"\x1b[31m no JSON":                      "\ufffd[31m no JSON",
	} {
		if got := eventLine(words.English(), data); !strings.Contains(got, want) || strings.ContainsAny(got, "\x1b\n") {
			t.Errorf("%s: %q", data, got)
		}
	}
}

// The command goes on where it was when the door comes back, with the token that it was given.
func TestEventsAreFollowed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/events" || r.Header.Get("Authorization") != "Bearer icd_secret" {
			api.Problem{Status: http.StatusUnauthorized, Code: "sign-in", Detail: "Sign in first."}.Write(w)
			return
		}
		switch asked++; asked {
		case 1:
			fmt.Fprint(w, `{"events":[{"kind":"door.started","data":{}}],"cursor":"a-1"}`)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			if got := r.URL.Query().Get("after"); got != "a-1" {
				t.Errorf("it goes on after %q", got)
			}
			fmt.Fprint(w, `{"events":[{"kind":"door.stopped","data":{}}],"cursor":"a-2"}`)
			cancel()
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("icd_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LC_ALL", "en")
	t.Setenv("INTERCOMD_TOKEN", "of another door")
	var out, problems bytes.Buffer
	if code := eventsCommand(ctx, []string{"-f", "-at", srv.URL + "/", "-token-file", token}, streams{&out, &problems}); code != exitOK {
		t.Errorf("exit %d: %s", code, problems.String())
	}
	if !strings.Contains(out.String(), "the door is running\n") || !strings.Contains(problems.String(), "trying again") {
		t.Errorf("%s%s", out.String(), problems.String())
	}
	out.Reset()
	if code := eventsCommand(t.Context(), []string{"-f", "-at", srv.URL}, streams{&out, &problems}); code != exitFailed || !strings.Contains(problems.String(), "INTERCOMD_TOKEN") {
		t.Errorf("exit %d: %s", code, problems.String())
	}
	asked = 0
	t.Setenv("INTERCOMD_TOKEN", "icd_secret")
	if code := eventsCommand(t.Context(), []string{"-json", "-at", srv.URL}, streams{&out, &problems}); code != exitFailed || out.String() != `{"kind":"door.started","data":{}}`+"\n" {
		t.Errorf("exit %d: %s%s", code, out.String(), problems.String())
	}
}
