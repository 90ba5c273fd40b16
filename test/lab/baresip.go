package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Baresip is a running baresip, the yardstick for the cost of a call. It speaks
// SIP over TCP to the same server, and ICE, DTLS-SRTP and Opus to the far end.
type Baresip struct {
	*Proc
	Version string // as it says itself
	Heard   Dump   // without a sound card
	ctrl    string
}

var baresipVersion = regexp.MustCompile(`baresip v([0-9.]+)`)

// BaresipConfig says what is particular about a baresip.
type BaresipConfig struct {
	User     string
	Card     string    // its sound card; "" for none: it says Tone, and Heard is what it hears
	Tone     float64   // Hz
	Kamailio *Kamailio // where it registers
	Codecs   string    // such as "pcmu,pcma"
	Plain    bool      // plain RTP without ICE, as old telephones speak it
}

// StartBaresip starts baresip as user with the sound card of that name and
// returns when it is registered.
func (s *Site) StartBaresip(ctx context.Context, user, card string) (*Baresip, error) {
	return s.StartBaresipWith(ctx, BaresipConfig{User: user, Card: card, Kamailio: s.Kamailio, Codecs: "opus/48000/2,pcmu,pcma"})
}

// StartBaresipWith is StartBaresip with everything that can be said. It answers
// every call at once. There is one at a time.
func (s *Site) StartBaresipWith(ctx context.Context, bc BaresipConfig) (*Baresip, error) {
	dir, user := filepath.Join(s.Dir, "baresip-"+bc.User), bc.User
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start baresip: %w", err)
	}
	// ALSA's way to PulseAudio can stop a baresip for good: only where it matters.
	source, player, modules, channels := fmt.Sprintf("ausine,%.0f", bc.Tone), "aubridge,ear", "module ausine.so\nmodule aubridge.so\nmodule sndfile.so\n", 2
	var env []string
	if bc.Card != "" {
		c := s.Pulse.Card(bc.Card)
		source, player, modules, channels, env = "alsa,"+c.Mic(), "alsa,"+c.Speaker(), "module alsa.so\n", 1, c.Env()
	}
	ctrl := net.JoinHostPort(s.Address, "4444")
	config := fmt.Sprintf(`poll_method epoll
sip_listen %[1]s:0
call_local_timeout 120
audio_buffer 20-160
audio_source %[2]s
audio_player %[3]s
audio_alert aufile,/dev/null
ausrc_srate 48000
auplay_srate 48000
ausrc_channels %[5]d
auplay_channels %[5]d
rtp_ports 30000-30100
rtcp_mux yes
jitter_buffer_delay 2-5
module_path /usr/lib/baresip/modules
module opus.so
module g711.so
%[6]smodule stun.so
module turn.so
module ice.so
module srtp.so
module dtls_srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %[4]s
snd_path %[7]s
opus_bitrate 32000
opus_inbandfec yes
`, s.Address, source, player, ctrl, channels, modules, dir)
	account := fmt.Sprintf("<sip:%s@%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s:%d;transport=tcp\";regint=300;answermode=auto;"+
		"audio_codecs=%s", user, Domain, user, Password(user), s.Address, bc.Kamailio.Config.SIPPort, bc.Codecs)
	if !bc.Plain {
		account += ";medianat=ice;mediaenc=dtls_srtp"
	}
	for name, text := range map[string]string{"config": config, "accounts": account + "\n", "contacts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start baresip: %w", err)
		}
	}
	begin := time.Now()
	p, err := Start(Spec{Name: "baresip", Args: []string{Tool("baresip"), "-4", "-f", dir}, Env: env})
	if err != nil {
		return nil, err
	}
	s.Defer(func() { _ = p.Stop(2 * time.Second) })
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	registered := func() error {
		// Challenge, then credentials; the second is answered by 200.
		if bc.Kamailio.Count(begin, func(m Message) bool { return m.Method == "REGISTER" && m.From == user }) < 2 {
			return fmt.Errorf("it did not register; it says:\n%s", p.Tail(20))
		}
		return nil
	}
	if err := Poll(ctx, registered); err != nil {
		return nil, fmt.Errorf("start baresip: %w", err)
	}
	b := &Baresip{Proc: p, ctrl: ctrl, Heard: Dump{dir}}
	if m := baresipVersion.FindStringSubmatch(strings.Join(p.Output(), "\n")); m != nil {
		b.Version = m[1]
	}
	return b, nil
}

// Command gives baresip a command, such as "dial" with a SIP URI, or "hangup".
func (b *Baresip) Command(ctx context.Context, command, params string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.ctrl)
	if err != nil {
		return fmt.Errorf("baresip %s: %w", command, err)
	}
	defer func() { _ = conn.Close() }()
	msg, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		return fmt.Errorf("baresip %s: %w", command, err)
	}
	// A netstring each way.
	if _, err := fmt.Fprintf(conn, "%d:%s,", len(msg), msg); err != nil {
		return fmt.Errorf("baresip %s: %w", command, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	// Events may come before the response.
	var got []byte
	for !bytes.Contains(got, []byte(`"response":true`)) {
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("baresip %s: %w after %q", command, err, got)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Contains(got, []byte(`"ok":true`)) {
		return fmt.Errorf("baresip %s: %s", command, got)
	}
	return nil
}
