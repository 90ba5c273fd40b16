package web

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"intercomd/station"
)

// The documentation names every field of the JSON, and none that is not there.
func TestEveryFieldIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/interface.md")
	if err != nil {
		t.Fatal(err)
	}
	_, api, ok := strings.Cut(string(doc), "## The snapshot")
	if !ok {
		t.Fatal("the documentation has no section about the snapshot")
	}
	documented := make(map[string]bool)
	for line := range strings.SplitSeq(api, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = true
		}
	}
	fields := make(map[string]bool)
	jsonFields(reflect.TypeFor[station.Snapshot](), "", fields)
	for f := range fields {
		if !documented[f] {
			t.Errorf("the field %s is not documented", f)
		}
	}
	for d := range documented {
		if !fields[d] && d != "calls" {
			t.Errorf("the documented field %s does not exist", d)
		}
	}
}

// jsonFields collects the paths of all fields with a value, as in a.b[].c. The
// running call has the fields of a past one and is not gone into.
func jsonFields(t reflect.Type, path string, into map[string]bool) {
	switch {
	case t == reflect.TypeFor[time.Time]() || t.Kind() == reflect.Pointer:
		into[path] = true
	case t.Kind() == reflect.Slice:
		jsonFields(t.Elem(), path+"[]", into)
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).Anonymous { // its fields are written beside the others
				jsonFields(t.Field(i).Type, path, into)
				continue
			}
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if path != "" {
				name = path + "." + name
			}
			jsonFields(t.Field(i).Type, name, into)
		}
	default:
		into[path] = true
	}
}

func TestDocumentedPicturesExist(t *testing.T) {
	doc, err := os.ReadFile("../docs/status-page.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(doc), -1)
	if len(links) == 0 {
		t.Fatal("no links found")
	}
	for _, l := range links {
		info, err := os.Stat(filepath.Join("../docs", l[1]))
		if err != nil {
			t.Errorf("a link leads nowhere: %v", err)
		} else if strings.HasPrefix(l[1], "img/") && info.Size() > 150<<10 {
			t.Errorf("%s has %d kB", l[1], info.Size()>>10)
		}
	}
}
