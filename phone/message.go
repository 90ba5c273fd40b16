package phone

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

const (
	allow          = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, UPDATE, PRACK, REFER, MESSAGE"
	supported      = "timer, 100rel, replaces, answermode, outbound, path"
	acceptedBodies = "application/sdp, multipart/mixed, multipart/alternative, multipart/related"
	maxMessageSize = 128 << 10 // bytes
	// statusIntervalTooSmall refuses a session timer (RFC 4028, 6); sipgo has no name for it.
	statusIntervalTooSmall = 422
	// statusAlternativeService is 380 (RFC 3261, 21.3.5), which sipgo does not name either.
	statusAlternativeService = 380
	magicCookie              = sip.RFC3261BranchMagicCookie
)

// newParser makes a parser that keeps addresses as they were written: an answer has to
// repeat some of them exactly, and we read them ourselves (address.go).
func newParser() *sip.Parser {
	headers := maps.Clone(sip.DefaultHeadersParser())
	for _, raw := range []string{"from", "f", "to", "t", "contact", "m", "route", "record-route", "refer-to", "r", "referred-by", "b"} {
		delete(headers, raw)
	}
	headers["cseq"] = parseCSeq
	p := sip.NewParser(sip.WithHeadersParsers(headers))
	p.MaxMessageLength = maxMessageSize
	return p
}

// header returns the value of the first header with one of the names (a long one
// and its compact form), or "".
func header(m sip.Message, names ...string) string {
	for _, n := range names {
		if hs := m.GetHeaders(n); len(hs) > 0 {
			return hs[0].Value()
		}
	}
	return ""
}

// headerValues returns the values of all headers of that name.
func headerValues(m sip.Message, name string) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}

// headerTokens returns the comma-separated tokens of all headers of that name, in
// lower case.
func headerTokens(m sip.Message, names ...string) []string {
	var out []string
	for _, n := range names {
		for _, v := range headerValues(m, n) {
			for t := range strings.SplitSeq(v, ",") {
				if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

func hasToken(m sip.Message, token string, names ...string) bool {
	return slices.Contains(headerTokens(m, names...), token)
}

func add(m sip.Message, name, value string) { m.AppendHeader(sip.NewHeader(name, value)) }

// param returns a parameter of a header value outside of <> and quotes.
func param(value, name string) (string, bool) {
	i := indexOutside(value, ';')
	if i < 0 {
		return "", false
	}
	return paramOf(value[i:], name)
}

// paramOf returns one of the parameters that stand behind a value, from the first ';' on.
func paramOf(params, name string) (string, bool) {
	for _, p := range splitOutside(params, ';') {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return unquote(v), true
		}
	}
	return "", false
}

func fromValue(m sip.Message) string { return header(m, "from", "f") }
func toValue(m sip.Message) string   { return header(m, "to", "t") }

func tagOf(value string) string {
	tag, _ := param(value, "tag")
	return tag
}

// seconds reads a header that begins with a number of seconds. ok is false when
// there is no such header or it holds no number.
func seconds(m sip.Message, names ...string) (n int, ok bool) {
	v := strings.TrimSpace(header(m, names...))
	if i := strings.IndexAny(v, "; \t("); i >= 0 {
		v = v[:i]
	}
	n, err := strconv.Atoi(v)
	return n, err == nil && n >= 0
}

func setBody(m sip.Message, contentType string, body []byte) {
	if len(body) > 0 {
		add(m, "Content-Type", contentType)
	}
	m.SetBody(body)
}

// newVia makes the Via of one transaction. Its transport must be the one of the
// socket: FreeSWITCH drops everything else without a word.
func (f *flow) newVia() *sip.ViaHeader {
	return &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: f.server.via, Host: f.host,
		Params: sip.HeaderParams{{K: "branch", V: magicCookie + randomHex(10)}, {K: "rport"}},
	}
}

// newRequest makes a request with the headers that all requests of ours share.
func (f *flow) newRequest(method sip.RequestMethod, uri sip.Uri, from, to, callID string, cseq uint32) *sip.Request {
	req := sip.NewRequest(method, uri)
	req.SetTransport("WSS") // for the transactions: reliable
	req.AppendHeader(f.newVia())
	add(req, "Max-Forwards", "70")
	add(req, "From", from)
	add(req, "To", to)
	add(req, "Call-ID", callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	add(req, "User-Agent", f.userAgent)
	return req
}

// newResponse answers a request. toTag is added to To unless it carries one
// already (RFC 3261, 8.2.6.2).
func newResponse(req *sip.Request, status int, phrase, toTag string) *sip.Response {
	res := sip.NewResponse(status, phrase)
	res.SetTransport("WSS")
	for _, h := range req.GetHeaders("via") {
		res.AppendHeader(sip.HeaderClone(h))
	}
	for _, h := range req.GetHeaders("v") {
		res.AppendHeader(sip.NewHeader("Via", h.Value()))
	}
	add(res, "From", fromValue(req))
	to := toValue(req)
	if toTag != "" && status > 100 && tagOf(to) == "" {
		to += ";tag=" + toTag
	}
	add(res, "To", to)
	if id := req.CallID(); id != nil {
		add(res, "Call-ID", id.Value())
	}
	if cseq := req.CSeq(); cseq != nil {
		res.AppendHeader(&sip.CSeqHeader{SeqNo: cseq.SeqNo, MethodName: cseq.MethodName})
	}
	if req.Method == sip.INVITE && status > 100 && status < 300 {
		for _, h := range req.GetHeaders("record-route") {
			res.AppendHeader(sip.HeaderClone(h))
		}
	}
	res.SetBody(nil)
	return res
}

// phrases of the statuses that we send.
func phrase(status int) string {
	switch status {
	case 100:
		return "Trying"
	case 180:
		return "Ringing"
	case 182:
		return "Queued"
	case 200:
		return "OK"
	case 202:
		return "Accepted"
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 406:
		return "Not Acceptable"
	case 415:
		return "Unsupported Media Type"
	case 416:
		return "Unsupported URI Scheme"
	case 420:
		return "Bad Extension"
	case 422:
		return "Session Interval Too Small"
	case 480:
		return "Temporarily Unavailable"
	case 481:
		return "Call/Transaction Does Not Exist"
	case 482:
		return "Loop Detected"
	case 486:
		return "Busy Here"
	case 487:
		return "Request Terminated"
	case 488:
		return "Not Acceptable Here"
	case 489:
		return "Bad Event"
	case 491:
		return "Request Pending"
	case 500:
		return "Server Internal Error"
	case 513:
		return "Message Too Large"
	case 501:
		return "Not Implemented"
	case 503:
		return "Service Unavailable"
	case 505:
		return "Version Not Supported"
	case 603:
		return "Decline"
	default:
		return "Status " + strconv.Itoa(status)
	}
}

// fault checks what every request must have (RFC 3261, 8.1.1 and 8.2). It returns
// the status to answer with, or 0.
func fault(req *sip.Request) (status int, why string) {
	cseq := req.CSeq()
	switch {
	case req.SipVersion != "SIP/2.0":
		return 505, "SIP version " + req.SipVersion
	case req.Via() == nil, cseq == nil, req.CallID() == nil:
		return 400, "Via, CSeq or Call-ID missing or malformed"
	case !hasAddress(fromValue(req)), !hasAddress(toValue(req)):
		return 400, "From or To missing or malformed"
	case !strings.EqualFold(string(cseq.MethodName), string(req.Method)): // sipgo writes the method large
		return 400, fmt.Sprintf("method %s with CSeq of %s", req.Method, cseq.MethodName)
	case twice(req, "call-id", "i"), twice(req, "cseq", ""), twice(req, "from", "f"), twice(req, "to", "t"), twice(req, "content-length", "l"):
		return 400, "a header that must stand alone is there twice"
	case req.Recipient.Scheme != "sip" && req.Recipient.Scheme != "sips":
		return 416, "URI scheme " + req.Recipient.Scheme
	}
	return 0, ""
}

// parseCSeq takes any space between number and method, as the grammar does.
func parseCSeq(_ []byte, text string) (sip.Header, error) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return nil, fmt.Errorf("CSeq %q is not a number and a method", oneLine(text))
	}
	n, err := strconv.ParseUint(f[0], 10, 31)
	if err != nil {
		return nil, fmt.Errorf("CSeq %q: %w", oneLine(text), err)
	}
	return &sip.CSeqHeader{SeqNo: uint32(n), MethodName: sip.RequestMethod(f[1])}, nil
}

// hasAddress reports whether a From or To value names somebody, by any kind of URI.
func hasAddress(value string) bool {
	uri, ok := uriOf(value)
	return ok && !uri.Wildcard
}

// settle makes a message read all its headers now. sipgo reads some of them on
// demand and writes down what it read, which must not happen when several
// goroutines look at the message.
func settle(m interface {
	sip.Message
	Contact() *sip.ContactHeader
	Route() *sip.RouteHeader
	RecordRoute() *sip.RecordRouteHeader
	MaxForwards() *sip.MaxForwardsHeader
	ContentType() *sip.ContentTypeHeader
}) {
	_, _, _, _, _, _ = m.Via(), m.From(), m.To(), m.CallID(), m.CSeq(), m.ContentLength()
	_, _, _, _, _ = m.Contact(), m.Route(), m.RecordRoute(), m.MaxForwards(), m.ContentType()
}

func twice(m sip.Message, name, compact string) bool {
	n := len(m.GetHeaders(name))
	if compact != "" {
		n += len(m.GetHeaders(compact))
	}
	return n > 1
}

// unsupportedOptions lists the option tags of Require that we do not know.
func unsupportedOptions(req *sip.Request) []string {
	var unknown []string
	for _, t := range headerTokens(req, "require") {
		switch t {
		case "timer", "100rel", "replaces", "answermode", "outbound", "path":
		default:
			unknown = append(unknown, t)
		}
	}
	return unknown
}

// acceptsSDP reports whether Accept, if there is one, leaves room for SDP.
func acceptsSDP(req *sip.Request) bool {
	types := headerTokens(req, "accept")
	if len(req.GetHeaders("accept")) == 0 {
		return true
	}
	return slices.ContainsFunc(types, func(t string) bool {
		t, _, _ = strings.Cut(t, ";")
		t = strings.TrimSpace(t)
		return t == "application/sdp" || t == "application/*" || t == "*/*"
	})
}

// rejection makes a 400 for a request that could not be parsed at all, from
// whatever of its lines can be repeated. It returns nil when the text is no
// request, is an ACK, or has nothing to send an answer by.
func rejection(data []byte) []byte {
	head, _, _ := strings.Cut(string(data), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	method, uri, _ := strings.Cut(lines[0], " ")
	if strings.HasPrefix(lines[0], "SIP/") || method == "ACK" || !strings.Contains(lines[0], "SIP/2.0") {
		return nil
	}
	status := 400
	if scheme, _, ok := strings.Cut(strings.ToLower(uri), "://"); ok && !strings.ContainsAny(scheme, " <:") {
		status = 416
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, phrase(status))
	seen := map[string]bool{}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok || strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t") {
			continue
		}
		canon := map[string]string{
			"via": "Via", "v": "Via", "from": "From", "f": "From", "to": "To", "t": "To",
			"call-id": "Call-ID", "i": "Call-ID", "cseq": "CSeq",
		}[strings.ToLower(strings.TrimSpace(name))]
		if canon == "" || canon != "Via" && seen[canon] {
			continue
		}
		seen[canon] = true
		if value = strings.TrimSpace(value); canon == "To" && tagOf(value) == "" {
			value += ";tag=" + randomHex(4)
		}
		b.WriteString(canon + ": " + value + "\r\n")
	}
	if !seen["Via"] || !seen["CSeq"] || !seen["Call-ID"] {
		return nil
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return []byte(b.String())
}
