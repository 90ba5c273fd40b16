package ws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A name may have several machines behind it. The certificate must be for the name, not
// for the machine: what DNS says is nobody's word.
func TestTargets(t *testing.T) {
	p := newPKI(t)
	named := func(name string) tls.Certificate {
		return p.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{name} })
	}
	good := listen(t, upgradeTLS(named("pbx.test")))
	machine := listen(t, upgradeTLS(named("a.pbx.test")))
	mute := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	closed := listen(t, func(net.Conn) {})
	for name, tc := range map[string]struct {
		targets string
		avoid   string
		want    string // the target that is connected to
		others  bool
		cause   Cause
	}{
		"one":                        {good, "", good, false, ""},
		"the second":                 {closed + " " + good, "", good, true, ""},
		"the first never speaks":     {mute + " " + good, "", good, true, ""},
		"the first has another name": {machine + " " + good, "", good, true, ""},
		"named as the machine":       {machine, "", "", false, WrongHost},
		"none works":                 {closed + " " + mute, "", "", false, TimedOut},
		"avoided, but the only one":  {good, good, good, false, ""},
		"avoided":                    {mute + " " + good, mute, good, true, ""},
		"avoided is tried last":      {good + " " + closed, good, good, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{RootCAs: p.pool, HandshakeTimeout: 5 * time.Second, Avoid: tc.avoid, Locate: func(_ context.Context, host string) []string {
				if host != "pbx.test" {
					t.Errorf("looked for %s", host)
				}
				return strings.Fields(tc.targets)
			}}
			if strings.Contains(tc.targets, mute) && tc.avoid == "" {
				o.HandshakeTimeout = 500 * time.Millisecond
			}
			c, err := Dial(t.Context(), "wss://pbx.test/ws", o)
			var de *DialError
			if errors.As(err, &de) && de.Cause == tc.cause && tc.cause != "" {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			target, others := c.Target()
			_ = c.Close()
			if target != tc.want || others != tc.others {
				t.Errorf("connected to %s, others %t", target, others)
			}
		})
	}
}

// What is connected to when there is nothing to look up, or nothing is found.
func TestTargetsWithoutDNS(t *testing.T) {
	stop := errors.New("far enough")
	for url, want := range map[string]string{
		"wss://pbx.test":            "located pbx.test:443",
		"wss://pbx.test:7443":       "pbx.test:7443",
		"wss://192.0.2.1":           "192.0.2.1:443",
		"wss://[2001:db8::1]":       "[2001:db8::1]:443",
		"wss://[2001:db8::1]:7443":  "[2001:db8::1]:7443",
		"wss://[fe80::1%25eth0]/ws": "[fe80::1%eth0]:443",
		"ws://localhost":            "localhost:80",
		"ws://127.0.0.1:5066":       "127.0.0.1:5066",
	} {
		var got []string
		_, err := Dial(t.Context(), url, Options{
			Locate: func(context.Context, string) []string { got = append(got, "located"); return nil },
			NetDial: func(_ context.Context, _, address string, _ netip.AddrPort) (net.Conn, error) {
				got = append(got, address)
				return nil, stop
			},
		})
		if !errors.Is(err, stop) || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s; %v", url, got, want, err)
		}
	}
}

// A target that is waited for in vain leaves time for the next one.
func TestTargetsInTime(t *testing.T) {
	threeMute(t, func(t *testing.T, dials *[]string, o Options) {
		start := time.Now()
		_, err := Dial(t.Context(), "wss://pbx.test", o)
		var de *DialError
		if !errors.As(err, &de) || de.Cause != TimedOut || len(*dials) != 3 {
			t.Errorf("%v after %v", err, *dials)
		}
		if d := time.Since(start); d != 2*hurryTimeout+o.HandshakeTimeout {
			t.Errorf("took %v", d)
		}
		if !slices.Equal(*dials, []string{"a:1", "b:1", "c:1"}) {
			t.Errorf("%v", *dials)
		}
	})
}

// threeMute runs a story in fake time with three targets that take connections and never
// speak.
func threeMute(t *testing.T, story func(t *testing.T, dials *[]string, o Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var dials []string
		var ends []net.Conn
		story(t, &dials, Options{
			HandshakeTimeout: DefaultHandshakeTimeout,
			Locate:           func(context.Context, string) []string { return []string{"a:1", "b:1", "c:1"} },
			NetDial: func(_ context.Context, _, address string, _ netip.AddrPort) (net.Conn, error) {
				dials = append(dials, address)
				near, far := net.Pipe()
				ends = append(ends, far)
				go func() { _, _ = io.Copy(io.Discard, far) }()
				return near, nil
			},
		})
		for _, c := range ends {
			_ = c.Close()
		}
	})
}

// Names are asked for in the form that DNS and certificates know.
func TestNamesOfOtherScripts(t *testing.T) {
	stop := errors.New("enough")
	for url, want := range map[string]string{
		"wss://tür.example.org:7443": "xn--tr-xka.example.org:7443", "wss://電話.jp": "xn--722ax0w.jp:443", "wss://tür.example.org/ws": "xn--tr-xka.example.org:443",
	} {
		var located, dialled string
		_, err := Dial(t.Context(), url, Options{
			Locate: func(_ context.Context, host string) []string { located = host; return nil },
			NetDial: func(_ context.Context, _, address string, _ netip.AddrPort) (net.Conn, error) {
				dialled = address
				return nil, stop
			},
		})
		if !errors.Is(err, stop) || dialled != want || located != "" && !strings.HasPrefix(want, located+":") {
			t.Errorf("%s: asked for %q, dialled %q, want %q (%v)", url, located, dialled, want, err)
		}
	}
	var bad *DialError
	if _, err := Dial(t.Context(), "wss://tür_x.example.org", Options{}); !errors.As(err, &bad) || bad.Cause != BadURL {
		t.Errorf("a name that none can be: %v", err)
	}
}
