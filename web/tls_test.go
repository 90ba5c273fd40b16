package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func mustPrefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// One port speaks TLS and plain HTTP: on this machine both, and over TLS with the certificate of
// the door's authority and the cookie that only TLS has.
func TestTLS(t *testing.T) {
	p := withPeople(t)
	serving(t, p.Server)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.cfg.Identity.CA())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm("https://"+p.Addr()+"/login", map[string][]string{"name": {"admin"}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if c := res.Cookies(); res.StatusCode != http.StatusSeeOther || len(c) != 1 || c[0].Name != secureCookie || !c[0].Secure || c[0].Path != "/" || c[0].Domain != "" {
		t.Errorf("%s %v", res.Status, res.Cookies())
	}
	plain, err := http.Get("http://" + p.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if body, _ := io.ReadAll(plain.Body); plain.StatusCode != http.StatusOK || string(body) != "ok\n" {
		t.Errorf("plain: %s %s", plain.Status, body)
	}
	if _, err := tls.Dial("tcp", p.Addr(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	for id, want := range map[uint16]bool{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: false, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true} {
		c, err := tls.Dial("tcp", p.Addr(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id}})
		if err == nil {
			c.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.CipherSuiteName(id), err)
		}
	}
}

// Plain HTTP from the network is led to HTTPS, and no command is taken by it.
func TestPlainFromTheNetwork(t *testing.T) {
	p := withPeople(t)
	far := &guest{gate: newGate(nil)}
	for method, want := range map[string]int{"GET": http.StatusPermanentRedirect, "POST": http.StatusForbidden} {
		r, w := distant(method, far)
		p.Handler().ServeHTTP(w, r)
		if w.Code != want || method == "GET" && !strings.HasPrefix(w.Header().Get("Location"), "https://") {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

// distant is a request that came from the network on a connection.
func distant(method string, n *guest) (*http.Request, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(method, "/status.json", nil)
	r.Host, r.RemoteAddr = "localhost", "192.0.2.7:1234"
	return r.WithContext(context.WithValue(r.Context(), guestKey{}, n)), httptest.NewRecorder()
}
