package web

import (
	"bytes"
	"encoding/json"
	"net/http"
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
	if err := s.renderer(r).tmpl.ExecuteTemplate(&buf, name, data); err != nil {
		s.cfg.Log.Error("status page: a page could not be rendered", "page", name, "error", err)
		http.Error(w, "The page has failed. The log of intercomd has the details.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // a client that went away needs no answer
}
