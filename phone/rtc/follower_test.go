package rtc

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/deadline"

	"intercomd/phone/rtc/sdpfix"
)

// follower is an ICE peer with FreeSWITCH's habit ("Auto Changing" in its log): it has no
// check list, but one address of the far end, at first a candidate. It checks that
// one once a second, and it follows the source of the checks that come: after so many
// of them from elsewhere in a row, and while DTLS is not ready at most once a second. DTLS
// is sent to that address, and heard only from there.
type follower struct {
	habits
	t          testing.TB
	ufrag, pwd string
	cert       tls.Certificate
	print      string
	sockets    []*lanConn
	far        *sdpfix.Description
	wait       sync.WaitGroup
	done       chan struct{}
	sound      chan struct{} // closed when the first packet of the door was heard

	mu             sync.Mutex
	at             place
	wrong          int
	moved          time.Time
	asked, replied bool // a check, an answer has come: DTLS may begin
	began          bool
	tunnel         *tunnel
	out, in        *srtp.Context
	hearing        bool
	seq            uint16
	moves          int
	controlling    bool
	foreign        int // DTLS packets from elsewhere
}

// habits are what followers differ in.
type habits struct {
	addrs    []string      // where it listens
	patience int           // checks from elsewhere, in a row, before it follows; FreeSWITCH: 3
	stubborn bool          // it never follows sooner than a second after the last time; FreeSWITCH does after 11 checks
	last     bool          // it begins at the door's last candidate instead of its first
	astray   bool          // it begins at an address that leads nowhere, as to a door behind NAT
	silent   bool          // it never nominates
	clash    bool          // it takes the door's role in ICE, and leaves it when it is told
	tie      uint64        // decides who has to, with a clash
	lite     bool          // ICE lite: it only answers checks
	late     time.Duration // after the descriptions it begins so late
}

// place is a socket and the address at its other end.
type place struct {
	socket *lanConn
	remote netip.AddrPort
}

func newFollower(t testing.TB, w *lan, h habits) *follower {
	t.Helper()
	cert, text, err := createCertificate(time.Now().Add(time.Hour))
	must(t, err)
	print, err := fingerprintOf(cert)
	must(t, err)
	pair, err := tls.X509KeyPair(text, text)
	must(t, err)
	f := &follower{
		habits: h, t: t, ufrag: "follower", pwd: "0123456789abcdefghijklmn", cert: pair, print: print,
		done: make(chan struct{}), sound: make(chan struct{}),
	}
	for _, a := range h.addrs {
		f.sockets = append(f.sockets, w.listen(netip.MustParseAddr(a)))
	}
	t.Cleanup(f.close)
	return f
}

func (f *follower) close() {
	f.mu.Lock()
	select {
	case <-f.done:
	default:
		close(f.done)
	}
	tunnel := f.tunnel
	f.mu.Unlock()
	for _, s := range f.sockets {
		_ = s.Close()
	}
	if tunnel != nil {
		_ = tunnel.Close()
	}
	f.wait.Wait()
}

// describe is the follower's session description, in FreeSWITCH's dialect.
func (f *follower) describe(setup string) []byte {
	var b strings.Builder
	first := f.sockets[0].local
	family := "IP4"
	if first.Addr().Is6() {
		family = "IP6"
	}
	fmt.Fprintf(&b, "v=0\r\no=FreeSWITCH 1 2 IN %[1]s %[2]s\r\ns=FreeSWITCH\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\n", family, first.Addr())
	fmt.Fprintf(&b, "m=audio %d UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=fingerprint:sha-256 %s\r\na=setup:%s\r\n", first.Port(), f.print, setup)
	fmt.Fprintf(&b, "a=rtcp-mux\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", f.ufrag, f.pwd)
	if f.lite {
		b.WriteString("a=ice-lite\r\n")
	}
	for i, s := range f.sockets {
		fmt.Fprintf(&b, "a=candidate:%d 1 udp %d %s %d typ host generation 0\r\n", i, 2130706431-i, s.local.Addr(), s.local.Port())
	}
	return []byte(b.String())
}

// answer takes the door's offer: ICE controlled, DTLS client.
func (f *follower) answer(offer []byte) []byte {
	f.start(offer, false, true)
	return f.describe("active")
}

// accept takes the door's answer: ICE controlling, DTLS server.
func (f *follower) accept(answer []byte) { f.start(answer, true, false) }

func (f *follower) start(description []byte, controlling, client bool) {
	f.t.Helper()
	var err error
	f.far, err = sdpfix.Parse(description)
	must(f.t, err)
	candidates := slices.Clone(f.far.ICE.Candidates)
	if f.last {
		slices.Reverse(candidates)
	}
	for _, c := range candidates {
		if s := f.socketFor(c.Addr); s != nil && f.at.socket == nil {
			f.at = place{s, netip.AddrPortFrom(c.Addr, c.Port)}
		}
	}
	if f.astray {
		f.at = place{f.sockets[0], netip.MustParseAddrPort("192.0.2.1:9")}
	}
	f.controlling = controlling != f.clash
	f.tunnel = &tunnel{write: f.sendDTLS, in: make(chan []byte, 100), until: deadline.New(), done: make(chan struct{})}
	f.wait.Go(func() {
		select {
		case <-time.After(f.late):
		case <-f.done:
			return
		}
		for _, s := range f.sockets {
			for { // what came before it listened
				select {
				case <-s.in:
					continue
				default:
				}
				break
			}
			f.wait.Go(func() { f.listen(s, client) })
		}
		if !f.lite {
			f.check()
		}
	})
}

func (f *follower) socketFor(a netip.Addr) *lanConn {
	for _, s := range f.sockets {
		if s.local.Addr().Is4() == a.Is4() {
			return s
		}
	}
	return nil
}

// check sends a check each second to where the door is held to be.
func (f *follower) check() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		f.mu.Lock()
		role, controlling := stun.Setter(ice.AttrControlled(f.tie)), f.controlling
		f.mu.Unlock()
		if controlling {
			role = ice.AttrControlling(f.tie)
		}
		parts := []stun.Setter{
			stun.BindingRequest, stun.TransactionID, stun.NewUsername(f.far.ICE.Ufrag + ":" + f.ufrag), ice.PriorityAttr(2130706431), role,
		}
		if controlling && !f.silent {
			parts = append(parts, ice.UseCandidate())
		}
		m, err := stun.Build(append(parts, stun.NewShortTermIntegrity(f.far.ICE.Pwd), stun.Fingerprint)...)
		if err == nil {
			at := f.where()
			at.socket.send(m.Raw, at.remote)
		}
		select {
		case <-tick.C:
		case <-f.done:
			return
		}
	}
}

func (f *follower) where() place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *follower) listen(s *lanConn, client bool) {
	buf := make([]byte, 1500)
	for {
		n, addr, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		from := place{s, addr.(*net.UDPAddr).AddrPort()} //nolint:forcetypeassert // of the network
		switch b := buf[:n]; {
		case stun.IsMessage(b):
			f.stun(from, b)
		case b[0] >= 20 && b[0] <= 63:
			f.mu.Lock()
			here := from == f.at
			if !here {
				f.foreign++
			}
			f.mu.Unlock()
			if here {
				f.tunnel.put(b)
			}
		case b[0] >= 128 && b[0] < 192:
			f.rtp(b)
		}
		f.mu.Lock()
		// Its client waits until checks have passed both ways, its server does not.
		begin := !f.began && (!client || f.asked && (f.replied || f.controlling || f.lite))
		f.began = f.began || begin
		f.mu.Unlock()
		if begin {
			f.wait.Go(func() { f.handshake(client) })
		}
	}
}

func (f *follower) stun(from place, b []byte) {
	m := &stun.Message{Raw: slices.Clone(b)}
	if m.Decode() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m.Type {
	case stun.BindingSuccess:
		f.replied = true
		return
	case stun.BindingError: // of a role conflict, there is no other
		f.replied, f.controlling = true, !f.controlling
		return
	}
	var user stun.Username
	if m.Type != stun.BindingRequest || user.GetFrom(m) != nil || user.String() != f.ufrag+":"+f.far.ICE.Ufrag ||
		stun.NewShortTermIntegrity(f.pwd).Check(m) != nil {
		return
	}
	f.asked = true
	f.follow(from)
	reply, err := stun.Build(m, stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.remote.Addr().AsSlice(), Port: int(from.remote.Port())},
		stun.NewShortTermIntegrity(f.pwd), stun.Fingerprint)
	if err == nil {
		from.socket.send(reply.Raw, from.remote)
	}
}

// follow is the habit. The caller holds f.mu.
func (f *follower) follow(from place) {
	if from == f.at {
		f.wrong = 0
		return
	}
	soon := f.moves > 0 && time.Since(f.moved) < time.Second
	switch {
	case f.out == nil && f.wrong >= f.patience && !soon:
	case !f.stubborn && f.wrong > 10:
	default:
		f.wrong++
		return
	}
	f.at, f.wrong, f.moved, f.replied = from, 0, time.Now(), true
	f.moves++
}

func (f *follower) sendDTLS(b []byte) {
	at := f.where()
	at.socket.send(b, at.remote)
}

func (f *follower) handshake(client bool) {
	certificates, any := dtls.WithCertificates(f.cert), dtls.WithInsecureSkipVerify(true) // the door's is of no interest here
	profiles := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	var c *dtls.Conn
	var err error
	if client {
		c, err = dtls.ClientWithOptions(f.tunnel, &net.UDPAddr{}, certificates, any, profiles)
	} else {
		c, err = dtls.ServerWithOptions(f.tunnel, &net.UDPAddr{}, certificates, any, profiles, dtls.WithInsecureSkipVerifyHello(true))
	}
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if c.HandshakeContext(ctx) != nil {
		return
	}
	defer func() { _ = c.Close() }()
	state, _ := c.ConnectionState()
	keys := &srtp.Config{Profile: srtp.ProtectionProfileAes128CmHmacSha1_80}
	if keys.ExtractSessionKeysFromDTLS(&state, client) != nil {
		return
	}
	f.mu.Lock()
	f.out, _ = srtp.CreateContext(keys.Keys.LocalMasterKey, keys.Keys.LocalMasterSalt, keys.Profile)
	f.in, _ = srtp.CreateContext(keys.Keys.RemoteMasterKey, keys.Keys.RemoteMasterSalt, keys.Profile)
	f.mu.Unlock()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-f.done:
			return
		case <-tick.C:
			f.speak()
		}
	}
}

func (f *follower) speak() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	p := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: f.seq, Timestamp: uint32(f.seq) * 160, SSRC: 7}, Payload: make([]byte, 160)}
	b, err := p.Marshal()
	if err != nil {
		return
	}
	if b, err = f.out.EncryptRTP(nil, b, nil); err == nil {
		f.at.socket.send(b, f.at.remote)
	}
}

func (f *follower) rtp(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == nil || len(b) < 12 || b[1]&0x7f >= 64 && b[1]&0x7f < 96 || f.hearing {
		return
	}
	if _, err := f.in.DecryptRTP(nil, b, nil); err == nil {
		f.hearing = true
		close(f.sound)
	}
}

// tunnel is what the follower's DTLS writes to and reads from.
type tunnel struct {
	net.PacketConn
	write func([]byte)
	in    chan []byte
	until *deadline.Deadline
	once  sync.Once
	done  chan struct{}
}

func (c *tunnel) put(b []byte) {
	select {
	case c.in <- slices.Clone(b):
	default:
	}
}

func (c *tunnel) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(b, d), &net.UDPAddr{}, nil
	case <-c.done:
		return 0, nil, io.EOF
	case <-c.until.Done():
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (c *tunnel) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.write(b)
	return len(b), nil
}

func (c *tunnel) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.until.Set(time.Time{})
	})
	return nil
}

func (c *tunnel) LocalAddr() net.Addr                { return &net.UDPAddr{} }
func (c *tunnel) SetDeadline(t time.Time) error      { c.until.Set(t); return nil }
func (c *tunnel) SetReadDeadline(t time.Time) error  { c.until.Set(t); return nil }
func (c *tunnel) SetWriteDeadline(_ time.Time) error { return nil }
