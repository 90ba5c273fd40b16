package web

import (
	"net/http"
	"slices"
	"strings"

	"intercomd/station"
)

// SetupSection is a part of the form.
type SetupSection struct {
	Name   string // of the file, such as "button"
	Path   string // such as "button[1]"; "button[new]" for one that is not there yet
	Many   bool   // there may be several, and each may be removed
	Fields []SetupField
}

// SetupField is a setting of the form. It is named by its path in the form; what it is emptied to
// is its default, but for secrets, which stay.
type SetupField struct {
	Key     string // such as "button.line"; its name is in the catalogue
	Path    string // such as "button[1].line"
	Sort    string // "text", "list", "secret", "bool", "choice", "number", "time", "line"
	Words   []string
	Value   string // never of a secret
	Given   bool
	Default string
}

func (s *Server) getConfigForm(w http.ResponseWriter, r *http.Request) {
	sections, mark := s.cfg.Setup.Form()
	s.configForm(w, r, http.StatusOK, sections, mark, "", nil)
}

func (s *Server) configForm(w http.ResponseWriter, r *http.Request, status int, sections []SetupSection, mark, problem string, faults SetupFaults) {
	t := s.renderer(r)
	v := setupFormView{frame: s.frame(r, t.Text("config.form"), problem), Mark: mark}
	told := map[string]string{}
	for _, f := range faults {
		told[f.Path] = strings.TrimSpace(told[f.Path] + " " + t.wrong(f))
	}
	var group *groupView
	for _, one := range sections {
		if group == nil || group.Name != one.Name {
			v.Groups = append(v.Groups, groupView{Name: one.Name, Title: t.Text("section." + one.Name)})
			group = &v.Groups[len(v.Groups)-1]
		}
		part := partView{Path: one.Path, Fresh: strings.HasSuffix(one.Path, "[new]"), Many: one.Many, Problem: told[one.Path]}
		part.Title = one.Path
		for _, f := range one.Fields {
			if f.Key == one.Name+".name" && f.Value != "" {
				part.Title = f.Value
			}
			part.Fields = append(part.Fields, fieldView{SetupField: f, Label: t.Text("setting." + f.Key), Problem: told[f.Path],
				Secret: f.Sort == "secret", Choice: f.Sort == "choice" || f.Sort == "bool"})
			if p := &part.Fields[len(part.Fields)-1]; p.Sort == "bool" {
				p.Words = []string{"true", "false"}
			}
			if told[f.Path] != "" {
				group.Open = true
			}
			delete(told, f.Path)
		}
		group.Open = group.Open || part.Problem != ""
		delete(told, one.Path)
		group.Parts = append(group.Parts, part)
	}
	for _, f := range faults {
		if _, left := told[f.Path]; left {
			v.Faults = append(v.Faults, t.setupFaults(SetupFaults{f}, "")...)
		}
	}
	s.document(w, r, status, "config-form", v)
}

// postConfigForm tries what was typed into the form.
func (s *Server) postConfigForm(w http.ResponseWriter, r *http.Request) {
	if !s.form(w, r) {
		return
	}
	get := func(path string) (string, bool) { return r.PostForm.Get(path), r.PostForm.Has(path) }
	gone := r.PostForm["remove"]
	mark := r.PostForm.Get("mark")
	err := s.cfg.Setup.Fill(mark, get, func(path string) bool { return slices.Contains(gone, path) }, principal(r))
	s.tried(w, r, station.SettingsTried, "", "/config", err, func(status int, problem string, faults SetupFaults) {
		sections, _ := s.cfg.Setup.Form()
		for i := range sections {
			for j := range sections[i].Fields {
				if f := &sections[i].Fields[j]; f.Sort != "secret" {
					if typed, ok := get(f.Path); ok {
						f.Value = typed
					}
				}
			}
		}
		s.configForm(w, r, status, sections, mark, problem, faults)
	})
}

// SetupPeople are those who have codes.
type SetupPeople struct {
	People    []SetupPerson
	Relays    []string
	Schedules []string
	Fixed     bool // they cannot be changed here
}

// SetupPerson is somebody with a code. The digits are only ever set.
type SetupPerson struct {
	Name   string
	Digits string // to be set; "" leaves them
	Relay  string
	Users  []string
	From   string
	Until  string
	When   string
	Once   bool
}

func (s *Server) getPeople(w http.ResponseWriter, r *http.Request) {
	s.people(w, r, http.StatusOK, "", SetupPerson{}, nil)
}

func (s *Server) people(w http.ResponseWriter, r *http.Request, status int, problem string, typed SetupPerson, faults []setupFaultView) {
	t, all := s.renderer(r), s.cfg.Setup.People()
	v := peopleView{frame: s.frame(r, t.Text("people.title"), problem), SetupPeople: all, Typed: t.person(typed), Faults: faults, Open: typed.Name != ""}
	for _, p := range all.People {
		v.List = append(v.List, t.person(p))
	}
	s.document(w, r, status, "people", v)
}

// postPeople adds somebody, or changes who is there.
func (s *Server) postPeople(w http.ResponseWriter, r *http.Request) {
	f := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	p := SetupPerson{Name: f("name"), Digits: f("digits"), Relay: f("relay"), From: f("from"), Until: f("until"), When: f("when"), Once: f("once") != "",
		Users: strings.FieldsFunc(f("users"), func(c rune) bool { return c == ' ' || c == ',' || c == ';' })}
	err := s.cfg.Setup.PutPerson(p, f("change") == "", principal(r))
	p.Digits = ""
	s.tried(w, r, station.PeopleChanged, p.Name, "/people", err, func(status int, problem string, faults SetupFaults) {
		s.people(w, r, status, problem, p, s.renderer(r).setupFaults(faults, ""))
	})
}

func (s *Server) postPeopleRemove(w http.ResponseWriter, r *http.Request) {
	name := r.PostForm.Get("name")
	err := s.cfg.Setup.DropPerson(name, principal(r))
	s.tried(w, r, station.PeopleChanged, name, "/people", err, func(status int, problem string, faults SetupFaults) {
		s.people(w, r, status, problem, SetupPerson{}, s.renderer(r).setupFaults(faults, ""))
	})
}

// postPeopleImport takes a list: as the body, or as the file of a form.
func (s *Server) postPeopleImport(w http.ResponseWriter, r *http.Request) {
	data, ok := s.upload(w, r, "list")
	if !ok {
		return
	}
	_, err := s.cfg.Setup.ImportPeople(data, false, principal(r))
	s.tried(w, r, station.PeopleChanged, "", "/people", err, func(status int, problem string, faults SetupFaults) {
		s.people(w, r, status, problem, SetupPerson{}, s.renderer(r).setupFaults(faults, string(data)))
	})
}

func (s *Server) getPeopleCSV(w http.ResponseWriter, _ *http.Request) { s.sendPeople(w) }

// sendPeople gives the people as a list, without their digits.
func (s *Server) sendPeople(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="people.csv"`)
	_, _ = w.Write(s.cfg.Setup.ExportPeople())
}

// wrong is a fault with its remedy, for beside a field.
func (t teller) wrong(f SetupFault) string {
	out := t.sentence(t.Say("problem", f.Message))
	if r := t.Say("remedy", f.Message); r != "" {
		out += " " + t.sentence(r)
	}
	return out
}

// first is the first fault, for where there is room for one.
func (t teller) first(faults SetupFaults) string {
	if len(faults) == 0 {
		return ""
	}
	return " " + t.setupFaults(faults[:1], "")[0].Text
}

// setupFaults are faults as they are shown, with the lines of a text that they are in.
func (t teller) setupFaults(faults SetupFaults, text string) (out []setupFaultView) {
	lines := strings.Split(text, "\n")
	for _, f := range faults {
		v := setupFaultView{Line: f.Line, Key: f.Key, Text: t.wrong(f)}
		if f.Line > 0 && f.Line <= len(lines) && text != "" && !hides(lines[f.Line-1]) {
			v.Shown = clean(lines[f.Line-1], 200)
		}
		out = append(out, v)
	}
	return out
}

// hides tells lines that may have a secret in them: of a list of people every line may.
func hides(line string) bool {
	line = strings.ToLower(line)
	return !strings.Contains(line, "=") || slices.ContainsFunc([]string{"pass", "key", "digits", "code", "webhook"}, func(w string) bool { return strings.Contains(line, w) })
}
