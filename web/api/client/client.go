// Package client asks a door by its interface for programs, as `intercomd ctl` does.
//
// It knows where the door is and how it wants to be asked, and nothing of what is asked.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"intercomd/web/api"
)

// Config says where the door is and who asks.
type Config struct {
	Base  string // such as https://door.example.lan
	Token string // "" for none
	CA    []byte // certificates in PEM to trust in place of the system's; nil for those
}

// Client asks one door. Make it with [New]. It may be used by any number of goroutines.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// mostAnswer bounds what is read of an answer, in bytes.
const mostAnswer = 64 << 20

// Timeouts of one request. That of a file is for slow lines; the door ends what stands still.
const (
	timeout     = 40 * time.Second // more than a long poll takes
	fileTimeout = time.Hour
)

// ErrInsecure refuses to send a token where anybody on the way can read it.
var ErrInsecure = errors.New("a token is sent over https:// only, or to this machine")

// New makes a client; nothing is asked yet.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(c.Base, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.Path != "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the address of the door must be https://NAME, without anything behind it")
	}
	if c.Token != "" && base.Scheme != "https" && !near(base.Hostname()) {
		return nil, ErrInsecure
	}
	tr := &http.Transport{Proxy: nil, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if c.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("there is no certificate in PEM in the file of the authority")
		}
		tr.TLSClientConfig.RootCAs = pool
	}
	elsewhere := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a token goes nowhere else
	return &Client{base: base, token: c.Token, http: &http.Client{Transport: tr, CheckRedirect: elsewhere}}, nil
}

func near(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one request of the interface.
type Request struct {
	Method, Path string // below /api/v1, such as "/press"
	Query        url.Values
	Type         string // of Body; "" is JSON
	Body         []byte
	File         io.ReadSeeker // in place of Body, for what is large; nil for none
	Size         int64         // of File
}

// Do asks, and returns the body of the answer. Answers that say no are *[api.Problem]. A command gets a
// key of its own, so that it can be sent once more when the connection breaks: the door carries it out once.
func (c *Client) Do(ctx context.Context, ask Request) ([]byte, error) {
	key := ""
	if ask.Method != http.MethodGet {
		key = rand.Text()
	}
	out, err := c.once(ctx, ask, key)
	var broken *url.Error
	if errors.As(err, &broken) && !broken.Timeout() && ctx.Err() == nil {
		out, err = c.once(ctx, ask, key)
	}
	return out, err
}

func (c *Client) once(ctx context.Context, ask Request, key string) ([]byte, error) {
	to := c.base.String() + "/api/v1" + ask.Path
	if len(ask.Query) > 0 {
		to += "?" + ask.Query.Encode()
	}
	limit, body, size := timeout, io.Reader(bytes.NewReader(ask.Body)), int64(len(ask.Body))
	if ask.File != nil {
		if _, err := ask.File.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		limit, body, size = fileTimeout, io.NopCloser(ask.File), ask.Size // whoever opened it closes it
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, ask.Method, to, body)
	if err != nil {
		return nil, err
	}
	if req.ContentLength = size; size > 0 {
		req.Header.Set("Content-Type", "application/json")
		if ask.Type != "" {
			req.Header.Set("Content-Type", ask.Type)
		}
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if key != "" {
		req.Header.Set(api.KeyHeader, key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return nil, &url.Error{Op: ask.Method, URL: to, Err: err}
	}
	if resp.StatusCode < 300 {
		return answer, nil
	}
	p := &api.Problem{}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/problem+json" || json.Unmarshal(answer, p) != nil {
		return nil, fmt.Errorf("%s %s: %s, which is no answer of a door", ask.Method, to, resp.Status)
	}
	return nil, p
}

// again is how long to wait before a door that does not answer is asked again.
const again = 2 * time.Second

// Feed is a list of the interface that goes on: its events, or its log.
type Feed struct {
	Path string     // below /api/v1, such as "/events"
	List string     // field of the answer, such as "events"
	Ask  url.Values // what is wanted of it; may be nil
	// Lost hears that the door cannot be reached, and says whether it is asked again; nil is yes.
	Lost func(error) bool
}

// Follow passes on what a feed has after a cursor as it comes, "" for what the door gives without one, until
// ctx ends, each gets an error, or the door says no. While the door cannot be reached it is asked again.
func (c *Client) Follow(ctx context.Context, f Feed, after string, each func(item json.RawMessage) error) error {
	q := url.Values{"wait": {"25"}}
	maps.Copy(q, f.Ask)
	for {
		if after != "" {
			q.Set("after", after)
		}
		body, err := c.Do(ctx, Request{Method: http.MethodGet, Path: f.Path, Query: q})
		no, refused := errors.AsType[*api.Problem](err)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever ends it wants no more
		case refused && no.Status < 500 && no.Status != http.StatusTooManyRequests:
			return err
		case err != nil:
			if f.Lost != nil && !f.Lost(err) {
				return err
			}
			select {
			case <-time.After(again):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		var list map[string]json.RawMessage
		var items []json.RawMessage
		if err = json.Unmarshal(body, &list); err == nil {
			err = errors.Join(json.Unmarshal(list["cursor"], &after), json.Unmarshal(list[f.List], &items))
		}
		if err != nil {
			return fmt.Errorf("the answer of the door: %w", err)
		}
		for _, item := range items {
			if err := each(item); err != nil {
				return err
			}
		}
	}
}
