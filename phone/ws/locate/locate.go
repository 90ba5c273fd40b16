// Package locate finds the machines behind the domain of a SIP server in DNS: NAPTR
// records with the service SIPS+D2W (RFC 3263, 4.1; RFC 7118, 7), then the SRV records
// that they name, or those of _sips._ws without them.
//
// It asks the name servers of the system and knows nothing of connections. Addresses are
// not its business: whoever connects looks them up. What it is told is not to be trusted:
// a certificate is still checked for the domain, not for the machine that DNS names.
package locate

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Bounds on what is asked and taken.
const (
	maxTime    = 1500 * time.Millisecond // for everything: an old router may never answer
	maxTargets = 8
	maxRules   = 3 // NAPTR records that are followed
)

// DefaultPort is that of a secure WebSocket (RFC 7118, 7).
const DefaultPort = 443

const typeNAPTR = dnsmessage.Type(35)

// Resolver asks DNS. The zero value asks the name servers in /etc/resolv.conf.
type Resolver struct {
	// Servers are asked in order, in place of those of the system.
	Servers []netip.AddrPort
	// Timeout is for all questions together; default 1.5 s.
	Timeout time.Duration
}

// Locate returns the targets ("host:port") of a domain, the one to try first at the
// beginning. There are none if DNS has no such records, or does not answer in time.
func (r *Resolver) Locate(ctx context.Context, domain string) []string {
	if !plausible(domain) {
		return nil
	}
	limit := cmp.Or(r.Timeout, maxTime)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	servers := r.Servers
	if len(servers) == 0 {
		servers = systemServers()
	}
	// Both at once, so that a router that drops what it does not know costs no time.
	srv := make(chan []service, 1)
	go func() { srv <- services(query(ctx, servers, "_sips._ws."+domain, dnsmessage.TypeSRV)) }()
	half, stop := context.WithTimeout(ctx, limit/2)
	named := follow(rules(query(half, servers, domain, typeNAPTR)))
	stop()
	plain := <-srv
	var out []string
	for _, f := range named {
		if f.final {
			out = append(out, net.JoinHostPort(f.name, strconv.Itoa(DefaultPort)))
			continue
		}
		out = append(out, targets(services(query(ctx, servers, f.name, dnsmessage.TypeSRV)))...)
	}
	if len(out) == 0 {
		out = targets(plain)
	}
	out = unique(out)
	return out[:min(len(out), maxTargets)]
}

// plausible tells names that DNS may know more about from addresses and names of the link.
func plausible(domain string) bool {
	low := strings.ToLower(strings.TrimSuffix(domain, "."))
	_, err := netip.ParseAddr(low)
	return err != nil && low != "" && low != "localhost" && !strings.HasSuffix(low, ".local") && !strings.HasSuffix(low, ".localhost")
}

func unique(in []string) []string {
	var out []string
	for _, t := range in {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// service is an SRV record.
type service struct {
	priority, weight, port uint16
	host                   string
}

func services(m *dnsmessage.Message) (out []service) {
	if m == nil {
		return nil
	}
	for _, a := range m.Answers {
		s, ok := a.Body.(*dnsmessage.SRVResource)
		if !ok || s.Port == 0 {
			continue
		}
		if host := hostOf(s.Target.String()); host != "" { // "." says that there is no such service
			out = append(out, service{s.Priority, s.Weight, s.Port, host})
		}
	}
	return out
}

// hostOf is a name without the dot at its end, "" if it is none to connect to.
func hostOf(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-._", c) {
			return ""
		}
	}
	return name
}

// targets sorts by priority, and by chance and weight where that is equal (RFC 2782).
func targets(in []service) (out []string) {
	slices.SortStableFunc(in, func(a, b service) int { return cmp.Compare(a.priority, b.priority) })
	for len(in) > 0 {
		n := 1
		for n < len(in) && in[n].priority == in[0].priority {
			n++
		}
		i := pick(in[:n])
		out = append(out, net.JoinHostPort(in[i].host, strconv.Itoa(int(in[i].port))))
		in = slices.Delete(in, i, i+1)
	}
	return out
}

// pick draws one of equal priority. Those with weight 0 have a small chance.
func pick(group []service) int {
	sum := 0
	for _, s := range group {
		sum += int(s.weight)*100 + 1
	}
	at := rand.N(sum) //nolint:gosec // spreads load, no secret
	for i, s := range group {
		if at -= int(s.weight)*100 + 1; at < 0 {
			return i
		}
	}
	return 0
}

// rule is a NAPTR record (RFC 3403, 4.1).
type rule struct {
	order, preference       uint16
	flags, services, regexp string
	replacement             string
}

func rules(m *dnsmessage.Message) (out []rule) {
	if m == nil {
		return nil
	}
	for _, a := range m.Answers {
		u, ok := a.Body.(*dnsmessage.UnknownResource)
		if !ok || u.Type != typeNAPTR {
			continue
		}
		if r, ok := parseRule(u.Data); ok {
			out = append(out, r)
		}
	}
	return out
}

// step is what a NAPTR record leads to: the name of SRV records or, final, a host.
type step struct {
	name  string
	final bool
}

// follow picks the rules for secure WebSockets, the best first.
func follow(in []rule) (out []step) {
	slices.SortStableFunc(in, func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.preference, b.preference))
	})
	for _, r := range in {
		flag := strings.ToLower(r.flags)
		name := hostOf(r.replacement)
		if !strings.EqualFold(r.services, "SIPS+D2W") || r.regexp != "" || name == "" || flag != "s" && flag != "a" {
			continue
		}
		if out = append(out, step{name, flag == "a"}); len(out) == maxRules {
			break
		}
	}
	return out
}

// parseRule reads the data of a NAPTR record, which dnsmessage does not know. Its name
// is never compressed (RFC 3597, 4).
func parseRule(b []byte) (rule, bool) {
	var r rule
	if len(b) < 4 {
		return r, false
	}
	r.order, r.preference = uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3])
	b = b[4:]
	for _, to := range []*string{&r.flags, &r.services, &r.regexp} {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return r, false
		}
		*to, b = string(b[1:1+int(b[0])]), b[1+int(b[0]):]
	}
	var labels []string
	for {
		switch {
		case len(b) == 0 || b[0] > 63 || len(b) < 1+int(b[0]):
			return r, false
		case b[0] == 0:
			r.replacement = strings.Join(labels, ".")
			return r, len(b) == 1 && len(r.replacement) < 255
		}
		labels, b = append(labels, string(b[1:1+int(b[0])])), b[1+int(b[0]):]
	}
}
