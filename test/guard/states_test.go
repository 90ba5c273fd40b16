package guard

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ending is how the drawing, and the test, name what follows when run returns nil.
const ending = "[*]"

// The drawing of the states in docs/architecture.md has exactly the transitions that the
// states' methods can return.
func TestStatesOfTheDrawing(t *testing.T) {
	_, drawing, ok := strings.Cut(read(t, "docs/architecture.md"), "\nstateDiagram-v2\n")
	if !ok {
		t.Fatal("docs/architecture.md has no drawing of the states")
	}
	drawing, _, _ = strings.Cut(drawing, "```")
	drawn := map[string]bool{}
	arrow := regexp.MustCompile(`^\s+(\S+) --> (\S+?)(?:: .+)?\n$`)
	for line := range strings.Lines(drawing) {
		m := arrow.FindStringSubmatch(line)
		switch {
		case m == nil:
			t.Errorf("the drawing of the states: %q is no transition", line)
		case m[1] == ending: // the first state
		default:
			drawn[m[1]+" --> "+m[2]] = true
		}
	}
	code := transitions(t)
	for _, arrow := range slices.Sorted(maps.Keys(code)) {
		if !drawn[arrow] {
			t.Errorf("the drawing of the states lacks %s", arrow)
		}
	}
	for _, arrow := range slices.Sorted(maps.Keys(drawn)) {
		if !code[arrow] {
			t.Errorf("the drawing of the states has %s, and package station has not", arrow)
		}
	}
}

// transitions are those that the methods run of the states in package station can return,
// by themselves or through the functions that return a state. A state that ends by calling
// the run of another goes over into that one.
func transitions(t *testing.T) map[string]bool {
	t.Helper()
	runs := map[string]*ast.FuncDecl{}    // by state
	helpers := map[string]*ast.FuncDecl{} // whatever else returns a state, by name
	for _, s := range sources(t) {
		if s.pkg != "station" || s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || !returnsState(f) {
				continue
			}
			if f.Name.Name == "run" {
				runs[receiver(f)] = f
				continue
			}
			if helpers[f.Name.Name] != nil {
				t.Fatalf("two functions named %s return a state: this test tells them apart by name", f.Name.Name)
			}
			helpers[f.Name.Name] = f
		}
	}
	delete(runs, "halted") // before the first state and after the last
	if len(runs) < 5 {
		t.Fatalf("only %d states found: does this test still understand package station?", len(runs))
	}
	out := map[string]bool{}
	for from, run := range runs {
		seen := map[string]bool{}
		var follow func(f *ast.FuncDecl)
		follow = func(f *ast.FuncDecl) {
			ast.Inspect(f.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ReturnStmt:
					if len(n.Results) != 1 {
						break // of a function within
					}
					if id, ok := n.Results[0].(*ast.Ident); ok && id.Name == "nil" {
						out[from+" --> "+ending] = true
					}
				case *ast.CompositeLit:
					if id, ok := n.Type.(*ast.Ident); ok && runs[id.Name] != nil {
						out[from+" --> "+id.Name] = true
						return false // what is within it is its parts
					}
				case *ast.CallExpr:
					sel, ok := n.Fun.(*ast.SelectorExpr)
					if !ok {
						break
					}
					if on, ok := sel.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "run" {
						out[from+" --> "+on.Sel.Name] = true
					}
					if h := helpers[sel.Sel.Name]; h != nil && !seen[sel.Sel.Name] {
						seen[sel.Sel.Name] = true
						follow(h)
					}
				}
				return true
			})
		}
		follow(run)
	}
	return out
}

func returnsState(f *ast.FuncDecl) bool {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	id, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return ok && id.Name == "state"
}

// receiver is the name of the type that a method belongs to.
func receiver(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name
}
