package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The manual page names each command with its arguments and words, each exit code, and no
// others.
func TestManualPageIsThatOfTheProgram(t *testing.T) {
	data, err := os.ReadFile("../../docs/man/intercomd.8")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.NewReplacer(`\fB`, "", `\fI`, "", `\fR`, "", `\-`, "-", `"`, "", `\(dq`, "").Replace(string(data))
	section := func(name string) string {
		_, rest, _ := strings.Cut(page, "\n.SH "+name+"\n")
		text, _, _ := strings.Cut(rest, "\n.SH ")
		return text
	}
	said := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\.TP\n\.BR? (.+)\n(.+)`).FindAllStringSubmatch(section("COMMANDS"), -1) {
		name, args, _ := strings.Cut(strings.Join(strings.Fields(m[1]), " "), " ")
		said[name+" "+args] = m[2]
	}
	for _, c := range subcommands() {
		key := c.name + " " + c.args
		about, ok := said[key]
		if !ok {
			t.Errorf("the manual page has no command %q", key)
		}
		// What the usage has in brackets is told at length there.
		if words, _, _ := strings.Cut(c.about, " ("); ok && !strings.HasPrefix(about, words) {
			t.Errorf("%s: the manual page says %q, the program %q", key, about, c.about)
		}
		delete(said, key)
	}
	for key := range said {
		t.Errorf("the manual page has a command %q, the program has not", key)
	}
	var codes []string
	for _, m := range regexp.MustCompile(`(?m)^\.B (\d+)$`).FindAllStringSubmatch(section("EXIT STATUS"), -1) {
		codes = append(codes, m[1])
	}
	var want []string
	for _, c := range []int{exitOK, exitFailed, exitUsage, exitConfig} {
		want = append(want, strconv.Itoa(c))
	}
	if strings.Join(codes, " ") != strings.Join(want, " ") {
		t.Errorf("the manual page has exit codes %v, the program %v", codes, want)
	}
	if !strings.Contains(page, defaultConfig) {
		t.Errorf("the manual page does not name %s", defaultConfig)
	}
}
