// Package guard holds what must stay true of the source itself: who imports
// whom, what is never used, that every package says what it is for, that the
// documents do not point into the void.
package guard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "intercomd"

// source is one Go file of the module.
type source struct {
	path    string // slash-separated, from the top of the module
	pkg     string // its folder, "." for the top
	test    bool   // a _test.go file
	file    *ast.File
	fset    *token.FileSet
	imports []string
}

// room is the top folder that the file lies in.
func (s source) room() string {
	room, _, _ := strings.Cut(s.pkg, "/")
	return room
}

// at describes a place in the file for messages.
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// files lists the files of the tree with that extension, from the top.
func files(t *testing.T, ext string) []string {
	t.Helper()
	var out []string
	root := top(t)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root {
			if name := d.Name(); name == "bin" || name == "build" || name == "testdata" || (strings.HasPrefix(name, ".") && name != ".ci") {
				return fs.SkipDir
			}
		}
		if strings.HasSuffix(p, ext) && !d.IsDir() {
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// parsed is every Go file of the module, for all tests.
var parsed []source

// sources parses every Go file of the module, once.
func sources(t *testing.T) []source {
	t.Helper()
	if parsed != nil {
		return parsed
	}
	var out []source
	for _, name := range files(t, ".go") {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(top(t), name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s := source{path: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), file: f, fset: fset}
		for _, imp := range f.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			s.imports = append(s.imports, p)
		}
		out = append(out, s)
	}
	parsed = out
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
