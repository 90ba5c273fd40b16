package identity

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

type files struct {
	data map[string][]byte
	mode map[string]fs.FileMode
}

func (f files) Read(name string) ([]byte, error) {
	if d, ok := f.data[name]; ok {
		return d, nil
	}
	return nil, fs.ErrNotExist
}

func (f files) Replace(name string, data []byte, mode fs.FileMode) error {
	f.data[name], f.mode[name] = data, mode
	return nil
}

type host struct {
	names []string
	addrs []netip.Addr
}

func open(t *testing.T, f files, h *host) *Identity {
	t.Helper()
	i, err := Open(f, func() []string { return h.names }, func() []netip.Addr { return h.addrs })
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func leaf(t *testing.T, i *Identity) *x509.Certificate {
	t.Helper()
	c, err := i.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// The authority stays, the certificate follows names, addresses and time, and browsers that know
// the authority take it.
func TestOwnAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)))
		f := files{map[string][]byte{}, map[string]fs.FileMode{}}
		h := &host{[]string{"door"}, []netip.Addr{netip.MustParseAddr("192.0.2.7")}}
		i := open(t, f, h)
		for _, key := range []string{caKeyFile, keyFile} {
			if f.mode[key] != 0o600 {
				t.Errorf("%s has the mode %o", key, f.mode[key])
			}
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(i.CA())
		takes := func(c *x509.Certificate, name string) {
			t.Helper()
			if _, err := c.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: time.Now()}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		first := leaf(t, i)
		takes(first, "door")
		takes(first, "192.0.2.7")
		if first.NotAfter.Sub(first.NotBefore) > 398*24*time.Hour {
			t.Error("it lasts longer than browsers take")
		}
		if !leaf(t, i).Equal(first) {
			t.Error("it is made anew without need")
		}
		h.addrs = append(h.addrs, netip.MustParseAddr("2001:db8::7"))
		takes(leaf(t, i), "2001:db8::7")
		time.Sleep(leafLasts - Soon + time.Hour)
		if renewed := leaf(t, i); time.Until(renewed.NotAfter) < leafLasts-time.Minute {
			t.Errorf("it ends on %v", renewed.NotAfter)
		}
		if again := open(t, f, h); again.Fingerprint() != i.Fingerprint() {
			t.Error("another authority after a restart")
		}
	})
}

// A certificate of somebody else is taken for our key only, and used while it is good.
func TestIssuedCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := files{map[string][]byte{}, map[string]fs.FileMode{}}
		h := &host{names: []string{"door"}}
		i, stranger := open(t, f, h), open(t, files{map[string][]byte{}, map[string]fs.FileMode{}}, h)
		request, err := i.Request()
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(request)
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || csr.CheckSignature() != nil || len(csr.DNSNames) != 1 {
			t.Fatalf("%v %v", csr, err)
		}
		issue := func(end time.Time) []byte {
			tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: end, DNSNames: csr.DNSNames}
			der, err := x509.CreateCertificate(rand.Reader, tmpl, stranger.ca, csr.PublicKey, stranger.caKey)
			if err != nil {
				t.Fatal(err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		}
		end := time.Now().Add(60 * 24 * time.Hour)
		if err := i.Install(issue(end)); err != nil {
			t.Fatal(err)
		}
		if c := leaf(t, i); c.CheckSignatureFrom(stranger.ca) != nil || i.Ends().Sub(end).Abs() > time.Second {
			t.Errorf("in use: %v, until %v", c.Issuer, i.Ends())
		}
		if again := open(t, f, h); again.Ends().IsZero() {
			t.Error("it is gone after a restart")
		}
		for name, tc := range map[string]struct {
			data []byte
			want error
		}{
			"nothing":        {nil, ErrNoPEM},
			"nonsense":       {[]byte("hello"), ErrNoPEM},
			"a key":          {f.data[keyFile], ErrNoPEM},
			"of another key": {stranger.CA(), ErrOtherKey},
			"of long ago":    {issue(time.Now().Add(-time.Hour)), ErrExpired},
		} {
			if err := i.Install(tc.data); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		time.Sleep(61 * 24 * time.Hour)
		if c := leaf(t, i); c.CheckSignatureFrom(i.ca) != nil {
			t.Error("it is used after its end")
		}
	})
}

// Keys that are there and cannot be read are not replaced in silence.
func TestBrokenFiles(t *testing.T) {
	for _, name := range []string{caKeyFile, caFile, keyFile, ownFile} {
		f := files{map[string][]byte{}, map[string]fs.FileMode{}}
		h := &host{names: []string{"door"}}
		open(t, f, h)
		f.data[name] = []byte("rubbish")
		if _, err := Open(f, func() []string { return h.names }, func() []netip.Addr { return nil }); err == nil {
			t.Errorf("%s is replaced in silence", name)
		}
	}
}
