package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Secrets are all passwords, codes and addresses with tokens that a configuration has.
func (c *Config) Secrets() (out []string) {
	walk(reflect.ValueOf(c).Elem(), "", func(_ string, v reflect.Value) {
		if s, ok := v.Interface().(Secret); ok && s != "" {
			out = append(out, string(s))
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Plain is a configuration in lines of "section.key = value", all settings, without secrets and
// without the comments of its file, in which there may be some.
func (c *Config) Plain() string {
	var b strings.Builder
	walk(reflect.ValueOf(c).Elem(), "", func(key string, v reflect.Value) {
		fmt.Fprintf(&b, "%s = %v\n", key, v.Interface()) // a Secret hides itself
	})
	return b.String()
}

// walk visits all settings by their keys.
func walk(v reflect.Value, key string, visit func(key string, v reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("toml")
		if name == "" {
			continue
		}
		if key != "" {
			name = key + "." + name
		}
		f := v.Field(i)
		switch {
		case f.Kind() == reflect.Struct && sectioned(f.Type()):
			walk(f, name, visit)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct && sectioned(f.Type().Elem()):
			for j := range f.Len() {
				walk(f.Index(j), fmt.Sprintf("%s[%d]", name, j+1), visit)
			}
		default:
			visit(name, f)
		}
	}
}

// sectioned reports whether a type is a section of the file, and not a value.
func sectioned(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("toml") != "" {
			return true
		}
	}
	return false
}
