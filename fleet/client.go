package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/configs"
)

// Bounds of what a server can make the door wait for and hold.
const (
	dialLimit    = 10 * time.Second
	requestLimit = 30 * time.Second // of one file, from the dial to its last byte
	mostHeader   = 16 << 10
	mostHops     = 3
	mostWait     = 24 * time.Hour // that a server can ask for (Retry-After)
)

// Client gets files from the directory of a server. It is safe for use by several goroutines.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient makes a client of what a configuration says, as [configs.Load] has read it. now
// is the time by which certificates are judged.
func NewClient(f configs.Fleet, now func() time.Time) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(f.URL, "/") + "/")
	if err != nil {
		return nil, fmt.Errorf("the server of the fleet: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Time: now}
	if f.CAFile != "" {
		if conf.RootCAs, err = configs.CertPool(f.CAFile); err != nil {
			return nil, fmt.Errorf("the server of the fleet: %w", err)
		}
	}
	if len(f.Pins) > 0 {
		pins := f.Pins
		conf.VerifyConnection = func(s tls.ConnectionState) error { return pinned(s.VerifiedChains, pins) }
	}
	if f.CertFile != "" {
		pair, err := configs.KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("the certificate of the door: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	dialer := &net.Dialer{Timeout: dialLimit}
	return &Client{base: base, http: &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: conf, TLSHandshakeTimeout: dialLimit,
			ResponseHeaderTimeout: requestLimit, MaxResponseHeaderBytes: mostHeader, DisableCompression: true,
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: requestLimit,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch first := via[0].URL; {
			case req.URL.Scheme != first.Scheme || req.URL.Host != first.Host:
				return fmt.Errorf("it leads to another server, %s", req.URL.Host)
			case len(via) > mostHops:
				return errors.New("it leads from one place to the next")
			}
			return nil
		},
	}}, nil
}

// pinned accepts a server if one of the certificates that vouch for it, or its own, has a key
// that is pinned. The chains have been verified.
func pinned(chains [][]*x509.Certificate, pins []string) error {
	for _, chain := range chains {
		for _, c := range chain {
			sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
			if slices.Contains(pins, base64.StdEncoding.EncodeToString(sum[:])) {
				return nil
			}
		}
	}
	shown := "none"
	if len(chains) > 0 && len(chains[0]) > 0 {
		sum := sha256.Sum256(chains[0][0].RawSubjectPublicKeyInfo)
		shown = base64.StdEncoding.EncodeToString(sum[:])
	}
	return fmt.Errorf("its key is none of pins under [fleet]; it shows %s", shown)
}

// Answer is what a server has of a file.
type Answer struct {
	Body      []byte
	ETag      string // "" if the server gives none
	Unchanged bool   // it is the one that the given ETag was of; Body is empty
	Missing   bool   // there is no such file
}

// waitError asks for patience.
type waitError struct {
	status string
	wait   time.Duration // 0: as long as the door likes
}

func (e *waitError) Error() string { return "the server answers " + e.status }

// URL is the address of a file of the directory.
func (c *Client) URL(name string) *url.URL { return c.base.JoinPath(name) }

// Get gets a file of the directory, of most bytes at most. etag is that of the last answer, or "".
func (c *Client) Get(ctx context.Context, name, etag string, most int) (a Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, plain(err))
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL(name).String(), nil)
	if err != nil {
		return a, err
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if etag == "" {
			return a, errors.New("the server answers 304 without having been asked for it")
		}
		return Answer{ETag: etag, Unchanged: true}, nil
	case http.StatusNotFound, http.StatusGone:
		return Answer{Missing: true}, nil
	default:
		return a, &waitError{status: resp.Status, wait: retryAfter(resp.Header.Get("Retry-After"))}
	}
	if resp.ContentLength > int64(most) {
		return a, fmt.Errorf("is larger than %d bytes", most)
	}
	var body bytes.Buffer
	n, err := io.Copy(&body, io.LimitReader(resp.Body, int64(most)+1))
	switch {
	case err != nil:
		return a, err
	case n > int64(most):
		return a, fmt.Errorf("is larger than %d bytes", most)
	}
	a = Answer{Body: body.Bytes(), ETag: resp.Header.Get("ETag")}
	if len(a.ETag) > 256 {
		a.ETag = ""
	}
	return a, nil
}

// Close lets go of connections that are open and not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// plain takes off what the error has of the address: the caller names the file.
func plain(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// retryAfter is how long a server asks to be left alone (RFC 9110, 10.2.3), in seconds. A
// date is of no use to a door whose clock may be wrong.
func retryAfter(header string) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, 1<<20))*time.Second, mostWait)
}
