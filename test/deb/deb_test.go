// Package deb installs the packages of "make deb" in real Debian systems and does to them
// what administrators do. It runs with INTERCOMD_DEB=1 ("make test-deb", docs/packages.md);
// without that every test here is skipped. It knows the daemon only from outside.
package deb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"intercomd/test/lab"
)

func wanted() bool { return os.Getenv("INTERCOMD_DEB") == "1" }

// suites are the releases that one package must suit.
var suites = []string{"bookworm", "trixie"}

// rootsVar hands the directories of root.sh to the process inside the namespace.
const rootsVar = "INTERCOMD_DEB_ROOTS"

func TestMain(m *testing.M) {
	if !wanted() {
		os.Exit(m.Run())
	}
	if os.Getenv(rootsVar) == "" {
		// Before the way out to the mirror is closed behind us.
		var dirs []string
		for _, suite := range suites {
			cmd := exec.Command("sh", "root.sh", suite)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				fmt.Fprintln(os.Stderr, "deb: make a root:", err)
				os.Exit(1)
			}
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
		if err := os.Setenv(rootsVar, strings.Join(dirs, ":")); err != nil {
			os.Exit(1)
		}
	}
	for i, dir := range strings.Split(os.Getenv(rootsVar), ":") {
		roots[suites[i]] = dir
	}
	os.Exit(lab.InNamespace(m.Run))
}

func need(t *testing.T) {
	t.Helper()
	if !wanted() {
		t.Skip("needs packages, systemd-nspawn and roots of Debian: run make test-deb")
	}
}

// made is the package of this source for an architecture.
func made(t *testing.T, arch string) string {
	t.Helper()
	version := strings.TrimSpace(host(t, "sh", "../../packaging/version.sh"))
	path, err := filepath.Abs("../../build/deb/intercomd_" + version + "-1_" + arch + ".deb")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("make deb makes it: ", err)
	}
	return path
}

// host runs a program of the machine, which must succeed.
func host(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// next makes a later version of a package, with another first configuration.
func next(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	host(t, "dpkg-deb", "-R", deb, tree)
	replace(t, filepath.Join(tree, "DEBIAN/control"), `(?m)^(Version: .*)$`, "$1.1")
	replace(t, filepath.Join(tree, "usr/share/intercomd/intercom.toml"), `\A`, "# of a later version\n")
	to := filepath.Join(dir, "intercomd_later.deb")
	host(t, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, to)
	return to
}

func replace(t *testing.T, file, old, with string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, regexp.MustCompile(old).ReplaceAll(data, []byte(with)), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	process = "systemctl show -P MainPID intercomd"
	both    = "echo $(systemctl is-enabled intercomd) $(systemctl is-active intercomd)"
	kept    = "cd /etc/intercomd && sha256sum intercom.toml ca.crt && stat -c '%a %U %G' intercom.toml"
	// Everything on the system but what processes, apt and logs make of themselves.
	everything = `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
-o -path /var/tmp -o -path /var/log -o -path /var/cache/apt -o -path /var/lib/apt \) -prune -o -print | sort`
	accounts = "cut -d: -f1 /etc/passwd /etc/group | grep -vx gpio" // group gpio is for everybody
)

const configuration = `[sip]
server = "wss://127.0.0.1:1"
user = "1000"
password = "secret"
[call]
target = "1001"
`

// TestLife is the life of the package on a system: installed, configured, upgraded, switched
// off, removed, installed again, purged. Nothing is ever asked.
func TestLife(t *testing.T) {
	need(t)
	t.Parallel()
	deb := made(t, "amd64")
	later := next(t, deb)
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			life(booted(t, suite), deb, later)
		})
	}
}

func life(b *box, deb, later string) {
	b.bring(deb, "root/")
	b.bring(later, "root/later.deb")
	// What it needs stays after a purge, so that it is there before.
	b.apt("install libportaudio2 libopus0 libspeexdsp1 ca-certificates udev")
	before, who := b.sh(everything), b.sh(accounts)

	b.Log("installed")
	b.apt("install /root/intercomd_*.deb")
	b.is("enabled active", both)
	b.is("640 root intercomd", "stat -c '%a %U %G' /etc/intercomd/intercom.toml")
	b.is("750 root intercomd", "stat -c '%a %U %G' /etc/intercomd")
	b.is("700 intercomd intercomd", "stat -c '%a %U %G' /var/lib/intercomd")
	b.is("audio gpio intercomd", "id -nG intercomd | tr ' ' '\\n' | sort | paste -sd ' '")
	b.is("0", "systemctl show -P NRestarts intercomd")
	b.says("sip.server: is missing")
	if out, err := b.try("intercomd check /etc/intercomd/intercom.toml"); err == nil || strings.Count(out, "is missing") != 4 {
		b.Errorf("the first configuration has other faults than four missing settings: %v\n%s", err, out)
	}

	b.Log("installed once more")
	b.restarts("apt-get -q -y install --reinstall /root/intercomd_*.deb </dev/null 2>&1")
	b.is("enabled active", both)

	b.Log("configured")
	b.write("/etc/intercomd/intercom.toml", configuration)
	b.write("/etc/intercomd/ca.crt", "certificate")
	b.restarts("systemctl reload intercomd")
	b.says("connecting")
	config := strings.TrimSpace(b.sh(kept))

	b.Log("upgraded")
	b.restarts("apt-get -q -y install /root/later.deb </dev/null 2>&1")
	b.is(config, kept)
	b.is("success", "systemctl show -P Result intercomd")
	b.is("", "systemctl --failed --plain --no-legend")

	b.Log("switched off, and upgraded all the same")
	b.sh("systemctl disable --now intercomd 2>&1")
	b.apt("install --allow-downgrades /root/intercomd_*.deb")
	b.is("disabled inactive", both)
	b.sh("systemctl mask intercomd 2>&1")
	b.apt("install /root/later.deb")
	b.is("masked inactive", both)
	b.sh("systemctl unmask intercomd 2>&1; systemctl enable --now intercomd 2>&1")

	b.Log("with a broken configuration")
	b.write("/etc/intercomd/intercom.toml", "[[[")
	b.restarts("apt-get -q -y install --reinstall /root/later.deb </dev/null 2>&1")
	b.is("ii", "dpkg-query -W -f '${db:Status-Abbrev}' intercomd")
	b.write("/etc/intercomd/intercom.toml", configuration)

	b.Log("removed")
	b.apt("remove intercomd")
	b.is(config, kept)
	b.is("", "systemctl --failed --plain --no-legend")
	b.is("", "ls /proc/[0-9]*/exe -l 2>/dev/null | grep intercomd || true")
	b.is("", "find / -xdev \\( -path /proc -o -path /etc -o -path /var -o -path /root -o -path /run -o -path /sys \\) -prune -o -name '*intercom*' -print")

	b.Log("installed again")
	b.apt("install /root/intercomd_*.deb")
	b.is("enabled active", both)
	b.is(config, kept)

	b.Log("purged")
	b.apt("purge intercomd")
	if left := difference(before, b.sh(everything)); len(left) != 0 {
		b.Errorf("left behind (+) or taken away (-):\n%s", strings.Join(left, "\n"))
	}
	b.is(strings.TrimSpace(who), accounts)
	b.is("not-found", "systemctl show -P LoadState intercomd")

	b.Log("purged without a remove before, and while it runs")
	b.apt("install /root/intercomd_*.deb")
	b.is("enabled active", both)
	b.apt("purge intercomd")
	if left := difference(before, b.sh(everything)); len(left) != 0 {
		b.Errorf("left behind (+) or taken away (-):\n%s", strings.Join(left, "\n"))
	}
}

// says waits until what the daemon tells systemd has a word in it.
func (b *box) says(word string) {
	b.Helper()
	b.sh("for i in $(seq 100); do if systemctl show -P StatusText intercomd | grep -q '" + word + "'; then exit 0; fi; sleep 0.3; done; exit 1")
}

// restarts runs a script and returns when the service has another process.
func (b *box) restarts(script string) {
	b.Helper()
	old := strings.TrimSpace(b.sh(process))
	b.sh(script)
	b.sh("for i in $(seq 300); do now=$(" + process + "); " +
		"if [ $now != 0 ] && [ $now != " + old + " ] && systemctl --quiet is-active intercomd; then exit 0; fi; sleep 0.1; done; echo still process $now; exit 1")
}

// difference lists the lines that only one of two texts has.
func difference(a, b string) (out []string) {
	was, now := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, line := range was {
		if !slices.Contains(now, line) {
			out = append(out, "-"+line)
		}
	}
	for _, line := range now {
		if !slices.Contains(was, line) {
			out = append(out, "+"+line)
		}
	}
	return out
}

// TestInARootThatIsMade installs where no systemd runs: what makes images does that.
func TestInARootThatIsMade(t *testing.T) {
	need(t)
	t.Parallel()
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			b := unpacked(t, suite)
			b.bring(made(t, "amd64"), "root/")
			b.apt("install /root/intercomd_*.deb")
			b.is("enabled", "systemctl is-enabled intercomd")
			b.is("640 root intercomd", "stat -c '%a %U %G' /etc/intercomd/intercom.toml")
			b.apt("purge intercomd")
		})
	}
}

// TestSameBytes makes a package once more, in the manner of somebody else.
func TestSameBytes(t *testing.T) {
	need(t)
	t.Parallel()
	arches := []string{"amd64"}
	source, out := "../..", t.TempDir()
	env := append(os.Environ(), "OUT="+out, "NOLINT=1", "TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "MAKEFLAGS=")
	if which := os.Getenv("INTERCOMD_REBUILD"); which != "" { // from nothing, in another place
		if arches = strings.Fields(which); which == "1" {
			arches = []string{"amd64", "arm64", "armhf"}
		}
		if changed := host(t, "git", "status", "--porcelain"); changed != "" {
			t.Fatalf("only what is committed can be made elsewhere:\n%s", changed)
		}
		source = filepath.Join(t.TempDir(), "elsewhere")
		host(t, "git", "clone", "-q", "../..", source)
		host(t, "sh", filepath.Join(source, "test/tools/prompts.sh"), filepath.Join(source, "build/prompts"))
		env = append(env, "GOCACHE="+t.TempDir())
	}
	for _, arch := range arches {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask 077 && exec sh packaging/deb.sh "$0"`, arch)
		cmd.Dir, cmd.Env = source, env
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		first := made(t, arch)
		a, err := os.ReadFile(first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(out, filepath.Base(first)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s is not the same when it is made again", filepath.Base(first))
		}
	}
}
