package rtc

import (
	"crypto"
	_ "crypto/sha1"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pion/webrtc/v4"

	"intercomd/phone/rtc/sdpfix"
)

// Forms of session descriptions that somebody's peer has sent and somebody's telephone has
// stumbled over, each from a public report. A call with each of them must talk, whoever has
// sent it.
func TestFormsInTheField(t *testing.T) {
	all := func(pattern, with string) func(*testing.T, []byte, *Session) string {
		re := regexp.MustCompile(pattern)
		return func(t *testing.T, text []byte, _ *Session) string {
			if !re.Match(text) {
				t.Fatalf("no %q in\n%s", pattern, text)
			}
			return re.ReplaceAllString(string(text), with)
		}
	}
	// print rewrites the fingerprint, given the right one by another hash function.
	print := func(hash crypto.Hash, lines string) func(*testing.T, []byte, *Session) string {
		return func(t *testing.T, text []byte, from *Session) string {
			cert := from.current.Load().cert
			prints, err := cert.GetFingerprints()
			must(t, err)
			right := strings.ToUpper(prints[0].Value)
			if hash != 0 {
				h := hash.New()
				h.Write(certificateDER(t, cert))
				right = strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintf("% X", h.Sum(nil)), " ", ":"), ":")
			}
			lines := strings.NewReplacer("RIGHT", right, "right", strings.ToLower(right), "WRONG", "00"+right[2:]).Replace(lines)
			return regexp.MustCompile(`a=fingerprint:[^\r]*\r\n`).ReplaceAllLiteralString(string(text), lines)
		}
	}
	const candidate = `a=candidate:(\d+) 1 udp (\d+) (\S+) (\d+) typ host\r\n`
	for name, change := range map[string]func(t *testing.T, text []byte, from *Session) string{
		"as it is":                       all(`$`, ""),
		"line feeds only":                all("\r\n", "\n"),
		"carriage returns only":          all("\r\n", "\r"),
		"two carriage returns":           all("\r\n", "\r\r\n"),
		"blank lines, a NUL at the end":  all(`$`, "\r\n\x00"),
		"blank lines first":              all(`^v=0`, "\r\n\r\nv=0"),
		"attributes without value":       all("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=x-file-offset\r\na=\r\na=:\r\na=fmtp\r\na=rtpmap:\r\n"), // Janus 614
		"blanks after colons":            all(`a=(setup|ice-ufrag|ice-pwd|mid|candidate|fingerprint):`, "a=$1: "),
		"blanks before line ends":        all("\r\n", " \r\n"),
		"transport of the session":       all(`(?s)(a=msid-semantic:[^\r]*\r\n)(.*)(a=fingerprint:.*a=ice-pwd:[^\r]*\r\n)`, "$3$1$2"), // Firefox 54, RestComm 471
		"no mid, no group":               all(`a=(mid|group)[^\r]*\r\n`, ""),
		"hash in capitals":               print(0, "a=fingerprint:SHA-256 right\r\n"), // Asterisk, SIP.js 436
		"SHA-1":                          print(crypto.SHA1, "a=fingerprint:sha-1 RIGHT\r\n"),
		"SHA-224":                        print(crypto.SHA224, "a=fingerprint:sha-224 RIGHT\r\n"),
		"SHA-384":                        print(crypto.SHA384, "a=fingerprint:sha-384 RIGHT\r\n"),
		"SHA-512":                        print(crypto.SHA512, "a=fingerprint:sha-512 right\r\n"),
		"an unknown hash beside":         print(0, "a=fingerprint:sha3-256 RIGHT\r\na=fingerprint:sha-256 RIGHT\r\n"),
		"two certificates, the first":    print(0, "a=fingerprint:sha-256 RIGHT\r\na=fingerprint:sha-256 WRONG\r\n"),
		"an empty fingerprint beside":    print(0, "a=fingerprint:SHA-256 \r\na=fingerprint:SHA-256 RIGHT\r\n"), // Asterisk, dart-sip-ua 215
		"candidates over TCP":            all(candidate, "a=candidate:7 1 TCP 2105524479 $3 9 typ host tcptype active\r\na=candidate:7 1 tcp 1 $3 0 typ host tcptype so\r\n$0"),
		"extensions of candidates":       all(`typ host\r\n`, "typ host generation 0 ufrag EsAw network-id 1 network-cost 50 x\r\n"),
		"a zone in a candidate":          all(candidate, "a=candidate:2441 1 udp 659136 fe80::54a9:d238:b2ee:ceb%21 60720 typ host generation 0\r\n$0"), // pion 1315
		"a zone that makes no sense":     all(candidate, "a=candidate:2441 1 udp 659136 2001:db8::9%eth0 60720 typ host\r\n$0"),
		"strange foundations":            all(candidate, "a=candidate:host-1_$1.x 1 udp $2 $3 $4 typ host\r\n"),
		"long foundations":               all(candidate, "a=candidate:"+strings.Repeat("f", 40)+"$1 1 udp $2 $3 $4 typ host\r\n"),
		"candidates named twice":         all(candidate, "a=candidate:candidate:$1 1 udp $2 $3 $4 typ host\r\n"),
		"the same candidate again":       all(candidate, "$0$0$0"),
		"reflexive without its base":     all(candidate, "a=candidate:3 1 udp 1694498815 203.0.113.7 9999 typ srflx generation 0\r\n$0"), // sipML5 45
		"an unknown type of candidate":   all(candidate, "a=candidate:3 1 udp 1694498815 203.0.113.7 9999 typ moon\r\n$0"),
		"a name among the candidates":    all(candidate, "a=candidate:3 1 udp 1694498815 pbx.example.com 9999 typ host\r\n$0"),
		"priorities out of range":        all(candidate, "a=candidate:$1 1 udp 4294967295 $3 $4 typ host\r\n"),
		"priority 0":                     all(candidate, "a=candidate:$1 1 udp 0 $3 $4 typ host\r\n"),
		"a mapped address":               all(`(udp \d+) 10\.`, "$1 ::ffff:10."),
		"port 9 and no address":          all(`(?s)m=audio \d+ (.*?)c=IN IP4 \S+`, "m=audio 9 ${1}c=IN IP4 0.0.0.0"),
		"a name as address":              all(`c=IN IP4 \S+`, "c=IN IP4 pbx.example.com"),
		"RTCP by itself":                 all(`a=rtcp-mux\r\n`, "a=rtcp:4711 IN IP4 192.0.2.1\r\n"),
		"trickle, with nothing to come":  all(`a=end-of-candidates\r\n`, "a=ice-options:trickle ice2 renomination\r\n"),
		"plain profile, in earnest DTLS": all(`UDP/TLS/RTP/SAVPF`, "RTP/AVP"), // RFC 8829 §5.1.2
		"feedback profile":               all(`UDP/TLS/RTP/SAVPF`, "RTP/AVPF"),
		"secure profile":                 all(`UDP/TLS/RTP/SAVPF`, "RTP/SAVP"),
		"profile of TCP":                 all(`UDP/TLS/RTP/SAVPF`, "TCP/DTLS/RTP/SAVPF"),
		"keys of SDES beside":            all(`a=rtcp-mux\r\n`, "a=rtcp-mux\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"),
		"setup is not said":              all(`a=setup:[^\r]*\r\n`, ""),
		"a message session first":        all(`m=audio`, "m=message 2855 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.38:2855/da0f;tcp\r\nm=audio"), // Janus 614
		"plain audio first":              all(`m=audio`, "m=audio 4000 RTP/AVP 8\r\na=sendrecv\r\nm=audio"),
	} {
		for _, who := range []string{"offer", "answer"} {
			t.Run(name+"/"+who, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newLAN()
					a := testSession(t, lanFactory(t, n.host("10.0.0.1")))
					b := testSession(t, lanFactory(t, n.host("10.0.0.2")))
					offer, err := a.Offer()
					must(t, err)
					if who == "offer" {
						offer = []byte(change(t, offer, a))
					}
					answer, err := b.Answer(offer)
					must(t, err)
					if who == "answer" {
						answer = []byte(change(t, answer, b))
					}
					must(t, a.Accept(answer))
					heard(t, a, b, 1)
					heard(t, b, a, 2)
				})
			})
		}
	}
}

// What Parse takes, pion takes as well: nothing of the far end's description that we can do
// without may cost the call.
func FuzzAnswer(f *testing.F) {
	good := `v=0
o=FreeSWITCH 1 2 IN IP4 192.0.2.1
s=FreeSWITCH
c=IN IP4 192.0.2.1
t=0 0
a=group:BUNDLE 0
m=audio 17436 UDP/TLS/RTP/SAVPF 0
a=mid:0
a=fingerprint:sha-256 00:43:51:89:31:A0:FE:67:50:BE:62:93:1D:AD:86:33:85:2F:2E:5F:2F:15:9C:71:C4:44:31:C8:53:33:FE:C1
a=setup:actpass
a=ice-ufrag:dwxevBp52Ec5l0nS
a=ice-pwd:30nK1THockZa4DW75JHcZdeN
a=candidate:7968229926 1 udp 2130706431 192.0.2.1 17436 typ host generation 0
a=candidate:1 1 udp 1 fd00::7 9 typ srflx raddr :: rport 0
`
	f.Add([]byte(good))
	f.Add([]byte(strings.ReplaceAll(good, "actpass", "holdconn")))
	recorded, _ := filepath.Glob("sdpfix/testdata/*-offer.sdp")
	for _, name := range recorded[:min(len(recorded), 5)] {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := sdpfix.Parse(text)
		if err != nil {
			return
		}
		if _, err := fromOffer(fuzzFormats(t), d); err != nil {
			return
		}
		s := testSession(t, lanFactory(t, newLAN().host("10.0.0.1")))
		if _, err := s.Answer(text); err != nil {
			t.Errorf("%v\n%s", err, sdpfix.ForPion(d))
		}
	})
}

func fuzzFormats(t *testing.T) []sdpfix.Format {
	formats, err := ourFormats([]string{"opus", "PCMU", "PCMA"})
	must(t, err)
	return formats
}

// certificateDER is the certificate that peers hash.
func certificateDER(t *testing.T, c *webrtc.Certificate) []byte {
	text, err := c.PEM()
	must(t, err)
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("no certificate")
		} else if block.Type == "CERTIFICATE" {
			if der, err := base64.StdEncoding.DecodeString(string(block.Bytes)); err == nil {
				return der // pion's PEM has base64 twice
			}
			return block.Bytes
		}
	}
}
