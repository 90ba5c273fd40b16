package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/configs"
	"intercomd/update"
)

// pki makes certificates for a server, and for doors, of one authority.
type pki struct {
	t    *testing.T
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	cert, key := p.sign("authority", true)
	p.ca, p.key = cert, key
	p.pool.AddCert(cert)
	p.pem("ca.pem", "CERTIFICATE", cert.Raw)
	return p
}

func (p *pki) sign(name string, isCA bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: isCA, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := tmpl, key
	if p.ca != nil {
		parent, signer = p.ca, p.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert, key
}

func (p *pki) pem(name, kind string, der []byte) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// pair writes a door's certificate and key.
func (p *pki) pair(name string) (cert, key string) {
	c, k := p.sign(name, false)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.pem(name+".pem", "CERTIFICATE", c.Raw), p.pem(name+".key", "PRIVATE KEY", der)
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serve is a server of that authority, which asks doors for theirs if mutual.
func (p *pki) serve(h http.Handler, mutual bool) (url string, cert *x509.Certificate) {
	p.t.Helper()
	c, k := p.sign("server", false)
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw, p.ca.Raw}, PrivateKey: k}}, MinVersion: tls.VersionTLS12}
	if mutual {
		srv.TLS.ClientAuth, srv.TLS.ClientCAs = tls.RequireAndVerifyClientCert, p.pool
	}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	srv.StartTLS()
	p.t.Cleanup(srv.Close)
	return srv.URL, c
}

func get(t *testing.T, f configs.Fleet, name, etag string) (Answer, error) {
	t.Helper()
	c, err := NewClient(f, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Get(t.Context(), name, etag, 1000)
}

// Who the server is, and who the door is.
func TestWhoIsBelieved(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = w.Write([]byte(who))
	})
	url, cert := p.serve(page, false)
	mutual, _ := p.serve(page, true)
	ca := filepath.Join(p.dir, "ca.pem")
	doorCert, doorKey := p.pair("1000")
	strangeCert, strangeKey := other.pair("1000")
	for what, tt := range map[string]struct {
		f    configs.Fleet
		want string // the answer, or a part of the error
	}{
		"its authority":            {configs.Fleet{URL: url, CAFile: ca}, "nobody"},
		"no authority":             {configs.Fleet{URL: url}, "unknown authority"},
		"another authority":        {configs.Fleet{URL: url, CAFile: filepath.Join(other.dir, "ca.pem")}, "unknown authority"},
		"its key":                  {configs.Fleet{URL: url, CAFile: ca, Pins: []string{"x", pinOf(cert)}}, "nobody"},
		"its authority's key":      {configs.Fleet{URL: url, CAFile: ca, Pins: []string{pinOf(p.ca)}}, "nobody"},
		"another key":              {configs.Fleet{URL: url, CAFile: ca, Pins: []string{pinOf(other.ca)}}, "its key is none of pins under [fleet]; it shows " + pinOf(cert)},
		"its key and no authority": {configs.Fleet{URL: url, Pins: []string{pinOf(cert)}}, "unknown authority"},
		"another name":             {configs.Fleet{URL: strings.Replace(url, "127.0.0.1", "localhost", 1), CAFile: ca}, "localhost"},
		"a door":                   {configs.Fleet{URL: mutual, CAFile: ca, CertFile: doorCert, KeyFile: doorKey}, "1000"},
		"no door":                  {configs.Fleet{URL: mutual, CAFile: ca}, "file: "},
		"a stranger":               {configs.Fleet{URL: mutual, CAFile: ca, CertFile: strangeCert, KeyFile: strangeKey}, "file: "},
	} {
		a, err := get(t, tt.f, "file", "")
		if got := string(a.Body); got != tt.want && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %q, %v; want %s", what, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "https://") {
			t.Errorf("%s: the error repeats the address: %v", what, err)
		}
	}
	if _, err := NewClient(configs.Fleet{URL: url, CertFile: doorCert, KeyFile: strangeKey}, time.Now); err == nil || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("a key of another certificate: %v", err)
	}
	// By the clock of the door: a board without a battery is at 1970.
	c, err := NewClient(configs.Fleet{URL: url, CAFile: ca}, func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Get(t.Context(), "x", "", 10); err == nil || !strings.Contains(err.Error(), "not yet valid") {
		t.Errorf("at another time: %v", err)
	}
}

// What a server may answer, and what it may not make a door do.
func TestWhatIsTaken(t *testing.T) {
	p := newPKI(t)
	elsewhere, _ := p.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("elsewhere")) }), false)
	plainText := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("plain")) }))
	defer plainText.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/doors/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("text"))
	})
	mux.HandleFunc("/doors/always304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	mux.HandleFunc("/doors/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1001)) })
	mux.HandleFunc("/doors/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/doors/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/doors/header", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set("X-"+strings.Repeat("a", i), strings.Repeat("x", 1000))
		}
	})
	mux.HandleFunc("/doors/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "file", http.StatusFound) })
	mux.HandleFunc("/doors/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere+"/x", http.StatusFound) })
	mux.HandleFunc("/doors/down", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plainText.URL, http.StatusFound) })
	mux.HandleFunc("/doors/ring", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "ring", http.StatusFound) })
	mux.HandleFunc("/doors/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/doors/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	url, _ := p.serve(mux, false)
	f := configs.Fleet{URL: url + "/doors/", CAFile: filepath.Join(p.dir, "ca.pem")}

	if a, err := get(t, f, "file", ""); err != nil || string(a.Body) != "text" || a.ETag != `"1"` {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := get(t, f, "file", `"1"`); err != nil || !a.Unchanged || len(a.Body) > 0 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := get(t, f, "moved", ""); err != nil || string(a.Body) != "text" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, name := range []string{"nothing", "gone"} {
		if a, err := get(t, f, name, ""); err != nil || !a.Missing {
			t.Errorf("%+v, %v", a, err)
		}
	}
	for name, want := range map[string]string{"always304": "304", "large": "larger than 1000", "endless": "larger than 1000", "cut": "cut: ", "header": "header: ",
		"away": "another server", "down": "another server", "ring": "from one place to the next", "busy": "503"} {
		a, err := get(t, f, name, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if we, ok := errors.AsType[*waitError](err); name == "busy" && (!ok || we.wait != 2*time.Minute) {
			t.Errorf("Retry-After: %v", err)
		}
	}
	c, err := NewClient(f, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "file", "", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, "-1": 0, "99999999999": mostWait, "9999999": mostWait, "Wed, 21 Oct 2026 07:28:00 GMT": 0} {
		if got := retryAfter(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestIndex(t *testing.T) {
	half := 50.0
	hash := strings.Repeat("a", 64)
	for text, want := range map[string]bool{
		`{"version":"1.0","bundle":"b"}`: true,
		`{"version":"1.0","bundle":"b","sha256":"` + hash + `","minimum":"0.9","percent":12.5}`: true,
		`{"version":"1.0","bundle":"b","percentage":1}`:                                         false,
		`{"version":"1.0","bundle":"b","percent":101}`:                                          false,
		`{"version":"1.0","bundle":"b","percent":"1"}`:                                          false,
		`{"version":"1.0","bundle":"b","sha256":"x"}`:                                           false,
		`{"version":"1.0","bundle":"b","minimum":"1.1"}`:                                        false,
		`{"version":"1.0"}`: false, `{"bundle":"b"}`: false, `{`: false, ``: false, `[]`: false, `{"version":"1.0","bundle":"b"}{}`: false,
	} {
		if _, err := ParseIndex([]byte(text)); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	x := Index{Version: "2.0", Percent: &half, Minimum: "1.5"}
	taken := 0
	for i := range 1000 {
		if x.Wants(big.NewInt(int64(i)).String(), "1.9") {
			taken++
		}
	}
	if taken < 450 || taken > 550 {
		t.Errorf("%d of 1000 doors take what half of them should", taken)
	}
	for _, c := range []struct {
		runs string
		want bool
	}{{"2.0", false}, {"2.1", false}, {"", false}, {"1.4", true}} {
		if x.Wants("late", c.runs) != c.want {
			t.Errorf("from %s: %v", c.runs, !c.want)
		}
	}
	// More percent are the same doors and more.
	for i := range 200 {
		s := big.NewInt(int64(i)).String()
		was := false
		for pc := 0.0; pc <= 100; pc += 5 {
			x := Index{Version: "2.0", Percent: &pc}
			if now := x.Wants(s, "1.0"); was && !now {
				t.Fatalf("%s takes it at less than %v %% and not there", s, pc)
			} else {
				was = now
			}
		}
		if !was {
			t.Fatalf("%s does not take it at 100 %%", s)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"version":"1.0","bundle":"b","percent":5}`), "1.0")
	f.Fuzz(func(t *testing.T, data []byte, version string) {
		x, err := ParseIndex(data)
		if err != nil {
			return
		}
		if x.Wants("1", version) && update.Compare(x.Version, version) <= 0 {
			t.Error("an older one is taken")
		}
		if update.Compare(x.Version, version) != 0 && (update.Compare(x.Version, version) < 0) == (update.Compare(version, x.Version) < 0) {
			t.Error("not an order")
		}
	})
}
