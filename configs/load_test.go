package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	write(t, filepath.Join(dir, "pw"), "\ufeffs e#cret\r\nsecond line\n")
	write(t, filepath.Join(dir, "ca.pem"), "a comment\n"+certificate(t)+certificate(t))
	write(t, file, strings.Replace(minimal, `password = "secret"`, "password_file = \"pw\"\nca_file = \"ca.pem\"", 1))
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SIP.Password != "s e#cret" || cfg.SIP.CAFile != filepath.Join(dir, "ca.pem") {
		t.Errorf("password %q, ca_file %q", string(cfg.SIP.Password), cfg.SIP.CAFile)
	}
}

func TestLoadFaults(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	write(t, filepath.Join(dir, "empty"), "\nsecret\n")
	write(t, filepath.Join(dir, "text"), "secret")
	write(t, filepath.Join(dir, "key"), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
	write(t, filepath.Join(dir, "bad"), "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n")
	write(t, filepath.Join(dir, "big"), strings.Repeat("#", maxFile+1))
	tests := []struct{ setting, want string }{
		{`password_file = "none"`, "sip.password_file: " + dir + "/none: there is no such file; check the path"},
		{`password_file = "empty"`, "/empty:1: its first line is empty"},
		{`password_file = "."`, "is a directory"},
		{`password_file = "big"`, "larger than 1 MB"},
		{"password = \"p\"\nca_file = \"none\"", "intercom.toml:5: sip.ca_file: " + dir + "/none: there is no such file"},
		{"password = \"p\"\nca_file = \"text\"", "there is no certificate in it"},
		{"password = \"p\"\nca_file = \"key\"", "has private key in it"},
		{"password = \"p\"\nca_file = \"bad\"", "certificate 1 cannot be read"},
	}
	for _, tc := range tests {
		write(t, file, strings.Replace(minimal, `password = "secret"`, tc.setting, 1))
		cfg, err := Load(file)
		faults, ok := errors.AsType[Faults](err)
		if cfg == nil || !ok || len(faults) != 1 || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\ngives %v\nwant  %s", tc.setting, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the content of a file is in the fault: %v", err)
		}
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.toml"): "there is no such file",
		dir:                             "is a directory",
		filepath.Join(dir, "big"):       "larger than 1 MB",
	} {
		cfg, err := Load(path)
		if err == nil || cfg == nil || cfg.Call.RingTime == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
