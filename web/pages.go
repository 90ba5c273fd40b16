package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
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
	if wantsJSON(r) {
		w.Header().Set("Vary", "Accept, Cookie")
		s.getJSON(w, r)
		return
	}
	keepLanguage(w, r)
	body, err := s.renderer(r).page(s.snapshot(), s.station.Gauges(), time.Now(), s.whoOf(r))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	writeHTML(w, r, http.StatusOK, body)
}

// gzipped says whether a client takes gzip. The page has nothing in it that must be hidden from
// who can make somebody ask for it and see how long the answer is: its secrets are in headers.
func gzipped(r *http.Request) bool {
	for enc := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(enc), ";")
		if strings.EqualFold(name, "gzip") && strings.TrimSpace(q) != "q=0" {
			return true
		}
	}
	return false
}

// pack makes body smaller.
func pack(body []byte, level int) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		return body
	}
	_, _ = z.Write(body) // into memory
	_ = z.Close()
	return out.Bytes()
}

func (s *Server) getJSON(w http.ResponseWriter, r *http.Request) {
	body, err := s.statusJSON()
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// encoded is the JSON of a snapshot with gauges, shared by all who ask. It is never written after it
// was made.
type encoded struct {
	snap   *station.Snapshot
	gauges *station.Gauges
	body   []byte
}

// statusJSON is the door as JSON, made once for all who ask until it is another. Two goroutines may
// make the same; either is right.
func (s *Server) statusJSON() ([]byte, error) {
	gauges := s.station.Gauges()
	snap := s.snapshot()
	if last := s.status.Load(); last != nil && last.snap == snap && last.gauges == gauges {
		return last.body, nil
	}
	body, err := encode(snap.With(gauges))
	if err != nil {
		return nil, err
	}
	now := &encoded{snap, gauges, append(body, '\n')}
	s.status.Store(now)
	return now.body, nil
}

// encode is the JSON of a snapshot. JSON knows no NaN and no infinity, and one
// odd measurement must not cost the reader all the rest.
func encode(snap *station.Snapshot) ([]byte, error) {
	body, err := json.Marshal(sayable(snap))
	return words.Tame(body), err
}

// sayable is a snapshot that JSON can say.
func sayable(snap *station.Snapshot) *station.Snapshot {
	c := *snap
	c.Gauges = measurable(c.Gauges)
	// null instead of an empty list would be a trap for programs that loop.
	c.Calls, c.Faults, c.Buttons, c.Waiting = list(c.Calls), list(c.Faults), list(c.Buttons), list(c.Waiting)
	c.Texts, c.Contacts, c.Deliveries, c.Targets = list(c.Texts), list(c.Contacts), list(c.Deliveries), list(c.Targets)
	c.Board.Inputs, c.Board.Lamps, c.Board.Relays = list(c.Board.Inputs), list(c.Board.Lamps), list(c.Board.Relays)
	return &c
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

// stuckAfter is how long the door may not have looked around before it counts as stuck: it
// does so four times a second.
const stuckAfter = 15 * time.Second

// getHealth is for probes that restart what is dead: 200 while the station is at work, however
// the door fares.
func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) {
	snap, g := s.station.Snapshot(), s.station.Gauges()
	switch {
	case snap == nil:
		probe503(w, "starting")
	case snap.State == station.Stopped:
		probe503(w, "stopped")
	case g != nil && !g.Time.IsZero() && time.Since(g.Time) > stuckAfter:
		probe503(w, "stuck")
	default:
		plain(w, "ok")
	}
}

// getReady is for probes that call somebody: 200 while a press would lead to a talk. What is
// wrong is in the snapshot.
func (s *Server) getReady(w http.ResponseWriter, _ *http.Request) {
	if snap := s.station.Snapshot(); snap == nil || snap.State == "" || !snap.NotReady.None() {
		probe503(w, "not ready")
		return
	}
	plain(w, "ready")
}

func probe503(w http.ResponseWriter, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(word + "\n"))
}

func plain(w http.ResponseWriter, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(word + "\n"))
}

// asset is an embedded file, ready to send.
type asset struct {
	body []byte
	gzip []byte // the same, smaller
	kind string // media type
	etag string
}

// embedded are the embedded files, packed once for all servers of the process. Nobody changes the map.
var embedded = sync.OnceValue(loadAssets) //nolint:gochecknoglobals // a constant

// loadAssets reads the embedded files. They cannot be missing: the
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
			gzip: pack(body, gzip.BestCompression),
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
	h.Set("Vary", "Accept-Encoding")
	body := a.body
	if gzipped(r) {
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", strings.TrimSuffix(a.etag, `"`)+`-z"`)
		body = a.gzip
	}
	// Nobody needs a part of a small file; thousands of parts would be much for a short question.
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Log.Error("status page: an answer could not be encoded", "path", r.URL.Path, "error", err)
	s.refuse(w, r, http.StatusInternalServerError, words.New("page-failed"))
}

// refuse answers no: to programs with the code and a sentence, to people with a small page.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, why words.Message) {
	s.cfg.Log.Debug("status page: refused", "method", r.Method, "path", r.URL.Path,
		"status", status, "why", why.Code, "from", r.RemoteAddr)
	if program(r) {
		s.problem(r, status, why).Write(w)
		return
	}
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
			writeHTML(w, r, status, body)
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
