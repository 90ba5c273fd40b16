package api

import (
	"encoding/json"
	"net/http"

	"intercomd/words"
)

// Problem is the form of every answer that says no (RFC 9457). Type is "about:blank": Code tells
// problems apart, as everywhere else at the door.
type Problem struct { //nolint:errname // as RFC 9457 calls it
	Type   string       `json:"type"`
	Title  string       `json:"title"`  // of the status
	Status int          `json:"status"` // of HTTP
	Detail string       `json:"detail"` // for people, in the language of the request
	Code   string       `json:"code"`   // for programs
	Params words.Params `json:"params"` // what belongs to the code
	// Faults are all that is wrong with what was sent; nil for what is told by the code.
	Faults any `json:"faults,omitempty"`
}

// Error is for clients.
func (p *Problem) Error() string { return p.Detail + " (" + p.Code + ")" }

// NewProblem makes the problem of a refusal and its sentence.
func NewProblem(status int, why words.Message, sentence string) Problem {
	return Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: sentence, Code: why.Code, Params: why.Params}
}

// Write answers with it.
func (p Problem) Write(w http.ResponseWriter) {
	body, _ := json.Marshal(p) // strings always encode
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that went away needs no answer
}
