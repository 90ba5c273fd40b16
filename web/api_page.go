package web

import (
	"net/http"

	"intercomd/web/api"
	"intercomd/words"
)

// getAPIDescription is the description of the interface, as it is in the repository.
func (s *Server) getAPIDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(api.Description()) // a client that went away needs no answer
}

// apiView is the page of the interface.
type apiView struct {
	frame
	Described *api.Document
	Problems  []problemRow
}

type problemRow struct{ Code, Text string }

// getAPI shows the description of the interface. It needs nothing from elsewhere.
func (s *Server) getAPI(w http.ResponseWriter, r *http.Request) {
	t, d := s.renderer(r), api.ReadDocument()
	v := apiView{frame: s.frame(r, t.Text("nav.api"), ""), Described: d}
	for _, code := range d.Codes {
		v.Problems = append(v.Problems, problemRow{code, t.sentence(t.Say("refusal", words.New(code)))})
	}
	s.document(w, r, http.StatusOK, "api", v)
}
