package rtc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"intercomd/phone/rtc/sdpfix"
)

// Timing of ICE and DTLS.
const (
	iceDisconnected = 4 * time.Second // told up to a keepalive later
	iceKeepalive    = 1 * time.Second
	dtlsFlight      = 100 * time.Millisecond // a lost flight is sent again so soon
	closeLimit      = time.Second
)

// listener is who a transport tells what happens. Its methods are called by
// pion's goroutines and must not block.
type listener interface {
	onRTP(t *transport, packet []byte)
	onRTCP(packet []byte, now time.Time)
	onChange() // the state of the connection may have changed
}

// transport is one pion PeerConnection: sockets, ICE, DTLS and SRTP. What is
// negotiated through it is only ICE and DTLS.
//
// Its methods belong to one goroutine at a time (the session's negotiation), but
// for write, control, state, check and close.
type transport struct {
	pc      *webrtc.PeerConnection
	sockets *sockets
	track   track
	where   atomic.Pointer[network] // the addresses to listen on
	log     *slog.Logger
	made    time.Time
	cert    *webrtc.Certificate
	// fingerprint of cert, SHA-256. It stays for the life of the connection, even
	// when the device's certificate is renewed meanwhile.
	fingerprint string
	owner       atomic.Pointer[listener]
	client      atomic.Bool // our role in DTLS
	short       atomic.Pointer[shortcut]
	pokes       int // by the session's minder only
}

// identity is what an offer has told the far end: ICE credentials and certificate.
// The zero value means fresh credentials and the device's present certificate.
type identity struct {
	ufrag, pwd string
	cert       *webrtc.Certificate
}

// newTransport makes a PeerConnection that has gathered its candidates. s is nil
// unless sockets of another transport are to be taken over.
func (f *Factory) newTransport(ctx context.Context, n network, s *sockets, id identity) (*transport, error) {
	if len(n.addrs) == 0 {
		return nil, errNoNetwork
	}
	if s == nil {
		base, err := f.base()
		if err != nil {
			return nil, fmt.Errorf("reading the network interfaces: %w", err)
		}
		s = &sockets{Net: base, turns: turns{source: f.source}}
	}
	cert := id.cert
	if cert == nil {
		var err error
		if cert, err = f.certificate(); err != nil {
			return nil, err
		}
	}
	print, err := fingerprintOf(cert)
	if err != nil {
		return nil, err
	}
	t := &transport{sockets: s, log: f.log, made: time.Now(), cert: cert, fingerprint: print}
	s.lendTo(t)
	t.move(n)
	media := &webrtc.MediaEngine{}
	if err := media.RegisterCodec(pionCodec(), webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("preparing a connection: %w", err)
	}
	api := webrtc.NewAPI(
		webrtc.WithSettingEngine(f.settings(t, id)),
		webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
	)
	t.pc, err = api.NewPeerConnection(webrtc.Configuration{
		Certificates:         []webrtc.Certificate{*cert},
		BundlePolicy:         webrtc.BundlePolicyMaxBundle,
		ICECandidatePoolSize: 1, // gather now, not when the call begins
	})
	if err != nil {
		return nil, fmt.Errorf("preparing a connection: %w", err)
	}
	if err := t.prepare(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *transport) prepare(ctx context.Context) error {
	if _, err := t.pc.AddTransceiverFromTrack(&t.track, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionSendrecv,
	}); err != nil {
		return fmt.Errorf("preparing a connection: %w", err)
	}
	t.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			t.shorten()
		}
		t.tell()
	})
	t.pc.OnICEConnectionStateChange(func(webrtc.ICEConnectionState) { t.tell() })
	return t.gathered(ctx)
}

func pionCodec() webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
		},
		PayloadType: sdpfix.PionCodec,
	}
}

// settings are those that make pion fast on a LAN and patient on a bad one.
func (f *Factory) settings(t *transport, id identity) webrtc.SettingEngine {
	e := webrtc.SettingEngine{}
	e.LoggerFactory = pionLogs{f.log}
	e.BufferFactory = func(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
		return inlet{transport: t, rtcp: kind == packetio.RTCPBufferPacket}
	}
	e.SetNet(t.sockets)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	e.SetIncludeLoopbackCandidate(f.conf.IncludeLoopback)
	e.SetInterfaceFilter(func(name string) bool { return len(t.where.Load().addrs[name]) > 0 })
	e.SetIPFilter(func(ip net.IP) bool {
		a, ok := netip.AddrFromSlice(ip)
		if !ok {
			return false
		}
		return t.where.Load().has(a.Unmap())
	})
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.DisableActiveTCP(true)
	// Take the first pair that works: on a LAN they are all equally good, and a
	// peer-reflexive one is the far end's real address.
	e.SetHostAcceptanceMinWait(0)
	e.SetSrflxAcceptanceMinWait(0)
	e.SetPrflxAcceptanceMinWait(0)
	e.SetRelayAcceptanceMinWait(0)
	// Never give up a pair, never fail: FreeSWITCH does not answer STUN on hold, and
	// a far end that starts late must still be reached. Dead calls are found by the
	// media timeout of those who know whether silence is wanted.
	e.SetICETimeouts(iceDisconnected, 0, iceKeepalive)
	e.SetICEMaxBindingRequests(65535)
	e.SetICEBindingRequestHandler(t.unnominated)
	e.SetDTLSRetransmissionInterval(dtlsFlight)
	e.SetDTLSInsecureSkipHelloVerify(true) // ICE has verified the address: saves a round trip
	e.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM)
	e.DisableCloseByDTLS(true) // only signalling ends a call
	if id.ufrag != "" {
		e.SetICECredentials(id.ufrag, id.pwd)
	}
	return e
}

// unnominated reports whether the pair that a check of the far end has come by is to be
// used although it was not nominated: it works, the far end is the one to nominate, and it
// has not for long. Some never do, and a call would stay silent for that alone. pion asks
// from its own goroutine.
func (t *transport) unnominated(m *stun.Message, local, _ ice.Candidate, _ *ice.CandidatePair) bool {
	if !t.checking() || !m.Contains(stun.AttrICEControlling) {
		return false
	}
	a, err := netip.ParseAddr(local.Address())
	return err == nil && t.sockets.turns.overdue(a.Unmap())
}

// move names the addresses for the candidates that are gathered from now on.
func (t *transport) move(n network) {
	if u, ok := t.sockets.Net.(interface{ UpdateInterfaces() error }); ok {
		_ = u.UpdateInterfaces() // an old list only yields fewer candidates
	}
	t.where.Store(&n)
	t.sockets.turns.prefer(n.first)
}

// gathered waits until all candidates are there. pion's promise misses the end when
// that comes just as it is made, so the state is looked at as well.
func (t *transport) gathered(ctx context.Context) error {
	done := webrtc.GatheringCompletePromise(t.pc)
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for t.pc.ICEGatheringState() != webrtc.ICEGatheringStateComplete {
		select {
		case <-done:
			return nil
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("gathering ICE candidates: %w", ctx.Err())
		}
	}
	return nil
}

// local is our part of ICE, after offer or answer. First comes the address that the kernel
// would send from to the far end, if that is known: FreeSWITCH begins with it.
func (t *transport) local(far []sdpfix.Candidate) (sdpfix.ICE, error) {
	d := t.pc.LocalDescription()
	if d == nil {
		return sdpfix.ICE{}, errors.New("reading the local description: there is none")
	}
	local, err := sdpfix.FromPion(d.SDP, t.towards(far))
	if err == nil && len(local.Candidates) == 0 {
		err = errNoNetwork
	}
	return local, err
}

// towards is the address to name first to a far end with these candidates. IPv4 if there
// is any: it is what those understand who look no further.
func (t *transport) towards(far []sdpfix.Candidate) netip.Addr {
	n, best := t.where.Load(), netip.Addr{}
	for _, c := range far {
		a := t.sockets.turns.source(c.Addr)
		if !n.has(a) {
			continue
		}
		if a.Is4() {
			return a
		}
		if !best.IsValid() {
			best = a
		}
	}
	if n.first.IsValid() && (!best.IsValid() || slices.ContainsFunc(far, func(c sdpfix.Candidate) bool { return c.Addr.Is4() })) {
		return n.first
	}
	return best
}

// offer begins as the offering side, or restarts ICE.
func (t *transport) offer(ctx context.Context, restart bool) (sdpfix.ICE, error) {
	d, err := t.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err == nil {
		err = t.pc.SetLocalDescription(d)
	}
	if err != nil {
		return sdpfix.ICE{}, fmt.Errorf("making an offer: %w", err)
	}
	if err := t.gathered(ctx); err != nil {
		return sdpfix.ICE{}, err
	}
	return t.local(nil)
}

// forPion is the far end's description for pion, with the DTLS role that is left to it when
// ours is this one: pion would choose by the roles in ICE, which are another matter.
func forPion(d *sdpfix.Description, role sdpfix.Setup) string {
	settled := *d
	settled.DTLS.Setup = sdpfix.Active
	if role == sdpfix.Active {
		settled.DTLS.Setup = sdpfix.Passive
	}
	return sdpfix.ForPion(&settled)
}

// apply gives pion the far end's description, and notes our role in DTLS.
func (t *transport) apply(kind webrtc.SDPType, d *sdpfix.Description, role sdpfix.Setup) error {
	t.client.Store(role == sdpfix.Active)
	return t.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: forPion(d, role)})
}

// accept takes the far end's answer to our offer; connecting begins, in this role in DTLS.
func (t *transport) accept(answer *sdpfix.Description, role sdpfix.Setup) error {
	if err := t.apply(webrtc.SDPTypeAnswer, answer, role); err != nil {
		return fmt.Errorf("applying the far end's answer: %w", err)
	}
	return nil
}

// answer takes the far end's offer and connecting begins, in this role in DTLS; new ICE
// credentials in an established session restart ICE.
func (t *transport) answer(ctx context.Context, offer *sdpfix.Description, role sdpfix.Setup) (sdpfix.ICE, error) {
	if err := t.apply(webrtc.SDPTypeOffer, offer, role); err != nil {
		return sdpfix.ICE{}, fmt.Errorf("applying the far end's offer: %w", err)
	}
	d, err := t.pc.CreateAnswer(nil)
	if err == nil {
		err = t.pc.SetLocalDescription(d)
	}
	if err != nil {
		return sdpfix.ICE{}, fmt.Errorf("making an answer: %w", err)
	}
	if err := t.gathered(ctx); err != nil {
		return sdpfix.ICE{}, err
	}
	return t.local(offer.ICE.Candidates)
}

// addCandidate adds a candidate of the far end to those of its description.
func (t *transport) addCandidate(c sdpfix.Candidate) error {
	return t.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: "candidate:" + c.String()})
}

// check makes pion check its candidate pairs now, or the one that it has selected. By
// itself it does so every 200 ms, and then every two seconds, which a call that waits for
// its first sound can not afford: RFC 8445 §14.2 allows a check each 50 ms per pair, and
// far more often on a LAN; and FreeSWITCH hears DTLS only from where several checks in a
// row came from. pion has no setting for it, but looks at all pairs whenever a candidate
// comes in. This one is of a kind that is never paired (TCP, with TCP disabled), and
// differs each time.
func (t *transport) forceChecks() {
	t.pokes++
	_ = t.pc.AddICECandidate(webrtc.ICECandidateInit{
		Candidate: fmt.Sprintf("candidate:check 1 tcp 1 127.0.0.1 %d typ host tcptype passive", t.pokes),
	})
	if t.checking() {
		t.sockets.checkAgain()
	}
}

// checking reports whether ICE still looks for a pair.
func (t *transport) checking() bool {
	s := t.pc.ICEConnectionState()
	return s == webrtc.ICEConnectionStateNew || s == webrtc.ICEConnectionStateChecking
}

// connecting reports whether ICE still looks for a pair, or DTLS is not ready.
func (t *transport) connecting() bool {
	s := t.state()
	return t.checking() || s == webrtc.PeerConnectionStateNew || s == webrtc.PeerConnectionStateConnecting
}

func (t *transport) state() webrtc.PeerConnectionState { return t.pc.ConnectionState() }

// write sends one RTP packet. It returns 0 while there is no connection.
func (t *transport) write(h *rtp.Header, payload []byte) (int, error) {
	w := t.track.writer.Load()
	if w == nil {
		return 0, nil
	}
	return (*w).WriteRTP(h, payload)
}

func (t *transport) control(packets []rtcp.Packet) error { return t.pc.WriteRTCP(packets) }

// selected is the candidate pair in use, nil if there is none.
func (t *transport) selected() *webrtc.ICECandidatePair {
	p, err := t.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || p == nil || p.Local == nil || p.Remote == nil {
		return nil
	}
	return p
}

// localAddr is our address of that pair; the zero Addr if there is none.
func (t *transport) localAddr() netip.Addr {
	p := t.selected()
	if p == nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(p.Local.Address)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

func (t *transport) pair() string {
	p := t.selected()
	if p == nil {
		return ""
	}
	port := func(n uint16) string { return fmt.Sprint(n) }
	return net.JoinHostPort(p.Local.Address, port(p.Local.Port)) + " - " +
		net.JoinHostPort(p.Remote.Address, port(p.Remote.Port))
}

func (t *transport) listen(l listener) { t.owner.Store(&l) }

func (t *transport) tell() {
	if l := t.owner.Load(); l != nil {
		(*l).onChange()
	}
}

// heard hands on one packet of voice.
func (t *transport) heard(packet []byte) {
	if l := t.owner.Load(); l != nil {
		(*l).onRTP(t, packet)
	}
}

// shorten lets packets of voice take the shortcut, now that there are keys. Without it they go pion's way.
func (t *transport) shorten() {
	if t.short.Load() != nil {
		return // connected again: the keys are the same
	}
	s, err := shortcutOf(t.pc.SCTP().Transport(), t.client.Load(), t.heard)
	if err != nil {
		t.log.Debug("packets of voice are not taken off their socket", "error", err)
		return
	}
	t.short.Store(s)
}

// close ends the connection and waits for pion's goroutines, but not for ever.
func (t *transport) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = t.pc.GracefulClose()
	}()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}

// track is what pion sends. It does nothing but keep the writer: payload types,
// digits included, are the session's business.
type track struct {
	writer atomic.Pointer[webrtc.TrackLocalWriter]
}

// Bind implements webrtc.TrackLocal.
func (t *track) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	w := c.WriteStream()
	t.writer.Store(&w)
	if codecs := c.CodecParameters(); len(codecs) > 0 {
		return codecs[0], nil
	}
	return pionCodec(), nil
}

// Unbind implements webrtc.TrackLocal.
func (t *track) Unbind(webrtc.TrackLocalContext) error {
	t.writer.Store(nil)
	return nil
}

// ID implements webrtc.TrackLocal.
func (*track) ID() string { return "audio" }

// RID implements webrtc.TrackLocal.
func (*track) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (*track) StreamID() string { return "call" }

// Kind implements webrtc.TrackLocal.
func (*track) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

// inlet is where pion's SRTP puts the decrypted packets of one source. It takes
// the place of pion's buffers, so that packets of any source and payload type
// arrive, declared in SDP or not, without OnTrack.
type inlet struct {
	transport *transport
	rtcp      bool
}

// Write takes one packet.
func (i inlet) Write(packet []byte) (int, error) {
	t := i.transport
	switch s := t.short.Load(); {
	case i.rtcp:
		if l := t.owner.Load(); l != nil {
			(*l).onRTCP(packet, time.Now())
		}
	case s == nil || !s.proven.Load(): // else it has come the short way already
		t.heard(packet)
	}
	return len(packet), nil
}

// Read implements io.Reader for pion, which looks for tracks here: there are none.
func (inlet) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (inlet) Close() error { return nil }
