package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/configs"
	"intercomd/setup"
	"intercomd/station"
	"intercomd/web"
	"intercomd/words"
)

// quietDoor takes everything as it is.
type quietDoor struct{}

func (quietDoor) Registered() (bool, words.Message)     { return true, words.Message{} }
func (quietDoor) Anew()                                 {}
func (quietDoor) Live(_, _ *configs.Config) bool        { return true }
func (quietDoor) Told(_ setup.Outcome, _ setup.Version) {}

// Of changes that come at the same time none takes back what another did: everybody who was told that it is done has
// their code, and whose code was taken away has none.
func TestChangesAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	text := fmt.Sprintf("[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[door]\nkey = \"5\"\nkey_users = [\"1001\"]\nrelay = \"door\"\n"+
		"[[relay]]\nname = \"door\"\nline = 22\n[[code]]\nname = \"thief\"\ndigits = \"481516\"\n[board]\ndriver = \"sim\"\n[state]\ndir = %q\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	page := setupPage{openSetup(loadInForce(file, nil), slog.New(slog.DiscardHandler))}
	page.t.keeper.Begun(quietDoor{})
	var running sync.WaitGroup
	const n = 8
	for i := range n {
		running.Go(func() {
			if i == n/2 {
				if err := page.DropPerson("thief", station.Principal{}); err != nil {
					t.Error(err)
				}
				return
			}
			if err := page.PutPerson(web.SetupPerson{Name: fmt.Sprint("person", i), Digits: fmt.Sprint(231560 + i)}, true, station.Principal{}); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	var names []string
	for _, p := range page.People().People {
		names = append(names, p.Name)
	}
	if len(names) != n-1 || slices.Contains(names, "thief") {
		t.Errorf("%d changes at the same time made %v", n, names)
	}
}

// Whoever is at the machine is told which configuration is in force, and has the file back.
func TestConfigCommand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	text := fmt.Sprintf("[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[state]\ndir = %q\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := command(t.Context(), args, streams{&out, &errs}); code != exitOK {
			t.Errorf("%v: %d, %s", args, code, &errs)
		}
		return out.String()
	}
	if got := run("config", file); got != "in force: "+file+"\n" {
		t.Errorf("without a change: %q", got)
	}
	f := loadInForce(file, nil)
	k := openSetup(f, slog.New(slog.DiscardHandler)).keeper
	k.Begun(quietDoor{})
	if _, err := k.Try([]byte(strings.Replace(text, "1001", "1002", 1)), setup.Who{Name: "anna"}, setup.ByPeople); err != nil {
		t.Fatal(err)
	}
	if got := run("config", "status", file); !strings.Contains(got, "in force: version 2 of the page") || !strings.Contains(got, "by anna") || !strings.Contains(got, "intercomd config reset") {
		t.Errorf("with a change: %q", got)
	}
	if got := run("check", "--lang", "en", file); !strings.Contains(got, "version 2, set up on the page") {
		t.Errorf("check: %q", got)
	}
	if got := run("config", "show", file); !strings.Contains(got, "1002") {
		t.Errorf("show: %q", got)
	}
	if c := loadKept(file).Config; c.Call.Target != "1002" {
		t.Errorf("other commands see %q", c.Call.Target)
	}
	run("config", "reset", file)
	if got := run("config", file); got != "in force: "+file+"\n" {
		t.Errorf("after the reset: %q", got)
	}
	if k := openSetup(loadInForce(file, nil), slog.New(slog.DiscardHandler)).keeper; k.Running() != nil || k.Status().Note.Code != "setup-reset" {
		t.Errorf("the next start: %+v", k.Status())
	}
}

// A list of people is looked at, and imported; what the loader finds in it is told by the lines of the list.
func TestImportOfPeople(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	text := fmt.Sprintf("[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[state]\ndir = %q\n[[relay]]\nname = \"door\"\nline = 22\n[[code]]\nname = \"anna\"\ndigits = \"471100\"\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	page := setupPage{openSetup(loadInForce(file, nil), slog.New(slog.DiscardHandler))}
	page.t.keeper.Begun(quietDoor{})
	is := func() string { return string(page.ExportPeople()) }
	before := is()
	const list = "name,digits,once\nanna,,yes\nbert,081500,\n"
	for _, dry := range []bool{true, true, false} {
		if is() != before {
			t.Fatalf("looking has changed it: %s", is())
		}
		if got, err := page.ImportPeople([]byte(list), dry, station.Principal{}); err != nil || got != (web.SetupImport{Added: 1, Changed: 1}) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if after := is(); after == before || !strings.Contains(after, "bert") || strings.Contains(after, "081500") {
		t.Errorf("it is %s", after)
	}
	for _, dry := range []bool{true, false} {
		_, err := page.ImportPeople([]byte("name,digits,relay\ncora,123456,door\ndora,234567,nowhere\n"), dry, station.Principal{})
		if faults, ok := errors.AsType[web.SetupFaults](err); !ok || len(faults) != 1 || faults[0].Line != 3 {
			t.Errorf("dry %v: %v", dry, err)
		}
	}
	if strings.Contains(is(), "cora") {
		t.Error("a list with a fault was imported in part")
	}
}

// A door that gives way to another one in the same process: the page stays open to who has signed in,
// systemd hears nothing of an end, and nothing is left behind.
func TestDoorsOneAfterTheOther(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	heard := make(chan string, 1000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	}()
	const text = "[sip]\nserver = \"ws://127.0.0.1:1\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n[board]\ndriver = \"sim\"\n[audio]\ninput = \"none\"\noutput = \"none\"\n"
	d := startDoor(t, dir, text)
	d.snapshot("a door", func(s *station.Snapshot) bool { return s.State == station.Idle })
	code, err := os.ReadFile(filepath.Join(dir, "state", "page", "code"))
	if err != nil {
		t.Fatal(err)
	}
	word, _, _ := strings.Cut(string(code), "\n")
	jar, _ := cookiejar.New(nil) // never fails
	client := &http.Client{Jar: jar}
	defer client.CloseIdleConnections()
	ask := func(method, path, body, kind string) (status int, answer string) {
		req, err := http.NewRequestWithContext(t.Context(), method, d.page+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Accept", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		data, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(data)
	}
	const form = "application/x-www-form-urlencoded"
	if status, answer := ask("POST", "/setup", url.Values{"code": {word}, "name": {"admin"}, "password": {"correct horse"}}.Encode(), form); status != http.StatusNoContent {
		t.Fatal(status, answer)
	}
	file, err := os.ReadFile(filepath.Join(dir, "door.toml"))
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) {
		t.Helper()
		for range 600 {
			if status, answer := ask("GET", "/status.json", "", ""); status == http.StatusOK && strings.Contains(answer, `"name":"`+name+`"`) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("there is no door %s:\n%s", name, d.log)
	}
	changed := strings.Replace(string(file), "[sip]", "[sip]\ndisplay_name = \"North\"", 1)
	if status, answer := ask("PUT", "/config", changed, "application/toml"); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	named("North")
	if status, answer := ask("POST", "/config/back", "", form); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	named("Door")
	for n := len(heard); n > 0; n-- {
		if h := <-heard; strings.Contains(h, "STOPPING") {
			t.Errorf("systemd was told %q, and the daemon goes on", h)
		}
	}
	d.ends()
	for {
		select {
		case h := <-heard:
			if strings.Contains(h, "STOPPING=1") {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("systemd was not told of the end")
		}
	}
}
