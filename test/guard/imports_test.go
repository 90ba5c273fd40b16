package guard

import (
	"slices"
	"strings"
	"testing"
)

// The table of docs/architecture.md, read as rules.
//
//	| room | may import of ours |
//	| station, phone | own subfolders |
//	| a subfolder | its parent and audio/fft |
//	| door | everything but cmd, web |
//
// A subfolder with a row of its own goes by that one. The right side is a list of "own
// subfolders", "its parent", "its own subfolders", "nothing", folders by name, "everything"
// and "everything but ROOM, ROOM".
type rules map[string]string

func parseRules(t *testing.T, doc string) rules {
	t.Helper()
	_, section, ok := strings.Cut(doc, "\n## Imports\n")
	if !ok {
		t.Fatal("docs/architecture.md has no section Imports")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	r := rules{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || strings.Contains(line, "---") || strings.Contains(line, "| room |") {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			r[strings.TrimSpace(name)] = strings.TrimSpace(cells[2])
		}
	}
	for _, room := range []string{"station", "phone", "audio", "board", "configs", "store", "notify", "door", "web", "cmd", "test", "a subfolder"} {
		if r[room] == "" {
			t.Errorf("the import table of docs/architecture.md does not say what %s may import", room)
		}
	}
	return r
}

// allowed tells whether pkg may import other, both folders of the module.
func (r rules) allowed(pkg, other string) bool {
	room, sub, _ := strings.Cut(pkg, "/")
	rule := r[room]
	if sub != "" && room != "cmd" && room != "test" {
		rule = r["a subfolder"]
		if strings.HasPrefix(other, pkg+"/") {
			return true
		}
		if own := r[pkg]; own != "" {
			rule = own
		}
	}
	parent := pkg[:max(0, strings.LastIndex(pkg, "/"))]
	otherRoom, _, _ := strings.Cut(other, "/")
	rule, _, _ = strings.Cut(rule, " (")
	rule = strings.NewReplacer(" and ", ", ", "its own subfolders", "own subfolders").Replace(rule)
	if but, ok := strings.CutPrefix(rule, "everything but "); ok {
		return !slices.Contains(strings.Split(but, ", "), otherRoom)
	}
	for phrase := range strings.SplitSeq(rule, ",") {
		phrase = strings.TrimSpace(phrase)
		switch {
		case phrase == "everything",
			phrase == "own subfolders" && strings.HasPrefix(other, pkg+"/"),
			phrase == "its parent" && other == parent,
			phrase == other:
			return true
		}
	}
	return false
}

func TestImportsFollowTheTable(t *testing.T) {
	r := parseRules(t, read(t, "docs/architecture.md"))
	for _, s := range sources(t) {
		for _, imp := range s.imports {
			other, ours := strings.CutPrefix(imp, module+"/")
			if !ours || other == s.pkg || r.allowed(s.pkg, other) {
				continue
			}
			// Tests may use everything of their own room.
			if s.test && strings.HasPrefix(other+"/", s.room()+"/") {
				continue
			}
			t.Errorf("%s imports %s, which the table of docs/architecture.md does not allow", s.path, other)
		}
	}
}

func TestRulesRefuse(t *testing.T) {
	r := parseRules(t, read(t, "docs/architecture.md"))
	for _, c := range []struct {
		pkg, other string
		want       bool
	}{
		{"station", "phone", false},
		{"station", "web", false},
		{"phone", "phone/ws", true},
		{"phone/ws", "phone", true},
		{"phone/ws", "phone/digest", false},
		{"phone/rtc", "phone/rtc/sdpfix", true},
		{"web", "station", true},
		{"web", "configs", false},
		{"cmd/intercomd", "audio/opus", true},
		{"door", "audio/opus", true},
		{"door", "web", false},
		{"store", "station", false},
		{"notify", "phone", false},
		{"cmd/intercomd", "test/lab", false},
		{"audio/aec", "board", false},
		{"update/report", "station", true},
		{"update/report", "door", false},
		{"update/slot", "station", false},
		{"audio/aec", "audio/pcm", true},
		{"audio/receive", "audio/jitter", true},
		{"audio/receive", "audio/device", false},
		{"audio/device", "audio", false},
	} {
		if got := r.allowed(c.pkg, c.other); got != c.want {
			t.Errorf("%s imports %s: allowed is %v, want %v", c.pkg, c.other, got, c.want)
		}
	}
}

// forbidden are imports that no code of the daemon may have, with the reason.
var forbidden = []struct {
	path, reason string
	except       func(source) bool
}{
	{"os/exec", "nothing shells out", func(s source) bool { return s.room() == "test" || s.test }},
	{"log", "an injected *slog.Logger is used", nil},
	{"C", "cgo stays at the tips of audio, one library or kernel each, and in memory", func(s source) bool {
		return s.path == "audio/denoise/dense.go" || s.path == "audio/denoise/kernel.go" || s.path == "audio/fft/kernel.go" || s.path == "audio/aec/kernel.go" || s.path == "audio/resample/kernel.go" || s.pkg == "memory" || s.pkg == "audio/portaudio" || s.pkg == "audio/opus" || s.pkg == "audio/speexdsp" || s.pkg == "audio/alsamixer"
	}},
	{"unsafe", "only where C or the kernel wants a pointer, or pion keeps a key (docs/decisions/shortcut.md)", func(s source) bool {
		return s.path == "phone/rtc/shortcut.go" || s.path == "audio/denoise/kernel.go" || s.path == "audio/fft/kernel.go" || s.path == "audio/aec/kernel.go" || s.path == "audio/resample/kernel.go" || s.pkg == "audio/portaudio" || s.pkg == "audio/opus" || s.pkg == "audio/speexdsp" || s.pkg == "audio/alsamixer" || s.pkg == "board/gpio"
	}},
	{"expvar", "it adds handlers to a global mux", nil},
	{"net/http/pprof", "it adds handlers to a global mux", nil},
	{"math/rand", "math/rand/v2 needs no seeding", nil},
	{"io/ioutil", "it is deprecated", nil},
	{"testing", "test code stays out of the daemon", func(s source) bool {
		return s.test || s.room() == "test" || strings.HasSuffix(s.pkg, "test")
	}},
}

func TestForbiddenImports(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports {
			for _, f := range forbidden {
				if imp == f.path && (f.except == nil || !f.except(s)) {
					t.Errorf("%s imports %s: %s", s.path, imp, f.reason)
				}
			}
		}
	}
}
