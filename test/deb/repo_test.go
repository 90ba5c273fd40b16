package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// repository is one that a key of the test signs.
type repository struct {
	*testing.T
	dir string
	env []string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // gpg's agent makes sockets, whose paths must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	r := &repository{T: t, dir: filepath.Join(t.TempDir(), "repo"), env: append(os.Environ(), "GNUPGHOME="+home)}
	r.env = append(r.env, "REPO="+r.dir, "KEY="+r.key("operator"), "REPO_URL=file:///srv/repo")
	return r
}

func (r *repository) run(args ...string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), args[0], args[1:]...)
	cmd.Env = r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// key makes a key and returns its fingerprint.
func (r *repository) key(name string) string {
	r.Helper()
	r.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
	m := regexp.MustCompile(`(?m)^fpr:+([0-9A-F]+):`).FindStringSubmatch(r.run("gpg", "--batch", "--with-colons", "--list-keys", name))
	if m == nil {
		r.Fatal("gpg made no key")
	}
	return m[1]
}

// publish puts packages into a suite.
func (r *repository) publish(suite string, debs ...string) {
	r.Helper()
	r.run(append([]string{"sh", "../../packaging/repo.sh", suite}, debs...)...)
}

// offer makes the repository that of a box, as it is now; nothing is known of it yet.
func (b *box) offer(r *repository) {
	b.Helper()
	b.sh("rm -rf /srv/repo /var/lib/apt/lists/*srv_repo* /var/cache/apt/archives/intercomd*")
	b.bring(r.dir, "srv/repo")
	b.sh("mkdir -p /etc/apt/keyrings && cp /srv/repo/intercomd.sources /etc/apt/sources.list.d/")
}

const (
	update    = "apt-get -q -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/intercomd.sources -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 update 2>&1"
	candidate = "apt-cache policy intercomd | sed -n 's/^  Candidate: //p' | grep -vx '(none)' || true"
)

// TestRepository installs and upgrades from a repository, and from none that is not what
// its operator has signed.
func TestRepository(t *testing.T) {
	need(t)
	t.Parallel()
	deb := made(t, "amd64")
	later := next(t, deb)
	version := strings.TrimSpace(host(t, "dpkg-deb", "-f", deb, "Version"))
	r := newRepository(t)
	all := []string{deb, made(t, "arm64"), made(t, "armhf")}
	r.publish("testing", all...)
	r.publish("stable", all...)
	r.publish("testing", later)
	foreign := filepath.Join(t.TempDir(), "InRelease")
	r.run("gpg", "--batch", "--local-user", r.key("somebody"), "--clearsign", "--output", foreign, filepath.Join(r.dir, "dists/stable/Release"))
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			b := booted(t, suite)
			b.offer(r)
			if out, err := b.try(update); err == nil {
				t.Errorf("a repository is trusted whose key is not there:\n%s", out)
			}
			b.sh("cp /srv/repo/intercomd.asc /etc/apt/keyrings/")
			b.sh(update)
			b.is(version, candidate) // what is in testing is not for everybody
			b.apt("install intercomd")
			b.is("enabled active", both)

			b.sh("sed -i 's/^Suites:.*/Suites: testing/' /etc/apt/sources.list.d/intercomd.sources && " + update)
			b.restarts("apt-get -q -y install intercomd </dev/null 2>&1")
			b.is(version+".1", "dpkg-query -W -f '${Version}' intercomd")
			b.apt("purge intercomd")

			b.bring(foreign, "root/foreign")
			for _, c := range []struct{ what, harm string }{
				{"unsigned", "rm InRelease Release.gpg"},
				{"changed after it was signed", "sed -i 's/^Origin: .*/Origin: somebody/' InRelease Release"},
				{"with a list that was changed", "for f in main/binary-amd64/*; do printf x >>$f; done"},
				{"signed by somebody else", "rm Release.gpg && cp /root/foreign InRelease"},
			} {
				b.offer(r)
				b.sh("cd /srv/repo/dists/stable && " + c.harm)
				if out, err := b.try(update); err == nil {
					t.Errorf("apt does not mind a repository that is %s:\n%s", c.what, out)
				}
				b.is("", candidate)
			}
			b.offer(r)
			b.sh(update + "; for f in /srv/repo/pool/stable/*_amd64.deb; do printf x | dd of=$f bs=1 seek=5000 conv=notrunc status=none; done")
			if out, err := b.try("apt-get -q -y install intercomd </dev/null 2>&1"); err == nil {
				t.Errorf("a package that was changed is installed:\n%s", out)
			}
		})
	}
}
