package guard

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The table of faults in docs/status-page.md and the lamp's in docs/installing.md say what
// the code says: every fault that it can show is there, with its blinks, and none besides.
func TestFaultsOfTheDocuments(t *testing.T) {
	code := raised(t)
	if len(code.faults) < 15 {
		t.Fatalf("only %d faults found: does this test still understand the code?", len(code.faults))
	}
	table := faultTable(t)
	for key, blinks := range code.faults {
		row := slices.IndexFunc(table, func(r faultRow) bool { return matches(r.key, key) })
		if row < 0 {
			t.Errorf("the fault %q is not in the table of docs/status-page.md", key)
			continue
		}
		for _, n := range blinks {
			if !slices.Contains(table[row].blinks, n) {
				t.Errorf("the fault %q blinks %d times; docs/status-page.md says %d", key, n, table[row].blinks)
			}
		}
	}
	for _, row := range table {
		var said []int
		for key, blinks := range code.faults {
			if matches(row.key, key) {
				said = append(said, blinks...)
			}
		}
		for _, n := range row.blinks {
			if !slices.Contains(said, n) {
				t.Errorf("docs/status-page.md has a fault %q that blinks %d times; the code has none", row.key, n)
			}
		}
	}
	var lamp []int
	for _, m := range regexp.MustCompile(`(?m)^\| (\d) flash(?:es)?, pause \|`).FindAllStringSubmatch(read(t, "docs/installing.md"), -1) {
		n, _ := strconv.Atoi(m[1])
		lamp = append(lamp, n)
	}
	var consts []int
	for _, n := range code.blinks {
		consts = append(consts, n)
	}
	slices.Sort(consts)
	if !slices.Equal(lamp, consts) {
		t.Errorf("docs/installing.md explains the blink codes %d; package station has %d", lamp, consts)
	}
}

type faultRow struct {
	key    string // with N, NAME and WAY for what varies
	blinks []int
}

// faultTable reads the table; a row may have several keys, and codes.
func faultTable(t *testing.T) (rows []faultRow) {
	t.Helper()
	_, section, _ := strings.Cut(read(t, "docs/status-page.md"), "\n## Faults\n")
	section, _, _ = strings.Cut(section, "\n## ")
	number := regexp.MustCompile(`\d+`)
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		var blinks []int
		for _, n := range number.FindAllString(cells[2], -1) {
			i, _ := strconv.Atoi(n)
			blinks = append(blinks, i)
		}
		for key := range strings.SplitSeq(cells[1], ",") {
			rows = append(rows, faultRow{strings.Trim(strings.TrimSpace(key), "`"), blinks})
		}
	}
	return rows
}

// matches reports whether a key of the table stands for one of the code: both have words in
// capitals for what varies.
func matches(table, code string) bool {
	a, b := strings.Split(table, "."), strings.Split(code, ".")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !varies(a[i]) {
			return false
		}
	}
	return true
}

func varies(word string) bool { return word != "" && strings.ToUpper(word) == word }

// faultCode is what the sources say of faults.
type faultCode struct {
	blinks map[string]int   // constants of package station
	faults map[string][]int // by key
}

// raised finds the faults that the code can show: values of type Fault, and calls that have
// a key and a blink code as their first arguments.
func raised(t *testing.T) faultCode {
	t.Helper()
	out := faultCode{blinks: map[string]int{}, faults: map[string][]int{}}
	var files []*faultFile
	for _, s := range sources(t) {
		if s.test || s.pkg != "station" && !strings.HasPrefix(s.pkg, "cmd/") {
			continue
		}
		files = append(files, &faultFile{out: &out, file: s.file, at: s.at})
		if s.pkg == "station" {
			out.constants(s.file)
		}
	}
	for _, f := range files {
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				f.fn = fn
				ast.Inspect(fn.Body, func(n ast.Node) bool { f.visit(t, n); return true })
			}
		}
	}
	return out
}

// constants takes down Fault… = n.
func (c *faultCode) constants(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Fault") {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.INT {
			if n, ok := constant.Int64Val(constant.MakeFromLiteral(lit.Value, lit.Kind, 0)); ok {
				c.blinks[spec.Names[0].Name] = int(n)
			}
		}
		return true
	})
}

type faultFile struct {
	out  *faultCode
	file *ast.File
	fn   *ast.FuncDecl // that is looked at
	at   func(ast.Node) string
}

func (f *faultFile) visit(t *testing.T, n ast.Node) {
	t.Helper()
	switch n := n.(type) {
	case *ast.CallExpr:
		if len(n.Args) >= 2 {
			if blinks := f.codes(n.Args[1]); len(blinks) > 0 && !isIdent(n.Args[0]) {
				f.add(t, n, f.keys(n.Args[0]), blinks)
			}
		}
	case *ast.CompositeLit:
		var key, code ast.Expr
		for _, e := range n.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				switch fmt.Sprint(kv.Key) {
				case "Key":
					key = kv.Value
				case "Code", "Blinks":
					code = kv.Value
				}
			}
		}
		if key == nil || code == nil {
			return
		}
		if blinks := f.codes(code); len(blinks) > 0 {
			f.add(t, n, f.keys(key), blinks)
		}
	}
}

func (f *faultFile) add(t *testing.T, n ast.Node, keys []string, blinks []int) {
	t.Helper()
	if len(keys) == 0 {
		t.Errorf("%s: this test cannot tell the key of this fault", f.at(n))
	}
	for _, k := range keys {
		f.out.faults[k] = append(f.out.faults[k], blinks...)
	}
}

func isIdent(e ast.Expr) bool { _, ok := e.(*ast.Ident); return ok }

// codes are the blink codes that an expression can have; none if it is something else.
func (f *faultFile) codes(e ast.Expr) (list []int) {
	name := ""
	switch e := e.(type) {
	case *ast.SelectorExpr:
		name = e.Sel.Name
	case *ast.Ident:
		name = e.Name
	}
	if n, ok := f.out.blinks[name]; ok {
		return []int{n}
	}
	if isIdent(e) {
		for _, v := range f.assigned(name) {
			if !isIdent(v) || fmt.Sprint(v) != name {
				list = append(list, f.codes(v)...)
			}
		}
	}
	return list
}

// keys are the keys that an expression can have.
func (f *faultFile) keys(e ast.Expr) (list []string) {
	switch e := e.(type) {
	case *ast.SelectorExpr: // a field, which this file fills in
		ast.Inspect(f.file, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == e.Sel.Name {
				if _, again := kv.Value.(*ast.SelectorExpr); !again {
					list = append(list, f.keys(kv.Value)...)
				}
			}
			return true
		})
		return list
	case *ast.Ident:
		for _, v := range f.assigned(e.Name) {
			list = append(list, f.keys(v)...)
		}
		return list
	}
	if s := pattern(e); s != "NAME" {
		return []string{s}
	}
	return nil
}

// assigned are the values that a variable gets in this function.
func (f *faultFile) assigned(name string) (list []ast.Expr) {
	ast.Inspect(f.fn, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, l := range a.Lhs {
				if id, ok := l.(*ast.Ident); ok && id.Name == name {
					list = append(list, a.Rhs[i])
				}
			}
		}
		return true
	})
	return list
}

// pattern is a text with NAME and N for what varies.
func pattern(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		return pattern(e.X) + pattern(e.Y)
	case *ast.CallExpr:
		if fun, ok := e.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "Sprintf" {
			return strings.NewReplacer("%d", "N", "%s", "NAME").Replace(pattern(e.Args[0]))
		}
	}
	return "NAME"
}
