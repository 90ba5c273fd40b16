package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"intercomd/configs"
	"intercomd/setup"
	"intercomd/station"
	"intercomd/web"
	"intercomd/words"
)

// setupPage is what is set up, as the page sees it.
type setupPage struct{ t *tuning }

var _ web.Setup = setupPage{}

func whoOf(p station.Principal) setup.Who { return setup.Who{Name: p.Name, From: p.From} }

func pageVersion(v setup.Version) web.SetupVersion {
	return web.SetupVersion{ID: v.ID, At: v.At, By: v.By.Name, From: v.By.From, How: string(v.How), Outcome: string(v.Outcome), Why: v.Why}
}

func (p setupPage) Status() web.SetupStatus {
	s := p.t.keeper.Status()
	out := web.SetupStatus{InForce: pageVersion(s.InForce), Note: s.Note, Elsewhere: s.Elsewhere}
	if !s.Broken.None() {
		out.Note = s.Broken
	}
	if s.Trial != nil {
		v := pageVersion(s.Trial.Version)
		out.Trial, out.Begun, out.Until = &v, !s.Trial.Begun.IsZero(), s.Trial.Until
	}
	for _, v := range s.Versions {
		out.Versions = append(out.Versions, pageVersion(v))
	}
	return out
}

// told is an error as the page tells it: codes for what is known.
func told(err error) error {
	if err == nil {
		return nil
	}
	if list, ok := errors.AsType[configs.Faults](err); ok {
		return pageFaults(list, func(int) string { return "" })
	}
	if list, ok := errors.AsType[setup.Faults](err); ok {
		out := web.SetupFaults{}
		for _, f := range list {
			out = append(out, web.SetupFault{Line: f.Line, Message: f.Message})
		}
		return out
	}
	m := words.Because(words.New("setup-failed"), err)
	switch code := setup.Code(err); {
	case errors.Is(err, configs.ErrWritten), errors.Is(err, configs.ErrNoEntry), errors.Is(err, configs.ErrNotText):
		m = words.Because(words.New("setup-not-written"), err)
	case errors.Is(err, setup.ErrNotKept):
		m = words.New(code, "detail", err.Error())
	case code != "failed":
		m = words.New(code)
	}
	return &web.SetupError{Message: m}
}

// pageFaults are those of the loader, with the place in the form of each line.
func pageFaults(list configs.Faults, at func(line int) string) web.SetupFaults {
	out := web.SetupFaults{}
	for _, f := range list {
		out = append(out, web.SetupFault{Line: f.Line, Key: f.Key, Path: at(f.Line), Message: f.Message, Optional: f.Optional})
	}
	return out
}

func (p setupPage) document() (*configs.Document, string, error) {
	text := p.t.keeper.Text()
	sum := sha256.Sum256(text)
	mark := hex.EncodeToString(sum[:8])
	d, err := configs.NewDocument(text)
	return d, mark, err
}

func (p setupPage) Text() (text, mark string) {
	d, mark, err := p.document()
	if err != nil { // which is no TOML: nobody knows where the secrets are in it
		return "", mark
	}
	return string(d.Masked()), mark
}

// from is the document that a change with that mark was made of.
func (p setupPage) from(mark string) (*configs.Document, error) {
	d, is, err := p.document()
	if mark != "" && mark != is {
		return nil, setup.ErrChanged
	}
	return d, err
}

func (p setupPage) Try(text []byte, mark string, by station.Principal, how string) error {
	p.t.changing.Lock()
	defer p.t.changing.Unlock()
	was, err := p.from(mark)
	if errors.Is(err, setup.ErrChanged) {
		return told(err)
	}
	if d, derr := configs.NewDocument(text); derr == nil && err == nil {
		if d.Unmask(was) == nil {
			text = d.Text()
		}
	}
	_, err = p.t.keeper.Try(text, whoOf(by), setup.How(how))
	return told(err)
}

func (p setupPage) Keep(id int) error {
	_, err := p.t.keeper.Keep(id)
	return told(err)
}

func (p setupPage) GoBack(id int) error {
	_, err := p.t.keeper.GoBack(id)
	return told(err)
}

func (p setupPage) Again(id int, by station.Principal) error {
	p.t.changing.Lock()
	defer p.t.changing.Unlock()
	text, err := p.t.keeper.TextOf(id)
	if err == nil {
		_, err = p.t.keeper.Try(text, whoOf(by), setup.ByHistory)
	}
	return told(err)
}

func (p setupPage) Compare(id int) (out []web.SetupLine, err error) {
	fresh, err := p.t.keeper.TextOf(id)
	if err != nil {
		return nil, told(err)
	}
	old := p.t.keeper.Original()
	for _, v := range p.t.keeper.Status().Versions { // the latest first
		if v.ID < id && (v.Outcome == setup.Kept || v.Outcome == setup.Original) {
			if text, terr := p.t.keeper.TextOf(v.ID); terr == nil {
				old = text
				break
			}
		}
	}
	for _, l := range setup.Compare(old, fresh) {
		n := l.New
		if n == 0 {
			n = l.Old
		}
		out = append(out, web.SetupLine{Sign: string(l.Sign), Line: n, Text: l.Text})
	}
	return out, nil
}

func (p setupPage) Backup() []byte { return p.t.keeper.Text() }

func (p setupPage) Form() (sections []web.SetupSection, mark string) {
	d, mark, err := p.document()
	if err != nil {
		return nil, mark
	}
	for _, s := range setup.Form(d) {
		one := web.SetupSection{Name: s.Name, Path: s.Path, Many: s.Many}
		for _, f := range s.Fields {
			one.Fields = append(one.Fields, web.SetupField{Key: f.Key, Path: f.Path, Sort: string(f.Sort), Words: f.Words, Value: f.Value, Given: f.Given, Default: f.Default})
		}
		sections = append(sections, one)
	}
	return sections, mark
}

func (p setupPage) Fill(mark string, get func(string) (string, bool), remove func(string) bool, by station.Principal) error {
	p.t.changing.Lock()
	defer p.t.changing.Unlock()
	d, err := p.from(mark)
	if err != nil {
		return told(err)
	}
	added, err := setup.Fill(d, get, remove)
	if err != nil {
		return told(err)
	}
	_, err = p.t.keeper.Try(d.Text(), whoOf(by), setup.ByForm)
	if list, faulty := errors.AsType[configs.Faults](err); faulty {
		return pageFaults(list, func(line int) string {
			path := d.At(line)
			section, key, _ := strings.Cut(path, ".")
			if in, fresh := added[section]; fresh {
				path = strings.TrimSuffix(in+"."+key, ".")
			}
			return path
		})
	}
	return told(err)
}

func (p setupPage) People() (out web.SetupPeople) {
	s := p.t.keeper.Status()
	out.Fixed = s.Elsewhere || s.Trial != nil
	d, _, err := p.document()
	if err != nil {
		out.Fixed = true
		return out
	}
	for _, one := range setup.People(d) {
		out.People = append(out.People, web.SetupPerson(one))
	}
	cfg, _ := configs.Parse("", p.t.keeper.Text())
	for _, r := range cfg.Relays {
		out.Relays = append(out.Relays, r.Name)
	}
	for _, w := range cfg.Schedules {
		out.Schedules = append(out.Schedules, w.Name)
	}
	return out
}

// people changes the document and tries it.
func (p setupPage) people(by station.Principal, change func(*configs.Document) error) error {
	p.t.changing.Lock()
	defer p.t.changing.Unlock()
	d, _, err := p.document()
	if err == nil {
		err = change(d)
	}
	if err == nil {
		_, err = p.t.keeper.Try(d.Text(), whoOf(by), setup.ByPeople)
	}
	if errors.Is(err, setup.ErrSame) {
		return nil
	}
	return told(err)
}

func (p setupPage) PutPerson(one web.SetupPerson, fresh bool, by station.Principal) error {
	return p.people(by, func(d *configs.Document) error { return setup.Put(d, setup.Person(one), fresh) })
}

func (p setupPage) DropPerson(name string, by station.Principal) error {
	return p.people(by, func(d *configs.Document) error { return setup.Drop(d, name) })
}

func (p setupPage) ImportPeople(list []byte, dry bool, by station.Principal) (out web.SetupImport, err error) {
	p.t.changing.Lock()
	defer p.t.changing.Unlock()
	d, _, err := p.document()
	if err != nil {
		return out, told(err)
	}
	in, err := setup.Import(d, list)
	if err != nil {
		return out, told(err)
	}
	if dry {
		err = p.t.keeper.Check(d.Text())
	} else {
		_, err = p.t.keeper.Try(d.Text(), whoOf(by), setup.ByPeople)
	}
	if faults, faulty := errors.AsType[configs.Faults](err); faulty {
		all := pageFaults(faults, d.At)
		for i, f := range all {
			all[i].Line = in.Line(f.Path)
		}
		return out, all
	}
	if err != nil && !errors.Is(err, setup.ErrSame) {
		return out, told(err)
	}
	return web.SetupImport{Added: in.Added, Changed: in.Changed}, nil
}

func (p setupPage) ExportPeople() []byte {
	d, _, err := p.document()
	if err != nil {
		return nil
	}
	return setup.Export(d)
}
