package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// copyright writes the copyright file of the Debian package: ours, that of each module in
// the program, that of data in the source, that of each library that it is linked against.
func copyright(in inputs, out io.Writer) error {
	mods, err := modulesOf(in)
	if err != nil {
		return err
	}
	sonames, err := sonamesOf(in.program)
	if err != nil {
		return err
	}
	libs, err := librariesOf(in, sonames)
	if err != nil {
		return err
	}
	ours, err := licenceIn(in.source)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(`Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: intercomd
Comment: One program, which has these Go modules in it and is linked against libraries of
 Debian. Paragraphs are named by module and package. What the door says was spoken by
 eSpeak NG from texts of this project.
`)
	paragraph(&b, "*", ours, []string{"the authors of intercomd"}, "")
	data, err := licencesOfData(in.source)
	if err != nil {
		return err
	}
	for _, d := range data {
		paragraph(&b, d.files, d.licence, d.licence.holders, "")
	}
	for _, m := range mods {
		paragraph(&b, m.path+"/*", m.licence, m.licence.holders, "Version "+m.version+".")
	}
	for _, l := range libs {
		name := l.licences
		if name == "" {
			name = "as-below"
		}
		paragraph(&b, "linked-against/"+l.name, licence{ids: []string{l.name + "-of-Debian"}, text: l.text}, []string{"see below"},
			"Not in this package: linked when the program runs. Licences: "+name+". The copyright file of Debian's package:")
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// paragraph writes one of DEP-5. Debian wants a licence that each system has to be named, not
// repeated.
func paragraph(b *strings.Builder, files string, l licence, holders []string, comment string) {
	if len(holders) == 0 {
		holders = []string{"its authors"}
	}
	id := strings.Join(l.ids, "-and-")
	text := l.text
	if slices.Equal(l.ids, []string{"Apache-2.0"}) {
		text = "On Debian systems the Apache License, version 2.0, is in\n/usr/share/common-licenses/Apache-2.0."
	}
	fmt.Fprintf(b, "\nFiles: %s\nCopyright: %s\nLicense: %s\n", files, strings.Join(holders, "\n "), id)
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \t\r\n\f"); line == "" {
			line = "."
		}
		b.WriteString(" " + line + "\n")
	}
	if comment != "" {
		fmt.Fprintf(b, "Comment: %s\n", comment)
	}
}

// dataLicence is the licence of files in our source that are not ours.
type dataLicence struct {
	files   string
	licence licence
}

// licencesOfData finds files NAME-LICENSE in the rooms of the daemon.
func licencesOfData(source string) ([]dataLicence, error) {
	var out []dataLicence
	for _, room := range []string{"audio", "board", "cmd", "configs", "phone", "station", "web"} {
		err := filepath.WalkDir(filepath.Join(source, room), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, "-LICENSE") {
				return err
			}
			data, err := os.ReadFile(filepath.Clean(path))
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(source, path)
			if err != nil {
				return err
			}
			l := licenceOf(strings.TrimSpace(string(data)))
			if len(l.ids) == 0 {
				return fmt.Errorf("nobody knows the licence in %s", path)
			}
			files := strings.ToLower(strings.TrimSuffix(filepath.ToSlash(rel), "-LICENSE"))
			out = append(out, dataLicence{files: files + "*", licence: l})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sonamesOf lists the libraries that a program is linked against.
func sonamesOf(program string) ([]string, error) {
	f, err := elf.Open(filepath.Clean(program))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.ImportedLibraries()
}
