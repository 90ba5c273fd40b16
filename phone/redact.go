package phone

import (
	"fmt"
	"regexp"
	"strings"
)

// What the trace shows is what these lists name, and nothing else: a header or a
// line of SDP that nobody thought of cannot give a secret away. Left out on purpose
// are credentials of every kind, Authentication-Info, the keys of the media
// (ice-pwd, crypto, key-mgmt, k=), and every body that is no session description:
// keys that were pressed may be the code of a door, and texts are nobody's business.

// shownHeader reports whether the values of a header are shown, by its long or compact
// name in lower case.
func shownHeader(name string) bool {
	switch name {
	case "accept", "accept-encoding", "accept-language", "alert-info", "allow", "u", "allow-events",
		"answer-mode", "priv-answer-mode", "call-id", "i", "call-info", "contact", "m", "content-disposition",
		"content-encoding", "e", "content-language", "content-length", "l", "content-type", "c", "cseq", "date",
		"diversion", "event", "o", "expires", "flow-timer", "from", "f", "history-info", "max-forwards",
		"mime-version", "min-expires", "min-se", "p-asserted-identity", "p-preferred-identity", "path",
		"privacy", "proxy-authenticate", "proxy-require", "rack", "reason", "record-route", "refer-sub",
		"refer-to", "r", "referred-by", "b", "remote-party-id", "replaces", "require", "retry-after", "route",
		"rseq", "server", "service-route", "session-expires", "x", "subscription-state", "supported", "k",
		"timestamp", "to", "t", "unsupported", "user-agent", "via", "v", "warning", "www-authenticate":
		return true
	}
	return false
}

// shownSDP reports whether an attribute (a=) of SDP is shown.
func shownSDP(name string) bool {
	switch name {
	case "candidate", "end-of-candidates", "extmap", "extmap-allow-mixed", "fingerprint", "fmtp", "group",
		"ice-lite", "ice-options", "ice-ufrag", "inactive", "maxptime", "mid", "msid", "msid-semantic", "ptime",
		"recvonly", "remote-candidates", "rtcp", "rtcp-fb", "rtcp-mux", "rtcp-rsize", "rtpmap", "sendonly",
		"sendrecv", "setup", "silencesupp", "ssrc", "ssrc-group", "tls-id":
		return true
	}
	return false
}

var (
	// startLine is a request line or a status line.
	startLine = regexp.MustCompile(`^([A-Za-z]+ [^ ]+ SIP/2\.0|SIP/2\.0 [0-9]{3}( .*)?)$`)
	// uriPassword is the password in sip:user:password@host or https://user:password@host.
	uriPassword = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:(?://)?[^\s@:<>"?/]*):[^\s@<>"]*@`)
	// uriHeaders are what stands behind the ? of a URI: headers of SIP, tokens of the web.
	uriHeaders = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:[^\s<>"?]*)\?[^\s<>"]*`)
)

const redacted = "(redacted)"

// redact takes out of a message what must not be seen. It never fails: of text that
// is no SIP little is left.
func redact(text string) string {
	head, body := splitBody(text)
	lines := strings.FieldsFunc(head, func(r rune) bool { return r == '\r' || r == '\n' })
	var b strings.Builder
	method, kind := "", ""
	sdp, shown := true, false
	for i, line := range lines {
		name, value, named := strings.Cut(line, ":")
		low := strings.ToLower(strings.TrimSpace(name))
		switch {
		case i == 0 && startLine.MatchString(line):
			b.WriteString(inURIs(line))
			if !strings.HasPrefix(line, "SIP/2.0 ") {
				method, _, _ = strings.Cut(line, " ")
			}
		case strings.HasPrefix(line, " "), strings.HasPrefix(line, "\t"): // goes on with the line above
			if !shown {
				continue
			}
			b.WriteString(" " + inURIs(strings.TrimSpace(line)))
		case shownHeader(low):
			shown = true
			b.WriteString(strings.TrimSpace(name) + ": " + inURIs(strings.TrimSpace(value)))
			switch low {
			case "content-type", "c":
				t, _, _ := strings.Cut(value, ";")
				if kind = strings.ToLower(strings.TrimSpace(t)); kind != "application/sdp" {
					sdp = false
				}
			case "cseq":
				if f := strings.Fields(value); len(f) > 1 && method == "" {
					method = f[1]
				}
			}
		case named && headerName(name) && i > 0:
			shown = false
			b.WriteString(strings.TrimSpace(name) + ": " + redacted)
		default:
			shown = false
			b.WriteString(redacted)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	if body == "" {
		return b.String()
	}
	switch strings.ToUpper(method) {
	case "INVITE", "ACK", "PRACK", "UPDATE":
		if sdp && kind != "" {
			b.WriteString(redactSDP(body))
			return b.String()
		}
	case "NOTIFY":
		if line, _, _ := strings.Cut(body, "\r\n"); kind == "message/sipfrag" && startLine.MatchString(line) && strings.HasPrefix(line, "SIP/2.0 ") {
			b.WriteString(line + "\n")
			return b.String()
		}
	}
	fmt.Fprintf(&b, "(%d bytes are not shown)\n", len(body))
	return b.String()
}

// splitBody cuts at the empty line, whichever kind of line ends the message has.
func splitBody(text string) (head, body string) {
	cut := len(text)
	for _, sep := range []string{"\r\n\r\n", "\n\n", "\n\r\n", "\r\r"} {
		if i := strings.Index(text, sep); i >= 0 && i < cut {
			cut, body = i, text[i+len(sep):]
		}
	}
	return text[:cut], body
}

func redactSDP(body string) string {
	var b strings.Builder
	for _, line := range strings.FieldsFunc(body, func(r rune) bool { return r == '\r' || r == '\n' }) {
		name, _, named := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case len(line) < 2 || line[1] != '=':
			b.WriteString(redacted)
		case strings.IndexByte("vosctmb", line[0]) >= 0, line[0] == 'a' && shownSDP(name):
			b.WriteString(line)
		case line[0] == 'a' && named && headerName(name):
			b.WriteString("a=" + name + ":" + redacted)
		default:
			b.WriteString(line[:2] + redacted)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// inURIs takes passwords, and what stands behind a ?, out of the URIs of a line.
func inURIs(line string) string {
	if strings.Contains(line, "?") { // looking for a character is far cheaper, and most lines have none
		line = uriHeaders.ReplaceAllString(line, "$1?"+redacted)
	}
	if strings.Contains(line, "@") {
		line = uriPassword.ReplaceAllString(line, "$1:"+redacted+"@")
	}
	return line
}

// headerName reports whether a word may be shown as the name of something: short, and
// made of what names are made of, so that no value passes for a name.
func headerName(s string) bool {
	s = strings.TrimSpace(s)
	return len(s) <= 40 && s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz-") == ""
}
