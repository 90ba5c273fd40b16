package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// writeJSON answers a program.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v) // of strings
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// document answers with a page that is not the live one: a template of that name around data.
func (s *Server) document(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var buf bytes.Buffer
	if err := s.renderer(r).tmpl.execute(&buf, name, data); err != nil {
		s.cfg.Log.Error("status page: a page could not be rendered", "page", name, "error", err)
		http.Error(w, "The page has failed. The log of intercomd has the details.", http.StatusInternalServerError)
		return
	}
	writeHTML(w, r, status, buf.Bytes())
}

// writeHTML answers with a page, packed for those who take that.
func writeHTML(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Vary", "Accept, Accept-Encoding, Accept-Language, Cookie")
	h.Set("Content-Type", "text/html; charset=utf-8")
	// The clock of the door, for a script to compare with that of the browser, ms.
	h.Set("Server-Timing", "clock;dur="+strconv.FormatInt(time.Now().UnixMilli(), 10))
	if gzipped(r) {
		h.Set("Content-Encoding", "gzip")
		body = pack(body, gzip.BestSpeed)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // it comes from html/template; and a client that went away needs no answer
}
