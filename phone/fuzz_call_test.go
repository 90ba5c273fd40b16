package phone

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"intercomd/phone/siptest"
	phonews "intercomd/phone/ws"
)

// FuzzInCall feeds messages to a call that the phone has begun. In the input, words in
// braces stand for what only the INVITE tells: {via}, {from}, {tag}, {id}, {seq}, {uri};
// a line with nothing but "%%" is between two messages.
func FuzzInCall(f *testing.F) {
	const (
		head = "Via: {via}\r\nFrom: {from}\r\nTo: <sip:1001@pbx>;tag=9\r\nCall-ID: {id}\r\nCSeq: {seq} INVITE\r\nContact: <sip:1001@192.0.2.1;transport=ws>\r\n"
		end  = "Content-Length: 0\r\n\r\n"
		body = "Content-Type: application/sdp\r\nContent-Length: 10\r\n\r\nv=0 early\n"
		ok   = "SIP/2.0 200 OK\r\n" + head + body
		in   = " {uri} SIP/2.0\r\nVia: SIP/2.0/WSS h;branch=z9hG4bK7\r\nFrom: <sip:1001@pbx>;tag=9\r\nTo: {from}\r\nCall-ID: {id}\r\nContact: <sip:1001@192.0.2.1>\r\n"
		next = "\r\n%%\r\n"
	)
	for _, seed := range []string{
		"SIP/2.0 180 Ringing\r\n" + head + end + next + ok,
		"SIP/2.0 183 Progress\r\n" + head + "Require: 100rel\r\nRSeq: 7\r\n" + body + next + ok,
		"SIP/2.0 302 Moved\r\n" + head + end,
		"SIP/2.0 407 Proxy Authentication Required\r\n" + head + "Proxy-Authenticate: Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256, qop=\"auth\"\r\n" + end,
		"SIP/2.0 422 Too Small\r\n" + head + "Min-SE: 300\r\n" + end,
		"SIP/2.0 486 Busy Here\r\n" + head + "Reason: Q.850;cause=17;text=\"busy\"\r\n" + end,
		ok + next + ok + next + strings.Replace(ok, "tag=9", "tag=10", 1),
		ok + next + "BYE" + in + "CSeq: 2 BYE\r\nReason: SIP;cause=200\r\n" + end,
		ok + next + "INVITE" + in + "CSeq: 2 INVITE\r\nSession-Expires: 90;refresher=uac\r\n" + body + next + "ACK" + in + "CSeq: 2 ACK\r\n" + end,
		ok + next + "UPDATE" + in + "CSeq: 2 UPDATE\r\n" + end,
		ok + next + "INFO" + in + "CSeq: 2 INFO\r\nContent-Type: application/dtmf-relay\r\nContent-Length: 23\r\n\r\nSignal=5\r\nDuration=160\r\n",
		ok + next + "REFER" + in + "CSeq: 2 REFER\r\nRefer-To: <sip:1002@pbx?Replaces=a%3Bto-tag%3Db>\r\n" + end,
		ok + next + "NOTIFY" + in + "CSeq: 2 NOTIFY\r\nEvent: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\nContent-Length: 16\r\n\r\nSIP/2.0 200 OK\r\n",
		ok + next + "OPTIONS" + in + "CSeq: 2 OPTIONS\r\n" + end,
		ok + next + "MESSAGE" + in + "CSeq: 2 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi",
	} {
		f.Add(seed)
	}
	f.Fuzz(inCall)
}

// inCall begins a call, feeds it messages, and switches the phone off.
func inCall(t *testing.T, input string) {
	near, far := net.Pipe()
	sent := make(chan string, 1)
	peer := make(chan struct{})
	go func() { defer close(peer); firstMessage(far, sent) }()
	ua, err := New(Config{Servers: []string{"ws://127.0.0.1:1"}, User: "1000", Owner: newFakeMedia(), Transfers: TransfersByPartner})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := phonews.Dial(t.Context(), "ws://127.0.0.1:1", phonews.Options{
		PingEvery: -1, NetDial: func(context.Context, string, string, netip.AddrPort) (net.Conn, error) { return near, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	broken := &brokenLog{}
	fl := newFlow(conn, ua.servers[0], "h.invalid", "fuzz", ua, &ua.trace, slog.New(slog.NewTextHandler(broken, nil)))
	fl.registered.Store(true)
	ua.flow.Store(fl)
	ua.Dial("1001", newFakeMedia().listen())
	m := siptest.Parse(<-sent)
	fill := strings.NewReplacer("{via}", m.Get("Via"), "{from}", m.Get("From"), "{tag}", siptest.Tag(m.Get("From")), "{id}", m.Get("Call-ID"),
		"{seq}", "1", "{uri}", siptest.URIOf(m.Get("Contact")))
	start := time.Now()
	for message := range strings.SplitSeq(fill.Replace(input), "\r\n%%\r\n") {
		fl.receive([]byte(message))
	}
	ua.endCalls(nil)
	fl.close()
	ua.wg.Wait()
	_ = far.Close()
	<-peer
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	if broken.seen {
		t.Error("a message broke the phone")
	}
}

// firstMessage plays a server that tells the first message that it gets and drops the rest.
func firstMessage(c net.Conn, first chan<- string) {
	up := ws.Upgrader{Protocol: func([]byte) bool { return true }}
	if _, err := up.Upgrade(c); err != nil {
		return
	}
	for {
		h, err := ws.ReadHeader(c)
		if err != nil {
			return
		}
		data := make([]byte, h.Length)
		if _, err := io.ReadFull(c, data); err != nil {
			return
		}
		ws.Cipher(data, h.Mask, 0)
		select {
		case first <- string(data):
		default:
		}
	}
}
