package rtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	pionnet "github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"

	"intercomd/beat"
	"intercomd/phone/rtc/sdpfix"
)

const (
	warmAge      = 5 * time.Minute  // a prepared connection older than this is replaced
	warmCheck    = 16 * time.Second // how often address changes are looked for
	warmPause    = 3 * time.Second  // no preparing so soon after a call began: it needs the CPU
	prepareLimit = 2 * time.Second
)

// ErrClosed is returned by everything that comes after Close.
var ErrClosed = errors.New("the media of this call is closed")

var errNoNetwork = errors.New("no network address to talk on: check the cable or the wireless network, " +
	"and the list of interfaces if one is configured")

// Config describes the media of all calls of a device. The zero value works.
type Config struct {
	// Codecs in order of preference: "opus", "PCMU", "PCMA", "G722". Empty: the first three.
	Codecs []string
	// CertificateFile keeps the DTLS certificate across restarts; see
	// [LoadOrCreateCertificate]. Empty: a new one with each start.
	CertificateFile string
	// ClockFloor is a time that has surely passed, see [LoadOrCreateCertificate].
	ClockFloor time.Time
	// Interfaces to use, by name. Empty: all but those that lead to containers and
	// virtual machines of this machine.
	Interfaces []string
	// IncludeLoopback uses loopback addresses, too: for a server on this machine.
	IncludeLoopback bool
	// Log receives what this package and pion have to say. nil discards it.
	Log *slog.Logger

	// In place of the machine's network and of its routes, for tests.
	net    pionnet.Net
	source func(to netip.Addr) netip.Addr
}

// Factory makes sessions. It keeps one connection prepared (sockets open,
// candidates gathered), so that a call can be offered at once. Its methods may be
// called from any goroutine.
type Factory struct {
	conf    Config
	log     *slog.Logger
	formats []sdpfix.Format
	source  func(to netip.Addr) netip.Addr // of the kernel's choice
	find    finder

	done chan struct{}
	need chan struct{} // the prepared connection was taken
	wait sync.WaitGroup

	mu     sync.Mutex
	closed bool
	warm   *transport
	cert   *webrtc.Certificate
	ill    string // why no connection could be prepared, to log it once
}

// New makes a Factory and begins to prepare a connection. Close must be called.
// A certificate file that cannot be written is logged, not an error.
func New(conf Config) (*Factory, error) {
	if len(conf.Codecs) == 0 {
		conf.Codecs = []string{"opus", "PCMU", "PCMA"}
	}
	formats, err := ourFormats(conf.Codecs)
	if err != nil {
		return nil, err
	}
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	f := &Factory{
		conf: conf, log: conf.Log, formats: formats, source: conf.source,
		done: make(chan struct{}), need: make(chan struct{}, 1),
	}
	if f.source == nil {
		f.source = sourceFor
	}
	f.find = f.findNames
	if _, err := f.certificate(); err != nil {
		return nil, err
	}
	f.wait.Go(f.prepare)
	return f, nil
}

// Close discards the prepared connection and waits for the Factory's goroutine.
// Sessions live on until they are closed themselves.
func (f *Factory) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	f.mu.Unlock()
	close(f.done)
	f.wait.Wait()
	return nil
}

// NewSession makes the media of a call, ready to offer or to answer. It takes the
// prepared connection if that still fits the machine's addresses, else it makes
// one, which takes a few milliseconds.
func (f *Factory) NewSession(ctx context.Context) (*Session, error) {
	n, err := f.network()
	if err != nil {
		return nil, fmt.Errorf("reading the network interfaces: %w", err)
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	t := f.warm
	f.warm = nil
	f.mu.Unlock()

	if t != nil && !t.fits(n) {
		t.close()
		t = nil
	}
	if t == nil {
		if t, err = f.newTransport(ctx, n, nil, identity{}); err != nil {
			return nil, err
		}
	}
	select {
	case f.need <- struct{}{}:
	default:
	}
	return newSession(f, t), nil
}

// fits reports whether a prepared connection may still be used.
func (t *transport) fits(n network) bool {
	return t.where.Load().key == n.key && time.Since(t.made) < warmAge
}

// prepare keeps one connection ready until the Factory is closed.
func (f *Factory) prepare() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.refill(ctx)
	timer := time.NewTimer(beat.Until(time.Now(), warmCheck))
	defer timer.Stop()
	for {
		select {
		case <-f.done:
			f.drop()
			return
		case <-f.need:
			timer.Reset(warmPause)
		case <-timer.C:
			f.refill(ctx)
			timer.Reset(beat.Until(time.Now(), warmCheck))
		}
	}
}

// refill makes a connection if there is none that fits.
func (f *Factory) refill(ctx context.Context) {
	n, err := f.network()
	if err != nil {
		f.cannot(err)
		return
	}
	f.mu.Lock()
	old := f.warm
	if old != nil && old.fits(n) {
		f.mu.Unlock()
		return
	}
	f.warm = nil
	f.mu.Unlock()
	if old != nil {
		old.close()
	}
	ctx, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	t, err := f.newTransport(ctx, n, nil, identity{})
	f.cannot(err)
	if err != nil {
		return
	}
	f.mu.Lock()
	if f.warm == nil && !f.closed {
		f.warm, t = t, nil
	}
	f.mu.Unlock()
	if t != nil {
		t.close()
	}
}

// cannot logs why no connection can be prepared, once for each reason.
func (f *Factory) cannot(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	news := f.ill != text
	f.ill = text
	f.mu.Unlock()
	switch {
	case !news:
	case err != nil:
		f.log.Warn("calls cannot be prepared", "error", err)
	default:
		f.log.Info("calls can be prepared again")
	}
}

func (f *Factory) drop() {
	f.mu.Lock()
	t := f.warm
	f.warm = nil
	f.mu.Unlock()
	if t != nil {
		t.close()
	}
}

// certificate returns the device's certificate, and renews it before it expires.
func (f *Factory) certificate() (*webrtc.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cert != nil && lasts(f.cert, time.Now()) {
		return f.cert, nil
	}
	cert, err := LoadOrCreateCertificate(f.conf.CertificateFile, f.conf.ClockFloor)
	if cert == nil {
		return nil, err
	}
	if err != nil {
		f.log.Warn("the DTLS certificate changes with each start", "error", err)
	}
	f.cert = cert
	return cert, nil
}

// base is the network that sockets come from.
func (f *Factory) base() (pionnet.Net, error) {
	if f.conf.net != nil {
		return f.conf.net, nil
	}
	return stdnet.NewNet()
}

// links lists the interfaces of that network.
func (f *Factory) links() ([]link, error) {
	if f.conf.net == nil {
		return systemLinks()
	}
	all, err := f.conf.net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := make([]link, 0, len(all))
	for _, i := range all {
		if addrs, err := i.Addrs(); err == nil {
			links = append(links, newLink(i.Interface, addrs))
		}
	}
	return links, nil
}

// has reads the addresses of this machine: whether one is among them, and whether there are others.
func (f *Factory) has(local netip.Addr) (here, others bool) {
	n, err := f.network()
	if err != nil {
		return false, false
	}
	return n.has(local), len(n.addrs) > 0
}

// mover returns what watches the address of a call. Of a network that is not the kernel's there are no news.
func (f *Factory) mover() mover {
	if f.conf.net != nil {
		return mover{}
	}
	return mover{news: hearAddresses()}
}
