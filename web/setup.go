package web

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// Setup is what the page needs to change the configuration. All methods may be called from any
// number of goroutines. Errors are [SetupFaults] or *[SetupError].
type Setup interface {
	Status() SetupStatus
	// Text is what a change begins with, with placeholders for its secrets, and a mark of it.
	Text() (text, mark string)
	// Try tries a text. Placeholders stand for the secrets of the text with that mark; "" is the
	// one in force. how is how it came by: "text" or "restore".
	Try(text []byte, mark string, by station.Principal, how string) error
	// Keep keeps a version that is on trial, and GoBack takes it back; 0 is whichever is.
	Keep(id int) error
	GoBack(id int) error
	// Again tries an older version.
	Again(id int, by station.Principal) error
	// Compare tells how a version differs from the one before it.
	Compare(id int) ([]SetupLine, error)
	// Backup is the text in force, with its secrets.
	Backup() []byte
	Form() (sections []SetupSection, mark string)
	// Fill tries what was typed into the form; see [SetupField].
	Fill(mark string, get func(path string) (string, bool), remove func(path string) bool, by station.Principal) error
	People() SetupPeople
	PutPerson(p SetupPerson, fresh bool, by station.Principal) error
	DropPerson(name string, by station.Principal) error
	// ImportPeople takes a list in CSV, or only looks whether it could; the lines of its faults are those of
	// the list.
	ImportPeople(list []byte, dry bool, by station.Principal) (SetupImport, error)
	ExportPeople() []byte
}

// SetupVersion is a configuration that was tried.
type SetupVersion struct {
	ID      int           `json:"id"` // 0: the installer's file
	At      time.Time     `json:"at,omitzero"`
	By      string        `json:"by,omitempty"`
	From    string        `json:"from,omitempty"`
	How     string        `json:"how,omitempty"`     // "file", "text", "form", "people", "restore", "history"
	Outcome string        `json:"outcome,omitempty"` // "trial", "kept", "back", "original"
	Why     words.Message `json:"why,omitzero"`
}

// SetupStatus is how the configuration stands.
type SetupStatus struct {
	InForce   SetupVersion   `json:"inForce"`
	Trial     *SetupVersion  `json:"trial,omitempty"`
	Begun     bool           `json:"begun"`          // the door runs with what is on trial
	Until     time.Time      `json:"until,omitzero"` // of the trial
	Note      words.Message  `json:"note,omitzero"`  // why what was set up is not in force any more
	Versions  []SetupVersion `json:"versions"`       // the latest first
	Elsewhere bool           `json:"elsewhere"`      // nothing can be changed here
}

// SetupFault is one thing that is wrong.
type SetupFault struct {
	Line     int           `json:"line,omitempty"`
	Key      string        `json:"key,omitempty"`
	Path     string        `json:"path,omitempty"` // of a field of the form
	Message  words.Message `json:"message"`
	Optional bool          `json:"optional,omitempty"` // it alone would be no reason to refuse
}

// SetupFaults are all that is wrong with a configuration, or with a list of people: it is not used.
type SetupFaults []SetupFault //nolint:errname // a list of what a person reads, not one error

// Error has a line for each fault.
func (f SetupFaults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = fmt.Sprintf("%d: %s: %s", one.Line, one.Key, one.Message)
	}
	return strings.Join(lines, "\n")
}

// SetupImport is what a list of people comes to.
type SetupImport struct {
	Added   int `json:"added"`
	Changed int `json:"changed"` // whom the list names and who are there
}

// SetupError says why nothing was done.
type SetupError struct{ words.Message }

func (e *SetupError) Error() string { return e.String() }

// SetupLine is a line of a comparison.
type SetupLine struct {
	Sign string `json:"sign"` // "+", "-" or " "
	Line int    `json:"line"` // of the new text, of the old one if it is gone
	Text string `json:"text"`
}

// setupSize is how large a configuration or a list may be, in bytes, written as a form.
const setupSize = 1 << 20

// setupRoutes are those of the configuration. Before there is a password nobody is sure to be the
// one who may change it, on this machine either.
func (s *Server) setupRoutes() []route {
	all := []route{
		{"GET /config", admin, 0, s.getConfig},
		{"PUT /config", admin, setupSize, s.putConfig},
		{"GET /config/text", admin, 0, s.getConfigText},
		{"POST /config/text", admin, setupSize, s.postConfigText},
		{"GET /config/form", admin, 0, s.getConfigForm},
		{"POST /config/form", admin, setupSize, s.postConfigForm},
		{"POST /config/keep", admin, 0, s.postConfigKeep},
		{"POST /config/back", admin, 0, s.postConfigBack},
		{"GET /config/versions/{id}", admin, 0, s.getConfigVersion},
		{"POST /config/again", admin, 0, s.postConfigAgain},
		{"POST /config/restore", admin, setupSize, s.postConfigRestore},
		{"POST /config/confirm", adminInPerson, 0, s.postConfigConfirm},
		{"POST /config/backup", owner, 0, s.sendBackup},
		{"GET /people", operator, 0, s.getPeople},
		{"POST /people", operator, 0, s.postPeople},
		{"POST /people/remove", operator, 0, s.postPeopleRemove},
		{"POST /people/import", operator, setupSize, s.postPeopleImport},
		{"GET /people.csv", operator, 0, s.getPeopleCSV},
	}
	for i, rt := range all {
		all[i].serve = func(w http.ResponseWriter, r *http.Request) {
			if visitorOf(r).open {
				s.refuse(w, r, http.StatusForbidden, words.New("no-password-yet"))
				return
			}
			rt.serve(w, r)
		}
	}
	return all
}

// setupStatus is how the configuration stands, for programs.
func (s *Server) setupStatus() SetupStatus {
	st := s.cfg.Setup.Status()
	st.Versions = list(st.Versions)
	return st
}

// getConfig shows what is in force, what is on trial and what was before.
func (s *Server) getConfig(w http.ResponseWriter, r *http.Request) {
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, s.setupStatus())
		return
	}
	s.config(w, r, http.StatusOK, "")
}

// refresh is how often a page is asked for anew that shows a trial, in seconds.
const refresh = 5

func (s *Server) config(w http.ResponseWriter, r *http.Request, status int, problem string) {
	st, t, v := s.cfg.Setup.Status(), s.renderer(r), visitorOf(r)
	page := configView{frame: s.frame(r, t.Text("config.title"), problem), Elsewhere: st.Elsewhere, Fresh: v.person.Fresh(time.Now()), Person: v.session != ""}
	page.InForce = t.version(st.InForce)
	if !st.Note.None() {
		page.Note = t.sentence(t.Say("problem", st.Note))
	}
	if st.Trial != nil {
		page.Trial, page.Begun = t.version(*st.Trial), st.Begun
		page.Left = t.left(time.Until(st.Until))
		if problem == "" {
			w.Header().Set("Refresh", strconv.Itoa(refresh))
		}
	}
	for _, one := range st.Versions {
		page.Versions = append(page.Versions, *t.version(one))
	}
	s.document(w, r, status, "config", page)
}

// tried answers a command of the configuration. Whoever uses a browser is led to a page; what is
// wrong is shown by again, if it can.
func (s *Server) tried(w http.ResponseWriter, r *http.Request, deed station.Deed, of, to string, err error, again func(status int, problem string, faults SetupFaults)) {
	faults, faulty := errors.AsType[SetupFaults](err)
	s.audit(deed, of, visitorOf(r), setupCode(err))
	t := s.renderer(r)
	switch {
	case err == nil && wantsJSON(r):
		writeJSON(w, http.StatusOK, s.setupStatus())
	case err == nil:
		if st := s.cfg.Setup.Status(); st.Trial != nil && !st.Begun || deed == station.SettingsTakenBack {
			// The page ends with the door, and comes back with the other one.
			w.Header().Set("Refresh", strconv.Itoa(refresh)+"; url="+to)
			s.document(w, r, http.StatusOK, "applying", applyingView{s.frame(r, t.Text("config.applying"), ""), to})
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	case faulty && wantsJSON(r):
		writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"code": "setup-faults", "text": t.sentence(t.Say("refusal", words.New("setup-faults"))), "faults": list(faults)})
	case faulty && again != nil:
		again(http.StatusUnprocessableEntity, t.sentence(t.Say("refusal", words.New("setup-faults"))), faults)
	case faulty:
		s.refuse(w, r, http.StatusUnprocessableEntity, words.New("setup-faults"))
	default:
		status, why := http.StatusConflict, words.Because(words.New("setup-failed"), err)
		if se, known := errors.AsType[*SetupError](err); known {
			why = se.Message
		}
		if why.Code == "setup-not-kept" {
			status = http.StatusServiceUnavailable
		}
		if wantsHTML(r) && again != nil {
			again(status, t.sentence(t.Say("refusal", why)), nil)
			return
		}
		s.refuse(w, r, status, why)
	}
}

// setupCode is the code of an error of [Setup], for the audit log; "" of none.
func setupCode(err error) string {
	if err == nil {
		return ""
	}
	if _, faulty := errors.AsType[SetupFaults](err); faulty {
		return "setup-faults"
	}
	if se, known := errors.AsType[*SetupError](err); known {
		return se.Code
	}
	return "failed"
}

// putConfig tries the body, for programs.
func (s *Server) putConfig(w http.ResponseWriter, r *http.Request) {
	text, ok := s.body(w, r)
	if !ok {
		return
	}
	s.tried(w, r, station.SettingsTried, "", "/config", s.cfg.Setup.Try(text, "", principal(r), "text"), nil)
}

// body reads a body whole, or refuses.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		s.refuseBody(w, r, err, "bad-form")
		return nil, false
	}
	return text, true
}

func (s *Server) getConfigText(w http.ResponseWriter, r *http.Request) {
	text, mark := s.cfg.Setup.Text()
	s.configText(w, r, http.StatusOK, setupTextView{Text: text, Mark: mark})
}

func (s *Server) configText(w http.ResponseWriter, r *http.Request, status int, v setupTextView) {
	v.frame = s.frame(r, s.renderer(r).Text("config.text"), v.Problem)
	v.Rows = min(max(strings.Count(v.Text, "\n")+2, 12), 60)
	s.document(w, r, status, "config-text", v)
}

// postConfigText tries a text as it was edited. Browsers end lines with CR and LF, whatever they
// were given: the text keeps the ends that it had.
func (s *Server) postConfigText(w http.ResponseWriter, r *http.Request) {
	if !s.form(w, r) {
		return
	}
	typed, mark := strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n"), r.PostForm.Get("mark")
	text := typed
	if was, _ := s.cfg.Setup.Text(); strings.Contains(was, "\r\n") {
		text = strings.ReplaceAll(typed, "\n", "\r\n")
	}
	err := s.cfg.Setup.Try([]byte(text), mark, principal(r), "text")
	s.tried(w, r, station.SettingsTried, "", "/config", err, func(status int, problem string, faults SetupFaults) {
		s.configText(w, r, status, setupTextView{Text: typed, Mark: mark, frame: frame{Problem: problem}, Faults: s.renderer(r).setupFaults(faults, typed)})
	})
}

// trialID is the version that a form is about, 0 if it does not say, or refuses.
func (s *Server) trialID(w http.ResponseWriter, r *http.Request) (id int, ok bool) {
	text := r.PostForm.Get("id")
	if text == "" {
		return 0, true
	}
	id, err := strconv.Atoi(text)
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, words.New("setup-no-version"))
	}
	return id, err == nil
}

func (s *Server) postConfigKeep(w http.ResponseWriter, r *http.Request) {
	id, ok := s.trialID(w, r)
	if !ok {
		return
	}
	s.tried(w, r, station.SettingsKept, "", "/config", s.cfg.Setup.Keep(id), func(status int, problem string, _ SetupFaults) { s.config(w, r, status, problem) })
}

func (s *Server) postConfigBack(w http.ResponseWriter, r *http.Request) {
	id, ok := s.trialID(w, r)
	if !ok {
		return
	}
	s.tried(w, r, station.SettingsTakenBack, "", "/config", s.cfg.Setup.GoBack(id), func(status int, problem string, _ SetupFaults) { s.config(w, r, status, problem) })
}

// compare tells how the version of the path, id, differs from the one before.
func (s *Server) compare(r *http.Request) (id int, lines []SetupLine, err error) {
	if id, err = strconv.Atoi(r.PathValue("id")); err == nil {
		lines, err = s.cfg.Setup.Compare(id)
	}
	return id, lines, err
}

// getConfigVersion shows how a version differs from the one before.
func (s *Server) getConfigVersion(w http.ResponseWriter, r *http.Request) {
	id, lines, err := s.compare(r)
	if err != nil {
		s.refuse(w, r, http.StatusNotFound, words.New("setup-no-version"))
		return
	}
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, list(lines))
		return
	}
	t := s.renderer(r)
	v := versionView{frame: s.frame(r, t.Text("config.version", "id", strconv.Itoa(id)), ""), ID: id}
	last := 0
	for _, l := range lines {
		line := lineView{SetupLine: l, Gap: l.Sign == " " && last > 0 && l.Line > last+1}
		line.Kind = map[string]string{"+": "new", "-": "old"}[l.Sign]
		if l.Sign != "-" {
			last = l.Line
		}
		v.Lines = append(v.Lines, line)
	}
	s.document(w, r, http.StatusOK, "config-version", v)
}

func (s *Server) postConfigAgain(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PostForm.Get("id"))
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, words.New("setup-no-version"))
		return
	}
	s.tried(w, r, station.SettingsTried, strconv.Itoa(id), "/config", s.cfg.Setup.Again(id, principal(r)), func(status int, problem string, faults SetupFaults) {
		s.config(w, r, status, problem+s.renderer(r).first(faults))
	})
}

// upload is the file of a form, or the body as it is.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, field string) ([]byte, bool) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "multipart/form-data" {
		return s.body(w, r)
	}
	f, _, err := r.FormFile(field)
	if err != nil {
		s.refuseBody(w, r, err, "setup-no-file")
		return nil, false
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, words.New("bad-form"))
		return nil, false
	}
	return data, true
}

// postConfigRestore tries a backup. One with faults is shown as a text to be corrected.
func (s *Server) postConfigRestore(w http.ResponseWriter, r *http.Request) {
	data, ok := s.upload(w, r, "backup")
	if !ok {
		return
	}
	err := s.cfg.Setup.Try(data, "", principal(r), "restore")
	s.tried(w, r, station.SettingsTried, "", "/config", err, func(status int, problem string, faults SetupFaults) {
		s.config(w, r, status, problem+s.renderer(r).first(faults))
	})
}

// postConfigConfirm asks for the password once more, for the backup with its secrets.
func (s *Server) postConfigConfirm(w http.ResponseWriter, r *http.Request) {
	v, err := s.confirmed(r)
	s.note(station.PasswordConfirmed, v.person.Name, v, err)
	if err != nil {
		s.denied(w, r, err, func(status int, problem string) { s.config(w, r, status, problem) })
		return
	}
	doneThen(w, r, "/config#backup")
}

// sendBackup gives the text in force with all that is secret in it.
func (s *Server) sendBackup(w http.ResponseWriter, r *http.Request) {
	s.audit(station.BackupTaken, "", visitorOf(r), "")
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, strings.ToLower(cmp.Or(s.snapshot().Name, "door")))
	w.Header().Set("Content-Type", "application/toml")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+"-"+time.Now().Format("2006-01-02")+`.toml"`)
	_, _ = w.Write(s.cfg.Setup.Backup())
}
