package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// Updates is what the page needs of a system that updates itself. All methods may be called
// from any number of goroutines. Errors that have a method Told are told by it.
type Updates interface {
	Status(ctx context.Context) (UpdateStatus, error)
	// Install asks for the bundle at an address.
	Install(ctx context.Context, address string) error
	// Upload takes a bundle of size bytes, -1 if that is not known, and asks for it. It never
	// holds more than a part of it.
	Upload(ctx context.Context, bundle io.Reader, size int64) error
}

// UpdateStatus is how an update stands.
type UpdateStatus struct {
	Running string        `json:"running"` // version of the system
	Slot    string        `json:"slot"`    // it is in
	Stage   string        `json:"stage"`   // wanted, installing, installed, trial, committed, back, failed; "" is none
	Version string        `json:"version,omitempty"`
	Source  string        `json:"source,omitempty"`
	Percent int           `json:"percent"` // of an installation
	Waits   words.Message `json:"waits,omitzero"`
	Trouble words.Message `json:"trouble,omitzero"`
}

// underWay reports whether there will be news soon.
func (u UpdateStatus) underWay() bool {
	switch u.Stage {
	case "wanted", "installing", "installed", "trial":
		return true
	}
	return false
}

// Bounds of an upload.
const (
	mostUpload   = 512 << 20
	uploadStall  = 30 * time.Second // without a byte
	uploadAnswer = 2 * time.Minute  // for the check of who has signed it
	updateEvery  = 2                // seconds between looks of a page that shows progress
)

// getUpdate shows how the update stands, and takes others.
func (s *Server) getUpdate(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	st, err := s.cfg.Updates.Status(ctx)
	if err != nil {
		s.refuseUpdate(w, r, err)
		return
	}
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	if wantsJSON(r) {
		body, err := json.Marshal(st)
		if err != nil {
			s.failed(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(words.Tame(body), '\n'))
		return
	}
	body, err := s.renderer(r).update(st)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	writeHTML(w, r, http.StatusOK, body)
}

// stageWords is the sentence of a stage.
func stageWords(stage string) string {
	switch stage {
	case "wanted":
		return "page.update.wanted"
	case "installing":
		return "page.update.installing"
	case "installed":
		return "page.update.installed"
	case "trial":
		return "page.update.trial"
	case "committed":
		return "page.update.committed"
	case "back":
		return "page.update.back"
	case "failed":
		return "page.update.failed"
	}
	return "page.update.none"
}

// update makes the page of the update.
func (r *renderer) update(st UpdateStatus) ([]byte, error) {
	v := struct {
		UpdateStatus
		State, Waits, Trouble, Remedy string
		Bar                           bool
		Again                         int // seconds until there may be news; 0: there will be none
	}{UpdateStatus: st, Bar: st.Stage == "installing"}
	if st.underWay() {
		v.Again = updateEvery
	}
	version := st.Version
	if version == "" {
		version = st.Source
	}
	v.State = r.Text(stageWords(st.Stage), "version", version, "percent", strconv.Itoa(st.Percent))
	if !st.Waits.None() {
		v.Waits = r.sentence(r.Say("problem", st.Waits))
	}
	if !st.Trouble.None() {
		v.Trouble, v.Remedy = r.sentence(r.Say("problem", st.Trouble)), r.sentence(r.Say("remedy", st.Trouble))
	}
	var buf bytes.Buffer
	err := r.tmpl.execute(&buf, "update", v)
	return buf.Bytes(), err
}

// postUpdate asks for the bundle at an address.
func (s *Server) postUpdate(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	address := strings.TrimSpace(r.PostFormValue("address"))
	err := s.cfg.Updates.Install(ctx, address)
	s.audit(station.UpdateAsked, hostOf(address), visitorOf(r), failure(err))
	s.updated(w, r, err)
}

// postBundle takes a bundle: the file of a form, or the body as it is. It is passed on as it comes.
func (s *Server) postBundle(w http.ResponseWriter, r *http.Request) {
	body := patient(w, r)
	from, size := io.Reader(body), r.ContentLength
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		r.Body = io.NopCloser(body)
		parts, err := r.MultipartReader()
		if err != nil {
			s.refuse(w, r, http.StatusBadRequest, words.New("bad-form"))
			return
		}
		part, err := parts.NextPart()
		if err != nil || part.FormName() != "bundle" || part.FileName() == "" {
			s.refuse(w, r, http.StatusBadRequest, words.New("update-no-file"))
			return
		}
		from, size = part, -1
	}
	err := s.cfg.Updates.Upload(r.Context(), from, size)
	s.audit(station.UpdateAsked, "", visitorOf(r), failure(err))
	s.updated(w, r, err)
}

// failure is the code of an error that has none of its own.
func failure(err error) string {
	if err != nil {
		return "failed"
	}
	return ""
}

// hostOf is the machine of an address, without what may be secret in it.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return ""
}

// PatientReader is a body that may take as long as it likes as long as it comes.
type PatientReader struct {
	body          io.Reader
	rc            *http.ResponseController
	stall, answer time.Duration
}

// Patient makes the body of a request one that may be without a byte for stall, and leaves answer for what is to be
// done with it then.
func Patient(w http.ResponseWriter, r *http.Request, stall, answer time.Duration) *PatientReader {
	return &PatientReader{r.Body, http.NewResponseController(w), stall, answer}
}

// patient is the body of a bundle.
func patient(w http.ResponseWriter, r *http.Request) *PatientReader {
	return Patient(w, r, uploadStall, uploadAnswer)
}

func (p *PatientReader) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(p.stall)) // not all have deadlines
	_ = p.rc.SetWriteDeadline(time.Now().Add(p.answer))
	n, err := p.body.Read(b)
	if err != nil {
		// The server now listens whether the client is still there. Should its patience end, it takes the
		// client for gone, and ends what is done with the body.
		_ = p.rc.SetReadDeadline(time.Now().Add(p.answer))
	}
	return n, err
}

// updated answers a command about updates.
func (s *Server) updated(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		s.refuseUpdate(w, r, err)
		return
	}
	doneThen(w, r, "/update")
}

func (s *Server) refuseUpdate(w http.ResponseWriter, r *http.Request, err error) {
	a := notUpdated(err)
	s.refuse(w, r, a.status, a.why)
}
