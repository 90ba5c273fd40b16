package rtc

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/webrtc/v4"
)

const (
	replayWindow = 64          // packets, as pion's own (RFC 3711 section 3.3.2)
	showAgain    = time.Second // pion is shown a packet so often: it takes a far end of which nothing comes for gone
	misses       = 16          // packets by which keys are known to be the wrong ones
	usual        = 2048        // bytes: larger datagrams come in pieces, if at all, and cost an allocation
)

// shortcut opens packets of voice where they are read from the network. In pion they pass three goroutines
// on their way (of ICE, of the multiplexer, of SRTP), each of which wakes another thread that finds nothing
// to do: a hundred wake-ups a second of a call (docs/benchmarks.md). RTCP, DTLS and ICE are pion's as ever.
//
// Each socket's goroutine calls take; a mutex guards all but proven.
type shortcut struct {
	deliver func(packet []byte)
	// proven means that a packet was opened, and that pion's way is no longer that of any.
	proven atomic.Bool

	mu     sync.Mutex
	far    *srtp.Context // what the far end sends, by its keys; nil: these were the wrong ones
	missed int
	shown  time.Time // the last packet that pion was shown
	header rtp.Header
	clear  [usual]byte
}

// shortcutOf is the shortcut of a connected transport, in whose DTLS we have been client or server.
func shortcutOf(t *webrtc.DTLSTransport, client bool, deliver func(packet []byte)) (*shortcut, error) {
	k, err := keysOf(t, client)
	if err != nil {
		return nil, err
	}
	return newShortcut(k, deliver)
}

func newShortcut(k srtp.Config, deliver func([]byte)) (*shortcut, error) {
	far, err := srtp.CreateContext(k.Keys.RemoteMasterKey, k.Keys.RemoteMasterSalt, k.Profile, srtp.SRTPReplayProtection(replayWindow))
	if err != nil {
		return nil, fmt.Errorf("a key of SRTP: %w", err)
	}
	return &shortcut{deliver: deliver, far: far}, nil
}

// take opens a datagram if it is a packet of voice, and reports whether pion shall not see it. Packets
// that were changed, made up or sent again end here.
func (s *shortcut) take(b []byte, now time.Time) bool {
	if !isRTP(b) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.far == nil {
		return false
	}
	packet, err := s.far.DecryptRTP(s.clear[:0], b, &s.header)
	if err != nil {
		if s.proven.Load() {
			return true
		}
		if s.missed++; s.missed == misses {
			s.far = nil
		}
		return false
	}
	s.proven.Store(true)
	s.deliver(packet)
	if now.Sub(s.shown) < showAgain {
		return true
	}
	s.shown = now
	return false
}

// isRTP tells RTP from STUN, DTLS (RFC 7983) and RTCP (RFC 5761 section 4).
func isRTP(b []byte) bool {
	return len(b) > 1 && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223)
}

// keysOf are the keys of SRTP that a connected transport has agreed on (RFC 5764 section 4.2). pion's
// webrtc has no way to ask for them (v4.2.20), so they are asked from the connection that it keeps; where
// that is not what it was, packets go pion's way. client is our role in DTLS.
func keysOf(t *webrtc.DTLSTransport, client bool) (srtp.Config, error) {
	if t.State() != webrtc.DTLSTransportStateConnected { // by its lock, under which the connection was kept
		return srtp.Config{}, fmt.Errorf("DTLS is %s", t.State())
	}
	f := reflect.ValueOf(t).Elem().FieldByName("conn")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*dtls.Conn]() {
		return srtp.Config{}, errors.New("pion keeps its connection elsewhere")
	}
	conn := *(**dtls.Conn)(unsafe.Pointer(f.UnsafeAddr())) //nolint:gosec // of the type that was looked for
	if conn == nil {
		return srtp.Config{}, errors.New("pion has no connection")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return srtp.Config{}, errors.New("the connection has no state")
	}
	k := srtp.Config{}
	switch p, _ := conn.SelectedSRTPProtectionProfile(); p {
	case dtls.SRTP_AES128_CM_HMAC_SHA1_80:
		k.Profile = srtp.ProtectionProfileAes128CmHmacSha1_80
	case dtls.SRTP_AEAD_AES_128_GCM:
		k.Profile = srtp.ProtectionProfileAeadAes128Gcm
	default:
		return srtp.Config{}, fmt.Errorf("SRTP profile %#x", uint16(p))
	}
	if err := k.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		return srtp.Config{}, fmt.Errorf("keys of SRTP: %w", err)
	}
	return k, nil
}
