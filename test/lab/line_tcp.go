package lab

import (
	"encoding/binary"
	"net/netip"
	"os"
)

// firewall is what stands on a [Line] and knows its TCP connections. It is guarded by the
// line's lock.
type firewall struct {
	seen      map[tcpWay]tcpEnd
	forgotten map[tcpWay]bool
}

// tcpWay is one direction of a TCP connection.
type tcpWay struct{ from, to netip.AddrPort }

func (w tcpWay) back() tcpWay { return tcpWay{w.to, w.from} }

// tcpEnd is what the last packet said about the end that sent it.
type tcpEnd struct {
	expects uint32   // the number of the byte that this end waits for
	near    *os.File // the way to it
}

const (
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
)

// parseTCP finds the ends of a TCP packet over IPv4, what its sender waits for, and its flags.
func parseTCP(p []byte) (way tcpWay, ack uint32, flags byte, ok bool) {
	if len(p) < 40 || p[0]>>4 != 4 || p[9] != 6 {
		return way, 0, 0, false
	}
	t := p[int(p[0]&0x0f)*4:]
	if len(t) < 20 {
		return way, 0, 0, false
	}
	from, _ := netip.AddrFromSlice(p[12:16])
	to, _ := netip.AddrFromSlice(p[16:20])
	way = tcpWay{netip.AddrPortFrom(from, binary.BigEndian.Uint16(t)), netip.AddrPortFrom(to, binary.BigEndian.Uint16(t[2:]))}
	return way, binary.BigEndian.Uint32(t[8:]), t[13], true
}

// pass looks at a packet that came from one end, and reports whether it goes on.
func (f *firewall) pass(packet []byte, near *os.File) bool {
	way, ack, flags, ok := parseTCP(packet)
	if !ok {
		return true
	}
	if f.seen == nil {
		f.seen, f.forgotten = map[tcpWay]tcpEnd{}, map[tcpWay]bool{}
	}
	if flags&tcpSYN != 0 { // the beginning of a connection
		delete(f.forgotten, way)
		delete(f.forgotten, way.back())
	}
	if f.forgotten[way] {
		return false
	}
	if flags&(tcpFIN|tcpRST) != 0 {
		delete(f.seen, way)
		delete(f.seen, way.back())
		return true
	}
	f.seen[way] = tcpEnd{ack, near}
	return true
}

// Forget makes a firewall on the line forget all TCP connections: their packets are dropped
// without a word. New ones, from the same ports too, come through.
func (l *Line) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for way := range l.fire.seen {
		l.fire.forgotten[way] = true
	}
	clear(l.fire.seen)
}

// Reset ends all TCP connections of the line: both ends of each get a RST. It returns how many
// there were.
func (l *Line) Reset() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.fire.seen)
	for way, end := range l.fire.seen {
		_, _ = end.near.Write(rst(way.back(), end.expects))
	}
	clear(l.fire.seen)
	return (n + 1) / 2
}

// rst makes a packet that ends a connection (RFC 9293, 3.10.7.4).
func rst(way tcpWay, seq uint32) []byte {
	p := make([]byte, 40)
	from, to := way.from.Addr().As4(), way.to.Addr().As4()
	p[0], p[3], p[8], p[9] = 0x45, 40, 64, 6
	copy(p[12:], from[:])
	copy(p[16:], to[:])
	t := p[20:]
	binary.BigEndian.PutUint16(t, way.from.Port())
	binary.BigEndian.PutUint16(t[2:], way.to.Port())
	binary.BigEndian.PutUint32(t[4:], seq)
	t[12], t[13] = 5<<4, tcpRST
	binary.BigEndian.PutUint16(p[10:], ^sum16(p[:20], 0))
	binary.BigEndian.PutUint16(t[16:], ^sum16(t, uint32(sum16(p[12:20], 6+20)))) // with the pseudo header
	return p
}

// sum16 is the sum of RFC 1071, from a first term on.
func sum16(b []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
