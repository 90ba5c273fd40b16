package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// result is one line of the table of compatibility.
type result struct {
	peer, feature, test string
	ok                  bool
}

// account is what the tests of this run found out, in their order.
type account struct {
	mu   sync.Mutex
	list []result
}

var results account

// feature says that this test is about a feature of a peer, given with its version. How the test ends is
// what the table will say.
func feature(t *testing.T, peer, name string) {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	t.Cleanup(func() {
		results.mu.Lock()
		defer results.mu.Unlock()
		results.list = append(results.list, result{peer: peer, feature: name, test: test, ok: !t.Failed()})
	})
}

const tableFile = "../../docs/compatibility.md"

// settle writes the table (INTERCOMD_COMPAT=1, "make compat"), or makes sure that
// the one in the documents has the same rows: versions differ from machine to machine.
func (a *account) settle() error {
	want := a.table()
	if os.Getenv("INTERCOMD_COMPAT") == "1" {
		return os.WriteFile(tableFile, []byte(want), 0o644)
	}
	have, err := os.ReadFile(tableFile)
	if err != nil {
		return err
	}
	if rows(string(have)) != rows(want) {
		return fmt.Errorf("docs/compatibility.md does not have the rows of these tests: run make compat; it should have\n%s", rows(want))
	}
	return nil
}

// rows leaves only the features of a table.
func rows(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| feature") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (a *account) table() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, `# Compatibility

What was called with what, and worked: every row is a test of %[1]stest/peers%[1]s, and
%[1]smake compat%[1]s has written this file from a run of all of them, on
%[2]s. Versions are as the peers tell them. %[1]smake peers%[1]s, which %[1]smake test%[1]s
includes, fails when a row does.

"Hears" is measured: each party plays a tone of its own, and the others must find it in
what they hear.
`, "`", system())
	var peers []string // in the order in which they came
	for _, r := range a.list {
		if !slices.Contains(peers, r.peer) {
			peers = append(peers, r.peer)
		}
	}
	slices.SortStableFunc(a.list, func(x, y result) int { return slices.Index(peers, x.peer) - slices.Index(peers, y.peer) })
	last := ""
	for _, r := range a.list {
		if r.peer != last {
			fmt.Fprintf(&b, "\n## %s\n\n| feature | result | test |\n|---|---|---|\n", r.peer)
			last = r.peer
		}
		verdict := "works"
		if !r.ok {
			verdict = "fails"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", r.feature, verdict, r.test)
	}
	return b.String()
}

// system names the system on which the tests ran.
func system() string {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(release)) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	return filepath.Base(runtime.GOOS)
}
