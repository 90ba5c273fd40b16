package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/words"
)

// SIPMessage is one message of a call's trace. Whoever hands it over has taken its
// secrets out.
type SIPMessage struct {
	At      time.Time `json:"at"`
	Sent    bool      `json:"sent"`              // by the door
	Skipped int       `json:"skipped,omitempty"` // so many before it were not kept
	Text    string    `json:"text"`
}

// tracePath is where the trace of a call is, "" for a call that never had an ID.
func tracePath(id string) string {
	if id == "" {
		return ""
	}
	return "/calls/" + url.PathEscape(id) + "/trace"
}

// callTrace is the SIP messages of a call, for programs.
type callTrace struct {
	Call     string       `json:"call"`
	Messages []SIPMessage `json:"messages"` // none: they are not kept
}

func (s *Server) traceOf(id string) callTrace {
	t := callTrace{Call: id}
	if s.cfg.Trace != nil {
		t.Messages = slices.Clone(s.cfg.Trace(id))
	}
	for i, m := range t.Messages {
		t.Messages[i].Text = printable(m.Text)
	}
	return t
}

// getTrace shows the SIP messages of one of the last calls.
func (s *Server) getTrace(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	trace := s.traceOf(id)
	messages := trace.Messages
	if len(messages) == 0 {
		s.refuse(w, r, http.StatusNotFound, words.New("no-trace"))
		return
	}
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	if !wantsJSON(r) {
		s.showTrace(w, r, id, traceText(id, messages))
		return
	}
	body, err := json.Marshal(trace)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

// showTrace sends the text as it is, to keep, or as a page.
func (s *Server) showTrace(w http.ResponseWriter, r *http.Request, id, text string) {
	if r.URL.Query().Has("text") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.URL.Query().Has("text") {
			w.Header().Set("Content-Disposition", `attachment; filename="sip-messages.txt"`)
		}
		_, _ = w.Write([]byte(text))
		return
	}
	s.document(w, r, http.StatusOK, "trace", struct{ Text, Download string }{text, tracePath(id) + "?text"})
}

// traceText draws who sent what to whom as a ladder diagram, then writes the messages down.
func traceText(id string, messages []SIPMessage) string {
	var steps, whole strings.Builder
	for _, m := range messages {
		at, arrow, who := m.At.Format("15:04:05.000"), "<--", "received"
		if m.Sent {
			arrow, who = "-->", "sent"
		}
		if m.Skipped > 0 {
			fmt.Fprintf(&steps, "              ... %s not kept\n", messagesOf(m.Skipped))
		}
		text := printable(m.Text)
		fmt.Fprintf(&steps, "%s  %s %s\n", at, arrow, stepOf(text))
		fmt.Fprintf(&whole, "\n%s %s %s\n\n%s\n", strings.Repeat("-", 8), at, who, strings.TrimRight(text, "\n"))
	}
	return "Call " + clean(id, 4*maxName) + " on " + messages[0].At.Format("2 January 2006 MST") +
		", the door on the left, its server on the right.\nSecrets have been removed.\n\n" +
		steps.String() + whole.String()
}

// messagesOf counts messages. A trace is read by engineers: it is in English.
func messagesOf(n int) string {
	if n == 1 {
		return "1 message"
	}
	return strconv.Itoa(n) + " messages"
}

// stepOf is a message in one line: its start, of a response the method that it is to,
// and whether it describes media.
func stepOf(text string) string {
	head, body, _ := strings.Cut(text, "\n\n")
	start, _, _ := strings.Cut(head, "\n")
	start = strings.TrimSuffix(strings.TrimPrefix(start, "SIP/2.0 "), " SIP/2.0")
	if _, cseq, ok := strings.Cut(head, "\nCSeq: "); ok {
		cseq, _, _ = strings.Cut(cseq, "\n")
		if n, method, _ := strings.Cut(cseq, " "); !strings.HasPrefix(start, method+" ") {
			start += " (" + cseq + ")"
		} else if _, err := strconv.Atoi(n); err == nil {
			start += " (" + n + ")"
		}
	}
	if strings.HasPrefix(body, "v=") {
		start += ", with SDP"
	}
	return clean(start, 2*maxName)
}

// printable keeps text from steering the terminal that shows it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && words.Steers(r) {
			return '?'
		}
		return r
	}, s)
}
