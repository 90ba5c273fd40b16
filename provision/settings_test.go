package provision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"go.uber.org/goleak"

	"intercomd/configs"

	"intercomd/store"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// card is what an installer has put onto a card, and the data partition beside it.
type card struct {
	t      *testing.T
	places Places
	log    bytes.Buffer
}

func newCard(t *testing.T) *card {
	t.Helper()
	dir := t.TempDir()
	c := &card{t: t, places: Places{Card: dir + "/card", Kept: dir + "/data/settings", Run: dir + "/run", Default: dir + "/default.toml", Group: -1}}
	c.mkdir(c.places.Card)
	c.mkdir(dir + "/data")
	c.put("../default.toml", "[sip]\nserver = \"\"\n")
	return c
}

func (c *card) mkdir(dir string) {
	c.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// put writes a file on the card.
func (c *card) put(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.places.Card, name)
	c.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *card) remove(name string) {
	c.t.Helper()
	if err := os.RemoveAll(filepath.Join(c.places.Card, name)); err != nil {
		c.t.Fatal(err)
	}
}

// start is one start of the door.
func (c *card) start() *Settled {
	c.t.Helper()
	c.log.Reset()
	if err := os.RemoveAll(c.places.Run); err != nil { // memory
		c.t.Fatal(err)
	}
	s, err := Settle(c.places, slog.New(slog.NewTextHandler(&c.log, nil)))
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := os.Stat(s.File); err != nil {
		c.t.Fatal(err)
	}
	left, err := filepath.Glob(c.places.Run + "/*")
	if err != nil || len(left) != 1 {
		c.t.Errorf("in memory are %v, %v", left, err)
	}
	return s
}

// wants checks who the door is and what it notes.
func (c *card) wants(s *Settled, user string, codes ...string) {
	c.t.Helper()
	var got []string
	for _, n := range s.Notes {
		got = append(got, n.Code)
	}
	if s.Config.SIP.User != user || !slices.Equal(got, codes) {
		c.t.Errorf("the door is %q with notes %v, want %q with %v\n%v\n%s", s.Config.SIP.User, got, user, codes, s.Notes, c.log.String())
	}
	if strings.Contains(c.log.String(), "hunter22") {
		c.t.Errorf("the password is in the log:\n%s", c.log.String())
	}
}

// config is the configuration of a door.
func config(user string) string {
	return "[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"" + user + "\"\npassword = \"hunter22\"\n[call]\ntarget = \"1001\"\n"
}

func utf16Of(text string, order binary.ByteOrder) string {
	var b bytes.Buffer
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		_ = binary.Write(&b, order, u)
	}
	return b.String()
}

// Whatever people save the file with and as, it is read.
func TestNamesAndEncodings(t *testing.T) {
	text := config("1000")
	windows := strings.ReplaceAll(text, "\n", "\r\n")
	for what, file := range map[string][2]string{
		"plain":              {"intercom.toml", text},
		"capitals":           {"INTERCOM.TOML", text},
		"Windows":            {"Intercom.toml", windows},
		"byte-order mark":    {"intercom.toml", "\ufeff" + windows},
		"Notepad's Unicode":  {"intercom.toml.txt", utf16Of(windows, binary.LittleEndian)},
		"the other way":      {"intercom.toml", utf16Of(text, binary.BigEndian)},
		"hidden extension":   {"intercom.toml.txt", text},
		"hidden twice":       {"Intercom.TOML.txt.TXT", text},
		"short name":         {"INTERC~1.TOM", windows},
		"another short name": {"interc~2.tom", text},
		"DOS":                {"intercom.toml", windows + "\x1a"},
		"old Mac":            {"intercom.toml", strings.ReplaceAll(text, "\n", "\r")},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCard(t)
			c.put("._"+file[0], "\x00\x05\x16\x07") // what a Mac puts beside it
			c.put(file[0], file[1])
			c.wants(c.start(), "1000")
		})
	}
}

// A file that cannot be used: the last good one is, and where and why is said.
func TestBrokenFiles(t *testing.T) {
	for what, tc := range map[string]struct{ text, place, detail string }{
		"no TOML":        {"[sip]\nserver = wss://x\n", "intercom.toml:2", "config-syntax-bare"},
		"a slip":         {strings.Replace(config("2"), "user =", "usr =", 1), "intercom.toml:3", "config-unknown-setting"},
		"empty":          {"", "intercom.toml", "config-missing-"},
		"the template":   {"[sip]\nserver = \"\"\nuser = \"\"\n", "intercom.toml", "config-missing-"},
		"blank card":     {strings.Repeat("\x00", 4096), "intercom.toml:1", "text-nul"},
		"flash residue":  {strings.Repeat("\xff", 4096), "intercom.toml", ""},
		"cut off":        {config("2")[:40], "intercom.toml:3", ""},
		"UTF-32":         {"\xff\xfe\x00\x00", "intercom.toml", "text-utf-32"},
		"Latin-1":        {"# \xe4\n" + config("2"), "intercom.toml:1", "text-not-utf-8"},
		"huge":           {strings.Repeat("# junk\n", 1<<18), "intercom.toml", "file-too-large"},
		"missing file":   {strings.Replace(config("2"), "password = \"hunter22\"", "password_file = \"pw\"", 1), "intercom.toml:4", "secret-file-missing"},
		"bad address":    {config("2") + "[network]\naddress = \"10.0.0.1\"\n", "intercom.toml:8", "config-address-no-prefix"},
		"out of bounds":  {strings.Replace(config("2"), "password = \"hunter22\"", "password_file = \"../../../secret\"", 1), "intercom.toml:4", "-missing"},
		"word processor": {"{\\rtf1\\ansi hunter22}", "intercom.toml:1", ""},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCard(t)
			c.put("../secret", "hunter22")
			c.put("intercom.toml", config("1000"))
			c.wants(c.start(), "1000")
			c.put("intercom.toml", tc.text)
			s := c.start()
			c.wants(s, "1000", NoteBroken)
			said := strings.Join(s.Notes[0].Params, "|")
			if !strings.Contains(said, "place|"+tc.place) || !strings.Contains(said, tc.detail) || strings.Contains(said, "hunter22") || strings.Contains(said, c.places.Run) {
				t.Errorf("the note says %s", said)
			}
			if m := words.New(s.Notes[0].Code, s.Notes[0].Params...); m.Remedy() == "" || strings.Contains(m.String(), "{why") {
				t.Errorf("it says %q; %q", m, m.Remedy())
			}
			c.wants(c.start(), "1000", NoteBroken) // the next time too
			c.put("intercom.toml", config("1002"))
			c.wants(c.start(), "1002")
		})
	}
}

// Without a good one of before, the daemon gets what there is, to say what is wrong.
func TestNothingGoodEver(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", "[sip]\nuser = \"7\"\n")
	s := c.start()
	c.wants(s, "7")
	if s.Good {
		t.Error("it is said to be good")
	}
	if _, err := os.Stat(c.places.Kept + "/good"); err == nil {
		t.Error("a bad one was kept")
	}
	c.remove("intercom.toml")
	c.wants(c.start(), "", NoteMissing)
}

func TestMissingAndUnreadable(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", config("1000"))
	c.start()
	c.remove("intercom.toml")
	c.wants(c.start(), "1000", NoteMissing)
	c.put("intercom (1).toml", config("1001"))
	c.put("intercom.toml.rtf", config("1001"))
	s := c.start()
	c.wants(s, "1000", NoteMissing)
	if like := s.Notes[0].Params[1]; like != "intercom (1).toml, intercom.toml.rtf" {
		t.Errorf("it looks like %q", like)
	}
	c.mkdir(c.places.Card + "/intercom.toml")
	c.wants(c.start(), "1000", NoteUnreadable)
	c.places.Card, c.places.Why = "", errors.New("invalid argument")
	s = c.start()
	c.wants(s, "1000", NoteUnreadable)
	if s.Notes[0].Params[1] != "invalid argument" {
		t.Error(s.Notes)
	}
}

// Of several files the good one is used, of several good ones the newest, and the others are named.
func TestSeveralFiles(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", "[sip]\nserver = \"\"\n") // the template
	c.put("intercom.toml.txt", config("1000"))
	c.wants(c.start(), "1000")
	c.put("intercom.toml", config("1001"))
	old := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) // what a machine without a clock writes onto FAT
	if err := os.Chtimes(c.places.Card+"/intercom.toml", old, old); err != nil {
		t.Fatal(err)
	}
	s := c.start()
	c.wants(s, "1000", NoteTwice)
	if got := strings.Join(s.Notes[0].Params, " "); got != "used intercom.toml.txt others intercom.toml" {
		t.Error(got)
	}
	c.put("intercom.toml", config("1000")) // the same text is no question
	c.wants(c.start(), "1000")
}

// Files that the configuration names come along, and are there when the card is not.
func TestFilesBeside(t *testing.T) {
	c := newCard(t)
	text := strings.Replace(config("1000"), "password = \"hunter22\"", "password_file = \"Secrets/pw.txt\"", 1) + "[audio]\nprompts = \"sounds\"\n"
	c.put("intercom.toml", text)
	c.put("Secrets/pw.txt", "\ufeffhunter22\r\n")
	c.put("sounds/Ringback.WAV", "RIFF")
	c.put("sounds/._Ringback.WAV", "Mac")
	c.put("sounds/more/deep.wav", "RIFF")
	c.put("holiday.jpg", "none of the door's business")
	check := func(s *Settled, codes ...string) {
		t.Helper()
		c.wants(s, "1000", codes...)
		if s.Config.SIP.Password != "hunter22" || s.Config.Audio.Prompts != filepath.Join(c.places.Run, "card/sounds") {
			t.Errorf("password %q, prompts %q", string(s.Config.SIP.Password), s.Config.Audio.Prompts)
		}
		var names []string
		_ = fs.WalkDir(os.DirFS(filepath.Dir(s.File)), ".", func(path string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				names = append(names, path)
			}
			return nil
		})
		if got := strings.Join(names, " "); got != "Secrets/pw.txt intercom.toml sounds/Ringback.WAV" {
			t.Errorf("in force are %s", got)
		}
	}
	check(c.start())
	c.remove("Secrets")
	c.remove("sounds")
	check(c.start(), NoteBroken)
	c.places.Card, c.places.Why = "", errors.New("no such device")
	check(c.start(), NoteUnreadable)
}

// A system that went back to an older version may not know what the last good settings set:
// then those before them.
func TestOlderVersion(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", config("1000"))
	c.start()
	c.put("intercom.toml", config("1001"))
	c.start()
	older := func(cfg *configs.Config) []configs.Fault {
		if cfg.SIP.User == "1001" {
			return []configs.Fault{{Key: "sip.user", Message: words.New("config-unknown-setting")}}
		}
		return nil
	}
	s, err := Settle(c.places, slog.New(slog.NewTextHandler(&c.log, nil)), older)
	if err != nil {
		t.Fatal(err)
	}
	c.wants(s, "1000", NoteBroken)
}

// What the door can do without does not keep it from the card's configuration.
func TestOptionalFaultsAreNoReason(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", config("1000"))
	c.start()
	c.put("intercom.toml", config("1001")+"[audio]\nprompts = \"none\"\n")
	c.wants(c.start(), "1001")
}

// A start with the same card writes nothing.
func TestKeptOnce(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", config("1000"))
	c.start()
	stamp := func() time.Time {
		info, err := os.Stat(c.places.Kept)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(c.places.Kept, old, old); err != nil {
		t.Fatal(err)
	}
	before := stamp()
	c.start()
	if !stamp().Equal(before) {
		t.Error("the data partition was written to")
	}
	c.put("intercom.toml", config("1001"))
	c.start()
	if stamp().Equal(before) {
		t.Error("the new one was not kept")
	}
	for range 3 { // the last one and the one before
		c.put("intercom.toml", config("1002"))
		c.start()
		c.put("intercom.toml", config("1001"))
		c.start()
	}
	if list, _ := filepath.Glob(c.places.Kept + "/*"); len(list) != 4 {
		t.Errorf("kept are %v", list)
	}
}

// The data partition in every state that a power cut, a full or a dying card can leave.
func TestKeptPlaceInAnyState(t *testing.T) {
	good := func(c *card) string {
		name, err := os.Readlink(c.places.Kept + "/good")
		if err != nil {
			c.t.Fatal(err)
		}
		return filepath.Join(c.places.Kept, name)
	}
	must := func(c *card, err error) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	for what, tc := range map[string]struct {
		do    func(c *card)
		last  string // who the door is when the card then is broken
		codes []string
	}{
		"as it was":         {func(*card) {}, "1000", []string{NoteBroken}},
		"cut while copying": {func(c *card) { must(c, os.MkdirAll(c.places.Kept+"/new/sub", 0o700)) }, "1000", []string{NoteBroken}},
		"cut before the link": {func(c *card) {
			must(c, os.MkdirAll(c.places.Kept+"/settings-feed", 0o700))
			must(c, os.Symlink("settings-feed", c.places.Kept+"/good.new"))
		}, "1000", []string{NoteBroken}},
		"an empty file":   {func(c *card) { must(c, os.Truncate(good(c)+"/intercom.toml", 0)) }, "2", []string{NoteNotKept}},
		"a flipped bit":   {func(c *card) { must(c, os.WriteFile(good(c)+"/intercom.toml", []byte(config("1003")), 0o600)) }, "2", []string{NoteNotKept}},
		"its folder gone": {func(c *card) { must(c, os.RemoveAll(good(c))) }, "2", nil},
		"a link to nowhere": {func(c *card) {
			must(c, os.Remove(c.places.Kept+"/good"))
			must(c, os.Symlink("../../etc", c.places.Kept+"/good"))
		}, "2", nil},
		"everything gone": {func(c *card) { must(c, os.RemoveAll(c.places.Kept)) }, "2", nil},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCard(t)
			c.put("intercom.toml", config("1000"))
			c.start()
			tc.do(c)
			c.put("intercom.toml", "[sip]\nuser = \"2\"\n")
			c.wants(c.start(), tc.last, tc.codes...)
			c.put("intercom.toml", config("1001")) // whatever it was, it is mended
			c.wants(c.start(), "1001")
			c.put("intercom.toml", "[sip]\nuser = \"2\"\n")
			c.wants(c.start(), "1001", NoteBroken)
		})
	}
}

// Nothing can be kept: the door has the configuration of the card all the same.
func TestNothingCanBeKept(t *testing.T) {
	c := newCard(t)
	c.places.Kept = filepath.Join(c.places.Default, "settings") // below a file
	c.put("intercom.toml", config("1000"))
	s := c.start()
	c.wants(s, "1000", NoteNotKept)
	if s.Notes[0].Params[1] != "not a directory" {
		t.Error(s.Notes)
	}
}

// Nothing is ever written to the card.
func TestTheCardIsOnlyRead(t *testing.T) {
	c := newCard(t)
	c.put("intercom.toml", config("1000"))
	c.put("user-data", "#cloud-config\nhostname: x\n")
	before, err := store.HashTree(c.places.Card)
	if err != nil {
		t.Fatal(err)
	}
	s := c.start()
	SetUp(s, c.places.Card, t.TempDir(), func(string) error { return nil }, slog.New(slog.DiscardHandler))
	if after, err := store.HashTree(c.places.Card); err != nil || after != before {
		t.Errorf("the card was changed: %v", err)
	}
}

// The card's own template lacks four settings and nothing else, with all examples in force
// as well.
func TestTemplateOfTheCard(t *testing.T) {
	data, err := os.ReadFile("../image/boot/intercom.toml")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	for _, text := range []string{string(data), strings.Join(lines, "")} {
		_, faults := configs.Parse("x", []byte(text))
		if len(faults) != 4 {
			t.Errorf("%v", faults)
		}
		for _, f := range faults {
			if !strings.HasPrefix(f.Code, "config-missing-") {
				t.Errorf("%v", f)
			}
		}
	}
}

func FuzzSettle(f *testing.F) {
	f.Add([]byte(config("1000")), "intercom.toml")
	f.Add([]byte("\xff\xfe[\x00"), "INTERC~1.TOM")
	f.Add([]byte("[sip]\npassword_file = \"intercom.toml\"\nca_file = \".\"\n[audio]\nprompts = \".\"\n"), "intercom.toml.txt")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		if strings.ContainsAny(name, "/\x00") || name == "" || name == "." || name == ".." || len(name) > 200 {
			return
		}
		c := newCard(t)
		if err := os.WriteFile(filepath.Join(c.places.Card, name), data, 0o600); err != nil {
			return
		}
		s, err := Settle(c.places, slog.New(slog.DiscardHandler))
		if err != nil || s.Config == nil {
			t.Fatal(err)
		}
	})
}
