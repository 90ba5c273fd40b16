package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Document is the description in a form that a page shows.
type Document struct {
	Title, About string
	Groups       []Group
	Schemas      []Schema
	Codes        []string // of problems
}

// Group is what belongs together.
type Group struct {
	About      string
	Operations []Operation
}

// Operation is one thing that can be asked.
type Operation struct {
	ID, Method, Path, Summary, About string
	Scope                            string // "" for everybody
	Parameters                       []Field
	Body                             string // name of its schema; "" for none
	Answers                          []Answer
}

// Answer is one way in which it is answered.
type Answer struct {
	Status, About, Schema string
}

// Schema is one form of JSON.
type Schema struct {
	Name, About string
	Fields      []Field
}

// Field is a field of a schema, or a parameter.
type Field struct {
	Name, In, Type, Schema, About string
	Required                      bool
}

// The parts of the description that the page shows.
type (
	described struct {
		Info struct{ Title, Description string }
		Tags []struct{ Name, Description string }
		// Paths by path and method.
		Paths      map[string]map[string]operation
		Components struct {
			Parameters map[string]parameter
			Responses  map[string]response
			Schemas    map[string]schema
		}
	}
	operation struct {
		ID          string `json:"operationId"`
		Tags        []string
		Summary     string
		Description string
		Security    []map[string][]string
		Parameters  []parameter
		RequestBody struct{ Content map[string]content }
		Responses   map[string]response
	}
	parameter struct {
		Ref                   string `json:"$ref"`
		Name, In, Description string
		Required              bool
		Schema                schema
	}
	response struct {
		Ref         string `json:"$ref"`
		Description string
		Content     map[string]content
	}
	content struct{ Schema schema }
	schema  struct {
		Ref         string `json:"$ref"`
		Type        string
		Format      string
		Description string
		Known       []string `json:"x-extensible-enum"` // values, of which later versions may have more
		Required    []string
		Items       *schema
		Properties  map[string]schema
	}
)

// named is the last part of a reference.
func named(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

// kind is the type of a schema in words, and the name of the schema that it leads to.
func (s schema) kind() (text, leads string) {
	switch {
	case s.Ref != "":
		return "", named(s.Ref)
	case s.Type == "array" && s.Items != nil:
		text, leads = s.Items.kind()
		return strings.TrimSpace("list of " + text), leads
	case s.Format != "" && s.Format != "int64":
		return s.Format, ""
	}
	return s.Type, ""
}

// ReadDocument is the description for a page. Tests hold it to be readable.
//
//nolint:gochecknoglobals // a constant, in a file
var ReadDocument = sync.OnceValue(func() *Document {
	var d described
	if json.Unmarshal(description, &d) != nil {
		return &Document{}
	}
	out := &Document{Title: d.Info.Title, About: d.Info.Description, Codes: d.Components.Schemas["Problem"].Properties["code"].Known}
	for _, tag := range d.Tags {
		g := Group{About: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
			for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
				if o := d.Paths[path][method]; slices.Contains(o.Tags, tag.Name) {
					g.Operations = append(g.Operations, d.operation(strings.ToUpper(method), path, o))
				}
			}
		}
		out.Groups = append(out.Groups, g)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		s := d.Components.Schemas[name]
		shown := Schema{Name: name, About: s.Description}
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			f := s.Properties[field]
			text, leads := f.kind()
			shown.Fields = append(shown.Fields, Field{Name: field, Type: text, Schema: leads, About: f.Description, Required: slices.Contains(s.Required, field)})
		}
		out.Schemas = append(out.Schemas, shown)
	}
	return out
})

func (d *described) operation(method, path string, o operation) Operation {
	out := Operation{ID: o.ID, Method: method, Path: path, Summary: o.Summary, About: o.Description}
	for _, s := range o.Security {
		for _, scopes := range s {
			out.Scope = strings.Join(scopes, ", ")
		}
	}
	for _, p := range o.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[named(p.Ref)]
		}
		text, _ := p.Schema.kind()
		out.Parameters = append(out.Parameters, Field{Name: p.Name, In: p.In, Type: text, About: p.Description, Required: p.Required})
	}
	for _, c := range o.RequestBody.Content {
		out.Body = named(c.Schema.Ref)
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[status]
		if r.Ref != "" {
			r = d.Components.Responses[named(r.Ref)]
		}
		a := Answer{Status: status, About: r.Description}
		for _, c := range r.Content {
			_, a.Schema = c.Schema.kind()
		}
		out.Answers = append(out.Answers, a)
	}
	return out
}
