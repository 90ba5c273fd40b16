package phone

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/phone/ws"
)

// Ways in which a transaction ends without a final response.
var (
	errFlowLost = errors.New("the connection to the server is gone")
	errTimeout  = errors.New("the server did not answer in time")
)

// receiver is told what arrives on a flow. Its methods are called from the flow's
// reader, one at a time and in the order of arrival, and must not block.
type receiver interface {
	onRequest(f *flow, tx *serverTx)
	onACK(f *flow, ack *sip.Request)
	// onLate2xx is told a 200 to an INVITE that nobody waits for any more, and
	// every 200 after the first: it has been acknowledged already.
	onLate2xx(f *flow, res *sip.Response)
}

// flow is one connection to a server, with the transactions that run on it
// (RFC 5626 calls it so). Messages are handled by one goroutine in the order in
// which they came; sending never blocks. It implements sip.Connection for
// sipgo's transactions.
type flow struct {
	conn      *ws.Conn
	server    server
	host      string // our name in Via and Contact, made up and never resolved (RFC 7118, 5.1)
	userAgent string
	to        receiver
	trace     *sipTrace
	log       *slog.Logger
	parser    *sip.Parser

	// registered is set as soon as the server has accepted a registration, before
	// any message behind that answer is looked at.
	registered atomic.Bool
	// outbound is set when the server has said that it knows RFC 5626.
	outbound atomic.Bool
	services atomic.Pointer[[]route] // Service-Route of the registration
	seen     atomic.Pointer[string]  // our address and port as the server sees them, where it tells
	plain    bool                    // a proxy on the way does not know it (439): do not ask for it. For UA.Run only

	wg     sync.WaitGroup // the reader
	mu     sync.Mutex
	client map[string]*clientTx
	served map[string]*serverTx
	closed bool
}

func newFlow(conn *ws.Conn, s server, host, userAgent string, to receiver, l *sipTrace, log *slog.Logger) *flow {
	f := &flow{
		conn: conn, server: s, host: host, userAgent: userAgent, to: to, trace: l, log: log, parser: newParser(),
		client: map[string]*clientTx{}, served: map[string]*serverTx{},
	}
	f.wg.Go(f.readAll)
	return f
}

// serviceRoute is the way that requests outside of dialogs go, except REGISTER (RFC 3608,
// section 6.1).
func (f *flow) serviceRoute() []route {
	if r := f.services.Load(); r != nil {
		return slices.Clone(*r)
	}
	return nil
}

const maxServiceRoute = 8 // URIs; more are no route but an attack

// useServiceRoute takes over what a 200 to REGISTER says; none means that there is none
// any more.
func (f *flow) useServiceRoute(res *sip.Response) {
	routes := routesOf(res, "service-route")
	if len(routes) > maxServiceRoute {
		f.log.Warn("the server's Service-Route is too long and is ignored", "routes", len(routes))
		routes = nil
	}
	f.services.Store(&routes)
}

// close ends the connection, all transactions and goroutines of the flow. What
// was sent before still goes out, for 300 ms at the most.
func (f *flow) close() {
	_ = f.conn.Close()
	f.wg.Wait()
}

// lost is closed when the connection is of no use any more.
func (f *flow) lost() <-chan struct{} { return f.conn.Failed() }

func (f *flow) readAll() {
	for {
		data, err := f.conn.Read()
		if err != nil {
			break
		}
		f.receive(data)
	}
	f.mu.Lock()
	f.closed = true
	clients, served := f.client, f.served
	f.client, f.served = map[string]*clientTx{}, map[string]*serverTx{}
	f.mu.Unlock()
	for _, tx := range clients {
		tx.tx.Terminate()
	}
	for _, tx := range served {
		tx.tx.Terminate()
	}
}

// survive keeps a message that breaks the phone from stopping the daemon.
func (f *flow) survive() {
	if p := recover(); p != nil {
		f.log.Error("internal error while handling a message from the server; message dropped", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

// receive handles one frame of the server. Nothing in it may stop the daemon.
func (f *flow) receive(data []byte) {
	defer f.survive()
	data = bytes.TrimLeft(data, "\r\n")
	if len(data) == 0 {
		return
	}
	msg, n, err := f.parser.Parse(data, false) // what follows the message is no message (RFC 7118, 5)
	if err != nil {
		f.unreadable(data, err)
		return
	}
	f.trace.add(false, callIDOf(msg), string(data[:n]))
	switch m := msg.(type) {
	case *sip.Request:
		f.request(m)
	case *sip.Response:
		f.response(m)
	}
}

func callIDOf(m sip.Message) string {
	if id := m.CallID(); id != nil {
		return id.Value()
	}
	return ""
}

func (f *flow) unreadable(data []byte, err error) {
	f.trace.add(false, "", string(data))
	f.log.Warn("the server sent something that is not valid SIP", "err", oneLine(errText(err)), "bytes", len(data))
	if res := rejection(data); res != nil {
		f.trace.add(true, "", string(res))
		_ = f.conn.Write(res)
	}
}

// errText shortens an error that may quote a whole message.
func errText(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	return s[:min(len(s), 200)]
}

func (f *flow) response(res *sip.Response) {
	cseq, vias := res.CSeq(), res.GetHeaders("via")
	switch {
	case res.Via() == nil || cseq == nil || res.CallID() == nil || res.StatusCode < 100 || res.StatusCode > 699:
		f.log.Warn("dropped an incomplete response", "status", res.StatusCode)
		return
	case len(vias) > 1 || !strings.EqualFold(res.Via().Host, f.host): // RFC 3261, 8.1.3.3 and 18.1.2
		f.log.Warn("dropped a response that was not for us", "status", res.StatusCode)
		return
	}
	settle(res)
	if cseq.MethodName == sip.REGISTER && res.IsSuccess() && len(addresses(res, "contact", "m")) > 0 {
		f.see(res.Via())
		f.registered.Store(true)
	}
	f.mu.Lock()
	tx := f.client[clientKey(res.Via(), cseq.MethodName)]
	f.mu.Unlock()
	switch {
	case tx != nil:
		f.deliver(tx, res)
	case cseq.MethodName == sip.INVITE && res.IsSuccess():
		if f.acknowledge(nil, res) {
			f.to.onLate2xx(f, res)
		}
	}
}

func clientKey(via *sip.ViaHeader, method sip.RequestMethod) string {
	branch, _ := via.Params.Get("branch")
	return branch + " " + string(method)
}

// clientTx is a request of ours that waits for its answers.
type clientTx struct {
	tx  *sip.ClientTx
	req *sip.Request

	mu   sync.Mutex
	on   func(*sip.Response, error) // nil once it was told the final response or an error
	busy bool                       // a response is being delivered
	dead bool                       // the transaction is over
}

// tell passes a response or an error on. The last one lets go of whoever waits: a
// transaction outlives its call by half a minute.
func (t *clientTx) tell(res *sip.Response, err error) {
	t.mu.Lock()
	on := t.on
	if err != nil || !res.IsProvisional() {
		t.on = nil
	}
	t.mu.Unlock()
	if on != nil {
		on(res, err)
	}
}

// over tells the error of a transaction that ended without a final response; one
// that is just being delivered comes first.
func (t *clientTx) over(f *flow, dead, busy bool) {
	t.mu.Lock()
	t.dead, t.busy = t.dead || dead, busy || dead && t.busy
	tell := t.dead && !t.busy
	t.mu.Unlock()
	if !tell {
		return
	}
	err := errTimeout
	if f.conn.Err() != nil {
		err = errFlowLost
	}
	t.tell(nil, err)
}

// start begins a client transaction. on is called for each response in order, the
// last time with the final one or with an error; it must not block, and must not
// call what start returns. 2xx responses to an INVITE have been acknowledged when
// on sees them.
//
// The returned function gives the transaction up; on then gets an error unless it
// had its final response.
func (f *flow) start(req *sip.Request, on func(*sip.Response, error)) (cancel func(), err error) {
	return f.begin(req, f, on)
}

// await is start for a request that has been sent already, over a connection that is gone.
func (f *flow) await(req *sip.Request, on func(*sip.Response, error)) (cancel func(), err error) {
	return f.begin(req, sentBefore{f, req}, on)
}

// sentBefore is a flow that does not send a certain request.
type sentBefore struct {
	*flow
	req *sip.Request
}

// WriteMsg is that of the flow (sip.Connection).
func (s sentBefore) WriteMsg(msg sip.Message) error {
	if req, ok := msg.(*sip.Request); ok && req == s.req {
		return nil
	}
	return s.flow.WriteMsg(msg)
}

func (f *flow) begin(req *sip.Request, over sip.Connection, on func(*sip.Response, error)) (cancel func(), err error) {
	settle(req)
	key := clientKey(req.Via(), req.Method)
	t := &clientTx{tx: sip.NewClientTx(key, req, over, f.txLog()), req: req, on: on}
	t.tx.OnTerminate(func(key string, _ error) {
		f.mu.Lock()
		delete(f.client, key)
		f.mu.Unlock()
		t.over(f, true, false)
	})
	if req.Method == sip.INVITE {
		t.tx.OnRetransmission(func(res *sip.Response) { // RFC 6026: every 2xx after the first
			f.acknowledge(req, res)
			f.to.onLate2xx(f, res)
		})
	}
	f.mu.Lock()
	closed := f.closed
	if !closed {
		f.client[key] = t
	}
	f.mu.Unlock()
	if closed {
		return nil, errFlowLost
	}
	if err := t.tx.Init(); err != nil {
		t.mu.Lock()
		t.on = nil
		t.mu.Unlock()
		t.tx.Terminate()
		return nil, fmt.Errorf("%w: %w", errFlowLost, err)
	}
	return t.tx.Terminate, nil
}

// deliver gives a response to its transaction and returns when all that follows
// from it has been passed on: that keeps a 180 before its 200, and the 200 before
// the BYE behind it. sipgo hands responses over an unbuffered channel, hence the
// goroutine.
func (f *flow) deliver(t *clientTx, res *sip.Response) {
	t.over(f, false, true)
	defer t.over(f, false, false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.survive()
		t.tx.Receive(res)
	}()
	for {
		select {
		case r := <-t.tx.Responses():
			f.pass(t, r)
		case <-done:
			return
		}
	}
}

func (f *flow) pass(t *clientTx, res *sip.Response) {
	if t.req.Method == sip.INVITE && res.IsSuccess() {
		f.acknowledge(t.req, res)
	}
	t.tell(res, nil)
}

func (f *flow) acknowledge(req *sip.Request, res *sip.Response) bool {
	ack := f.ackFor(req, res)
	if ack == nil {
		return false
	}
	_ = f.WriteMsg(ack) // a lost flow shows elsewhere
	return true
}

// ackFor makes the ACK of a 2xx (RFC 3261, 13.2.2.4): to the Contact, by the
// route of the dialog, with the credentials of the INVITE. req may be nil when the
// INVITE is not known any more.
func (f *flow) ackFor(req *sip.Request, res *sip.Response) *sip.Request {
	cseq, from, to := res.CSeq(), fromValue(res), toValue(res)
	if cseq == nil || from == "" || to == "" {
		return nil
	}
	target, ok := contactOf(res)
	switch {
	case ok:
	case req != nil:
		target = req.Recipient
	default:
		if target, ok = uriOf(to); !ok {
			return nil
		}
	}
	var routes []route
	if req != nil && tagOf(toValue(req)) != "" {
		routes = routesOf(req, "route") // in a dialog the route set never changes
	} else {
		routes = recordRoutes(res, true)
	}
	uri, routes := routed(target, routes)
	ack := f.newRequest(sip.ACK, uri, from, to, callIDOf(res), cseq.SeqNo)
	addRoutes(ack, routes)
	if req != nil {
		for _, name := range []string{"authorization", "proxy-authorization"} {
			for _, h := range req.GetHeaders(name) {
				ack.AppendHeader(sip.HeaderClone(h))
			}
		}
	}
	ack.SetBody(nil)
	return ack
}

// serverTx is a request of the far end and the transaction that answers it.
type serverTx struct {
	f     *flow
	req   *sip.Request
	tx    *sip.ServerTx
	final atomic.Int32 // status of the final response
	// onCancel is told a CANCEL of this INVITE. The receiver sets it while it
	// handles onRequest, and takes it away when it does not care any more.
	onCancel atomic.Pointer[func(cancel *sip.Request)]
}

// respond sends a response; errors are those of a lost flow, which the flow's
// owner learns about anyway.
func (t *serverTx) respond(res *sip.Response) {
	if res.StatusCode >= 200 {
		t.final.Store(int32(res.StatusCode))
	}
	if err := t.tx.Respond(res); err != nil {
		t.f.log.Debug("response not sent", "status", res.StatusCode, "err", err)
	}
}

// reply answers with a status and nothing else.
func (t *serverTx) reply(status int, headers ...sip.Header) {
	res := newResponse(t.req, status, phrase(status), randomHex(4))
	for _, h := range headers {
		res.AppendHeader(h)
	}
	t.respond(res)
}

func serverKey(req *sip.Request, method sip.RequestMethod) string {
	via := req.Via()
	branch, _ := via.Params.Get("branch")
	if strings.HasPrefix(branch, magicCookie) && len(branch) > len(magicCookie) {
		return strings.Join([]string{branch, via.SentBy(), string(method)}, " ")
	}
	// RFC 2543 (RFC 3261, 17.2.3): compare what identifies the request.
	return strings.Join([]string{req.Recipient.String(), tagOf(fromValue(req)), callIDOf(req), fmt.Sprint(req.CSeq().SeqNo), via.Value(), string(method)}, " ")
}

func (f *flow) request(req *sip.Request) {
	req.SetTransport("WSS")
	settle(req)
	if status, why := fault(req); status != 0 {
		f.log.Warn("rejected a malformed request", "method", oneLine(string(req.Method)), "status", status, "why", oneLine(why))
		if req.Method != sip.ACK && req.Via() != nil {
			_ = f.WriteMsg(newResponse(req, status, phrase(status), randomHex(4)))
		}
		return
	}
	switch req.Method {
	case sip.ACK:
		f.ack(req)
	case sip.CANCEL:
		f.cancel(req)
	default:
		if tx, fresh := f.serve(req); fresh {
			f.handle(tx)
		}
	}
}

func (f *flow) handle(tx *serverTx) {
	if unknown := unsupportedOptions(tx.req); len(unknown) > 0 {
		tx.reply(420, sip.NewHeader("Unsupported", strings.Join(unknown, ", ")))
		return
	}
	f.to.onRequest(f, tx)
}

// serve finds or makes the transaction of a request. A repeated request is
// answered by its transaction and is not fresh.
func (f *flow) serve(req *sip.Request) (tx *serverTx, fresh bool) {
	key := serverKey(req, req.Method)
	f.mu.Lock()
	t, closed := f.served[key], f.closed
	f.mu.Unlock()
	if t != nil {
		_ = t.tx.Receive(req)
		return t, false
	}
	t = &serverTx{f: f, req: req, tx: sip.NewServerTx(key, req, f, f.txLog())}
	if closed || t.tx.Init() != nil {
		return t, false
	}
	t.tx.OnTerminate(func(key string, _ error) {
		f.mu.Lock()
		delete(f.served, key)
		f.mu.Unlock()
	})
	f.mu.Lock()
	if closed = f.closed; !closed {
		f.served[key] = t
	}
	f.mu.Unlock()
	if closed {
		t.tx.Terminate()
	}
	return t, !closed
}

// resume takes a transaction over whose connection is gone. Its answers go out over this
// one: a response is known by its Via, not by the way on which it comes.
func (f *flow) resume(old *serverTx) *serverTx {
	f.mu.Lock()
	t, closed := f.served[serverKey(old.req, old.req.Method)], f.closed
	f.mu.Unlock()
	switch {
	case closed:
		return old // until the next one
	case t == nil: // else it was repeated here already
		t, _ = f.serve(old.req)
	}
	t.onCancel.Store(old.onCancel.Load())
	return t
}

func (f *flow) ack(req *sip.Request) {
	f.mu.Lock()
	t := f.served[serverKey(req, sip.INVITE)]
	f.mu.Unlock()
	if t != nil && t.final.Load() >= 300 {
		_ = t.tx.Receive(req)
		return
	}
	f.to.onACK(f, req)
}

// cancel answers a CANCEL and tells the INVITE that it means (RFC 3261, 9.2).
func (f *flow) cancel(req *sip.Request) {
	f.mu.Lock()
	invite := f.served[serverKey(req, sip.INVITE)]
	f.mu.Unlock()
	tx, fresh := f.serve(req)
	switch {
	case !fresh:
	case invite == nil:
		tx.reply(481)
	default:
		tx.reply(200)
		if tell := invite.onCancel.Load(); tell != nil && invite.final.Load() == 0 {
			(*tell)(req)
		}
	}
}

// txLog is for sipgo's transactions: they speak of every step, and at error level
// of things that are ours to judge.
func (f *flow) txLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// WriteMsg queues a message for the connection (sip.Connection).
func (f *flow) WriteMsg(msg sip.Message) error {
	text := msg.String()
	if err := f.conn.Write([]byte(text)); err != nil {
		return err
	}
	f.trace.add(true, callIDOf(msg), text)
	return nil
}

// LocalAddr is this end's address (sip.Connection).
func (f *flow) LocalAddr() net.Addr { return f.conn.LocalAddr() }

// Ref does nothing: a flow lives until its owner closes it (sip.Connection).
func (*flow) Ref(int) int { return 1 }

// TryClose does nothing, see Ref (sip.Connection).
func (*flow) TryClose() (int, error) { return 1, nil }

// Close does nothing, see Ref (sip.Connection).
func (*flow) Close() error { return nil }

// see notes from where the server has got a request of ours (RFC 3581, section 4).
func (f *flow) see(via *sip.ViaHeader) {
	port, _ := via.Params.Get("rport")
	from, _ := via.Params.Get("received")
	if port == "" || from == "" {
		return
	}
	seen := net.JoinHostPort(strings.Trim(from, "[]"), port)
	f.seen.Store(&seen)
}

// ends are the addresses of both ends of the connection. Ours is the one that the server
// sees: behind a NAT or a proxy it says nothing that we have kept our own.
func (f *flow) ends() string {
	ours := f.conn.LocalAddr().String()
	if seen := f.seen.Load(); seen != nil {
		ours = *seen
	}
	return ours + " " + f.conn.RemoteAddr().String()
}

// rtt is the last round trip to the server.
func (f *flow) rtt() time.Duration { return f.conn.RTT() }
