package phone

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
	"intercomd/phone/ws"
)

// Over real sockets, however the connection ends: the door comes back from its old port, and
// the BYE that the server sends to that port arrives.
func TestOldPortOverTCP(t *testing.T) {
	pki := siptest.NewPKI(t)
	for name, end := range map[string]func(*siptest.Conn){
		"RST": (*siptest.Conn).Reset,
		"FIN": (*siptest.Conn).Kill,
		"CLOSE frame": func(c *siptest.Conn) {
			c.Frame(8, []byte{0x03, 0xe9}) // 1001, going away
			c.Kill()
		},
		"silence": func(c *siptest.Conn) { c.Silence() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := siptest.New(t, siptest.Options{TLS: siptest.TLS(pki.Issue(nil)), Password: "secret"})
			// From an address that nobody else on this machine uses: another program might take the port meanwhile.
			port := netip.MustParseAddrPort(strings.TrimPrefix(srv.URL(), "wss://")).Port()
			own := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(port >> 8), byte(port)}), 0)
			s := begin(t, srv, func(c *Config) {
				c.RootCAs = pki.Pool
				c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
					if !from.IsValid() {
						from = own
					}
					return ws.DialTCP(ctx, network, addr, from)
				}
			})
			s.conn = srv.Conn()
			s.state(Registered)
			c, leg := s.talk()
			for range 5 {
				old := s.conn.Addr()
				end(s.conn)
				if name == "silence" { // what a packet out of time would show
					s.ua.flow.Load().conn.Probe(time.Millisecond)
				}
				s.welcome(leg, true)
				if now := s.conn.Addr(); now != old {
					t.Errorf("back from %s, was at %s", now, old)
				}
			}
			leg.Request("BYE")
			s.conn.ExpectStatus("BYE", 200)
			s.ended(c, HungUp, 0)
			<-c.gone
			old := s.conn.Addr()
			s.conn.Reset() // without a call any port will do
			s.conn = srv.Conn()
			s.state(Registered)
			t.Logf("without a call: from %s to %s", old, s.conn.Addr())
			s.quit()
		})
	}
}
