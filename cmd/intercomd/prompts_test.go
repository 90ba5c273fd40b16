package main

import (
	"bufio"
	"log/slog"
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
		words := readWords(t, filepath.Join("..", "..", "audio", "prompts", language+".txt"))
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

func TestWordsAreFoundOrDoneWithout(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	if spoken("off", log) != nil || text.Len() > 0 {
		t.Errorf("no language: %s", text.String())
	}
	if spoken("xx", log) != nil || !strings.Contains(text.String(), "make prompts") {
		t.Errorf("a language without words: %s", text.String())
	}
}
