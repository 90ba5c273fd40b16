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
		if r.URL.Path != "/events" || r.Header.Get("Authorization") != "Bearer icd_secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch asked++; asked {
		case 1:
			fmt.Fprint(w, ": comment\n\nevent: snapshot\ndata: {}\n\nevent: event\nid: a-1\ndata: {\"kind\":\"door.started\",\"data\":{}}\n\n")
		default:
			if got := r.Header.Get("Last-Event-ID"); asked == 2 && got != "a-1" {
				t.Errorf("it goes on after %q", got)
			}
			fmt.Fprint(w, "event: event\nid: a-2\ndata: {\"kind\":\"door.stopped\",\"data\":{}}\n\n")
			w.(http.Flusher).Flush()
			cancel()
		}
	}))
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("icd_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LC_ALL", "en")
	var out, problems bytes.Buffer
	if code := eventsCommand(ctx, []string{"-f", "-at", srv.URL + "/", "-token-file", token}, streams{&out, &problems}); code != exitOK {
		t.Errorf("exit %d: %s", code, problems.String())
	}
	if !strings.Contains(out.String(), "the door is running\n") {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	if code := eventsCommand(t.Context(), []string{"-f", "-at", srv.URL}, streams{&out, &problems}); code != exitFailed || !strings.Contains(problems.String(), "INTERCOMD_TOKEN") {
		t.Errorf("exit %d: %s", code, problems.String())
	}
	t.Setenv("INTERCOMD_TOKEN", "icd_secret")
	if code := eventsCommand(t.Context(), []string{"-json", "-at", srv.URL}, streams{&out, &problems}); code != exitFailed || out.Len() == 0 && asked < 3 {
		t.Errorf("exit %d: %s", code, problems.String())
	}
}
