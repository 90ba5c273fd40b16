package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"intercomd/web/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhereTokensGo(t *testing.T) {
	for base, want := range map[string]bool{
		"https://door.example.lan": true, "https://door.example.lan/": true, "http://127.0.0.1:8080": true, "http://localhost": true, "http://[::1]:1": true,
		"http://door.example.lan": false, "http://192.168.1.20": false, "http://127.0.0.1.evil.example": false,
		"door.example.lan": false, "": false, "ftp://door": false, "https://user:secret@door": false, "https://": false,
		"https://door.example.lan/api/v1": false, "https://door.example.lan/?x": false, "https://door.example.lan/#x": false,
	} {
		if _, err := New(Config{Base: base, Token: "icd_x"}); (err == nil) != want {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := New(Config{Base: "https://door", CA: []byte("nothing")}); err == nil {
		t.Error("an authority of nothing")
	}
}

func door(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := New(Config{Base: srv.URL, Token: "icd_x"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A command whose answer is lost is sent once more with the same key.
func TestLostAnswers(t *testing.T) {
	var mu sync.Mutex // each try has a connection, and a goroutine, of its own
	var keys []string
	c := door(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, r.Header.Get(api.KeyHeader))
		if len(keys) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(`{"after":"x-1"}`))
	})
	if body, err := c.Do(t.Context(), Request{Method: "POST", Path: "/hangup"}); err != nil || string(body) != `{"after":"x-1"}` {
		t.Errorf("%s, %v", body, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("keys %q", keys)
	}
}

// A file is sent whole, with its length, and from its begin when it is sent once more.
func TestFiles(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	c := door(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, fmt.Sprint(r.ContentLength, " ", r.Header.Get("Content-Type"), " ", string(body)))
		if len(bodies) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(`{}`))
	})
	ask := Request{Method: "POST", Path: "/update/bundle", Type: "application/octet-stream", File: strings.NewReader("a bundle"), Size: 8}
	if _, err := c.Do(t.Context(), ask); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "8 application/octet-stream a bundle"; !slices.Equal(bodies, []string{want, want}) {
		t.Errorf("%q", bodies)
	}
}

func TestProblems(t *testing.T) {
	c := door(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/page":
			http.Error(w, "x", http.StatusBadGateway)
		case "/api/v1/away":
			http.Redirect(w, r, "https://evil.example/", http.StatusPermanentRedirect)
		default:
			api.Problem{Status: http.StatusConflict, Code: "no-call", Detail: "No call is in progress."}.Write(w)
		}
	})
	_, err := c.Do(t.Context(), Request{Method: "POST", Path: "/hangup"})
	var p *api.Problem
	if !errors.As(err, &p) || p.Code != "no-call" || err.Error() != "No call is in progress. (no-call)" {
		t.Errorf("%v", err)
	}
	for _, path := range []string{"/page", "/away"} {
		if _, err := c.Do(t.Context(), Request{Method: "GET", Path: path}); err == nil || errors.As(err, &p) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Events are followed by their cursor; a door that is busy is asked again, one that says no is not.
func TestFollow(t *testing.T) {
	var asked atomic.Int32
	c := door(t, func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("kind") != "call.*" || q.Get("wait") == "" || r.URL.Path != "/api/v1/events" {
			t.Errorf("asked %s", r.URL)
		}
		switch n := asked.Add(1); {
		case n == 1 && r.URL.Query().Get("after") == "first":
			_, _ = w.Write([]byte(`{"events":[{"seq":1},{"seq":2}],"cursor":"x-2"}`))
		case n == 2 && r.URL.Query().Get("after") == "x-2":
			_, _ = w.Write([]byte(`{"events":[],"cursor":"x-9"}`))
		case n == 3 && r.URL.Query().Get("after") == "x-9":
			_, _ = w.Write([]byte(`{"events":[{"seq":10}],"cursor":"x-10"}`))
		default:
			api.Problem{Status: http.StatusUnauthorized, Code: "sign-in"}.Write(w)
		}
	})
	var seen []int
	err := c.Follow(t.Context(), Feed{Path: "/events", List: "events", Ask: url.Values{"kind": {"call.*"}}}, "first", func(e json.RawMessage) error {
		var at struct{ Seq int }
		if err := json.Unmarshal(e, &at); err != nil {
			return err
		}
		seen = append(seen, at.Seq)
		return nil
	})
	var p *api.Problem
	if !errors.As(err, &p) || p.Code != "sign-in" || !slices.Equal(seen, []int{1, 2, 10}) {
		t.Errorf("%v, %v", seen, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Follow(ctx, Feed{}, "", nil); err != nil {
		t.Error(err)
	}
}

// Whoever does not want to wait for a door that is gone is told; what is no feed ends it.
func TestFollowEnds(t *testing.T) {
	c := door(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/log" {
			_, _ = w.Write([]byte(`{"lines":"none"}`))
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	lost := 0
	if err := c.Follow(t.Context(), Feed{Path: "/events", List: "events", Lost: func(error) bool { lost++; return false }}, "", nil); err == nil || lost != 1 {
		t.Errorf("%v, lost %d times", err, lost)
	}
	if err := c.Follow(t.Context(), Feed{Path: "/log", List: "lines"}, "", nil); err == nil {
		t.Error("what is no feed was followed")
	}
}
