package configs

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"intercomd/words"
)

// said are the codes of the faults that the tests of this package have brought about.
var said sync.Map

// wellSaid holds a fault to have a whole sentence and a whole remedy in every language: no
// parameter that one of them needs is missing.
func wellSaid(t *testing.T, faults ...Fault) {
	t.Helper()
	for _, f := range faults {
		said.Store(f.Code, true)
		params := f.Params.Map()
		for _, name := range words.Languages() {
			for _, family := range []string{"problem", "remedy"} {
				sentence := template(words.In(name), family, f.Code)
				if sentence == "" {
					t.Errorf("%s: %s has no %s", name, f.Code, family)
				}
				for _, m := range needed.FindAllStringSubmatch(sentence, -1) {
					if params[m[1]] == "" {
						t.Errorf("%s: %s: the %s %q lacks %s, there is %v", name, f.Code, family, sentence, m[1], params)
					}
				}
			}
			if line := f.In(words.In(name)); strings.Contains(line, "{") && !strings.Contains(f.String(), "'{'") || !strings.HasPrefix(line, f.Place()) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

func faultsIn(err error) Faults {
	faults, _ := errors.AsType[Faults](err)
	return faults
}

// needed are the parameters that a sentence cannot do without.
var needed = regexp.MustCompile(`\{([a-z]+)(?::[a-z]+|\?[^}]*\{\}[^}]*)?\}`)

func template(l *words.Language, family, code string) string {
	for ; code != ""; code = code[:max(strings.LastIndexByte(code, '-'), 0)] {
		if l.Has(family + "." + code) {
			return l.Template(family + "." + code)
		}
	}
	return ""
}

// Every fault that this package knows is brought about by a test, so that wellSaid has seen it.
func everyFaultWasSaid() (missing []string) {
	exempt := map[string]bool{
		"config-fault":   true, // what all of them are told as
		"file-forbidden": true, // root may read all
		"file-fails":     true, // needs a disk that is broken
	}
	literal := regexp.MustCompile(`"((?:config|text|secret|certificate|file|folder)-[a-z0-9-]*[a-z0-9])"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		return []string{err.Error()}
	}
	inner, err := filepath.Glob("*/*.go")
	if err != nil {
		return []string{err.Error()}
	}
	for _, file := range append(files, inner...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return []string{err.Error()}
		}
		for _, m := range literal.FindAllStringSubmatch(string(data), -1) {
			if exempt[m[1]] {
				continue
			}
			found := false
			said.Range(func(code, _ any) bool {
				found = code == m[1] || strings.HasPrefix(code.(string), m[1]+"-") //nolint:forcetypeassert // see wellSaid
				return !found
			})
			if !found {
				missing = append(missing, file+": "+m[1])
			}
		}
	}
	return missing
}
