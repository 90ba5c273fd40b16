package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"intercomd/test/webphone"
)

// Phones serves the page of the web phone for the tests.
type Phones struct {
	URL    string
	server *http.Server
}

// ServePhones serves the page on a free port of 127.0.0.1, where a browser lets
// it use the microphone without TLS.
func ServePhones() (*Phones, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the web phone: %w", err)
	}
	s := &http.Server{Handler: webphone.Handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	return &Phones{URL: "http://" + l.Addr().String() + "/", server: s}, nil
}

// Stop ends the server.
func (p *Phones) Stop() { _ = p.server.Close() }

// WebPhone is a registered web phone in a tab.
type WebPhone struct {
	*Page
	User string
}

// PhoneEvent is something that the web phone or its probe noted.
type PhoneEvent struct {
	T      float64 `json:"t"` // ms since 1970
	Name   string  `json:"name"`
	Status int     `json:"status"`
	Cause  string  `json:"cause"`
	Dir    string  `json:"dir"`  // of name "sip": tx, rx
	Line   string  `json:"line"` // of name "sip": first line of the message
	CSeq   string  `json:"cseq"`
}

// At is when it happened.
func (e PhoneEvent) At() time.Time { return time.UnixMicro(int64(e.T * 1000)) }

// The libraries that a web phone can be made of.
const (
	SIPjs15 = "sip-0.15.11"
	SIPjs21 = "sip-0.21.2"
	JsSIP   = "jssip-3.13.8"
)

// OpenPhone opens a web phone and registers it as user at ws (URL). incoming
// says what it does with calls: "ring", "answer", "busy" or "reject".
func (b *Browser) OpenPhone(ctx context.Context, url, ws, user, incoming string) (*WebPhone, error) {
	return b.OpenLibrary(ctx, url, SIPjs15, ws, user, incoming)
}

// OpenLibrary is OpenPhone with a phone that is made of another library.
func (b *Browser) OpenLibrary(ctx context.Context, url, library, ws, user, incoming string) (*WebPhone, error) {
	if library != SIPjs15 {
		url += "peer.html"
	}
	page, err := b.Open(url + "?probe&lib=" + library)
	if err != nil {
		return nil, err
	}
	options, err := json.Marshal(map[string]any{
		"ws": ws, "user": user, "password": Password(user), "domain": Domain, "incoming": incoming,
		// A steady tone would be taken for noise.
		"audio": map[string]bool{"echoCancellation": false, "noiseSuppression": false, "autoGainControl": false},
	})
	if err == nil {
		err = page.Do(ctx, "phone.start("+string(options)+")", nil)
	}
	if err != nil {
		page.Close()
		return nil, fmt.Errorf("register the web phone %s: %w", user, err)
	}
	return &WebPhone{Page: page, User: user}, nil
}

// Incoming changes what the phone does with calls from now on and forgets what
// it noted so far.
func (p *WebPhone) Incoming(ctx context.Context, what string) error {
	return p.Do(ctx, fmt.Sprintf("(phone.options.incoming = %q, probe.reset())", what), nil)
}

// Tone measures freq (Hz) in the last 500 ms of what the phone hears, dBFS.
func (p *WebPhone) Tone(ctx context.Context, freq float64) (float64, error) {
	level := -180.0
	err := p.Do(ctx, fmt.Sprintf("probe.tone(%g, 500)", freq), &level)
	return level, err
}

// Hears waits until the phone hears a tone at level (dBFS) or louder.
func (p *WebPhone) Hears(ctx context.Context, freq, level float64) (float64, error) {
	got := -180.0
	err := Poll(ctx, func() error {
		var err error
		if got, err = p.Tone(ctx, freq); err == nil && got < level {
			err = fmt.Errorf("%.0f Hz at %.1f dBFS", freq, got)
		}
		return err
	})
	return got, err
}

// Saw waits until the phone noted an event of that name.
func (p *WebPhone) Saw(ctx context.Context, name string) error {
	if err := p.Until(ctx, fmt.Sprintf("phone.events.some(e => e.name === %q)", name)); err != nil {
		events, _ := p.Events(context.WithoutCancel(ctx))
		return fmt.Errorf("web phone %s: %w; it noted %v", p.User, err, events)
	}
	return nil
}

// Events returns what phone and probe noted since the last Incoming, in order of
// time within each.
func (p *WebPhone) Events(ctx context.Context) ([]PhoneEvent, error) {
	var events []PhoneEvent
	err := p.Do(ctx, "phone.events.concat(probe.events)", &events)
	return events, err
}
