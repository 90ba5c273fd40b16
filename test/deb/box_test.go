package deb

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"intercomd/test/lab"
)

// box is a Debian in a directory of its own. Nothing that happens in it lasts.
type box struct {
	*testing.T
	root   string
	leader int // process 1 of a box that was booted; 0: none runs in it
}

// roots are the directories of root.sh, by release.
var roots = map[string]string{}

// unpacked makes a box in which nothing runs.
func unpacked(t *testing.T, suite string) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{T: t, root: filepath.Join(dir, "root")}
	for _, name := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", roots[suite], dir, dir)
	if err := syscall.Mount("overlay", b.root, "overlay", 0, opts); err != nil {
		t.Fatal("mount an overlay: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(b.root, syscall.MNT_DETACH) })
	return b
}

// nspawn is how a box is run: without a network, unknown to the machine's own systemd.
var nspawn = []string{"systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe"}

// booted makes a box whose systemd runs.
func booted(t *testing.T, suite string) *box {
	t.Helper()
	b := unpacked(t, suite)
	// The systemd of Debian 13 wants to be told where the machine still has the old cgroups.
	args := slices.Concat([]string{lab.Tool(nspawn[0])}, nspawn[1:], []string{"--boot", "--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "-D", b.root})
	p, err := lab.Start(lab.Spec{Name: nspawn[0], Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(10 * time.Second) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err = lab.Poll(ctx, func() error {
		if b.leader = systemdOf(b.root); b.leader == 0 {
			return fmt.Errorf("no systemd runs")
		}
		out, _ := b.try("systemctl is-system-running || true")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("its systemd is %s", state)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("boot Debian %s: %v\n%s", suite, err, p.Tail(40))
	}
	return b
}

// systemdOf finds the systemd whose root directory is that; 0: none.
func systemdOf(root string) int {
	want, err := os.Stat(root)
	if err != nil {
		return 0
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(name)) != "systemd" {
			continue
		}
		if has, err := os.Stat(filepath.Join(dir, "root")); err != nil || !os.SameFile(want, has) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		return pid
	}
	return 0
}

// try runs a shell script in the box. out is what it prints, with its errors if it fails.
func (b *box) try(script string) (out string, err error) {
	b.Helper()
	args := slices.Concat(nspawn, []string{"--pipe", "-D", b.root})
	if b.leader != 0 {
		args = []string{"nsenter", "-t", strconv.Itoa(b.leader), "-m", "-p", "-n", "-u", "-i", "-C"}
	}
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab.Tool(args[0]), append(args[1:], "/bin/sh", "-euc", script)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	var said, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &errs
	if err = cmd.Run(); err != nil {
		said.Write(errs.Bytes())
	}
	return said.String(), err
}

// sh runs a shell script that must succeed.
func (b *box) sh(script string) string {
	b.Helper()
	out, err := b.try(script)
	if err != nil {
		more := ""
		if b.leader != 0 {
			more, _ = b.try("systemctl status --no-pager -l intercomd; journalctl -q --no-pager -n 40")
		}
		b.Fatalf("%s\n%v\n%s\n%s", script, err, out, more)
	}
	return out
}

// is fails the test unless a script prints what is wanted.
func (b *box) is(want, script string) {
	b.Helper()
	if out, err := b.try(script); err != nil || strings.TrimSpace(out) != want {
		b.Errorf("%s\nprints %q, %v; want %q", script, out, err, want)
	}
}

// bring puts a file into the box.
func (b *box) bring(from, to string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), "cp", "-a", from, filepath.Join(b.root, to)).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// apt installs as an administrator does, who is asked nothing.
func (b *box) apt(args string) {
	b.Helper()
	b.sh("apt-get -q -y " + args + " </dev/null 2>&1")
}

// write writes a file of the box and leaves its owner and mode as they are.
func (b *box) write(path, text string) {
	b.Helper()
	b.sh("cat >" + path + " <<'END_OF_FILE'\n" + text + "\nEND_OF_FILE\n")
}
