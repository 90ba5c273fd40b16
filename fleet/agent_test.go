package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/configs"
	"intercomd/update"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server in memory.
type site struct {
	mu     sync.Mutex
	files  map[string]string
	err    error
	asked  []time.Time
	served int // bodies
}

func (s *site) put(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = text
}

func (s *site) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *site) Get(_ context.Context, name, etag string, most int) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasSuffix(name, serial+".toml") {
		s.asked = append(s.asked, time.Now())
	}
	text, ok := s.files[name]
	sum := sha256.Sum256([]byte(text))
	tag := hex.EncodeToString(sum[:])
	switch {
	case s.err != nil:
		return Answer{}, s.err
	case !ok:
		return Answer{Missing: true}, nil
	case tag == etag:
		return Answer{ETag: tag, Unchanged: true}, nil
	case len(text) > most:
		return Answer{}, errors.New("is too large")
	}
	s.served++
	return Answer{Body: []byte(text), ETag: tag}, nil
}

func (s *site) tally() (asked int, served int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked), s.served
}

// door is a door that registers if its user is known to the server of calls.
type door struct {
	mu       sync.Mutex
	user     string
	known    func(user string) bool
	shown    map[string]words.Message
	restarts int
	restart  func()
	stage    update.Stage
	running  string
	version  string // of the bundle, and of the last record
	bundles  []update.Bundle
}

func (d *door) Registered() (bool, words.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user != "" && d.known(d.user) {
		return true, words.Message{}
	}
	return false, words.New("fleet-not-registered")
}

func (d *door) Show(part string, m words.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown[part] = m
}

func (d *door) fault(part string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown[part].Code
}

func (d *door) StartAnew(string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.restarts++
	if d.restart != nil {
		d.restart()
		d.restart = nil
	}
}

func (d *door) Status(context.Context) (update.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return update.Status{Record: update.Record{Stage: d.stage, Version: d.version}, Running: d.running}, nil
}

func (d *door) Inspect(context.Context, string) (update.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return update.Info{Version: d.version}, nil
}

func (d *door) Install(_ context.Context, b update.Bundle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bundles = append(d.bundles, b)
	return nil
}

func (d *door) asked() []update.Bundle {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.bundles)
}

const serial = "10000000abcdef01"

// house is a door with a fleet's server, which starts anew as a daemon does.
type house struct {
	t       *testing.T
	dir     string
	own     string
	site    *site
	door    *door
	channel string
	alone   bool
	agent   *Agent
	mu      sync.Mutex
}

func newHouse(t *testing.T) *house {
	dir := t.TempDir()
	h := &house{t: t, dir: filepath.Join(dir, "fleet"), own: filepath.Join(dir, "intercom.toml"), site: &site{files: map[string]string{}},
		door: &door{known: func(u string) bool { return u == "1000" || u == "1001" }, shown: map[string]words.Message{}, running: "1.0"}}
	if err := os.WriteFile(h.own, []byte("[fleet]\nurl = \"https://pbx.example.lan/doors\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.site.put("default.toml", "[sip]\nserver = \"wss://pbx.example.lan\"\npassword = \"hunter22\"\n[call]\ntarget = \"1\"\n")
	return h
}

func (h *house) user(u string) { h.site.put(serial+".toml", fmt.Sprintf("[sip]\nuser = %q\n", u)) }

// live runs the door for a time, through all its starts.
func (h *house) live(d time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		h.start(ctx)
	}
}

// start is one process.
func (h *house) start(ctx context.Context) {
	h.t.Helper()
	ctx, end := context.WithCancel(ctx)
	defer end()
	choices, err := Begin(h.dir)
	if err != nil {
		h.t.Error(err)
	}
	var running Choice
	user := ""
	for _, c := range choices {
		cfg, err := configs.LoadLayers(Layers(c.Dir, serial, h.own))
		if err == nil {
			running, user = c, cfg.SIP.User
			break
		}
	}
	h.door.mu.Lock()
	h.door.user, h.door.restart = user, end
	h.door.mu.Unlock()
	a := NewAgent(Config{Dir: h.dir, Own: h.own, Alone: h.alone, Running: running, Serial: serial, Server: h.site, Interval: time.Hour, Channel: h.channel,
		URLOf: func(name string) string { return "https://pbx.example.lan/doors/" + name },
		Judge: func(l []configs.Layer) error { _, err := configs.LoadLayers(l); return err },
		Door:  h.door, Updates: h.door, Log: slog.New(slog.DiscardHandler)})
	h.mu.Lock()
	h.agent = a
	h.mu.Unlock()
	a.Run(ctx)
}

func (h *house) runs() string {
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	return h.door.user
}

func (h *house) starts() int {
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	return h.door.restarts
}

func (h *house) state() State {
	st, err := load(h.dir)
	if err != nil {
		h.t.Error(err)
	}
	return st
}

func (h *house) expect(user, fault string, starts int) {
	h.t.Helper()
	if h.runs() != user || h.door.fault(PartSettings) != fault || h.starts() != starts {
		h.t.Errorf("runs as %q with fault %q after %d starts, want %q, %q, %d", h.runs(), h.door.fault(PartSettings), h.starts(), user, fault, starts)
	}
}

// A new door gets its configuration within seconds, keeps it, and asks on; nothing that has not
// changed comes again.
func TestFirstConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("1000")
		h.live(10 * time.Second)
		h.expect("1000", "", 1)
		if h.state().Good != "" {
			t.Error("it counts before the door has registered for a minute")
		}
		h.live(24 * time.Hour)
		h.expect("1000", "", 1)
		if st := h.state(); st.Good == "" || st.Next != "" || st.Starts != 0 {
			t.Errorf("after a day %+v", st)
		}
		if asked, served := h.site.tally(); served != 2 || asked < 20 || asked > 36 {
			t.Errorf("asked %d times in a day, %d bodies", asked, served)
		}
	})
}

// A configuration that registers takes over; a broken one, one without its certificate and one that does
// not register leave the last good one, and say so.
func TestNextConfigurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("1000")
		h.live(2 * time.Hour)
		h.user("1001")
		h.live(2 * time.Hour)
		h.expect("1001", "", 2)

		h.site.put(serial+".toml", "[sip]\nuser = 1000\n")
		h.live(2 * time.Hour)
		h.expect("1001", "fleet-refused", 2)
		if m := h.door.shown[PartSettings]; !strings.Contains(m.String(), serial+".toml:2: sip.user") {
			t.Errorf("the fault is %s", m)
		}
		h.site.put(serial+".toml", "[sip]\nuser = \"1000\"\nca_file = \"ca.pem\"\n")
		h.live(2 * time.Hour)
		h.expect("1001", "fleet-refused", 2)
		h.site.put(serial+".toml", "[sip]\nuser = \"1000\"\n[network]\naddress = \"10.9.9.9/24\"\n")
		h.live(2 * time.Hour)
		h.expect("1001", "fleet-refused", 2)

		h.user("9999")
		h.live(2*time.Hour + 10*time.Minute)
		h.expect("1001", "fleet-not-registered", 4) // there and back
		h.live(20 * time.Hour)
		h.expect("1001", "fleet-not-registered", 4) // once only
		h.user("1001")
		h.live(2 * time.Hour)
		h.expect("1001", "", 4)
	})
}

// The server of calls is down while a good configuration is tried: it is not condemned for that.
func TestServerOfCallsIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("1000")
		h.live(2 * time.Hour)
		up := h.door.known
		down := func(string) bool { return false }
		h.door.known = down
		h.user("1001")
		h.live(3 * time.Hour)
		h.expect("1000", "fleet-went-back", 3)
		h.door.known = up
		h.live(time.Hour)
		h.expect("1000", "fleet-not-registered", 3) // this process began with the server up: proven
	})
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("1000")
		h.live(2 * time.Hour)
		var mu sync.Mutex
		isUp := false
		up := h.door.known
		h.door.known = func(u string) bool { mu.Lock(); defer mu.Unlock(); return isUp && up(u) }
		h.user("1001")
		time.AfterFunc(4*time.Hour, func() { mu.Lock(); isUp = true; mu.Unlock() })
		h.live(5 * time.Hour)
		h.expect("1001", "", 4)
	})
}

// A door without anything to go back to stays with what it has got until there is another.
func TestNothingToGoBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("9999")
		h.live(6 * time.Hour)
		h.expect("9999", "", 1)
		h.user("1000")
		h.live(2 * time.Hour)
		h.expect("1000", "", 2)
	})
	synctest.Test(t, func(t *testing.T) { // but its own file is something
		h := newHouse(t)
		h.alone = true
		h.user("9999")
		h.live(2 * time.Hour)
		h.expect("", "fleet-went-back", 2)
	})
}

// A configuration with which the daemon ends again and again is left after three starts.
func TestStartsThatEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("1000")
		h.live(2 * time.Hour)
		h.user("1001")
		st := h.state()
		next := filepath.Join(h.dir, "next")
		if err := os.CopyFS(next, os.DirFS(filepath.Join(h.dir, prefix+st.Good))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(next, doorFile), []byte("[sip]\nuser = \"1001\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if st.Next, err = settle(h.dir, next); err != nil {
			t.Fatal(err)
		}
		st.Seen = st.Next
		if err := save(h.dir, st); err != nil {
			t.Fatal(err)
		}
		for range mostStarts {
			h.live(20 * time.Second)
		}
		h.live(10 * time.Second)
		if h.runs() != "1000" || h.state().Refused == nil {
			t.Errorf("runs as %q, %+v", h.runs(), h.state())
		}
	})
}

// Whatever the server does, the door goes on.
func TestServerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.live(time.Hour)
		if h.door.fault(PartServer) != "fleet-none" || h.door.fault(PartSettings) != "fleet-waiting" {
			t.Errorf("%v", h.door.shown)
		}
		h.user("1000")
		h.live(2 * time.Hour)
		h.site.fail(errors.New("no route to host"))
		h.live(20 * time.Hour)
		h.expect("1000", "", 1)
		if h.door.fault(PartServer) != "" {
			t.Error("a server that is down for a night is a fault")
		}
		h.live(30 * time.Hour)
		if h.door.fault(PartServer) != "fleet-unreachable" {
			t.Error("a server that is down for more than a day is no fault")
		}
		h.site.fail(&waitError{"503", 3 * time.Hour})
		before, _ := h.site.tally()
		h.live(12 * time.Hour)
		if after, _ := h.site.tally(); after-before > 5 {
			t.Errorf("asked %d times in 12 h in spite of Retry-After", after-before)
		}
		h.site.fail(nil)
		delete(h.site.files, serial+".toml") // somebody has tidied up
		delete(h.site.files, "default.toml")
		h.live(5 * time.Hour)
		h.expect("1000", "", 1)
		if h.door.fault(PartServer) != "fleet-none" {
			t.Error("nobody is told that the door's file is gone")
		}
		h.user("1000")
		h.live(5 * time.Hour)
		h.expect("1000", "fleet-refused", 1) // what is shared is gone
	})
}

// A thousand doors after a power cut do not come at once.
func TestDoorsKeepApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		perMinute := map[int]int{}
		for range 200 {
			h := &house{t: t, dir: t.TempDir(), own: "none", site: &site{err: errors.New("down")},
				door: &door{known: func(string) bool { return true }, shown: map[string]words.Message{}}, alone: true}
			hash := strings.Repeat("a", 32)
			a := NewAgent(Config{Dir: h.dir, Own: h.own, Alone: true, Running: Choice{Hash: hash}, Serial: serial, Server: h.site, Interval: time.Hour,
				Judge: func([]configs.Layer) error { return errors.New("no") }, Door: h.door, Log: slog.New(slog.DiscardHandler)})
			ctx, end := context.WithTimeout(t.Context(), 10*time.Minute)
			began := time.Now()
			a.Run(ctx)
			end()
			perMinute[int(h.site.asked[0].Sub(began)/time.Minute)]++ // the first try
		}
		if len(perMinute) != 5 || slices.Max([]int{perMinute[0], perMinute[1], perMinute[2], perMinute[3], perMinute[4]}) > 80 {
			t.Errorf("200 doors by minutes: %v", perMinute)
		}
	})
}

// A channel's version is asked for once, is not taken twice after it was rolled back, and
// never an older one.
func TestChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.channel = "stable"
		h.user("1000")
		h.live(2 * time.Hour)
		if h.door.fault(PartUpdates) != "fleet-index" {
			t.Error("an index that is not there is no fault")
		}
		index := func(text string) { h.site.put("channel/stable.json", text); h.live(2 * time.Hour) }
		index(`{"version":"0.9","bundle":"../b/0.9.raucb"}`)
		index(`{"version":"2.0","bundle":"../b/2.0.raucb","percent":0}`)
		if got := h.door.asked(); len(got) != 0 || h.door.fault(PartUpdates) != "" {
			t.Errorf("asked for %v, fault %q", got, h.door.fault(PartUpdates))
		}
		index(`{"version":"2.0","bundle":"../b/2.0.raucb"}`) // the bundle is of no version: it lies
		if got := h.door.asked(); len(got) != 0 || h.door.fault(PartUpdates) != "fleet-index" {
			t.Errorf("asked for %v, fault %q", got, h.door.fault(PartUpdates))
		}
		h.door.version = "2.0"
		h.live(5 * time.Hour)
		if got := h.door.asked(); len(got) != 1 || got[0].Source != "https://pbx.example.lan/doors/b/2.0.raucb" || got[0].Now {
			t.Errorf("asked for %+v", got)
		}
		h.door.stage = update.WentBack
		h.live(50 * time.Hour)
		h.door.stage = update.Nothing // forgotten by people
		h.live(50 * time.Hour)
		if got := h.door.asked(); len(got) != 1 {
			t.Errorf("what was rolled back is asked for again: %+v", got)
		}
		h.door.version = "2.1"
		index(`{"version":"2.1","bundle":"https://cdn.example/2.1.raucb","percent":0,"minimum":"1.5"}`)
		if got := h.door.asked(); len(got) != 2 || got[1].Source != "https://cdn.example/2.1.raucb" {
			t.Errorf("asked for %+v", got)
		}
		h.door.stage = update.OnTrial // nothing is touched while a system is on trial
		h.user("1001")
		h.live(3 * time.Hour)
		h.expect("1000", "", 1)
	})
}

// A card that loses parts of what was kept, or all of it, leaves what is whole.
func TestDamagedCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.user("1000")
		h.live(2 * time.Hour)
		h.user("1001")
		h.live(2 * time.Hour)
		st := h.state()
		if st.Good == "" || st.Before == "" || st.Good == st.Before {
			t.Fatalf("%+v", st)
		}
		if err := os.Truncate(filepath.Join(h.dir, prefix+st.Good, doorFile), 3); err != nil {
			t.Fatal(err)
		}
		if got := Kept(h.dir); len(got) != 1 || got[0].Hash != st.Before {
			t.Errorf("%+v", got)
		}
		if err := os.WriteFile(filepath.Join(h.dir, stateFile), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Begin(h.dir); err == nil || got != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// What is not named any more is swept out, secrets are for the daemon only.
func TestNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		for i := range 8 {
			h.user([]string{"1000", "1001", "9999", "9998"}[i%4])
			h.live(3 * time.Hour)
		}
		entries, err := os.ReadDir(h.dir)
		if err != nil || len(entries) > 6 {
			t.Errorf("%d entries, %v", len(entries), err)
		}
		err = filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				var info fs.FileInfo
				if info, err = d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 && path != h.dir {
					t.Errorf("%s is for everybody: %v", path, info.Mode())
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
