package guard

import (
	"go/ast"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	said, at := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		// A package of tests only has its comment in a test file.
		if strings.HasSuffix(s.file.Name.Name, "_test") {
			continue
		}
		at[s.pkg] = s.path
		if s.file.Doc != nil && len(strings.TrimSpace(s.file.Doc.Text())) > 40 {
			said[s.pkg] = true
		}
	}
	for pkg, file := range at {
		if !said[pkg] {
			t.Errorf("package %s has no comment that says what it is for (%s is one of its files)", pkg, file)
		}
	}
}

// The daemon must not end where nobody expects it: only cmd decides that. The programs of
// packaging are no part of it.
func TestNobodyButCmdEndsTheProcess(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.room() == "cmd" || s.room() == "packaging" || s.room() == "test" || strings.HasSuffix(s.pkg, "test") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			// MustX is X for constants of the program: the first test run shows a wrong one.
			// Who recovers may pass on what is not meant for it (net/http's abort).
			if f, ok := n.(*ast.FuncDecl); ok && (strings.HasPrefix(strings.ToLower(f.Name.Name), "must") || recovers(f)) {
				return false
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.Ident:
				if f.Name == "panic" {
					t.Errorf("%s: panic; return an error instead", s.at(n))
				}
			case *ast.SelectorExpr:
				if x, ok := f.X.(*ast.Ident); ok && x.Name == "os" && f.Sel.Name == "Exit" {
					t.Errorf("%s: os.Exit outside cmd", s.at(n))
				}
			}
			return true
		})
	}
}

// recovers reports whether a function calls recover.
func recovers(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "recover" {
				found = true
			}
		}
		return !found
	})
	return found
}

// Rooms speak by the methods of an interface, never by what may be behind it: door adapts
// without type assertions, and the phone takes media for what they say they are. Events are
// told apart by their types, in a switch; that is what they are for.
func TestNoCastsAcrossPorts(t *testing.T) {
	seen := 0
	for _, s := range sources(t) {
		if s.test || s.room() != "door" && s.room() != "phone" {
			continue
		}
		seen++
		ast.Inspect(s.file, func(n ast.Node) bool {
			a, ok := n.(*ast.TypeAssertExpr)
			if !ok || a.Type == nil { // of a switch
				return true
			}
			if s.room() == "door" && s.pkg == "door" && !strings.HasPrefix(s.path, "door/follow") {
				t.Errorf("%s: a type assertion; give the interface the method that is needed", s.at(n))
			}
			if sel, ok := a.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "session" {
				t.Errorf("%s: what a session can do is in phone.MediaSession", s.at(n))
			}
			return true
		})
	}
	if seen < 20 {
		t.Errorf("only %d files looked at", seen)
	}
}
