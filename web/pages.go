package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
)

//go:embed static
var staticFiles embed.FS

// snapshot is the latest one, or an empty one that says "starting".
func (s *Server) snapshot() *station.Snapshot {
	if snap := s.station.Snapshot(); snap != nil {
		return snap
	}
	return &station.Snapshot{}
}

func (s *Server) getPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	if wantsJSON(r) {
		s.getJSON(w, r)
		return
	}
	keepLanguage(w, r)
	body, err := s.renderer(r).page(s.snapshot(), s.station.Gauges(), time.Now())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body) // a client that went away needs no answer
}

func (s *Server) getJSON(w http.ResponseWriter, r *http.Request) {
	body, err := encode(s.snapshot().With(s.station.Gauges()))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

// encode is the JSON of a snapshot. JSON knows no NaN and no infinity, and one
// odd measurement must not cost the reader all the rest.
func encode(snap *station.Snapshot) ([]byte, error) {
	c := *snap
	c.Gauges = measurable(c.Gauges)
	// null instead of an empty list would be a trap for programs that loop.
	c.Calls, c.Faults, c.Buttons, c.Waiting = list(c.Calls), list(c.Faults), list(c.Buttons), list(c.Waiting)
	c.Texts, c.Contacts = list(c.Texts), list(c.Contacts)
	c.Board.Inputs, c.Board.Lamps, c.Board.Relays = list(c.Board.Inputs), list(c.Board.Lamps), list(c.Board.Relays)
	return json.Marshal(&c)
}

// measurable is g without numbers that JSON does not know.
func measurable(g station.Gauges) station.Gauges {
	for _, l := range []*station.Level{&g.Mic, &g.Speaker} {
		l.Peak, l.RMS = finite(l.Peak, silence), finite(l.RMS, silence)
	}
	st := &g.Stats
	st.JitterMS, st.ERLE, st.EchoDelay = finite(st.JitterMS, 0), finite(st.ERLE, 0), finite(st.EchoDelay, 0)
	st.DoubleTalk, st.Noise = finite(st.DoubleTalk, 0), finite(st.Noise, silence)
	g.Inputs = list(g.Inputs)
	return g
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func finite(f, instead float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return instead
	}
	return f
}

// getHealth is for probes: 200 while the station is at work.
func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) {
	snap := s.station.Snapshot()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case snap == nil:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("starting\n"))
	case snap.State == station.Stopped:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("stopped\n"))
	default:
		_, _ = w.Write([]byte("ok\n"))
	}
}

// asset is an embedded file, ready to send.
type asset struct {
	body []byte
	kind string // media type
	etag string
}

// loadAssets reads the embedded files once. They cannot be missing: the
// compiler put them there.
func loadAssets() map[string]asset {
	assets := make(map[string]asset)
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return assets
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			continue
		}
		sum := sha256.Sum256(body)
		assets[e.Name()] = asset{
			body: body,
			kind: mediaType(e.Name()),
			etag: `"` + hex.EncodeToString(sum[:8]) + `"`,
		}
	}
	return assets
}

// mediaType does not trust the tables of the machine for our own files.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (s *Server) getStatic(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("file")]
	if !ok {
		s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache") // ask each time, send only what changed
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Log.Error("status page: an answer could not be made", "path", r.URL.Path, "error", err)
	s.refuse(w, r, http.StatusInternalServerError, words.New("page-failed"))
}

// refuse answers no: to programs with the code and a sentence, to people with a small page.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, why words.Message) {
	s.cfg.Log.Debug("status page: refused", "method", r.Method, "path", r.URL.Path,
		"status", status, "why", why.Code, "from", r.RemoteAddr)
	pages := s.renderer(r)
	text := pages.sentence(pages.Say("refusal", why))
	if wantsJSON(r) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		body, _ := json.Marshal(refusal{why, text}) // strings always encode
		_, _ = w.Write(append(body, '\n'))
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		if body, err := pages.refusal(status, text); err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			_, _ = w.Write(body) //nolint:gosec // html/template has escaped the sentence
			return
		}
	}
	http.Error(w, text, status)
}

// refusal is the JSON of a command or request that is refused.
type refusal struct {
	words.Message
	Text string `json:"text"` // the same in the language of the request
}
