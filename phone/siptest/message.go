package siptest

import (
	"fmt"
	"strconv"
	"strings"
)

// Header is one header line.
type Header struct{ Name, Value string }

// Msg is a SIP message as text.
type Msg struct {
	Start   string
	Headers []Header
	Body    string
}

// Parse reads a message; it returns nil for anything that is none.
func Parse(text string) *Msg {
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return nil
	}
	lines := strings.Split(head, "\r\n")
	m := &Msg{Start: lines[0], Body: body}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok {
			return nil
		}
		m.Headers = append(m.Headers, Header{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return m
}

func (m *Msg) String() string {
	var b strings.Builder
	b.WriteString(m.Start + "\r\n")
	for _, h := range m.Headers {
		if !strings.EqualFold(h.Name, "Content-Length") {
			b.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(m.Body), m.Body)
	return b.String()
}

// Method is the method of a request, or that of a response's CSeq.
func (m *Msg) Method() string {
	if !m.IsResponse() {
		w, _, _ := strings.Cut(m.Start, " ")
		return w
	}
	_, method, _ := strings.Cut(m.Get("CSeq"), " ")
	return method
}

// IsResponse tells responses from requests.
func (m *Msg) IsResponse() bool { return strings.HasPrefix(m.Start, "SIP/2.0 ") }

// Status is the status of a response, 0 for a request.
func (m *Msg) Status() int {
	if !m.IsResponse() {
		return 0
	}
	f := strings.Fields(m.Start)
	n, _ := strconv.Atoi(f[1])
	return n
}

// URI is the request URI.
func (m *Msg) URI() string {
	f := strings.Fields(m.Start)
	if len(f) < 2 {
		return ""
	}
	return f[1]
}

// Get returns the first header of that name, or "".
func (m *Msg) Get(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// All returns all headers of that name.
func (m *Msg) All(name string) []string {
	var out []string
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			out = append(out, h.Value)
		}
	}
	return out
}

// Set replaces or adds a header; an empty value removes it.
func (m *Msg) Set(name, value string) *Msg {
	var out []Header
	done := false
	for _, h := range m.Headers {
		if !strings.EqualFold(h.Name, name) {
			out = append(out, h)
		} else if !done && value != "" {
			out, done = append(out, Header{h.Name, value}), true
		}
	}
	if !done && value != "" {
		out = append(out, Header{name, value})
	}
	m.Headers = out
	return m
}

// Seq is the number of CSeq.
func (m *Msg) Seq() int {
	w, _, _ := strings.Cut(m.Get("CSeq"), " ")
	n, _ := strconv.Atoi(w)
	return n
}

// Tag is the tag of a From or To value.
func Tag(value string) string {
	_, after, ok := strings.Cut(value, ";tag=")
	if !ok {
		return ""
	}
	tag, _, _ := strings.Cut(after, ";")
	return tag
}

// URIOf is what stands between < and >.
func URIOf(value string) string {
	_, after, _ := strings.Cut(value, "<")
	uri, _, _ := strings.Cut(after, ">")
	return uri
}
