// Package cross builds the daemon for the boards that it is made for and runs
// the result under qemu: arm64 and armhf against the libraries of this machine's
// own Debian release. It runs with INTERCOMD_SYSTEM=1 ("make cross").
package cross

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/test/lab"
)

func TestBinariesOfTheBoardsRun(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs cross compilers and qemu: run make cross")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		goarch, debian, qemu string
		machine              elf.Machine
	}{
		{"arm64", "arm64", "qemu-aarch64", elf.EM_AARCH64},
		{"arm", "armhf", "qemu-arm", elf.EM_ARM},
	} {
		t.Run(c.debian, func(t *testing.T) {
			run(t, top, "make", "build", "GOARCH="+c.goarch)
			bin := filepath.Join(top, "bin", "intercomd-"+c.goarch)
			f, err := elf.Open(bin)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Machine != c.machine {
				t.Fatalf("%s is for %v, want %v", bin, f.Machine, c.machine)
			}
			libs, err := f.ImportedLibraries()
			if err != nil {
				t.Fatal(err)
			}
			t.Log("needs ", libs)
			root := strings.TrimSpace(run(t, top, "sh", "test/tools/sysroot.sh", c.debian))
			out := run(t, top, c.qemu, "-L", root, bin, "version")
			if !strings.Contains(out, "intercomd") {
				t.Errorf("intercomd version says %q under qemu", out)
			}
			t.Log(strings.TrimSpace(out))
		})
	}
}

// What is made of vectors is compared with plain Go on the processors of the boards.
func TestVectorsOfTheBoards(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs cross compilers and qemu: run make cross")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ goarch, debian, qemu string }{{"arm64", "arm64", "qemu-aarch64"}, {"arm", "armhf", "qemu-arm"}} {
		root := strings.TrimSpace(run(t, top, "sh", "test/tools/sysroot.sh", c.debian))
		for pkg, tests := range map[string]string{"pcm": ".", "fft": ".", "resample": "Vectors|Resampler|Frame", "aec": "Vectors|DoesNotAllocate", "denoise": "Reference|ComesBack|DoesNotAllocate"} {
			t.Run(c.debian+"/"+pkg, func(t *testing.T) {
				bin := filepath.Join(t.TempDir(), pkg)
				run(t, top, "sh", "test/tools/xgo.sh", c.goarch, "test", "-c", "-o", bin, "./audio/"+pkg)
				folder := filepath.Join(top, "audio", pkg)
				out := run(t, folder, c.qemu, "-L", root, bin, "-test.v", "-test.run", tests)
				if strings.Count(out, "--- PASS") < 2 && pkg != "aec" || !strings.Contains(out, "--- PASS") || strings.Contains(out, "has no vectors") {
					t.Errorf("%s", out)
				}
			})
		}
	}
}

// run runs a command at the top of the tree and returns what it wrote to its
// standard output.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	// The caller's make must not hand its own flags down.
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}
