package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
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

// keyPair is a certificate and the key to it.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "door"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// What [eap] names is opened as the rest is.
func TestLoadEAP(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	cert, key := keyPair(t)
	_, other := keyPair(t)
	write(t, filepath.Join(dir, "ca.pem"), certificate(t))
	write(t, filepath.Join(dir, "door.pem"), cert)
	write(t, filepath.Join(dir, "door.key"), "\ufeff"+strings.ReplaceAll(key, "\n", "\r\n"))
	write(t, filepath.Join(dir, "other.key"), other)
	write(t, filepath.Join(dir, "pw"), "hunter22\r\n")
	for _, tc := range []struct{ setting, want string }{
		{"method = \"tls\"\ncert_file = \"door.pem\"\nkey_file = \"door.key\"", ""},
		{"method = \"peap\"\npassword_file = \"pw\"", ""},
		{"method = \"peap\"\npassword_file = \"none\"", "eap.password_file: there is no such file in " + dir},
		{"method = \"tls\"\ncert_file = \"door.pem\"\nkey_file = \"other.key\"", "eap.key_file: " + dir + "/other.key: the key does not match the certificate"},
		{"method = \"tls\"\ncert_file = \"door.pem\"\nkey_file = \"door.pem\"", "eap.key_file: " + dir + "/door.pem: the key does not match the certificate"},
		{"method = \"tls\"\ncert_file = \"door.key\"\nkey_file = \"door.key\"", "eap.cert_file: " + dir + "/door.key:1: there is a block \"private key\" in it"},
		{"method = \"tls\"\ncert_file = \"door.pem\"\nkey_file = \"none\"", "eap.key_file: " + dir + "/none: there is no such file"},
	} {
		write(t, file, minimal+"[eap]\nidentity = \"door\"\nca_file = \"ca.pem\"\n"+tc.setting+"\n")
		cfg, err := Load(file)
		wellSaid(t, faultsIn(err)...)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\ngives %v\nwant  %s", tc.setting, err, tc.want)
		}
		if err == nil && cfg.EAP.Method == "peap" && cfg.EAP.Password != "hunter22" {
			t.Errorf("the password is %q", string(cfg.EAP.Password))
		}
		if err == nil && cfg.EAP.CAFile != filepath.Join(dir, "ca.pem") {
			t.Errorf("ca_file is %s", cfg.EAP.CAFile)
		}
	}
}

// What only the card image heeds is named.
func TestForCard(t *testing.T) {
	cfg, faults := Parse("x", []byte(minimal))
	if keys := cfg.ForCard(); len(keys) > 0 || faults != nil {
		t.Errorf("%v, %v", keys, faults)
	}
	cfg, faults = Parse("x", []byte(minimal+"[network]\naddress = \"10.0.0.2/8\"\ndns = \"10.0.0.1\"\n[wlan]\nssid = \"x\"\n[system]\nhostname = \"d\"\n"))
	if keys := strings.Join(cfg.ForCard(), " "); keys != "network.address network.dns system.hostname wlan.ssid" || faults != nil {
		t.Errorf("%v, %v", keys, faults)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	write(t, filepath.Join(dir, "pw"), "\ufeffs e#cret\r\nsecond line\n")
	write(t, filepath.Join(dir, "ca.pem"), "a comment\n"+certificate(t)+certificate(t))
	write(t, file, strings.Replace(minimal, `password = "secret"`, "password_file = \"pw\"\nca_file = \"ca.pem\"", 1))
	cfg, err := Load(file)
	wellSaid(t, faultsIn(err)...)
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
	write(t, filepath.Join(dir, "big"), strings.Repeat("#", 1<<20+1))
	tests := []struct{ setting, want string }{
		{`password_file = "none"`, "sip.password_file: there is no such file in " + dir + "; check the path; a password itself is given as password"},
		{`password_file = "empty"`, "/empty:1: its first line is empty"},
		{`password_file = "."`, "it is a folder"},
		{`password_file = "big"`, "larger than 1 MB"},
		{"password = \"p\"\n[audio]\nprompts = \"text\"", "intercom.toml:6: audio.prompts: " + dir + "/text: it is not a folder; name the folder"},
		{"password = \"p\"\nca_file = \"none\"", "intercom.toml:5: sip.ca_file: " + dir + "/none: there is no such file"},
		{"password = \"p\"\nca_file = \"text\"", "there is no certificate in it"},
		{"password = \"p\"\nca_file = \"key\"", "there is a block \"private key\" in it"},
		{"password = \"p\"\nca_file = \"bad\"", "certificate 1 cannot be read"},
	}
	for _, tc := range tests {
		write(t, file, strings.Replace(minimal, `password = "secret"`, tc.setting, 1))
		cfg, err := Load(file)
		wellSaid(t, faultsIn(err)...)
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
		dir:                             "it is a folder",
		filepath.Join(dir, "big"):       "larger than 1 MB",
	} {
		cfg, err := Load(path)
		wellSaid(t, faultsIn(err)...)
		if err == nil || cfg == nil || cfg.Call.RingTime == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Every setting that names a file is in Files: what is copied from one place to another
// is complete.
func TestFilesNamesThemAll(t *testing.T) {
	var cfg Config
	want := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for f, field := range v.Fields() {
			switch tag := f.Tag.Get("toml"); {
			case strings.HasSuffix(tag, "_file") || tag == "prompts":
				want++
				field.SetString(fmt.Sprint("file", want))
			case field.Kind() == reflect.Struct:
				fill(field)
			case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
				field.Set(reflect.MakeSlice(field.Type(), 1, 1))
				fill(field.Index(0))
			}
		}
	}
	fill(reflect.ValueOf(&cfg).Elem())
	files, folders := cfg.Files()
	if len(files)+len(folders) != want || want < 7 {
		t.Errorf("%d settings name files, Files has %q and %q", want, files, folders)
	}
}

// The pair of a door for its fleet fits, or the fault names the file that does not.
func TestLoadFleetPair(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	cert, key := keyPair(t)
	_, other := keyPair(t)
	write(t, filepath.Join(dir, "door.pem"), cert)
	write(t, filepath.Join(dir, "door.key"), key)
	write(t, filepath.Join(dir, "other.key"), other)
	for name, want := range map[string]string{
		"door.key":  "",
		"other.key": "fleet.cert_file: the certificate and its key cannot be used: ",
		"none":      "fleet.cert_file: " + dir + "/none: there is no such file",
	} {
		write(t, file, minimal+"[fleet]\nurl = \"https://127.0.0.1\"\ncert_file = \"door.pem\"\nkey_file = \""+name+"\"\n")
		cfg, err := Load(file)
		wellSaid(t, faultsIn(err)...)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || (cfg.Fleet.URL == "") != (want != "") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
