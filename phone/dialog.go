package phone

import (
	"slices"

	"github.com/emiago/sipgo/sip"
)

// dialog is what both ends of a call agree on (RFC 3261, 12). It belongs to the
// goroutine of its call.
type dialog struct {
	callID    string
	local     string // our From value, with tag
	remote    string // our To value; with the far end's tag once it is known
	remoteTag string
	target    sip.Uri // where requests are addressed to
	routes    []route // the way there
	localSeq  uint32
	theirs    order
}

// order checks the CSeq numbers of one far end (RFC 3261, 12.2.2).
type order struct {
	seq   uint32
	known bool // seq is set
}

// next checks and notes the number of a request. One that was there before is out of
// order too: our transactions have sorted repetitions out.
func (o *order) next(seq uint32) bool {
	if o.known && seq <= o.seq {
		return false
	}
	o.seq, o.known = seq, true
	return true
}

// recordRoutes reads the route set from Record-Route: as it stands for the called
// side, backwards for the calling one (RFC 3261, 12.1).
func recordRoutes(m sip.Message, reverse bool) []route {
	out := routesOf(m, "record-route")
	if reverse {
		slices.Reverse(out)
	}
	return out
}

// routed gives the request URI and Route headers for a target behind a route set:
// the target and all routes for loose routers, shifted by one for a strict one
// (RFC 3261, 12.2.1.1).
func routed(target sip.Uri, routes []route) (sip.Uri, []route) {
	if len(routes) == 0 || routes[0].loose() {
		return target, routes
	}
	first, err := parseURI(string(routes[0]))
	if err != nil {
		return target, routes
	}
	first.Headers = nil
	return withoutParam(first, "method"), append(slices.Clone(routes[1:]), route(target.String()))
}

func addRoutes(req *sip.Request, routes []route) {
	for _, r := range routes {
		add(req, "Route", "<"+string(r)+">")
	}
}

// request makes the next request of the dialog. Its answer will come over the
// flow that it is sent on, whatever the target's URI says.
func (d *dialog) request(f *flow, method sip.RequestMethod) *sip.Request {
	d.localSeq++
	uri, routes := routed(d.target, d.routes)
	req := f.newRequest(method, uri, d.local, d.remote, d.callID, d.localSeq)
	addRoutes(req, routes)
	return req
}

// answered takes over what a response to our INVITE says about the far end.
func (d *dialog) answered(res *sip.Response) {
	d.remote = toValue(res)
	d.remoteTag = tagOf(d.remote)
	d.routes = recordRoutes(res, true)
	d.refresh(res)
}

// refresh takes over a new target (RFC 3261, 12.2.1.2).
func (d *dialog) refresh(m sip.Message) {
	if uri, ok := contactOf(m); ok {
		d.target = uri
	}
}
