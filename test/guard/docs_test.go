package guard

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	makeCall = regexp.MustCompile(`\bmake ((?:[A-Z_]+=\S* )*)([a-z][a-z0-9-]*)`)
	target   = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	fence    = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
)

func TestLinksOfTheDocumentsResolve(t *testing.T) {
	for _, name := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(withoutCode(read(t, name)), -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") || strings.HasPrefix(file, "mailto:") {
				continue
			}
			dest := name
			if file != "" {
				dest = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(top(t), dest)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
				continue
			}
			if anchor != "" && strings.HasSuffix(dest, ".md") && !hasHeading(read(t, dest), anchor) {
				t.Errorf("%s links to %s, but there is no such heading", name, m[1])
			}
		}
	}
}

func withoutCode(s string) string { return fence.ReplaceAllString(s, "") }

// hasHeading reports whether a heading of the document has that anchor, by the
// rule of the usual forges: lower case, no punctuation, blanks to hyphens.
func hasHeading(doc, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(doc, -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(m[1])))
		if slug == anchor {
			return true
		}
	}
	return false
}

func TestMakeTargetsOfTheDocumentsExist(t *testing.T) {
	have := map[string]bool{}
	for _, makefile := range append(files(t, ".mk"), "Makefile") {
		for _, m := range target.FindAllStringSubmatch(read(t, makefile), -1) {
			have[m[1]] = true
		}
	}
	for _, name := range files(t, ".md") {
		for _, code := range fence.FindAllString(read(t, name), -1) {
			for _, m := range makeCall.FindAllStringSubmatch(code, -1) {
				if !have[m[2]] {
					t.Errorf("%s says %q; the Makefile has no such target", name, m[0])
				}
			}
		}
	}
}

// The drawing of the rooms names folders; each must be there.
func TestRoomsOfTheDrawingExist(t *testing.T) {
	_, drawing, ok := strings.Cut(read(t, "docs/architecture.md"), "## Rooms\n\n```\n")
	if !ok {
		t.Fatal("docs/architecture.md has no drawing of the rooms")
	}
	drawing, _, _ = strings.Cut(drawing, "```")
	name := regexp.MustCompile(`^(  )?([a-z0-9/]+?)/?(?:  +| +[a-z0-9]+/[a-z0-9]+ |$)`)
	for line := range strings.Lines(drawing) {
		for _, word := range strings.Fields(line) {
			// Words at the beginning of the line that are paths.
			if !strings.Contains(word, "/") || !name.MatchString(line) {
				break
			}
			if _, err := os.Stat(filepath.Join(top(t), word)); err != nil {
				t.Errorf("the drawing of the rooms shows %s, which does not exist", word)
			}
		}
	}
}

// What make unit skips with the race detector it plays without it.
func TestNothingSkippedIsLeftOut(t *testing.T) {
	value := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + ` := (.+)$`).FindStringSubmatch(read(t, "Makefile"))
		if m == nil {
			t.Fatalf("the Makefile has no %s", name)
		}
		return m[1]
	}
	skipped, in := regexp.MustCompile(value("PLAIN")), strings.Fields(value("PLAIN_IN"))
	n := 0
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") || !skipped.MatchString(f.Name.Name) {
				continue
			}
			if n++; !slices.Contains(in, "./"+s.pkg) {
				t.Errorf("make unit skips %s of %s and plays it nowhere", f.Name.Name, s.pkg)
			}
		}
	}
	if n < len(strings.Split(value("PLAIN"), "|")) {
		t.Errorf("%d tests have a name of PLAIN %s", n, value("PLAIN"))
	}
}
