package setup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"intercomd/configs"
)

// Section is a part of the form: a section of the file, or one of its [[sections]].
type Section struct {
	Name   string // such as "button"
	Path   string // such as "button[1]"; "button[new]" for one that is not there yet
	Many   bool
	Fields []Field
}

// Field is a setting of the form.
type Field struct {
	Key     string // such as "button.line"
	Path    string // such as "button[1].line"
	Sort    configs.Sort
	Words   []string // that it may be
	Value   string   // as it is given; "" of a secret
	Given   bool
	Default string // where none is given
}

// NewEntry is what stands for the number of a section that is not there yet.
const NewEntry = "new"

// formed are the settings that doors really differ in, in the order of the form. All others are
// in the text.
func formed() []struct {
	section string
	many    bool
	keys    []string
} {
	return []struct {
		section string
		many    bool
		keys    []string
	}{
		{"sip", false, []string{"server", "user", "auth_user", "password", "display_name"}},
		{"call", false, []string{"target", "ring_time", "talk_time"}},
		{"target", true, []string{"name", "label", "users", "fallback"}},
		{"button", true, []string{"name", "label", "line", "target"}},
		{"lamp", true, []string{"name", "line", "active", "shows"}},
		{"relay", true, []string{"name", "line", "active", "pulse", "latching"}},
		{"door", false, []string{"relay", "key", "key_users", "callers", "hangup_after"}},
		{"audio", false, []string{"input", "output", "input_gain", "output_gain", "echo_canceller", "noise_suppression", "duplex", "language", "tone_region"}},
		{"web", false, []string{"listen", "names"}},
	}
}

// Keys are the settings of the form.
func Keys() (keys []string) {
	for _, s := range formed() {
		for _, k := range s.keys {
			keys = append(keys, s.section+"."+k)
		}
	}
	return keys
}

// Sections are the sections of the form.
func Sections() (names []string) {
	for _, s := range formed() {
		names = append(names, s.section)
	}
	return names
}

// Form is the form for a document.
func Form(d *configs.Document) (out []Section) {
	usual, err := configs.NewDocument([]byte(configs.DefaultFile))
	if err != nil { // a test holds that it is none
		return nil
	}
	fill := func(section, path string, many bool, keys []string) Section {
		s := Section{Name: section, Path: path, Many: many}
		for _, k := range keys {
			key := section + "." + k
			f := Field{Key: key, Path: path + "." + k}
			f.Sort, f.Words, _ = configs.Describe(key)
			at := key
			if many {
				at = section + "[0]." + k
			}
			f.Default = show(usual, at, f.Sort)
			if many && ownOf(k) && d.Has(section) {
				f.Default = "" // those of the one that there is without any
			}
			_, f.Given = d.Get(f.Path)
			if f.Sort != configs.SortSecret {
				f.Value = show(d, f.Path, f.Sort)
			}
			s.Fields = append(s.Fields, f)
		}
		return s
	}
	for _, s := range formed() {
		if !s.many {
			out = append(out, fill(s.section, s.section, false, s.keys))
			continue
		}
		for i := range d.Entries(s.section) {
			out = append(out, fill(s.section, fmt.Sprintf("%s[%d]", s.section, i), true, s.keys))
		}
		out = append(out, fill(s.section, s.section+"["+NewEntry+"]", true, s.keys))
	}
	return out
}

// ownOf tells the settings that each of [[sections]] has for itself. The one that a door has if its
// file has none, such as the button "bell" on line 17, has them too: the first one that is added takes
// them over where nothing else is typed.
func ownOf(key string) bool { return key == "name" || key == "line" }

// show is a setting as people type it.
func show(d *configs.Document, path string, sort configs.Sort) string {
	if sort == configs.SortList {
		list, _ := d.List(path)
		return strings.Join(list, " ")
	}
	v, _ := d.Get(path)
	return v
}

// Fill changes a document as the form says: get gives what was typed for a path, ok is false if
// that was not in the form, and remove tells the sections that are to go. What is emptied goes back
// to its default; an empty secret stays as it was. added has the paths of new sections, and those
// that they have in the form.
func Fill(d *configs.Document, get func(path string) (value string, ok bool), remove func(path string) bool) (added map[string]string, err error) {
	added = map[string]string{}
	sections := Form(d)
	for _, s := range sections {
		path := s.Path
		if strings.HasSuffix(path, "["+NewEntry+"]") {
			if !slices.ContainsFunc(s.Fields, func(f Field) bool { v, _ := get(f.Path); return strings.TrimSpace(v) != "" }) {
				continue
			}
			if path, err = d.Add(s.Name); err != nil {
				return nil, err
			}
			added[path] = s.Path
		}
		for _, f := range s.Fields {
			v, ok := get(f.Path)
			if v = strings.TrimSpace(v); v == "" && path != s.Path && ownOf(strings.TrimPrefix(f.Key, s.Name+".")) {
				v = f.Default
			}
			if !ok && v == "" || v == f.Value {
				continue
			}
			to := path + strings.TrimPrefix(f.Path, s.Path)
			switch {
			case v != "":
				err = d.Set(to, typed(v, f.Sort))
			case f.Sort != configs.SortSecret:
				err = d.Remove(to)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	for _, s := range slices.Backward(sections) { // the last first: numbers of others stay
		if s.Many && remove(s.Path) {
			if err := d.Remove(s.Path); err != nil {
				return nil, err
			}
		}
	}
	return added, nil
}

// typed is what was typed, as the file has it. What is none of its sort becomes a text, which the
// loader finds.
func typed(v string, sort configs.Sort) any {
	switch sort {
	case configs.SortList:
		return itemsOf(v)
	case configs.SortBool:
		if v == "true" || v == "false" {
			return v == "true"
		}
	case configs.SortLine:
		if n, err := strconv.Atoi(v); err == nil {
			return n
		}
	case configs.SortNumber:
		if f, err := strconv.ParseFloat(strings.Replace(v, ",", ".", 1), 64); err == nil {
			return f
		}
	}
	return v
}

// itemsOf are the items of a list that was typed.
func itemsOf(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' || r == '\t' || r == '\r' })
}
