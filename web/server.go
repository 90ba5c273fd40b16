package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"intercomd/station"
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
	// Do gives the station a command and returns when it was taken or refused.
	Do(ctx context.Context, cmd station.Command) error
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
	// Listen is address:port to listen on. Only loopback addresses are accepted.
	// Port 0 takes any free one; see [Server.Addr].
	Listen string
	// Names are host names, besides localhost and IP addresses, under which a
	// browser may ask for the page (as behind a reverse proxy). All others are
	// refused: they are how a foreign web site reaches a local page (DNS rebinding).
	Names []string
	// Ladder gives the SIP messages of one of the last calls by its ID, without
	// secrets; nil or none if they are not kept. It may be called from any number of
	// goroutines.
	Ladder func(call string) []SIPMessage
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
	maxStreams    = 24              // event streams and held buttons at a time
)

// Server serves the page. Make it with [New].
type Server struct {
	cfg     Config
	station Station
	panel   Panel                // nil: no buttons to press
	pages   map[string]*renderer // by language
	assets  map[string]asset
	names   map[string]bool
	slots   chan struct{} // one taken per stream
	stop    chan struct{} // closed when the server ends, for streams
	ln      atomic.Pointer[net.Listener]
}

// New makes a server for st. A nil panel leaves out the buttons of the front
// panel. Nothing is opened before [Server.Listen] or [Server.Run].
func New(cfg Config, st Station, panel Panel) *Server {
	return &Server{
		cfg:     cfg,
		station: st,
		panel:   panel,
		pages:   newRenderers(panel != nil),
		assets:  loadAssets(),
		names:   nameSet(cfg.Names),
		slots:   make(chan struct{}, maxStreams),
		stop:    make(chan struct{}),
	}
}

// Listen opens the port. Its errors are *[ListenError]. Callers that want to
// know the address before serving call it ahead of Run; Run calls it otherwise.
func (s *Server) Listen(ctx context.Context) error {
	if s.ln.Load() != nil {
		return nil
	}
	ln, err := listen(ctx, s.cfg.Listen)
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
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(*s.ln.Load()) }()
	s.cfg.Log.Info("status page is up", "url", "http://"+s.Addr()+"/")

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	close(s.stop)
	s.end(ctx, srv)
	if err == nil {
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("web: serving the status page: %w", err)
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
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.getPage)
	mux.HandleFunc("GET /status.json", s.getJSON)
	mux.HandleFunc("GET /events", s.getEvents)
	mux.HandleFunc("GET /live", s.getLive)
	mux.HandleFunc("GET /calls/{id}/ladder", s.getLadder)
	mux.HandleFunc("GET /healthz", s.getHealth)
	mux.HandleFunc("GET /static/{file}", s.getStatic)
	mux.HandleFunc("POST /call/hangup", s.postHangup)
	mux.HandleFunc("POST /call/mute", s.postMute)
	mux.HandleFunc("POST /selftest", s.postSelfTest)
	if s.panel != nil {
		mux.HandleFunc("POST /panel/press", s.postPress)
		mux.HandleFunc("POST /panel/hold", s.postHold)
		mux.HandleFunc("POST /panel/set", s.postSet)
	}
	return s.guard(mux)
}
