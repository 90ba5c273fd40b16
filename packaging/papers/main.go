// Command papers writes what has to be said about the origin of what is shipped, from what is
// really in it: the modules that the program itself names, the packages that dpkg knows.
// It refuses to guess: a module without a licence that it can name is an error.
//
//	papers copyright …    the Debian copyright file of the package (DEP-5)
//	papers sbom …         a software bill of materials (CycloneDX 1.6, JSON)
//
// The same input gives the same bytes; all times come from -time.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/licensecheck"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "papers:", err)
		os.Exit(1)
	}
}

// inputs is what the flags name.
type inputs struct {
	program   string // the daemon
	modules   string // output of "go list -m -json all", which knows where their sources are
	source    string // of the daemon
	goroot    string // of the Go that built it
	libraries string // folders of the Debian packages of its libraries, by package
	status    string // dpkg's status file of a system
	docs      string // /usr/share/doc of that system
	name      string // what the bill is of
	version   string
	time      int64 // seconds since 1970
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("usage: papers copyright|sbom FLAGS")
	}
	var in inputs
	f := flag.NewFlagSet("papers "+args[0], flag.ContinueOnError)
	f.StringVar(&in.program, "program", "", "the daemon, as it was built")
	f.StringVar(&in.modules, "modules", "", "file with the output of go list -m -json all")
	f.StringVar(&in.source, "source", ".", "the source of the daemon")
	f.StringVar(&in.goroot, "goroot", "", "what go env GOROOT says")
	f.StringVar(&in.libraries, "libraries", "", "folder of unpacked Debian packages that the daemon is linked against")
	f.StringVar(&in.status, "status", "", "dpkg's status file, for the bill of a whole system")
	f.StringVar(&in.docs, "docs", "", "its /usr/share/doc")
	f.StringVar(&in.name, "name", "intercomd", "what the bill is of")
	f.StringVar(&in.version, "version", "", "and its version")
	f.Int64Var(&in.time, "time", 0, "time of the bill, in seconds since 1970")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "copyright":
		return copyright(in, out)
	case "sbom":
		return sbom(in, out)
	}
	return fmt.Errorf("there is no command %q", args[0])
}

func (in inputs) at() time.Time { return time.Unix(in.time, 0).UTC() }

// module is a Go module in the program.
type module struct {
	path, version, sum string
	licence            licence
}

// licence is what a component may be used under.
type licence struct {
	ids     []string // SPDX
	text    string
	holders []string // lines that begin with "Copyright"
}

// modulesOf lists the Go modules in the program, the standard library first.
func modulesOf(in inputs) ([]module, error) {
	info, err := buildinfo.ReadFile(in.program)
	if err != nil {
		return nil, fmt.Errorf("read what the program is made of: %w", err)
	}
	dirs, err := moduleDirs(in.modules)
	if err != nil {
		return nil, err
	}
	std, err := licenceIn(in.goroot)
	if err != nil {
		return nil, fmt.Errorf("the standard library: %w", err)
	}
	out := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go"), licence: std}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		m := module{path: d.Path, version: d.Version, sum: d.Sum}
		dir, ok := dirs[d.Path]
		if !ok {
			return nil, fmt.Errorf("module %s of the program is not in the list of modules", d.Path)
		}
		if m.licence, err = licenceIn(dir); err != nil {
			return nil, fmt.Errorf("module %s: %w", d.Path, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// moduleDirs reads where the sources of modules are.
func moduleDirs(file string) (map[string]string, error) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	dirs := map[string]string{}
	for dec := json.NewDecoder(f); ; {
		var m struct {
			Path, Dir string
			Replace   *struct{ Path, Dir string }
		}
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			return dirs, nil
		case err != nil:
			return nil, fmt.Errorf("list of modules: %w", err)
		}
		dirs[m.Path] = m.Dir
		if m.Replace != nil {
			dirs[m.Replace.Path] = m.Replace.Dir
		}
	}
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([-._].*)?$`)

// licenceIn reads the licence at the top of a source.
func licenceIn(dir string) (licence, error) {
	if dir == "" {
		return licence{}, errors.New("its source is not there: run go mod download")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return licence{}, err
	}
	var texts []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return licence{}, err
		}
		texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n")))
	}
	if len(texts) == 0 {
		return licence{}, fmt.Errorf("no licence in %s", dir)
	}
	l := licenceOf(strings.Join(texts, "\n\n"))
	if len(l.ids) == 0 {
		return licence{}, fmt.Errorf("nobody knows the licence in %s", dir)
	}
	return l, nil
}

var holder = regexp.MustCompile(`(?im)^\W*(?:Copyright\b|\(c\) )(.*\d{4}.*|.*\bthe .*author.*)$`)

// licenceOf names the licences of a text.
func licenceOf(text string) licence {
	l := licence{text: text}
	for _, m := range licensecheck.Scan([]byte(text)).Match {
		if !m.IsURL && !slices.Contains(l.ids, m.ID) {
			l.ids = append(l.ids, m.ID)
		}
	}
	for _, m := range holder.FindAllStringSubmatch(text, -1) {
		who := strings.TrimSpace(strings.TrimRight(strings.TrimSpace(m[1]), `"'`))
		for _, mark := range []string{"(c)", "(C)", "©"} {
			who = strings.TrimSpace(strings.TrimPrefix(who, mark))
		}
		if who != "" && !strings.Contains(who, "[yyyy]") && !slices.Contains(l.holders, who) {
			l.holders = append(l.holders, who)
		}
	}
	return l
}

// library is a library of Debian that the program is linked against.
type library struct {
	name, licences, text string
}

// librariesOf lists those whose packages own what the program is linked against.
func librariesOf(in inputs, sonames []string) ([]library, error) {
	if in.libraries == "" {
		return nil, nil
	}
	var out []library
	for _, so := range sonames {
		found, err := filepath.Glob(filepath.Join(in.libraries, "*", "*", "*", so))
		if err != nil {
			return nil, err
		}
		deeper, err := filepath.Glob(filepath.Join(in.libraries, "*", "usr", "lib", "*", so))
		if err != nil {
			return nil, err
		}
		if found = append(found, deeper...); len(found) == 0 {
			return nil, fmt.Errorf("the program is linked against %s, which is in no package of %s", so, in.libraries)
		}
		rel, err := filepath.Rel(in.libraries, found[0])
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		if slices.ContainsFunc(out, func(l library) bool { return l.name == name }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(in.libraries, name, "usr", "share", "doc", name, "copyright"))
		if err != nil {
			return nil, err
		}
		out = append(out, library{name: name, licences: debianLicences(string(text)), text: strings.TrimSpace(string(text))})
	}
	slices.SortFunc(out, func(a, b library) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

var shortName = regexp.MustCompile(`(?m)^License: *(\S.*)$`)

// debianLicences names the licences in a copyright file of Debian: by its own words where it
// is machine-readable, else by what its text is like; "" if neither tells.
func debianLicences(text string) string {
	var names []string
	for _, m := range shortName.FindAllStringSubmatch(text, -1) {
		if name := strings.TrimSpace(m[1]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = licenceOf(text).ids
	}
	return strings.Join(names, ", ")
}
