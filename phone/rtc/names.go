package rtc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/mdns/v2"
	"github.com/pion/webrtc/v4"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"

	"intercomd/phone/rtc/sdpfix"
)

// Bounds on looking for the names of the far end's candidates.
const (
	seekLimit = 2500 * time.Millisecond // pion asks again every second
	maxNames  = 4                       // of one description
)

// finder looks for the addresses of names on the link (RFC 6762) until its context ends,
// and tells each that it finds. It may tell from several goroutines.
type finder func(ctx context.Context, n network, names []string, tell func(name string, a netip.Addr))

// seek looks for the addresses behind the far end's names (RFC 8828, 5: browsers hide
// theirs) while the connection comes up, and adds them to its candidates. Most calls come
// up without: it is enough that the far end reaches us. The caller holds s.mu.
func (s *Session) seek(d *sdpfix.Description) {
	names := linkNames(d.ICE.Names)
	t := s.current.Load()
	if len(names) == 0 || s.seeking || t.state() == webrtc.PeerConnectionStateConnected {
		return
	}
	n := *t.where.Load()
	s.seeking = true
	s.wait.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, seekLimit)
		defer cancel()
		s.f.find(ctx, n, names, func(name string, a netip.Addr) { s.found(t, d, n, name, a) })
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seeking = false
	})
}

// found adds the candidates with a name that turned out to be this address.
func (s *Session) found(t *transport, d *sdpfix.Description, n network, name string, a netip.Addr) {
	if !n.onLink(a) {
		s.log.Debug("a name of the far end resolves outside the local network", "name", name, "address", a)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.current.Load() != t || s.remote == nil || s.remote.ICE.Ufrag != d.ICE.Ufrag {
		return
	}
	for _, c := range d.ICE.Names {
		if !strings.EqualFold(c.Host, name) {
			continue
		}
		c.Addr, c.Host = a, ""
		if err := t.addCandidate(c); err != nil {
			s.log.Debug("a candidate of the far end cannot be used", "candidate", c.String(), "error", err)
		}
	}
	s.quicken()
}

// linkNames are the names to look for: those that look like names, each once.
func linkNames(candidates []sdpfix.Candidate) (out []string) {
	known := map[string]bool{}
	for _, c := range candidates {
		name := strings.ToLower(c.Host)
		odd := strings.ContainsFunc(name, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
		})
		if odd || known[name] || strings.Contains(name, "..") || len(out) == maxNames {
			continue
		}
		known[name] = true
		out = append(out, name)
	}
	return out
}

// onLink reports whether an address is that of a neighbour, or of this machine.
func (n network) onLink(a netip.Addr) bool {
	for _, p := range n.nets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// findNames is the finder over multicast DNS, on the interfaces that calls use.
func (f *Factory) findNames(ctx context.Context, n network, names []string, tell func(string, netip.Addr)) {
	c, err := f.multicast(n)
	if err != nil {
		f.log.Debug("mDNS names cannot be looked up", "error", err)
		return
	}
	defer func() { _ = c.Close() }()
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			if _, a, err := c.QueryAddr(ctx, name); err == nil {
				tell(name, a.Unmap().WithZone(""))
			}
		})
	}
	wg.Wait()
}

// multicast opens a connection for questions. IPv4 alone: a link without it has no names
// that would be worth a second socket.
func (f *Factory) multicast(n network) (*mdns.Conn, error) {
	var on []net.Interface
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("reading the network interfaces: %w", err)
	}
	for _, i := range all {
		if len(n.addrs[i.Name]) > 0 {
			on = append(on, i)
		}
	}
	group, err := net.ResolveUDPAddr("udp4", mdns.DefaultAddressIPv4)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUDP("udp4", group)
	if err != nil {
		return nil, fmt.Errorf("listening for multicast DNS: %w", err)
	}
	c, err := mdns.NewServer(ipv4.NewPacketConn(l), nil, mdns.WithInterfaces(on...), mdns.WithIncludeLoopback(f.conf.IncludeLoopback),
		mdns.WithRecordTypes(dnsmessage.TypeA, dnsmessage.TypeAAAA), mdns.WithCacheRefresh(false), mdns.WithLoggerFactory(pionLogs{f.log}))
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("joining multicast DNS: %w", err)
	}
	return c, nil
}
