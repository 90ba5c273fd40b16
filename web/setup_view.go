package web

import (
	"fmt"
	"strings"
	"time"
)

// This file is what the templates of the configuration are given.

type versionRow struct {
	SetupVersion
	When, Way, State, Reason string
	Tried                    bool // it may be tried again
}

type configView struct {
	frame
	Elsewhere     bool
	InForce       *versionRow
	Trial         *versionRow
	Begun         bool
	Left          string // of the trial
	Note          string
	Versions      []versionRow
	Fresh, Person bool
}

type applyingView struct {
	frame
	To string
}

type setupFaultView struct {
	Line             int
	Key, Text, Shown string
}

type setupTextView struct {
	frame
	Text, Mark string
	Rows       int
	Faults     []setupFaultView
}

type lineView struct {
	SetupLine
	Kind string // "new", "old"
	Gap  bool
}

type versionView struct {
	frame
	ID    int
	Lines []lineView
}

type setupFormView struct {
	frame
	Mark   string
	Groups []groupView
	Faults []setupFaultView
}

type groupView struct {
	Name, Title string
	Open        bool
	Parts       []partView
}

type partView struct {
	Path, Title, Problem string
	Many, Fresh          bool
	Fields               []fieldView
}

type fieldView struct {
	SetupField
	Label, Problem string
	Secret, Choice bool
}

type personRow struct {
	SetupPerson
	Valid string // in words
	For   string // whom
	UserS string
}

// personForm is what the fields of a person are made from.
type personForm struct {
	Person            personRow
	Relays, Schedules []string
	Fresh             bool
}

func newPersonForm(p personRow, all SetupPeople, fresh bool) personForm {
	return personForm{p, all.Relays, all.Schedules, fresh}
}

type peopleView struct {
	frame
	SetupPeople
	List   []personRow
	Typed  personRow
	Open   bool
	Faults []setupFaultView
}

// version is one as it is shown.
func (t teller) version(v SetupVersion) *versionRow {
	row := &versionRow{SetupVersion: v}
	if v.ID == 0 {
		row.Way = t.sentence(t.Text("config.file"))
		return row
	}
	row.When = v.At.In(time.Local).Format("2006-01-02 15:04")
	row.Way, row.State = t.Text("how."+v.How), t.Text("outcome."+v.Outcome)
	if !v.Why.None() {
		row.Reason = t.sentence(t.Say("problem", v.Why))
	}
	row.Tried = v.Outcome != "trial"
	return row
}

// left is a time as a clock shows it, 4:05.
func (teller) left(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d/time.Minute), int(d%time.Minute/time.Second))
}

// person is somebody as shown.
func (t teller) person(p SetupPerson) personRow {
	row := personRow{SetupPerson: p, UserS: strings.Join(p.Users, " ")}
	switch {
	case p.From != "" && p.Until != "":
		row.Valid = p.From + " – " + p.Until
	case p.From != "":
		row.Valid = t.Text("people.from-on", "at", p.From)
	case p.Until != "":
		row.Valid = t.Text("people.until-then", "at", p.Until)
	default:
		row.Valid = t.Text("people.always")
	}
	if p.When != "" {
		row.Valid += " · " + p.When
	}
	if p.Once {
		row.Valid += " · " + t.Text("people.once")
	}
	if row.For = row.UserS; row.For == "" {
		row.For = t.Text("people.anybody")
	}
	return row
}
