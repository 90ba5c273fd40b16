package locate

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	oneTry     = 400 * time.Millisecond // before the next name server is asked
	maxServers = 3
)

var errAnswer = errors.New("not the answer to the question")

// systemServers are the name servers that /etc/resolv.conf names; without any it is one
// on this machine (resolv.conf(5)). It is read each time: a lease may bring new ones.
func systemServers() []netip.AddrPort {
	text, _ := os.ReadFile("/etc/resolv.conf")
	out := nameServers(string(text))
	if len(out) == 0 {
		out = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return out
}

func nameServers(text string) (out []netip.AddrPort) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(out) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53))
		}
	}
	return out
}

// query asks the servers in turn, twice, until one has an answer; nil if none has.
func query(ctx context.Context, servers []netip.AddrPort, name string, kind dnsmessage.Type) *dnsmessage.Message {
	question, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil
	}
	q := dnsmessage.Question{Name: question, Type: kind, Class: dnsmessage.ClassINET}
	for range 2 {
		for _, s := range servers {
			m, err := ask(ctx, s, q)
			switch {
			case ctx.Err() != nil:
				return nil
			case err == nil && m.RCode == dnsmessage.RCodeSuccess:
				return m
			case err == nil && m.RCode == dnsmessage.RCodeNameError:
				return nil
			}
		}
	}
	return nil
}

// ask puts a question to one server, by UDP, and by TCP if the answer is too long.
func ask(ctx context.Context, server netip.AddrPort, q dnsmessage.Question) (*dnsmessage.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	m, err := exchange(ctx, "udp", server, q)
	if err == nil && m.Truncated {
		return exchange(ctx, "tcp", server, q)
	}
	return m, err
}

func exchange(ctx context.Context, network string, server netip.AddrPort, q dnsmessage.Question) (*dnsmessage.Message, error) {
	id := uint16(rand.Uint32()) //nolint:gosec // the port of the socket is unpredictable too, and nothing is trusted
	packet, err := packed(id, q)
	if err != nil {
		return nil, err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	if _, err := c.Write(packet); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := receive(c, network, buf)
		if err != nil {
			return nil, err
		}
		if m, err := parse(buf[:n], id, q); err == nil || network == "tcp" {
			return m, err
		} // else a stray datagram: ours may still come
	}
}

func receive(c net.Conn, network string, buf []byte) (int, error) {
	if network == "udp" {
		return c.Read(buf)
	}
	if _, err := io.ReadFull(c, buf[:2]); err != nil {
		return 0, err
	}
	return io.ReadFull(c, buf[:binary.BigEndian.Uint16(buf[:2])])
}

// packed is a question without extensions, which old routers refuse: an answer of more
// than 512 bytes comes by TCP.
func packed(id uint16, q dnsmessage.Question) ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	return m.Pack()
}

// parse reads an answer: it must be one to this very question.
func parse(packet []byte, id uint16, q dnsmessage.Question) (*dnsmessage.Message, error) {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil {
		return nil, err
	}
	asked, err := p.AllQuestions()
	if err != nil {
		return nil, err
	}
	if h.ID != id || !h.Response || len(asked) != 1 || asked[0].Type != q.Type || !strings.EqualFold(asked[0].Name.String(), q.Name.String()) {
		return nil, errAnswer
	}
	m := &dnsmessage.Message{Header: h, Questions: asked}
	for len(m.Answers) < 64 {
		a, err := p.Answer()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return m, nil
		case err != nil && h.Truncated:
			return m, nil // TCP has it whole
		case err != nil:
			return nil, err
		}
		m.Answers = append(m.Answers, a)
	}
	return m, nil
}
