package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"intercomd/station"
)

// logBook is a log that can be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// realDoor is `intercomd run` as systemd starts it, in this process, without hardware.
type realDoor struct {
	t    *testing.T
	page string
	log  *logBook
	stop context.CancelFunc
	code chan int
}

// startDoor runs the daemon with a configuration, which gets a page and a state directory
// unless it has its own. It returns when the page is there.
func startDoor(t *testing.T, dir, config string) *realDoor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &realDoor{t: t, page: "http://" + l.Addr().String(), log: &logBook{}, code: make(chan int, 1)}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(config, "[web]") {
		config += fmt.Sprintf("\n[web]\nlisten = %q\n", l.Addr())
	}
	if !strings.Contains(config, "[state]") {
		config += fmt.Sprintf("\n[state]\ndir = %q\n", filepath.Join(dir, "state"))
	}
	file := filepath.Join(dir, "door.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	d.stop = cancel
	go func() { d.code <- command(ctx, []string{"run", file}, streams{out: d.log, err: d.log}) }()
	t.Cleanup(d.ends)
	return d
}

// ends ends the daemon, which must take its time to say good-bye and no more.
func (d *realDoor) ends() {
	d.t.Helper()
	d.stop()
	select {
	case code := <-d.code:
		d.code <- code
		if code != exitOK {
			d.t.Errorf("exit code %d:\n%s", code, d.log)
		}
	case <-time.After(30 * time.Second):
		d.t.Fatalf("the daemon does not end:\n%s", d.log)
	}
}

// snapshot is what the page has, as soon as it satisfies ok.
func (d *realDoor) snapshot(what string, ok func(*station.Snapshot) bool) *station.Snapshot {
	d.t.Helper()
	var s station.Snapshot
	for range 600 {
		if res, err := http.Get(d.page + "/status.json"); err == nil {
			s = station.Snapshot{}
			err := json.NewDecoder(res.Body).Decode(&s)
			if err := res.Body.Close(); err != nil {
				d.t.Error(err)
			}
			if err == nil && ok(&s) {
				return &s
			}
		}
		select {
		case code := <-d.code:
			d.t.Fatalf("the daemon ended with %d:\n%s", code, d.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
	d.t.Fatalf("never came: %s; the page has %+v\n%s", what, s.Faults, d.log)
	return nil
}

// The files of a state directory.
const (
	memoryFile   = "memory.json"
	instanceFile = "instance"
	clockFile    = "clock"
	baselineFile = "selftest.json"
	lastTestFile = "selftest-last.json"
	auditFile    = "audit.log"
	historyFile  = "history.log"
)

func keysOf(faults []station.Fault) (keys []string) {
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	return keys
}

// However many faults a configuration has: the door runs, the page and the log have all of
// them, and a signal ends it.
func TestHundredsOfFaults(t *testing.T) {
	var b strings.Builder
	b.WriteString("[sip]\nserver = \"wss://127.0.0.1:9\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[board]\ndriver = \"sim\"\n")
	for i := range 70 {
		fmt.Fprintf(&b, "[[button]]\nname = \"b%d\"\nnonsense = 1\n", i)
	}
	d := startDoor(t, t.TempDir(), b.String())
	s := d.snapshot("70 faults", func(s *station.Snapshot) bool { return len(s.Faults) >= 70 })
	if !slices.Contains(keysOf(s.Faults), "config.70") {
		t.Errorf("faults %v", keysOf(s.Faults))
	}
	for _, n := range []int{11, 218} {
		if want := fmt.Sprintf("door.toml:%d: button.nonsense", n); !strings.Contains(d.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	d.ends()
}

// account is the least that a door needs, without a server that answers.
const account = "[sip]\nserver = \"wss://127.0.0.1:9\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[board]\ndriver = \"sim\"\n"

// calls reports that the door has a phone: it tries to register.
func calls(s *station.Snapshot) bool { return s.Registration.State != station.RegOff }

// The cases are recordings from the field: one that cannot be read among good ones.
func TestABadRecordingLeavesTheDoor(t *testing.T) {
	for file, bad := range map[string]string{
		"prompts-apple.toml": "testdata/prompts/apple/._busy.wav: it is not a recording, but a file that macOS keeps beside one; delete it",
		"prompts-u8.toml":    "testdata/prompts/u8/busy.wav: WAV with one channel, 8000 Hz, 8 bits, PCM cannot be played: only PCM of 16, 24 or 32 bits; convert it to 16 bits",
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "config", file))
		if err != nil {
			t.Fatal(err)
		}
		folder, err := filepath.Abs("testdata")
		if err != nil {
			t.Fatal(err)
		}
		config := strings.ReplaceAll(string(text), "../prompts", folder+"/prompts")
		config = strings.NewReplacer("[web]\nlisten = \"127.0.0.1:18180\"\n", "", "[state]\ndir = \"state\"\n", "").Replace(config)
		dir := t.TempDir()
		d := startDoor(t, dir, config)
		s := d.snapshot("a door", calls)
		want := filepath.Dir(folder) + "/" + bad
		if len(s.Faults) == 0 || !slices.ContainsFunc(s.Faults, func(f station.Fault) bool {
			return f.Blinks == station.FaultLesser && strings.Contains(f.String()+"; "+f.Remedy(), "audio.prompts: "+want)
		}) {
			t.Errorf("faults %+v\nlack %s", s.Faults, want)
		}
		d.ends()
		code, out := run(t, "check", filepath.Join(dir, "door.toml"))
		if code != exitConfig || !strings.Contains(out, want) || strings.Count(out, "\n") != 2 || !strings.Contains(out, "The door works anyway") {
			t.Errorf("check: %d\n%s", code, out)
		}
	}
}

// Nothing optional ends the daemon, and each has a fault.
func TestTheDoorRunsWithoutWhatIsOptional(t *testing.T) {
	for name, tt := range map[string]struct {
		config  string
		prepare func(t *testing.T, dir string)
		fault   string // its key
	}{
		"recordings that are not there":      {"[audio]\nprompts = \"none\"\n", nil, "config.1"},
		"recordings that are a file":         {"[audio]\nprompts = \"door.toml\"\n", nil, "config.1"},
		"authorities of a webhook":           {"[[notify]]\nwebhook = \"https://127.0.0.1:9/\"\nca_file = \"none.pem\"\n", nil, "config.1"},
		"a card that is not there":           {"[[mixer]]\ncard = \"hw:77\"\ncontrol = \"Speaker\"\nlevel = \"50%\"\n", nil, "sound.mixer.1"},
		"devices that are not there":         {"[audio]\ninput = \"no such\"\noutput = \"none\"\n", nil, "sound.input"},
		"a state directory that is a file":   {"", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "state"), "x") }, "state"},
		"a memory that is damaged":           {"", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "state", memoryFile), "{\"") }, "state"},
		"a name that cannot be kept":         {"", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "state", instanceFile, "x"), "x") }, "state"},
		"a clock, certificate, test damaged": {"", damage, ""},
		"pipes in place of what was kept":    {"", pipes, "state"},
		"huge files in their place":          {"", huge, "state"},
		"a level of the log":                 {"[log]\nlevel = loud\n", nil, "config.1"},
		"a level of the mixer":               {"[[mixer]]\ncontrol = \"Speaker\"\nlevel = \"loud\"\n", nil, "config.1"},
		"a webhook without encryption":       {"[[notify]]\nwebhook = \"http://a.example/\"\n", nil, "config.1"},
		"a gain and a language":              {"[audio]\ninput_gain = 99\nlanguage = \"deutsch\"\n", nil, "config.2"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			d := startDoor(t, dir, account+tt.config)
			d.snapshot("a door with the fault "+tt.fault, func(s *station.Snapshot) bool {
				return calls(s) && (tt.fault == "" || slices.Contains(keysOf(s.Faults), tt.fault))
			})
			d.ends()
		})
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// damage fills all other files of a state directory with zeroes, as a power cut may.
func damage(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{clockFile, "dtls.pem", baselineFile, lastTestFile, auditFile, historyFile} {
		put(t, filepath.Join(dir, "state", name), strings.Repeat("\x00", 100))
	}
}

// kept are the files of a state directory.
func kept() []string {
	return []string{memoryFile, instanceFile, clockFile, "dtls.pem", baselineFile, lastTestFile, auditFile, historyFile}
}

// pipes puts pipes in their places, which nobody ever writes to.
func pipes(t *testing.T, dir string) {
	t.Helper()
	for _, name := range kept() {
		put(t, filepath.Join(dir, "state", "x"), "")
		if err := syscall.Mkfifo(filepath.Join(dir, "state", name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// huge puts files in their places that are larger than any memory.
func huge(t *testing.T, dir string) {
	t.Helper()
	for _, name := range kept() {
		put(t, filepath.Join(dir, "state", name), "")
		if err := os.Truncate(filepath.Join(dir, "state", name), 1<<40); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever says "reload" while the daemon starts gets a new start, and no dead door.
func TestHangUpSignalDuringTheStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "door.toml")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	log, code := &logBook{}, make(chan int, 1)
	go func() { code <- command(t.Context(), []string{"run", file}, streams{out: log, err: log}) }()
	f, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for the daemon to open it
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(f, "%s[web]\nlisten = \"\"\n[state]\ndir = %q\n", account, filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-code:
		if c != exitOK || !strings.Contains(log.String(), "asked to restart") {
			t.Errorf("exit code %d:\n%s", c, log)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the daemon does not start anew:\n%s", log)
	}
}

// A page whose address is taken comes when it is given back.
func TestThePageWaitsForItsAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := startDoor(t, t.TempDir(), account+fmt.Sprintf("[web]\nlisten = %q\n", taken.Addr()))
	d.page = "http://" + taken.Addr().String()
	for i := 0; !strings.Contains(d.log.String(), "the status page is off"); i++ {
		if i == 600 {
			t.Fatalf("no word of the page:\n%s", d.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	d.snapshot("a page without its fault", func(s *station.Snapshot) bool { return calls(s) && !slices.Contains(keysOf(s.Faults), "web") })
	d.ends()
}
