package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/test/lab"
)

// The same commit makes the same bytes, whoever makes the image, when, and where to.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	first := os.Getenv(imageVar)
	again := filepath.Join(t.TempDir(), "again")
	about, err := os.ReadFile(filepath.Join(first, "version"))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(about)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[key] = value
	}
	arch := said["arch"]
	cmd := exec.CommandContext(t.Context(), lab.Tool("sh"), "-c", `umask 027 && exec sh ../../image/make.sh "$0" "$1"`, arch, again)
	cmd.Env = append(os.Environ(), "PACK=", "VERSION="+said["image"], "SOURCE_DATE_EPOCH="+said["time"], "TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8")
	if keyring := filepath.Join(first, "pki", "ca.pem"); arch == "amd64" {
		cmd.Env = append(cmd.Env, "KEYRING="+keyring)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, file := range []string{"card.img", "boot.vfat", "root.erofs", "initrd", "vmlinuz", "packages", "version", "sbom.cdx.json"} {
		if out, err := exec.CommandContext(t.Context(), lab.Tool("cmp"), filepath.Join(first, file), filepath.Join(again, file)).CombinedOutput(); err != nil {
			t.Errorf("%s is not the same: %s", file, out)
		}
	}
}
