package ws

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestAddressGone(t *testing.T) {
	list := func(texts ...string) func() ([]net.Addr, error) {
		var out []net.Addr
		for _, text := range texts {
			ip, n, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return func() ([]net.Addr, error) { return out, nil }
	}
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 5} }
	pipe, _ := net.Pipe()
	for name, tc := range map[string]struct {
		local net.Addr
		all   func() ([]net.Addr, error)
		want  bool
	}{
		"still there":      {tcp("192.0.2.1"), list("127.0.0.1/8", "192.0.2.1/24"), false},
		"another one":      {tcp("192.0.2.1"), list("127.0.0.1/8", "192.0.2.7/24"), true},
		"none at all":      {tcp("192.0.2.1"), list("127.0.0.1/8"), false},
		"only of the link": {tcp("192.0.2.1"), list("127.0.0.1/8", "fe80::1/64"), false},
		"IPv6, there":      {tcp("2001:db8::1"), list("2001:db8::1/64", "192.0.2.7/24"), false},
		"IPv6, gone":       {tcp("2001:db8::1"), list("2001:db8::2/64"), true},
		"loopback":         {tcp("127.0.0.9"), list("127.0.0.1/8", "192.0.2.7/24"), false},
		"no address":       {pipe.LocalAddr(), list("192.0.2.7/24"), false},
		"not to be had":    {tcp("192.0.2.1"), func() ([]net.Addr, error) { return nil, errors.New("no") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if addressGone(tc.local, tc.all) != tc.want {
				t.Errorf("gone: %t", !tc.want)
			}
		})
	}
}

// addressed is one end of a pipe that has an address.
type addressed struct {
	net.Conn
	addr net.Addr
}

func (a addressed) LocalAddr() net.Addr { return a.addr }

// A new address is noticed within seconds, not after the next PING.
func TestMovedIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		o := Options{Addresses: func() ([]net.Addr, error) {
			return []net.Addr{&net.IPNet{IP: net.IPv4(192, 0, 2, 7), Mask: net.CIDRMask(24, 32)}}, nil
		}}
		c := newConn(addressed{near, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}}, nil, o.withDefaults())
		start := time.Now()
		<-c.Failed()
		if d := time.Since(start); d > 2*time.Second || !errors.Is(c.Err(), ErrMoved) {
			t.Errorf("%v after %v", c.Err(), d)
		}
		_ = c.Close()
		_ = far.Close()
	})
}
