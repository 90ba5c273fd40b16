package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/station"
)

// yard is the web server of docs/fleet.md: a directory, files by serial number for whoever
// has the certificate of that name only, everything else for every door.
type yard struct {
	t         *testing.T
	pki, root string
	url       string
	ca        *x509.Certificate
	key       *ecdsa.PrivateKey
	answered  [600]atomic.Int64 // by status
}

func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{t: t, pki: t.TempDir(), root: t.TempDir()}
	y.ca, y.key = y.sign("authority")
	y.pem("ca.pem", "CERTIFICATE", y.ca.Raw)
	own, key := y.sign("server")
	pool := x509.NewCertPool()
	pool.AddCert(y.ca)
	srv := httptest.NewUnstartedServer(http.StripPrefix("/doors", http.HandlerFunc(y.serve)))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{own.Raw}, PrivateKey: key}}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	y.url = srv.URL + "/doors"
	return y
}

func (y *yard) serve(w http.ResponseWriter, r *http.Request) {
	name := ""
	if len(r.TLS.PeerCertificates) > 0 {
		name = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	rec := &statusWriter{ResponseWriter: w, code: http.StatusOK}
	defer func() { y.answered[rec.code].Add(1) }()
	base, top := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), ".toml")
	if name == "" || top && base != "default" && base != name {
		http.Error(rec, "forbidden", http.StatusForbidden)
		return
	}
	if data, err := os.ReadFile(filepath.Join(y.root, filepath.FromSlash(filepath.Clean("/"+r.URL.Path)))); err == nil {
		sum := sha256.Sum256(data)
		rec.Header().Set("ETag", fmt.Sprintf("\"%x\"", sum[:8]))
	}
	http.FileServer(http.Dir(y.root)).ServeHTTP(rec, r)
}

type statusWriter struct {
	http.ResponseWriter
	code int
}

func (s *statusWriter) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }

func (y *yard) sign(name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	y.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		y.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: name == "authority", BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	parent, signer := c, key
	if y.ca != nil {
		parent, signer = y.ca, y.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		y.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		y.t.Fatal(err)
	}
	return cert, key
}

func (y *yard) pem(name, kind string, der []byte) {
	y.t.Helper()
	if err := os.WriteFile(filepath.Join(y.pki, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		y.t.Fatal(err)
	}
}

// own is the file of a door that has a certificate of that name.
func (y *yard) own(serial, name string) string {
	c, k := y.sign(name)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		y.t.Fatal(err)
	}
	y.pem(name+".pem", "CERTIFICATE", c.Raw)
	y.pem(name+".key", "PRIVATE KEY", der)
	file := func(f string) string { return filepath.Join(y.pki, f) }
	return fmt.Sprintf("[fleet]\nurl = %q\nserial = %q\nca_file = %q\ncert_file = %q\nkey_file = %q\n[board]\ndriver = \"sim\"\n",
		y.url, serial, file("ca.pem"), file(name+".pem"), file(name+".key"))
}

func (y *yard) put(name, text string) {
	y.t.Helper()
	path := filepath.Join(y.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		y.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		y.t.Fatal(err)
	}
}

func (d *realDoor) hasEnded() {
	d.t.Helper()
	select {
	case code := <-d.code:
		d.code <- code
	case <-time.After(30 * time.Second):
		d.t.Fatalf("the daemon does not end:\n%s", d.log)
	}
}

// A door whose file names nothing but a server: it says what it waits for, gets its
// configuration, starts anew with it, and asks for no byte of it again.
func TestDoorIsFed(t *testing.T) {
	y := newYard(t)
	dir := t.TempDir()
	y.put("default.toml", "[sip]\nserver = \"wss://127.0.0.1:9\"\n[call]\ntarget = \"1001\"\n[board]\ndriver = \"sim\"\n[web]\nlisten = \"\"\n[update]\nchannel = \"stable\"\n")
	y.put("channel/stable.json", `{"version":"1.0","bundle":"1.raucb"}`)
	y.put("0001.toml", "[sip]\nuser = \"1000\"\npassword = \"hunter22\"\n")
	y.put("0002.toml", "[sip]\nuser = \"2000\"\npassword = \"of another door\"\n")
	own := y.own("0001", "0001")

	d := startDoor(t, dir, own)
	d.snapshot("it waits for its configuration", func(s *station.Snapshot) bool {
		return strings.Contains(strings.Join(keysOf(s.Faults), " "), "fleet.settings")
	})
	d.hasEnded() // to begin with the new configuration
	if strings.Contains(d.log.String(), "hunter22") {
		t.Error("the log shows the password")
	}
	file := filepath.Join(dir, "door.toml")
	f := loadKept(file)
	if f.SIP.User != "" {
		t.Error("another command uses what the daemon has not begun with")
	}
	bodies := y.answered[http.StatusOK].Load()

	d = startDoor(t, dir, own) // the page is off by default.toml
	var out bytes.Buffer
	for range 200 {
		out.Reset()
		if code := command(t.Context(), []string{"fleet", "now", file}, streams{out: &out, err: &out}); code == exitOK {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, want := range []string{"serial    0001", "on trial", "reached   2", "channel   stable 1.0", "update    this system does not update itself"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("intercomd fleet lacks %q:\n%s", want, out.String())
		}
	}
	if got := y.answered[http.StatusOK].Load() - bodies; got != 1 { // the index, of a new process
		t.Errorf("%d bodies were fetched again; 304: %d", got, y.answered[http.StatusNotModified].Load())
	}
	if f := loadKept(file); f.SIP.User != "1000" || f.Err != nil || !f.running.Trial {
		t.Errorf("in force is %q, %v", f.SIP.User, f.Err)
	}
	if err := os.WriteFile(filepath.Join(y.root, "0001.toml"), []byte("[sip]\nuser = 1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code := command(t.Context(), []string{"fleet", "now", file}, streams{out: &out, err: &out}); code != exitOK || !strings.Contains(out.String(), "0001.toml:2: sip.user: is a whole number") {
		t.Errorf("of a broken one is told:\n%s", out.String())
	}
	d.ends()
	if code := command(t.Context(), []string{"fleet", "status", file}, streams{out: &out, err: &out}); code != exitFailed || !strings.Contains(out.String(), "does not run") {
		t.Errorf("without a daemon: %s", out.String())
	}
}

// A door gets the file of its own certificate and no other.
func TestDoorGetsNoOthersFile(t *testing.T) {
	y := newYard(t)
	dir := t.TempDir()
	y.put("0002.toml", "[sip]\nserver = \"wss://127.0.0.1:9\"\nuser = \"2000\"\npassword = \"of another door\"\n[call]\ntarget = \"1\"\n")
	d := startDoor(t, dir, y.own("0002", "0001"))
	s := d.snapshot("it is refused", func(s *station.Snapshot) bool {
		return strings.Contains(strings.Join(keysOf(s.Faults), " "), "fleet.server")
	})
	for _, f := range s.Faults {
		if f.Key == "fleet.server" && !strings.Contains(f.String(), "403") {
			t.Errorf("the fault is %s", f)
		}
	}
	if f := loadKept(filepath.Join(dir, "door.toml")); f.SIP.User != "" {
		t.Error("it has the other door's file")
	}
}

// What was fetched and cannot be used leaves what the door has of its own, and says so.
func TestFetchedThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "door.toml")
	putText(t, file, usableConfig("1000")+"[fleet]\nurl = \"https://127.0.0.1:9\"\nserial = \"1\"\n[state]\ndir = \""+filepath.Join(dir, "state")+"\"\n")
	if f := beginFleet(file); f.SIP.User != "1000" || f.running.Hash != "" || !f.alone || len(f.fleetFaults()) > 0 {
		t.Errorf("%+v", f)
	}
	fleetPath := filepath.Join(dir, "state/fleet")
	if err := os.MkdirAll(fleetPath, 0o700); err != nil {
		t.Fatal(err)
	}
	putText(t, filepath.Join(fleetPath, "state.json"), "{")
	if f := beginFleet(file); f.SIP.User != "1000" || len(f.fleetFaults()) != 1 {
		t.Errorf("with a damaged state: %q, %v", f.SIP.User, f.fleetFaults())
	}
}

func TestSerial(t *testing.T) {
	file := filepath.Join(t.TempDir(), "serial")
	cfg := loadKept("/no/such/file").Config
	for text, want := range map[string]string{"10000000abcdef01\x00": "10000000abcdef01", "": "", "../../etc": "", "a b": ""} {
		putText(t, file, text)
		if got := serialOf(cfg, file); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := serialOf(cfg, file+"x"); got != "" {
		t.Errorf("without a board: %q", got)
	}
}
