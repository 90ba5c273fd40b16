package phone

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Limits of multipart bodies. What lies deeper, or behind so many parts, is not looked at.
const (
	maxNesting = 4
	maxParts   = 32
)

// part is a body, or one part of a multipart body (RFC 5621).
type part struct {
	kind        string // media type in lower case, "" if none is named
	contentType string // with its parameters
	disposition string // in lower case, "" if none is named
	handling    string // "optional", "required" or ""
	encoding    string // Content-Encoding and Content-Transfer-Encoding
	data        []byte
}

func newPart(contentType, disposition string, data []byte) part {
	p := part{kind: mediaType(contentType), contentType: contentType, disposition: mediaType(disposition), data: data}
	p.handling, _ = param(disposition, "handling")
	p.handling = strings.ToLower(p.handling)
	return p
}

// mediaType is the value of a header without its parameters.
func mediaType(value string) string {
	t, _, _ := strings.Cut(value, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func bodyPart(m sip.Message) part {
	p := newPart(header(m, "content-type", "c"), header(m, "content-disposition"), m.Body())
	p.encoding = strings.ToLower(strings.TrimSpace(header(m, "content-encoding", "e")))
	return p
}

// sdpBody returns the session description of a message, nil if there is none: its body, or
// a part of that. SDP for another purpose (early-session, RFC 3959) is none.
func sdpBody(m sip.Message) []byte {
	p := bodyPart(m)
	if len(p.data) == 0 {
		return nil
	}
	if p.kind == "" {
		p.kind = "application/sdp" // what else
	}
	return p.find("application/sdp", "session", 0)
}

// textBody returns the plain text of a message; ok is false if there is none.
func textBody(m sip.Message) (text []byte, ok bool) {
	text = bodyPart(m).find("text/plain", "render", 0)
	return text, text != nil
}

// strange reports whether a message holds a body that its sender wants to be understood,
// and that is not (RFC 3261, 8.2.3). Beside a session description others are left out in
// silence unless they say that they must not be.
func strange(m sip.Message) bool {
	p := bodyPart(m)
	switch {
	case len(p.data) == 0:
		return false
	case sdpBody(m) == nil:
		return p.handling != "optional"
	}
	return p.demands(0)
}

// find returns the data of a media type, with no disposition or the given one. Of several
// alternatives the last one is the best (RFC 2046, 5.1.4).
func (p part) find(kind, disposition string, depth int) []byte {
	switch {
	case p.disposition != "" && p.disposition != disposition && !strings.HasPrefix(p.kind, "multipart/"):
		return nil
	case p.kind == kind:
		return p.decoded()
	case depth == maxNesting:
		return nil
	}
	var found []byte
	for _, sub := range p.parts() {
		if data := sub.find(kind, disposition, depth+1); data != nil {
			if found = data; p.kind != "multipart/alternative" {
				break
			}
		}
	}
	return found
}

// demands reports whether a part that is no session description says that it is required.
func (p part) demands(depth int) bool {
	parts := p.parts()
	if len(parts) == 0 {
		return p.handling == "required" && p.kind != "application/sdp"
	}
	if p.kind == "multipart/alternative" || depth == maxNesting {
		return false
	}
	for _, sub := range parts {
		if sub.demands(depth + 1) {
			return true
		}
	}
	return false
}

// parts cuts a multipart body up. What is malformed ends it.
func (p part) parts() []part {
	boundary, ok := param(p.contentType, "boundary")
	if !ok || boundary == "" || !strings.HasPrefix(p.kind, "multipart/") || !p.plain() {
		return nil
	}
	var out []part
	r := multipart.NewReader(bytes.NewReader(p.data), boundary)
	for len(out) < maxParts {
		sub, err := r.NextRawPart()
		if err != nil {
			break
		}
		data, err := io.ReadAll(sub)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // some leave the last boundary out
			break
		}
		one := newPart(sub.Header.Get("Content-Type"), sub.Header.Get("Content-Disposition"), data)
		if one.kind == "" {
			one.kind = "text/plain" // RFC 2046, 5.1
		}
		one.encoding = strings.ToLower(strings.TrimSpace(sub.Header.Get("Content-Transfer-Encoding")))
		out = append(out, one)
	}
	return out
}

// plain reports whether the data is what it seems.
func (p part) plain() bool {
	switch p.encoding {
	case "", "identity", "binary", "7bit", "8bit":
		return true
	default:
		return false
	}
}

// decoded undoes the transfer encodings of mail, which RFC 3261 (7.4.1) does not forbid
// inside of parts; nil if it cannot be read.
func (p part) decoded() []byte {
	switch {
	case p.plain():
		return p.data
	case p.encoding == "base64":
		data, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(p.data)))
		if err != nil {
			return nil
		}
		return data
	case p.encoding == "quoted-printable":
		data, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.data)))
		if err != nil {
			return nil
		}
		return data
	default:
		return nil
	}
}
