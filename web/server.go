package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/web/identity"
	"intercomd/web/logtail"
	"intercomd/web/machine"
	"intercomd/words"
)

// Station is what the page needs of the door station. All methods may be called
// from any number of goroutines.
type Station interface {
	// Snapshot is the latest published snapshot; nil before the first one.
	Snapshot() *station.Snapshot
	// Changed returns a channel that is closed when the state is another. Whoever
	// wants to see that snapshot asks for the channel first, for the snapshot then.
	Changed() <-chan struct{}
	// Gauges is what moves all the time, as last seen; nil before the first snapshot.
	Gauges() *station.Gauges
	// Since returns the events from a number on, and a channel that is closed when there
	// are more; see [station.Station.Since].
	Since(from uint64) ([]station.Event, <-chan struct{})
	// Coming is the number of the event that happens next.
	Coming() uint64
	// Walk is how far the commissioning is; nil before there is any.
	Walk() *station.Walk
	// Do gives the station a command and returns when it was taken or refused.
	Do(ctx context.Context, cmd station.Command) error
	// Administer puts what somebody did beside the calls among the events. It does not wait.
	Administer(a station.Administered)
}

// Panel is the front panel of a simulated board. Neither method waits for the
// button to come up again. Both refuse an unknown input with an error.
type Panel interface {
	// Press closes the input for the time hold, then opens it.
	Press(name string, hold time.Duration) error
	// Set closes (true) or opens the input and leaves it so.
	Set(name string, active bool) error
}

// Config says where the page is served and to whom.
type Config struct {
	// Listen is address:port to listen on. Without a password only loopback is listened on,
	// whatever it says. Port 0 takes any free one; see [Server.Addr].
	Listen string
	// Book is who may use the page. With nil, or an empty one, whoever is on this machine may.
	Book *accounts.Book
	// Identity is the certificate; nil serves this machine only.
	Identity *identity.Identity
	// Proxies are the addresses whose word about whom they ask for is taken.
	Proxies []netip.Prefix
	// Names are host names, besides localhost and IP addresses, under which a
	// browser may ask for the page (as behind a reverse proxy). All others are
	// refused: they are how a foreign web site reaches a local page (DNS rebinding).
	Names []string
	// Trace gives the SIP messages of one of the last calls by its ID, without
	// secrets; nil or none if they are not kept. It may be called from any number of
	// goroutines.
	Trace func(call string) []SIPMessage
	// Past is what the door remembers of calls and events; nil if it can remember nothing.
	Past Past
	// Tail is the last lines of the log; nil if they are not kept.
	Tail *logtail.Tail
	// Machine reads what the machine is and how it fares; nil if nobody knows.
	Machine func() machine.Facts
	// Support is what a support bundle needs; nil if there are none.
	Support Support
	// Starved hears that a connection could not be accepted because the process or the
	// machine has no descriptors left; nil if nobody wants to know.
	Starved func(error)
	// Metrics answers collectors of figures at /metrics; nil if there are none.
	Metrics http.Handler
	// Updates installs other systems; nil where that is done by other means.
	Updates Updates
	// Setup changes the configuration; nil where it cannot be changed from here.
	Setup Setup
	// Process restarts the door and makes a new one of it; nil where that is done by other means.
	Process Process
	// Log receives the log lines of the page. Required.
	Log *slog.Logger
}

// Limits of the server. They bound what a client can make the daemon hold.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 15 * time.Second // of one answer, or of one event of a stream
	idleTimeout   = time.Minute
	endTimeout    = 2 * time.Second // for answers under way when the server ends
	maxHeader     = 16 << 10        // bytes
	maxBody       = 4 << 10         // bytes
	maxStreams    = 128             // event streams at a time
	maxHolds      = 8               // held buttons at a time
)

// Server serves the page. Make it with [New].
type Server struct {
	cfg     Config
	station Station
	panel   Panel                // nil: no buttons to press
	pages   map[string]*renderer // by language
	assets  map[string]asset
	status  atomic.Pointer[encoded]
	glanced glanced
	names   map[string]bool
	streams chan struct{} // one taken per stream
	holds   chan struct{} // one taken per held button
	pace    *pace
	opened  recent   // doors, from the page
	keys    api.Keys // of commands of programs
	told    recent   // failures, as events
	// bundling is held while a support bundle is made.
	bundling sync.Mutex
	anew     chan struct{} // closed when the port must be opened anew
	claimed  sync.Once
	stop     chan struct{} // closed when the server ends, for streams
	ln       atomic.Pointer[net.Listener]
	gate     atomic.Pointer[gate] // while it runs
}

// New makes a server for st. A nil panel leaves out the buttons of the front
// panel. Nothing is opened before [Server.Listen] or [Server.Run].
func New(cfg Config, st Station, panel Panel) *Server {
	s := &Server{
		cfg:     cfg,
		station: st,
		panel:   panel,
		pages:   newRenderers(panel != nil, cfg.Updates != nil),
		assets:  embedded(),
		names:   nameSet(cfg.Names),
		streams: make(chan struct{}, maxStreams),
		holds:   make(chan struct{}, maxHolds),
		pace:    newPace(),
		anew:    make(chan struct{}),
		stop:    make(chan struct{}),
	}
	for _, p := range s.pages {
		p.past = cfg.Past != nil
		if cfg.Machine != nil {
			p.glance = s.glance
		}
	}
	return s
}

// Listen opens the port. Its errors are *[ListenError]. Callers that want to
// know the address before serving call it ahead of Run; Run calls it otherwise.
func (s *Server) Listen(ctx context.Context) error {
	if s.ln.Load() != nil {
		return nil
	}
	ln, err := listen(ctx, s.cfg.Listen, s.guarded() && s.cfg.Identity != nil)
	if err != nil {
		return err
	}
	s.ln.Store(&ln)
	return nil
}

// Addr is the address:port that the server listens on, "" before [Server.Listen].
func (s *Server) Addr() string {
	if ln := s.ln.Load(); ln != nil {
		return (*ln).Addr().String()
	}
	return ""
}

// Run serves until ctx ends, then closes the streams, lets answers under way
// finish for at most 2 s and returns nil. A port that cannot be opened is a
// *[ListenError]: the daemon does well to log it and to go on without a page.
// Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	g := newGate(*s.ln.Load())
	g.paced, g.trusts = s.pace, s.proxy
	scheme := "http"
	if s.cfg.Identity != nil {
		g.tls = &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites(), GetCertificate: s.cfg.Identity.Certificate, NextProtos: []string{"http/1.1"}}
		if !loopback(g.ln) {
			scheme = "https"
			s.cfg.Log.Info("certificate of the page", "authority", s.cfg.Identity.Fingerprint())
		}
	}
	s.gate.Store(g)
	in, out := s.newHTTP(s.Handler()), s.newHTTP(http.HandlerFunc(s.turnAway))
	out.ReadHeaderTimeout, out.ReadTimeout, out.WriteTimeout = turnedTimeout, turnedTimeout, turnedTimeout
	out.SetKeepAlivesEnabled(false)
	served := make(chan error, 3)
	go func() { served <- g.run(s.starved) }()
	go func() { served <- in.Serve(door{g, g.inside}) }()
	go func() { served <- out.Serve(door{g, g.turned}) }()
	s.cfg.Log.Info("status page is up", "url", scheme+"://"+s.Addr()+"/")

	running, err := 3, error(nil)
	select {
	case err = <-served:
		running--
	case <-ctx.Done():
	case <-s.anew:
		err = ErrAnew
	}
	_ = g.Close()
	close(s.stop)
	s.end(ctx, in)
	s.end(ctx, out)
	for ; running > 0; running-- {
		<-served //nolint:errcheck // of a server that was told to end
	}
	if errors.Is(err, ErrAnew) {
		return err
	}
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("web: serving the status page: %w", err)
}

// suites are those of TLS 1.2 that keep what was said secret even if the key is known one day, and cannot be changed
// on the way; TLS 1.3 has no others.
func suites() (ids []uint16) {
	for _, s := range tls.CipherSuites() {
		if strings.HasPrefix(s.Name, "TLS_ECDHE_") && (strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "CHACHA20")) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// ErrAnew ends [Server.Run] when the first password was set: another server may listen on what
// Listen says.
var ErrAnew = errors.New("web: the page is open to the network now")

// newHTTP is a server with the limits of the page.
func (s *Server) newHTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       withGuest,
		// OPTIONS * is guarded as all else is.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// starved passes on that there are no descriptors.
func (s *Server) starved(err error) {
	s.cfg.Log.Warn("status page: no connection can be accepted", "error", err)
	if s.cfg.Starved != nil {
		s.cfg.Starved(err)
	}
}

// turnAway answers those for whom there is no place.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	r, _ = s.meet(r)
	s.full(w, r, words.New("page-full", "n", strconv.Itoa(maxConns)))
}

// full says that there is no place.
func (s *Server) full(w http.ResponseWriter, r *http.Request, why words.Message) {
	w.Header().Set("Retry-After", "10")
	s.refuse(w, r, http.StatusServiceUnavailable, why)
}

// end shuts srv down, politely for endTimeout, then at once.
func (s *Server) end(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		s.cfg.Log.Debug("status page: closing connections that did not end", "error", err)
		_ = srv.Close() // the port is closed already; what is left are connections
	}
}

// Handler is the whole page with its guards, for [Server.Run] and for tests.
func (s *Server) Handler() http.Handler {
	return s.guard(s.routes())
}
