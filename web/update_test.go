package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"intercomd/words"
)

// fakeUpdates is a system that updates itself.
type fakeUpdates struct {
	st      UpdateStatus
	err     error
	address string
	bundle  []byte
	did     []string
	size    int64
}

type toldError struct{ m words.Message }

func (e toldError) Error() string       { return e.m.String() }
func (e toldError) Told() words.Message { return e.m }

func (f *fakeUpdates) Status(context.Context) (UpdateStatus, error) { return f.st, f.err }

func (f *fakeUpdates) Install(_ context.Context, address string) error {
	if f.address = address; f.err == nil {
		f.did = append(f.did, "install "+address)
	}
	return f.err
}

func (f *fakeUpdates) Upload(_ context.Context, r io.Reader, size int64) error {
	var err error
	f.bundle, err = io.ReadAll(r)
	f.size = size
	if err = errors.Join(f.err, err); err == nil {
		f.did = append(f.did, "upload "+string(f.bundle))
	}
	return err
}

func updating(f *fakeUpdates) *Server {
	return New(Config{Listen: "127.0.0.1:0", Updates: f, Log: quiet()}, newStation(sample()), nil)
}

func TestUpdatePage(t *testing.T) {
	f := &fakeUpdates{st: UpdateStatus{Running: "1.0", Slot: "A"}}
	s := updating(f)
	if w := ask(s, "GET", "/", nil, "Accept", asHTML); !strings.Contains(w.Body.String(), `href="/update"`) {
		t.Error("the page does not lead there")
	}
	w := ask(s, "GET", "/update", nil, "Accept", asHTML)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Version 1.0 is running, in slot A.") || !strings.Contains(w.Body.String(), "No update is in progress.") || strings.Contains(w.Body.String(), "data-again") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	f.st = UpdateStatus{Running: "1.0", Slot: "A", Stage: "installing", Version: "<1.1>", Percent: 42, Waits: words.New("update-waits-rest"), Trouble: words.New("update-busy")}
	w = ask(s, "GET", "/update", nil, "Accept", asHTML)
	if !strings.Contains(w.Body.String(), "&lt;1.1&gt; is being installed: 42 %") || !strings.Contains(w.Body.String(), `value="42"`) || !strings.Contains(w.Body.String(), `<noscript><meta http-equiv="refresh"`) || w.Header().Get("Refresh") != "" {
		t.Errorf("%s", w.Body)
	}
	if w := ask(s, "GET", "/update", nil, "Accept", "application/json"); !strings.Contains(w.Body.String(), `"percent":42`) {
		t.Errorf("%s", w.Body)
	}
	for _, stage := range []string{"", "wanted", "installing", "installed", "trial", "committed", "back", "failed"} {
		f.st.Stage = stage
		if w := ask(s, "GET", "/update", nil, "Accept", asHTML); w.Code != 200 || strings.Contains(w.Body.String(), "page.update") {
			t.Errorf("%s: %d %s", stage, w.Code, w.Body)
		}
	}
	if w := ask(newServer(newStation(sample()), nil), "GET", "/update", nil); w.Code != 404 {
		t.Errorf("where nothing updates itself: %d", w.Code)
	}
	if w := ask(newServer(newStation(sample()), nil), "GET", "/", nil, "Accept", asHTML); strings.Contains(w.Body.String(), "/update") {
		t.Error("a page that is not there is linked to")
	}
}

func TestUpdateCommands(t *testing.T) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("bundle", "a.raucb")
	if err == nil {
		_, err = part.Write(bytes.Repeat([]byte("x"), 3*maxBody))
	}
	if err = errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	f := &fakeUpdates{}
	s := updating(f)
	w := ask(s, "POST", "/update/bundle", bytes.NewReader(b.Bytes()), "Content-Type", m.FormDataContentType(), "Accept", asHTML)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/update" || len(f.bundle) != 3*maxBody || f.size != -1 {
		t.Errorf("by a form: %d, %d bytes of %d: %s", w.Code, len(f.bundle), f.size, w.Body)
	}
	w = ask(s, "POST", "/update/bundle", strings.NewReader("raw"), "Content-Type", "application/octet-stream", "Accept", "application/json")
	if w.Code != http.StatusNoContent || string(f.bundle) != "raw" || f.size != 3 {
		t.Errorf("as it is: %d, %q of %d", w.Code, f.bundle, f.size)
	}
	w = ask(s, "POST", "/update", strings.NewReader("address=https%3A%2F%2Fa%2Fb.raucb"), "Content-Type", form, "Accept", "application/json")
	if w.Code != http.StatusNoContent || f.address != "https://a/b.raucb" {
		t.Errorf("by address: %d, %q", w.Code, f.address)
	}
	f.bundle = nil
	if w := ask(s, "POST", "/update/bundle", strings.NewReader("x"), "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden || f.bundle != nil {
		t.Errorf("from another site: %d", w.Code)
	}
	var empty bytes.Buffer
	m = multipart.NewWriter(&empty)
	if _, err := m.CreateFormFile("bundle", ""); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if w := ask(s, "POST", "/update/bundle", &empty, "Content-Type", m.FormDataContentType(), "Accept", "application/json"); w.Code != 400 || !strings.Contains(w.Body.String(), "update-no-file") {
		t.Errorf("no file: %d %s", w.Code, w.Body)
	}
	if w := ask(s, "POST", "/update/bundle", strings.NewReader("x"), "Content-Type", "multipart/form-data", "Accept", "application/json"); w.Code != 400 {
		t.Errorf("no form: %d", w.Code)
	}
	f.err = toldError{words.New("update-busy")}
	w = ask(s, "POST", "/update", strings.NewReader("address=x"), "Content-Type", form, "Accept", "application/json")
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), `"code":"update-refused"`) || strings.Contains(w.Body.String(), "{") && strings.Contains(w.Body.String(), "{why") {
		t.Errorf("refused: %d %s", w.Code, w.Body)
	}
	f.err = errors.New("no agent")
	if w := ask(s, "POST", "/update", strings.NewReader("address=x"), "Content-Type", form); w.Code != http.StatusServiceUnavailable {
		t.Errorf("fails: %d", w.Code)
	}
}

// What is done with a body may take longer than the body may stall: the client is still there.
func TestPatience(t *testing.T) {
	over := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const stall = 2 * time.Second
		body := Patient(w, r, stall, time.Minute)
		_, err := io.Copy(io.Discard, body)
		if n, _ := body.Read(make([]byte, 1)); n > 0 { // Go's client, which passes a bundle on, looks for more after the end
			err = errors.Join(err, errors.New("there is more"))
		}
		select {
		case <-r.Context().Done():
			err = errors.Join(err, context.Cause(r.Context()))
		case <-time.After(2 * stall):
		}
		over <- err
	}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL, strings.NewReader("bundle"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := <-over; err != nil {
		t.Errorf("the request ended: %v", err)
	}
}
