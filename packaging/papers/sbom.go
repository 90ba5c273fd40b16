package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// sbom writes the bill of the program, of a system, or of both.
func sbom(in inputs, out io.Writer) error {
	if in.program == "" && in.status == "" {
		return errors.New("give -program, -status or both")
	}
	bom := cyclonedx.NewBOM()
	kind := cyclonedx.ComponentTypeApplication
	if in.status != "" {
		kind = cyclonedx.ComponentTypeFirmware
	}
	whole := cyclonedx.Component{BOMRef: in.name, Type: kind, Name: in.name, Version: in.version}
	var parts []cyclonedx.Component
	if in.program != "" {
		list, err := partsOfProgram(in)
		if err != nil {
			return err
		}
		parts = append(parts, list...)
	}
	if in.status != "" {
		list, err := partsOfSystem(in)
		if err != nil {
			return err
		}
		parts = append(parts, list...)
	}
	refs := map[string]bool{}
	for _, p := range parts {
		refs[p.BOMRef] = true
	}
	needs := slices.Sorted(maps.Keys(refs))
	bom.Metadata = &cyclonedx.Metadata{Timestamp: in.at().Format(time.RFC3339), Component: &whole}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: whole.BOMRef, Dependencies: &needs}}
	// A number of its own that the same content has again.
	sum := sha256.New()
	fmt.Fprint(sum, in.name, in.version, in.time, needs)
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceOID, sum.Sum(nil)).URN()
	return cyclonedx.NewBOMEncoder(out, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

// partsOfProgram lists modules and libraries of the program.
func partsOfProgram(in inputs) ([]cyclonedx.Component, error) {
	mods, err := modulesOf(in)
	if err != nil {
		return nil, err
	}
	var parts []cyclonedx.Component
	for _, m := range mods {
		purl := "pkg:golang/" + strings.ToLower(m.path) + "@" + escaped(m.version)
		c := cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: purl, Licenses: spdx(m.licence.ids)}
		if m.sum != "" { // a hash of the whole source (golang.org/x/mod/sumdb/dirhash), of no file
			c.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: m.sum}}
		}
		parts = append(parts, c)
	}
	if in.status != "" { // its libraries are packages of the system
		return parts, nil
	}
	sonames, err := sonamesOf(in.program)
	if err != nil {
		return nil, err
	}
	libs, err := librariesOf(in, sonames)
	if err != nil {
		return nil, err
	}
	for _, l := range libs {
		purl := "pkg:deb/debian/" + l.name
		parts = append(parts, cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: l.name, PackageURL: purl, Licenses: named(l.licences)})
	}
	return parts, nil
}

// escaped is a name or version as it stands in a package URL, where a plus is escaped too.
func escaped(s string) string { return strings.ReplaceAll(url.PathEscape(s), "+", "%2B") }

func spdx(ids []string) *cyclonedx.Licenses {
	if len(ids) == 1 {
		return &cyclonedx.Licenses{{License: &cyclonedx.License{ID: ids[0]}}}
	}
	return &cyclonedx.Licenses{{Expression: strings.Join(ids, " AND ")}}
}

// named is for licences in Debian's words, which are not always those of SPDX.
func named(licences string) *cyclonedx.Licenses {
	if licences == "" {
		return nil
	}
	return &cyclonedx.Licenses{{License: &cyclonedx.License{Name: licences}}}
}

// partsOfSystem lists the packages that dpkg has installed.
func partsOfSystem(in inputs) ([]cyclonedx.Component, error) {
	f, err := os.Open(filepath.Clean(in.status))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	list, err := readStatus(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.status, err)
	}
	licences := debianLicencesOf(in.docs, list)
	var parts []cyclonedx.Component
	for _, p := range list {
		if in.docs != "" && licences[p["Package"]] == "" {
			return nil, fmt.Errorf("package %s has no copyright file in %s, and no other one of its source has", p["Package"], in.docs)
		}
		query := url.Values{"arch": {p["Architecture"]}}
		if name, version := source(p); name != p["Package"] || version != p["Version"] {
			query.Set("upstream", name+"@"+version)
		}
		purl := "pkg:deb/debian/" + escaped(p["Package"]) + "@" + escaped(p["Version"]) + "?" + query.Encode()
		parts = append(parts, cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: p["Package"], Version: p["Version"], PackageURL: purl,
			Licenses: named(licences[p["Package"]])})
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%s names no installed package", in.status)
	}
	return parts, nil
}

// source is the source package of a package, with its version.
func source(p map[string]string) (name, version string) {
	name, version, ok := strings.Cut(strings.TrimSuffix(p["Source"], ")"), " (")
	if name == "" {
		name = p["Package"]
	}
	if !ok {
		version = p["Version"]
	}
	return name, version
}

// debianLicencesOf names the licences of packages by their copyright files. A package that
// has none shares that of another one of the same source; what only signs another source's
// programs, such as linux-signed-amd64, counts as that.
func debianLicencesOf(docs string, list []map[string]string) map[string]string {
	own, shared := map[string]string{}, map[string]string{}
	if docs == "" {
		return own
	}
	for _, p := range list {
		text, err := os.ReadFile(filepath.Join(docs, p["Package"], "copyright"))
		if err != nil {
			continue
		}
		name := unsigned(p)
		own[p["Package"]] = debianLicences(string(text))
		if own[p["Package"]] == "" { // it is told in prose
			own[p["Package"]] = "see /usr/share/doc/" + p["Package"] + "/copyright"
		}
		if shared[name] == "" {
			shared[name] = own[p["Package"]]
		}
	}
	for _, p := range list {
		if name := unsigned(p); own[p["Package"]] == "" {
			own[p["Package"]] = shared[name]
		}
	}
	return own
}

func unsigned(p map[string]string) string {
	name, _ := source(p)
	name, _, _ = strings.Cut(name, "-signed")
	return name
}

// readStatus reads the stanzas of installed packages.
func readStatus(r io.Reader) ([]map[string]string, error) {
	var out []map[string]string
	one := map[string]string{}
	end := func() {
		// "install ok installed"; packages that were removed leave stanzas behind.
		if one["Package"] != "" && strings.HasSuffix(one["Status"], " installed") {
			out = append(out, one)
		}
		one = map[string]string{}
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		if strings.TrimSpace(line) == "" {
			end()
			continue
		}
		if key, val, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '\t' {
			one[key] = strings.TrimSpace(val)
		}
	}
	end()
	return out, s.Err()
}
