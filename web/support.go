package web

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// Support is what a support bundle has beside what the page knows. Its methods may be called from
// any number of goroutines.
type Support interface {
	// Configuration is the one in force, without its secrets and comments.
	Configuration() string
	// Versions are of the program and its parts.
	Versions() string
	// Clean takes every secret out that this machine knows of.
	Clean(text string) string
}

// mostOfFile bounds each file of a bundle, in bytes.
const mostOfFile = 2 << 20

// userinfo is a name and a password in an address.
var userinfo = regexp.MustCompile(`://[^/@\s"]+@`)

// sendSupport sends a bundle for whoever helps: what the door knows, without secrets. It is made
// while it is sent, one at a time.
func (s *Server) sendSupport(w http.ResponseWriter, r *http.Request) {
	if !s.bundling.TryLock() {
		w.Header().Set("Retry-After", "5")
		s.refuse(w, r, http.StatusServiceUnavailable, words.New("bundle-busy"))
		return
	}
	defer s.bundling.Unlock()
	s.audit(station.BundleTaken, "", visitorOf(r), "")
	now := time.Now()
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Disposition", `attachment; filename="intercomd-support-`+now.UTC().Format("20060102-150405")+`.tar.gz"`)
	z := gzip.NewWriter(w)
	out := tar.NewWriter(z)
	rc := http.NewResponseController(w)
	for _, f := range s.supportFiles() {
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // not all have deadlines
		body := []byte(s.cfg.Support.Clean(userinfo.ReplaceAllString(string(f.body()), "://")))
		if len(body) > mostOfFile {
			body = append(body[:mostOfFile], "\n(cut off)\n"...)
		}
		h := tar.Header{Name: "intercomd-support/" + f.name, Mode: 0o600, Size: int64(len(body)), ModTime: now, Format: tar.FormatPAX}
		if out.WriteHeader(&h) != nil {
			return // a client that went away needs no answer
		}
		if _, err := out.Write(body); err != nil {
			return
		}
	}
	if out.Close() == nil {
		_ = z.Close()
	}
}

// supportFile is a file of a bundle; its body is made when its turn comes.
type supportFile struct {
	name string
	body func() []byte
}

const supportReadme = `What an intercomd door knows about itself, for whoever helps. Passwords, codes, tokens, keys and
addresses with tokens have been taken out; names, numbers and network addresses are in it.

status.json        the state, as /status.json
machine.json       board, network, storage, clock
configuration.txt  all settings that are in force
versions.txt       program and parts
history.jsonl      the last events and calls, the newest first
log.txt            the last lines of the log
sip/N.txt          the SIP messages of the last calls, the newest first
`

func (s *Server) supportFiles() []supportFile {
	snap := s.snapshot()
	files := []supportFile{
		{"README.txt", func() []byte { return []byte(supportReadme) }},
		{"status.json", func() []byte {
			body, err := encode(snap.With(s.station.Gauges()))
			return orError(body, err)
		}},
		{"configuration.txt", func() []byte { return []byte(s.cfg.Support.Configuration()) }},
		{"versions.txt", func() []byte { return []byte(s.cfg.Support.Versions()) }},
	}
	if s.cfg.Machine != nil {
		files = append(files, supportFile{"machine.json", func() []byte {
			body, err := json.MarshalIndent(s.cfg.Machine(), "", " ")
			return orError(words.Tame(body), err)
		}})
	}
	if s.cfg.Past != nil {
		files = append(files, supportFile{"history.jsonl", func() []byte { return s.pastLines() }})
	}
	if s.cfg.Tail != nil {
		files = append(files, supportFile{"log.txt", func() []byte {
			var b bytes.Buffer
			lines, _ := s.cfg.Tail.Since(0)
			for _, l := range lines {
				b.WriteString(shownLine(l).String() + "\n")
			}
			return b.Bytes()
		}})
	}
	if s.cfg.Trace == nil {
		return files
	}
	for i, c := range snap.Calls {
		files = append(files, supportFile{fmt.Sprintf("sip/%02d.txt", i+1), func() []byte {
			messages := s.cfg.Trace(c.ID)
			if len(messages) == 0 {
				return []byte("The messages of this call are not kept.\n")
			}
			return []byte(traceText(c.ID, messages))
		}})
	}
	return files
}

// pastLines are the events that were kept, and the calls that are older than those.
func (s *Server) pastLines() []byte {
	var b bytes.Buffer
	events, err := s.cfg.Past.Events()
	for _, e := range events {
		line, _ := json.Marshal(e)
		b.Write(append(words.Tame(line), '\n'))
	}
	calls, cerr := s.cfg.Past.Calls()
	for _, c := range calls {
		if len(events) == 0 || c.Ended.Before(events[len(events)-1].At) {
			line, _ := json.Marshal(c)
			b.Write(append(words.Tame(line), '\n'))
		}
	}
	for _, e := range []error{err, cerr} {
		if e != nil {
			b.WriteString(strings.TrimSpace(e.Error()) + "\n")
		}
	}
	return b.Bytes()
}

func orError(body []byte, err error) []byte {
	if err != nil {
		return []byte(err.Error())
	}
	return body
}
