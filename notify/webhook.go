package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"intercomd/words"
)

// webhook posts notices to a web service. Its address may hold a token: neither
// errors nor logs have more of it than the host.
type webhook struct {
	address string
	host    string
	door    string
	agent   string
	key     []byte // that signs; nil: nothing is signed
	client  *http.Client
}

// webhookNotice is the JSON that a web service gets.
type webhookNotice struct {
	Door string `json:"door"` // display name
	ID   string `json:"id"`   // the same at each try
	notice
}

// secretPrefix is what a key begins with as Standard Webhooks writes it.
const secretPrefix = "whsec_"

func newWebhook(address, secret string, authorities func() (*x509.CertPool, error), door, agent string) (*webhook, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, &words.Error{Message: words.New("webhook-no-address")} // err would show it
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != nil {
		if conf.RootCAs, err = authorities(); err != nil {
			return nil, err
		}
	}
	var key []byte
	if secret != "" {
		text, ok := strings.CutPrefix(secret, secretPrefix)
		if key, err = base64.StdEncoding.DecodeString(text); err != nil || !ok || len(key) == 0 {
			return nil, &words.Error{Message: words.New("config-not-webhook-key")} // err would show it
		}
	}
	return &webhook{key: key, address: address, host: u.Host, door: door, agent: agent, client: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, MaxResponseHeaderBytes: maxReply},
		CheckRedirect: sameService,
	}}, nil
}

const (
	maxReply     = 64 << 10 // bytes of a reply that are read
	maxRedirects = 3
	mostSaid     = 200 // characters of why a service could not be asked
)

// sameService lets a service lead on to itself only: a notice, and the token in
// the address, are nobody else's business.
func sameService(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case req.URL.Host != first.Host || req.URL.Scheme != first.Scheme:
		return refusedError{&words.Error{Message: words.New("webhook-elsewhere", "other", req.URL.Host)}}
	case req.Method != http.MethodPost:
		return refusedError{&words.Error{Message: words.New("webhook-drops")}}
	case len(via) > maxRedirects:
		return refusedError{&words.Error{Message: words.New("webhook-circles")}}
	}
	return nil
}

// sign puts the headers of Standard Webhooks on a request: the ID of the notice, the time of this try, and the
// HMAC-SHA256 of both with the body.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func (w *webhook) sign(h http.Header, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	if w.key == nil {
		return
	}
	mac := hmac.New(sha256.New, w.key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func (w *webhook) post(ctx context.Context, e entry) error {
	body, err := json.Marshal(webhookNotice{w.door, e.ID, e.Notice})
	if err != nil {
		return permanentError{fmt.Errorf("write the notice: %w", err)}
	}
	body = words.Tame(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(body))
	if err != nil {
		return permanentError{&words.Error{Message: words.New("webhook-no-address")}} // err would show it
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	w.sign(req.Header, e.ID, time.Now(), body)
	res, err := w.client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // without the address
		}
		if said := []rune(err.Error()); len(said) > mostSaid { // such as an answer that is none, as a whole
			err = errors.New(string(said[:mostSaid]) + "…")
		}
		return fmt.Errorf("post: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxReply) // polite; what it says does not matter
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode == http.StatusGone:
		return permanentError{&words.Error{Message: words.New("webhook-gone", "status", res.Status)}}
	case res.StatusCode >= 400 && res.StatusCode < 500 && res.StatusCode != http.StatusRequestTimeout && res.StatusCode != http.StatusTooManyRequests:
		return refusedError{&words.Error{Message: words.New("webhook-refused", "status", res.Status)}}
	}
	return laterError{&words.Error{Message: words.New("webhook-failed", "status", res.Status)}, retryAfter(res.Header)}
}

// retryAfter is how long a service wants to be left alone (RFC 9110, section 10.2.3); 0 if it does not say.
func retryAfter(h http.Header) time.Duration {
	said := h.Get("Retry-After")
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(said, 10, 32); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(said); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), longestWish)
}
