package guard

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var compatRow = regexp.MustCompile("^\\| (.+) \\| (.+) \\| `(Test\\w+)` \\|\n?$")

// Every row of the table of compatibility is a test that can be run.
func TestRowsOfTheCompatibilityTableAreTests(t *testing.T) {
	tests, literals := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.pkg != "test/peers" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				tests[n.Name.Name] = true
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					text, _ := strconv.Unquote(n.Value)
					literals[text] = true
				}
			}
			return true
		})
	}
	n := 0
	for line := range strings.Lines(read(t, "docs/compatibility.md")) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| feature ") {
			continue
		}
		m := compatRow.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("docs/compatibility.md: %q is no row of the table", line)
			continue
		}
		n++
		if !tests[m[3]] {
			t.Errorf("docs/compatibility.md: test/peers has no %s", m[3])
		}
		if !literals[m[1]] {
			t.Errorf("docs/compatibility.md: no test of test/peers plays %q", m[1])
		}
		if m[2] != "works" {
			t.Errorf("docs/compatibility.md: %q %s", m[1], m[2])
		}
	}
	if n == 0 {
		t.Error("docs/compatibility.md has no rows: run make compat")
	}
}
