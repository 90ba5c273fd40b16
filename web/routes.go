package web

import (
	"net/http"

	"intercomd/words"
)

// route is one thing that can be asked of the page.
type route struct {
	pattern string // method and path, as for [http.ServeMux]
	body    int64  // bytes that its body may have at most; 0 is maxBody
	serve   http.HandlerFunc
}

// table lists everything that can be asked of the page.
func (s *Server) table() []route {
	all := []route{
		{"GET /{$}", 0, s.getPage},
		{"GET /status.json", 0, s.getJSON},
		{"GET /events", 0, s.getEvents},
		{"GET /live", 0, s.getLive},
		{"GET /calls/{id}/ladder", 0, s.getLadder},
		{"GET /healthz", 0, s.getHealth},
		{"GET /readyz", 0, s.getReady},
		{"GET /static/{file}", 0, s.getStatic},
		{"POST /call/hangup", 0, s.postHangup},
		{"POST /call/mute", 0, s.postMute},
		{"POST /selftest", 0, s.postSelfTest},
	}
	if s.cfg.Updates != nil {
		all = append(all,
			route{"GET /update", 0, s.getUpdate},
			route{"POST /update", 0, s.postUpdate},
			route{"POST /update/bundle", mostUpload, s.postBundle})
	}
	if s.panel != nil {
		all = append(all,
			route{"POST /panel/press", 0, s.postPress},
			route{"POST /panel/hold", 0, s.postHold},
			route{"POST /panel/set", 0, s.postSet})
	}
	if s.cfg.Metrics != nil {
		all = append(all, route{"GET /metrics", 0, s.cfg.Metrics.ServeHTTP})
	}
	return all
}

// routes answers by the table, and says no in the words of the page to all else.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.table() {
		mux.Handle(rt.pattern, s.checked(rt))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r) // for the values in the path
			return
		}
		no := &verdict{header: http.Header{}}
		h.ServeHTTP(no, r)
		switch {
		case no.status == http.StatusMethodNotAllowed:
			w.Header().Set("Allow", no.header.Get("Allow"))
			s.refuse(w, r, no.status, words.New("wrong-method", "method", r.Method))
		case no.status >= 300 && no.status < 400: // a path that was not clean
			http.Redirect(w, r, no.header.Get("Location"), no.status)
		default:
			s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		}
	})
}

// checked stands before a route: its body is bounded, and the form of a command is read.
func (s *Server) checked(rt route) http.Handler {
	limit := int64(maxBody)
	if rt.body > 0 {
		limit = rt.body
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if command(r) && rt.body == 0 && !s.form(w, r) {
			return
		}
		rt.serve(w, r)
	})
}

// verdict is what the mux would answer, without its words.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
