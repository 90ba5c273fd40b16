package door

import (
	"bufio"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"intercomd/audio/tone"
	"intercomd/configs"
)

// Every language of the configuration has its words, all the same ones, and each of
// them belongs to a tone.
func TestEveryLanguageSaysTheSame(t *testing.T) {
	field, _ := reflect.TypeFor[configs.Audio]().FieldByName("Language")
	tones, err := tone.Table("eu")
	if err != nil {
		t.Fatal(err)
	}
	var first map[string]string
	for _, language := range strings.Fields(field.Tag.Get("oneof")) {
		if language == "off" {
			continue
		}
		words := readWords(t, filepath.Join("..", "audio", "prompts", language+".txt"))
		if first == nil {
			first = words
		}
		if len(words) != len(first) {
			t.Errorf("%s has %d sentences, others %d", language, len(words), len(first))
		}
		for name, text := range words {
			if _, ok := tones[name]; !ok {
				t.Errorf("%s: there is no tone %q", language, name)
			}
			if first[name] == "" || text == "" {
				t.Errorf("%s: %q is missing here or elsewhere", language, name)
			}
		}
	}
}

func readWords(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	words := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		words[name] = strings.TrimSpace(text)
	}
	return words
}

// Words that are not there, and recordings that nobody can play, are faults; the rest of
// them is used.
func TestRecordingsAreJudged(t *testing.T) {
	good, err := os.ReadFile("../cmd/intercomd/testdata/prompts/apple/busy.wav")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(file string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("words/de/open.wav", good)
	write("words/de/end.wav", []byte("?"))
	write("own/Busy.WAV", good)
	write("own/closed.wav", good[:30])
	r := &recordings{folders: []string{filepath.Join(dir, "none"), filepath.Join(dir, "words")}}
	c := &configs.Config{Audio: configs.Audio{Language: "de", Prompts: filepath.Join(dir, "own")},
		Targets: []configs.Target{{Prompt: "busy"}, {Prompt: "closed"}, {}}}
	want := []string{"audio.prompts: own/closed.wav: the WAV file is damaged", "target[1].prompt: there is no recording own/closed.wav", "audio.language: words/de/end.wav: it is not a WAV file"}
	faults := r.judge(c)
	for i, f := range faults {
		if got := strings.ReplaceAll(strings.TrimPrefix(f.String(), ": "), dir+"/", ""); i >= len(want) || !strings.HasPrefix(got, want[i]) || f.Remedy() == "" {
			t.Errorf("fault %+v", f)
		}
	}
	if len(faults) != len(want) || !r.prompts.Has("busy") || !r.spoken.Has("open") || c.Targets[0].Prompt != "busy" || c.Targets[1].Prompt != "" {
		t.Errorf("%v; %+v", faults, c.Targets)
	}
	c = &configs.Config{Audio: configs.Audio{Language: "fr"}}
	if faults := r.judge(c); len(faults) != 1 || faults[0].Key != "audio.language" || !strings.Contains(faults[0].Remedy(), "make prompts") {
		t.Errorf("a language without words: %v", faults)
	}
	c.Audio.Language = "off"
	if faults := r.judge(c); len(faults) > 0 {
		t.Errorf("no language: %v", faults)
	}
}
