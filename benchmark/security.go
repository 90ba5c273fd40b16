package benchmark

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"time"

	"github.com/pion/dtls/v3"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// encryption sends packets to itself.
type encryption struct {
	out, in *srtp.Context
	header  rtp.Header
	plain   []byte // header and payload
	sealed  []byte
	opened  []byte
}

// payloadSize is that of Opus at 32 kbit/s, in bytes.
const payloadSize = 80

// newSRTP has the protection that a call asks for first.
func newSRTP() (*encryption, error) {
	const profile = srtp.ProtectionProfileAes128CmHmacSha1_80
	key, salt := make([]byte, 16), make([]byte, 14)
	out, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		return nil, err
	}
	in, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		return nil, err
	}
	e := &encryption{out: out, in: in, header: rtp.Header{Version: 2, PayloadType: 111, SSRC: 1}}
	e.plain = make([]byte, e.header.MarshalSize()+payloadSize)
	return e, nil
}

// packet is one that leaves and one that comes.
func (e *encryption) packet() (err error) {
	e.header.SequenceNumber++
	e.header.Timestamp += 960
	if _, err = e.header.MarshalTo(e.plain); err != nil {
		return err
	}
	if e.sealed, err = e.out.EncryptRTP(e.sealed[:0], e.plain, nil); err != nil {
		return err
	}
	e.opened, err = e.in.DecryptRTP(e.opened[:0], e.sealed, nil)
	return err
}

// handshakes has certificates like those of a door and its server.
type handshakes struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

const serverName = "server.invalid"

func newHandshakes() (*handshakes, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	// A board's clock may be anywhere; the certificate is only compared with that clock.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: at.Add(-time.Hour), NotAfter: at.Add(24 * time.Hour),
		DNSNames: []string{serverName}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	h := &handshakes{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots: x509.NewCertPool()}
	h.roots.AddCert(leaf)
	return h, nil
}

// patience is how long a handshake may take on the slowest of boards.
const patience = 30 * time.Second

// tls is the client's part of a handshake with a server, which works in another goroutine
// and thread.
func (h *handshakes) tls() error {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }() // nothing is kept of it
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{h.cert}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true})
		done <- s.HandshakeContext(ctx)
	}()
	c := tls.Client(near, &tls.Config{RootCAs: h.roots, ServerName: serverName, MinVersion: tls.VersionTLS13})
	return errors.Join(c.HandshakeContext(ctx), <-done)
}

// dtls is both parts of a handshake as two ends of a call have it: each shows a certificate
// and verifies the other's signature.
func (h *handshakes) dtls() error {
	near, far := net.Pipe()
	a, b := dtlsnet.PacketConnFromConn(near), dtlsnet.PacketConnFromConn(far)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	profiles := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	server, err := dtls.ServerWithOptions(b, far.RemoteAddr(), dtls.WithCertificates(h.cert), profiles, dtls.WithInsecureSkipVerifyHello(true), dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))
	if err != nil {
		return errors.Join(err, near.Close(), far.Close())
	}
	client, err := dtls.ClientWithOptions(a, near.RemoteAddr(), dtls.WithCertificates(h.cert), profiles, dtls.WithInsecureSkipVerify(true), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))
	if err != nil {
		return errors.Join(err, server.Close(), near.Close())
	}
	done := make(chan error, 1)
	go func() { done <- server.HandshakeContext(ctx) }()
	err = errors.Join(client.HandshakeContext(ctx), <-done)
	// The pipe goes first, so that nobody waits to say good-bye.
	_, _ = near.Close(), far.Close()
	_, _ = client.Close(), server.Close()
	return err
}
