package guard

import (
	"go/ast"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"intercomd/setup"
	"intercomd/station"
	"intercomd/words"
)

// composed are the families of the catalogue whose keys the code puts together, with the codes
// that they must have; nil where any literal of the source that is the code is good enough.
func composed() map[string][]string {
	var deeds []string
	for _, d := range []station.ActionKind{station.Dial, station.Answer, station.Disturb, station.Release, station.Toggle, station.Flash, station.SwitchOn, station.SwitchOff} {
		deeds = append(deeds, string(d))
	}
	return map[string][]string{
		"cause":         texts(station.Causes()),
		"tone":          texts(station.Tones()),
		"by":            texts([]station.Party{station.ByDoor, station.ByPeer, station.ByNet}),
		"does":          deeds,
		"erase":         {"0", "1", "7", "30", "90", "365"},
		"level":         {"debug", "info", "warn", "error"},
		"callfilter":    {"all", "out", "in", "talked", "missed", "failed", "opened"},
		"eventfilter":   {"all", "call", "door", "contact", "fault", "command", "start"},
		"command":       texts([]station.CommandKind{station.CommandPress, station.CommandAnswer, station.CommandHangup, station.CommandMute, station.CommandOpen, station.CommandDND, station.CommandTest, station.CommandForget}),
		"refused":       append(texts(station.Refusals()), "not-saved"),
		"via":           texts(station.Ways()),
		"setting":       setup.Keys(),
		"section":       setup.Sections(),
		"how":           texts(setup.Ways()),
		"outcome":       texts(setup.Outcomes()),
		"duplex-reason": {"echo", "howling", "clipping"},
		"unit":          {"s", "min", "h", "d"},
	}
}

func texts[T ~string](list []T) (out []string) {
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// Every language has a sentence for every key, with the same parameters, and no others.
func TestNoLanguageLacksASentence(t *testing.T) {
	english := words.English()
	param := regexp.MustCompile(`\{([a-zA-Z]+)`)
	params := func(l *words.Language, key string) []string {
		var all []string
		for _, m := range param.FindAllStringSubmatch(l.Template(key), -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	for _, name := range words.Languages() {
		l := words.In(name)
		for _, key := range english.Keys() {
			if !l.Has(key) && !strings.HasSuffix(key, ".one") {
				t.Errorf("%s lacks %s", name, key)
				continue
			}
			if l.Has(key) && !slices.Equal(params(l, key), params(english, key)) {
				t.Errorf("%s: %s has the parameters %q, English %q", name, key, params(l, key), params(english, key))
			}
		}
		for _, key := range l.Keys() {
			if !english.Has(key) {
				t.Errorf("%s has %s, and English has not", name, key)
			}
		}
	}
}

// No sentence is kept that nobody says, and none is missing that somebody does.
func TestSentencesAndCodesAreTheSame(t *testing.T) {
	literals := map[string]bool{}
	said := map[string]string{} // whole keys, and where
	for _, s := range sources(t) {
		if s.test || s.room() == "test" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					text, _ := strconv.Unquote(n.Value)
					literals[text] = true
				}
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || len(n.Args) == 0 || f.Sel.Name != "Text" && f.Sel.Name != "Count" && f.Sel.Name != "New" {
					break
				}
				lit, ok := n.Args[0].(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					break
				}
				key, _ := strconv.Unquote(lit.Value)
				x, _ := f.X.(*ast.Ident)
				switch {
				case f.Sel.Name == "Count":
					said[key+".other"] = s.at(n)
				case f.Sel.Name == "Text" && strings.Contains(key, "."):
					said[key] = s.at(n)
				case f.Sel.Name == "New" && x != nil && x.Name == "words":
					said["|"+key] = s.at(n) // of some family
				}
			}
			return true
		})
	}
	template := regexp.MustCompile(`(?:\{\{|\()(?:if [^}]*\}\}\{\{)?t "([^"]+)"`)
	pages, err := filepath.Glob("../../web/templates/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatal("no templates: ", err)
	}
	for _, name := range pages {
		name = strings.TrimPrefix(filepath.ToSlash(name), "../../")
		for _, m := range template.FindAllStringSubmatch(read(t, name), -1) {
			said[m[1]], literals[m[1]] = name, true
		}
	}
	english := words.English()
	families := composed()
	var codes []string // of any family
	for _, key := range english.Keys() {
		family, code, _ := strings.Cut(key, ".")
		codes = append(codes, code)
		if known, ok := families[family]; ok {
			if !slices.Contains(known, code) {
				t.Errorf("%s: there is no such code", key)
			}
			continue
		}
		bare := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		switch {
		case literals[bare], literals[code]: // said as it is, or by its code
		case family == "event", pieces(code, literals), family == "problem" && longer(code, literals):
		default:
			t.Errorf("%s: nobody says that", key)
		}
	}
	for family, known := range families {
		for _, code := range known {
			if !english.Has(family + "." + code) {
				t.Errorf("the catalogue lacks %s.%s", family, code)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(said)) {
		if code, ok := strings.CutPrefix(key, "|"); ok && !slices.Contains(codes, code) {
			t.Errorf("%s: the catalogue has no sentence for %q", said[key], code)
		} else if !ok && !english.Has(key) && !strings.HasSuffix(key, ".") {
			t.Errorf("%s: the catalogue lacks %s", said[key], key)
		}
	}
}

// pieces reports whether a code is put together from literals, such as "dial-", "tls" and
// "-old", or "hangup" and "-failed".
func pieces(code string, literals map[string]bool) bool {
	if literals[code] || literals["-"+code] {
		return true
	}
	for i := range code {
		if code[i] != '-' {
			continue
		}
		if head, tail := code[:i], code[i+1:]; (literals[head+"-"] || literals[head]) && pieces(tail, literals) {
			return true
		}
	}
	return false
}

// longer reports whether there is a literal that says the same more exactly, so that only its
// remedy is another one: "dial-tls-old" is told as "dial-tls".
func longer(code string, literals map[string]bool) bool {
	for l := range literals {
		if strings.HasPrefix(l, code+"-") && words.English().Has("remedy."+l) {
			return true
		}
	}
	return false
}

// Every kind of event has a name for people.
func TestEveryEventHasAName(t *testing.T) {
	kind := regexp.MustCompile(`Kind\(\) Kind \{ return "([^"]+)" \}`)
	steps := regexp.MustCompile(`CallEventKind = "([^"]+)"`)
	var all []string
	for _, m := range kind.FindAllStringSubmatch(read(t, "station/news.go"), -1) {
		all = append(all, m[1])
	}
	for _, m := range steps.FindAllStringSubmatch(read(t, "station/ports.go"), -1) {
		if m[1] != "transferred" {
			all = append(all, "call."+m[1])
		}
	}
	for _, d := range station.Deeds() {
		all = append(all, "admin."+string(d))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	var listed []string
	for _, k := range station.Kinds() {
		listed = append(listed, string(k))
	}
	if slices.Sort(listed); !slices.Equal(all, listed) {
		t.Errorf("kinds %q\nlisted %q", all, listed)
	}
	var named []string
	for _, key := range words.English().Keys() {
		if k, ok := strings.CutPrefix(key, "event."); ok {
			named = append(named, k)
		}
	}
	if !slices.Equal(all, named) {
		t.Errorf("kinds %q\nnames %q", all, named)
	}
	doc := read(t, "docs/interface.md")
	for _, k := range all {
		if !strings.Contains(doc, "`"+k+"`") {
			t.Errorf("docs/interface.md does not tell of %s", k)
		}
	}
}

// What is wrong with a configuration is said in codes, each with a sentence and a remedy in the
// catalogue, and never in prose.
func TestFaultsOfTheConfigurationAreCodes(t *testing.T) {
	english := words.English()
	n := 0
	for _, s := range sources(t) {
		if s.test || s.room() != "configs" && s.room() != "provision" && !strings.HasSuffix(s.path, "audio/recordings.go") && !strings.HasSuffix(s.path, "door/recordings.go") {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			lit, ok := node.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			code, _ := strconv.Unquote(lit.Value)
			switch family, _, _ := strings.Cut(code, "-"); {
			case code == "told":
				t.Errorf("%s: prose in place of a code", s.at(lit))
				return true
			case !codeLike.MatchString(code) || strings.HasSuffix(code, "-"):
				return true
			case !slices.Contains([]string{"config", "text", "secret", "certificate", "file", "folder", "recording", "recordings", "announcements"}, family):
				return true
			}
			if !said(english, "problem", code) || !said(english, "remedy", code) {
				t.Errorf("%s: %s has no problem or no remedy", s.at(lit), code)
			}
			n++
			return true
		})
	}
	if n < 150 {
		t.Errorf("only %d codes were found", n)
	}
}

// said reports whether a language has a sentence for a code, or for what that is a kind of.
func said(l *words.Language, family, code string) bool {
	for ; code != ""; code = code[:max(strings.LastIndexByte(code, '-'), 0)] {
		if l.Has(family + "." + code) {
			return true
		}
	}
	return false
}

var codeLike = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)
