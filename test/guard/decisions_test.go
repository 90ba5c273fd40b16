package guard

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// Every decision is in the index, under its title and with the date that it has itself.
func TestDecisionsAreListed(t *testing.T) {
	const folder = "docs/decisions/"
	row := regexp.MustCompile(`(?m)^\| \[(.+)\]\(([a-z0-9-]+\.md)\) \| (\d{4}-\d\d-\d\d) \| (in force|replaced by \[.+\]\([a-z0-9-]+\.md\)) \|$`)
	type entry struct{ title, date string }
	listed := map[string]entry{}
	index := read(t, folder+"README.md")
	for _, m := range row.FindAllStringSubmatch(index, -1) {
		if _, twice := listed[m[2]]; twice {
			t.Errorf("%sREADME.md lists %s twice", folder, m[2])
		}
		listed[m[2]] = entry{m[1], m[3]}
	}
	if n := strings.Count(index, "\n| ["); n != len(listed) {
		t.Errorf("%sREADME.md has %d rows, of which %d are | [title](file.md) | date | status |", folder, n, len(listed))
	}
	dated := regexp.MustCompile(`^# (.+)\n\n(\d{4}-\d\d-\d\d)\n`)
	for _, name := range files(t, ".md") {
		file := path.Base(name)
		if path.Dir(name)+"/" != folder || file == "README.md" {
			continue
		}
		m := dated.FindStringSubmatch(read(t, name))
		switch want, ok := listed[file]; {
		case m == nil:
			t.Errorf("%s does not begin with a title and a date", name)
		case !ok:
			t.Errorf("%sREADME.md does not list %s: add | [%s](%s) | %s | in force |", folder, file, m[1], file, m[2])
		case want != entry{m[1], m[2]}:
			t.Errorf("%sREADME.md lists %s as %q of %s; it is %q of %s", folder, file, want.title, want.date, m[1], m[2])
		}
	}
}
