package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// flags are the inputs of this very test program, which is one with modules in it.
func flags(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	list := filepath.Join(dir, "modules")
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-json", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, out, 0o600); err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"-program", self, "-modules", list, "-goroot", strings.TrimSpace(string(goroot)), "-source", "../..", "-time", "1795945161", "-version", "1.2.3"}
}

func written(t *testing.T, args ...string) string {
	t.Helper()
	var b, again bytes.Buffer
	for _, out := range []*bytes.Buffer{&b, &again} {
		if err := run(args, out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the same input gives other bytes")
	}
	return b.String()
}

func decoded(t *testing.T, text string) *cyclonedx.BOM {
	t.Helper()
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(strings.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	return &bom
}

// Both papers name each module that the program has, with its licence.
func TestPapersNameEveryModule(t *testing.T) {
	in := flags(t)
	info, err := buildinfo.ReadFile(in[1])
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 3 {
		t.Fatalf("only %d modules in this program", len(info.Deps))
	}
	bill := decoded(t, written(t, append([]string{"sbom"}, in...)...))
	text := written(t, append([]string{"copyright"}, in...)...)
	names := map[string]cyclonedx.Component{}
	for _, c := range *bill.Components {
		names[c.Name] = c
	}
	for _, d := range info.Deps {
		c, ok := names[d.Path]
		if !ok || c.Version != d.Version || c.Licenses == nil || !strings.HasPrefix(c.PackageURL, "pkg:golang/") {
			t.Errorf("%s in the bill of materials: %+v", d.Path, c)
		}
		if !strings.Contains(text, "\nFiles: "+d.Path+"/*\n") {
			t.Errorf("%s is not in the copyright file", d.Path)
		}
	}
	if _, ok := names["std"]; !ok {
		t.Error("the standard library is not in the bill of materials")
	}
	if bill.Metadata.Timestamp != "2026-11-29T09:39:21Z" || bill.Metadata.Component.Version != "1.2.3" || !strings.HasPrefix(bill.SerialNumber, "urn:uuid:") {
		t.Errorf("head of the bill: %+v %s", bill.Metadata, bill.SerialNumber)
	}
	for _, want := range []string{"\nFiles: *\n", "\nFiles: audio/denoise/rnnoise*\n", "/usr/share/common-licenses/Apache-2.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the copyright file lacks %q", want)
		}
	}
	if strings.Contains(text, "TERMS AND CONDITIONS FOR USE") {
		t.Error("the copyright file repeats a licence that every Debian has")
	}
	for line := range strings.Lines(text) { // DEP-5: a field, or its continuation
		if line != "\n" && line[0] != ' ' && !strings.Contains(line, ": ") {
			t.Errorf("no line of a copyright file: %q", line)
		}
	}
}

func TestModuleWithoutLicence(t *testing.T) {
	in := flags(t)
	for what, list := range map[string]string{
		"no licence":             `{"Path":"github.com/google/uuid","Dir":"` + t.TempDir() + `"}`,
		"is not in the list":     `{"Path":"example.org/other","Dir":"/"}`,
		"run go mod download":    `{"Path":"github.com/google/uuid"}`,
		"list of modules":        `{`,
		"nobody knows the licen": "",
	} {
		if list == "" {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("Do what I say."), 0o600); err != nil {
				t.Fatal(err)
			}
			list = `{"Path":"github.com/google/uuid","Dir":"` + dir + `"}`
		}
		// All others are as they should be.
		data, err := os.ReadFile(in[3])
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "modules")
		whole := string(data) + list
		if what == "is not in the list" {
			whole = list
		}
		if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"copyright"}, slices.Replace(slices.Clone(in), 3, 4, file)...)
		if err := run(args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

const status = `Package: libopus0
Status: install ok installed
Architecture: arm64
Multi-Arch: same
Source: opus (1.5.2-1)
Version: 1.5.2-1+b1
Description: Opus codec runtime library
 It was made for speech
 Version: not this one

Package: libopus-tools
Status: install ok installed
Architecture: arm64
Source: opus-signed-arm64 (1.5.2+1)
Version: 1.5.2-1+b1

Package: gone
Status: deinstall ok config-files
Architecture: arm64
Version: 1

Package: libc6
Status: install ok installed
Architecture: arm64
Source: glibc
Version: 2:2.41-12
`

func TestBillOfASystem(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "status")
	if err := os.WriteFile(file, []byte(status), 0o600); err != nil {
		t.Fatal(err)
	}
	copyright := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(dir, "doc", name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "doc", name, "copyright"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyright("libopus0", "Files: *\nLicense: BSD-3-clause\n\nFiles: x\nLicense: BSD-3-clause\n")
	if err := run([]string{"sbom", "-status", file, "-docs", filepath.Join(dir, "doc")}, &bytes.Buffer{}); err == nil {
		t.Error("a package without a copyright file has a bill")
	}
	copyright("libc6", "The library may be copied as its licence says.\n")
	bill := decoded(t, written(t, "sbom", "-status", file, "-docs", filepath.Join(dir, "doc"), "-name", "intercom-image", "-version", "7"))
	var purls []string
	for _, c := range *bill.Components {
		purls = append(purls, c.PackageURL)
	}
	want := []string{
		"pkg:deb/debian/libopus0@1.5.2-1%2Bb1?arch=arm64&upstream=opus%401.5.2-1",
		"pkg:deb/debian/libopus-tools@1.5.2-1%2Bb1?arch=arm64&upstream=opus-signed-arm64%401.5.2%2B1",
		"pkg:deb/debian/libc6@2:2.41-12?arch=arm64&upstream=glibc%402%3A2.41-12",
	}
	if !slices.Equal(purls, want) {
		t.Errorf("packages %q, want %q", purls, want)
	}
	for i, licence := range []string{"BSD-3-clause", "BSD-3-clause", "see /usr/share/doc/libc6/copyright"} { // the second shares the file of the first
		if c := (*bill.Components)[i]; c.Licenses == nil || (*c.Licenses)[0].License.Name != licence {
			text, _ := json.Marshal(c.Licenses)
			t.Errorf("licence of %s: %s", c.Name, text)
		}
	}
	if bill.Metadata.Component.Type != cyclonedx.ComponentTypeFirmware {
		t.Errorf("the bill is of %s", bill.Metadata.Component.Type)
	}
	// Program and system in one.
	args := append([]string{"sbom", "-status", file}, flags(t)...)
	if both := decoded(t, written(t, args...)); len(*both.Components) < len(want)+3 {
		t.Errorf("only %d parts", len(*both.Components))
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"sbom", "-status", file}, &bytes.Buffer{}); err == nil {
		t.Error("a system without packages has a bill")
	}
}
