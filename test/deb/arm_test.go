package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/test/lab"
)

// TestProgramsOfTheBoards runs the programs of the packages for boards on the libraries of
// each release, on an emulated processor.
func TestProgramsOfTheBoards(t *testing.T) {
	need(t)
	t.Parallel()
	for arch, qemu := range map[string]string{"arm64": "qemu-aarch64", "armhf": "qemu-arm"} {
		tree := filepath.Join(t.TempDir(), "tree")
		host(t, "dpkg-deb", "-x", made(t, arch), tree)
		libs := strings.TrimSpace(host(t, "sh", "../../packaging/shlibs.sh", arch))
		for _, suite := range suites {
			t.Run(arch+" "+suite, func(t *testing.T) {
				root := t.TempDir()
				if err := os.MkdirAll(filepath.Join(root, "usr/lib"), 0o755); err != nil {
					t.Fatal(err)
				}
				// /lib is /usr/lib in every Debian of today; packages may still carry it as a folder.
				if err := os.Symlink("usr/lib", filepath.Join(root, "lib")); err != nil {
					t.Fatal(err)
				}
				host(t, "sh", "-c", `for d in "$0"/*/lib "$0"/*/usr/lib; do [ ! -d "$d" ] || cp -a "$d"/. "$1/usr/lib/"; done`, filepath.Join(libs, suite), root)
				for _, c := range []struct {
					command, file string
					code          int
				}{
					{"version", "", 0},
					{"check", "usr/share/doc/intercomd/examples/minimal.toml", 0},
					{"check", "usr/share/intercomd/intercom.toml", 78}, // four settings are missing
				} {
					args := []string{"-L", root, filepath.Join(tree, "usr/bin/intercomd"), c.command}
					if c.file != "" {
						args = append(args, filepath.Join(tree, c.file))
					}
					cmd := exec.CommandContext(t.Context(), lab.Tool(qemu), args...)
					out, err := cmd.CombinedOutput()
					if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != c.code {
						t.Errorf("intercomd %s %s: %v\n%s", c.command, c.file, err, out)
					}
				}
			})
		}
	}
}
