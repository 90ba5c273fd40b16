package system

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"intercomd/test/lab"
)

// The demo as a person meets it: it places its call, its page rings, the person
// answers in the browser, opens the door and hangs up; Ctrl-C leaves nothing.
func TestDemoWithAPersonInTheBrowser(t *testing.T) {
	s := need(t)
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "../demo").CombinedOutput(); err != nil {
		t.Fatalf("build the demo: %v\n%s", err, out)
	}
	before := processes(t)
	p, err := lab.Start(lab.Spec{Name: "demo", Args: []string{demo, "-intercomd", binary(t)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(10 * time.Second) })
	line, err := p.WaitLine(within(t, 60*time.Second), regexp.MustCompile(`http://127\.0\.0\.1:\d+/ +the front panel`))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(strings.Join(p.Output(), "\n"))

	page, err := s.browser.Open(strings.Fields(line)[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(page.Close)
	const phone = `document.querySelector("iframe").contentWindow.phone`
	const button = `document.querySelector("iframe").contentDocument.getElementById`
	step := func(js, until string) {
		t.Helper()
		if err := page.Until(within(t, 20*time.Second), until); err != nil {
			t.Fatalf("%v\n%s", err, p.Tail(30))
		}
		if js == "" {
			return
		}
		if err := page.Do(within(t, 10*time.Second), js, nil); err != nil {
			t.Fatal(err)
		}
	}
	step(`[...document.querySelectorAll("#buttons button")].find(b => b.textContent === "Web phone").click()`,
		phone+` && `+phone+`.registered && document.querySelectorAll("#buttons button").length === 2`)
	shoot(t, page, "ringing")
	step(button+`("answer").click()`, `!`+button+`("answer").hidden`)
	step(button+`("open").click()`, `!`+button+`("open").hidden && document.getElementById("state").textContent === "Talking" && `+phone+`.canDial()`)
	step("", `document.getElementById("relay").textContent === "open"`)
	shoot(t, page, "talking")
	step(button+`("hangup").click()`, "true")
	step("", `document.getElementById("state").textContent === "Ready" && `+phone+`.session === null`)

	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Exited():
	case <-time.After(20 * time.Second):
		t.Fatal("the demo is still there 20 s after Ctrl-C")
	}
	if p.Err() != nil {
		t.Errorf("the demo ended with %v, want exit code 0", p.Err())
	}
	for pid, name := range processes(t) {
		if before[pid] == "" && (strings.Contains(name, "kamailio") || strings.Contains(name, "intercomd") || strings.HasPrefix(name, "pa")) {
			t.Errorf("Ctrl-C left process %d (%s) behind", pid, name)
		}
	}
}

// shoot keeps a picture of a page for a person to look at, if INTERCOMD_PICTURES
// names a folder.
func shoot(t *testing.T, page *lab.Page, name string) {
	t.Helper()
	dir := os.Getenv("INTERCOMD_PICTURES")
	if dir == "" {
		return
	}
	for _, width := range []int64{390, 1280} {
		png, err := page.Screenshot(width)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "demo-"+name+"-"+strconv.FormatInt(width, 10)+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// processes lists the live processes of the namespace by name.
func processes(t *testing.T) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// An orphan that has ended stays as a zombie without a command line.
		if cmd, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")); err == nil && len(cmd) > 0 {
			out[pid] = filepath.Base(strings.SplitN(string(cmd), "\x00", 2)[0])
		}
	}
	return out
}
