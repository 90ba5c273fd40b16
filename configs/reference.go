package configs

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference is docs/configuration.md: the comments of [DefaultFile] with the types and
// ranges of the code, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	document(func(name, comment string, example bool) {
		cost := "A fault here keeps the phone off."
		if yes, _ := dispensable(strings.Trim(name, "[]")); yes {
			cost = "The bell works in spite of a fault here."
		}
		comment += " " + cost
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n| key | %s | allowed | meaning |\n|---|---|---|---|\n",
			name, comment, map[bool]string{false: "default", true: "example"}[example])
	}, func(key, val, comment string, f reflect.StructField) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", key, code(val), allowed(f), strings.ReplaceAll(comment, "|", `\|`))
	})
	return b.String()
}

// document calls section for each section of [DefaultFile], with its brackets, and setting
// for each of its settings. example tells that the section is not there by default.
func document(section func(name, comment string, example bool), set func(key, val, comment string, f reflect.StructField)) {
	var comment []string
	var current reflect.Type
	for line := range strings.Lines(DefaultFile) {
		line = strings.TrimSpace(line)
		line, example := setting(line)
		switch {
		case strings.HasPrefix(line, "#"):
			comment = append(comment, strings.TrimSpace(strings.TrimPrefix(line, "#")))
			continue
		case strings.HasPrefix(line, "["):
			s, ok := sectionOf(strings.Trim(line, "[]"))
			if !ok {
				break
			}
			if s == current { // one more example of the same
				current = nil
				break
			}
			current = s
			section(line, strings.Join(comment, " "), example)
		case current != nil && strings.Contains(line, "="):
			key, val, _ := strings.Cut(line, "=")
			key, val = strings.TrimSpace(key), strings.TrimSpace(val)
			if f, ok := fieldOf(current, key); ok {
				set(key, val, strings.Join(comment, " "), f)
			}
		}
		comment = nil
	}
}

// setting is a line of [DefaultFile] without the mark of an example: settings that are
// not there by default stand behind a # without a space.
func setting(line string) (text string, example bool) {
	if rest, ok := strings.CutPrefix(line, "#"); ok && rest != "" && !strings.HasPrefix(rest, " ") {
		return rest, true
	}
	return line, false
}

// sectionOf finds the type of a section, such as "call" or "target.step".
func sectionOf(name string) (reflect.Type, bool) {
	t := reflect.TypeFor[Config]()
	for part := range strings.SplitSeq(name, ".") {
		f, ok := fieldOf(t, part)
		if !ok {
			return nil, false
		}
		if t = f.Type; t.Kind() == reflect.Slice {
			t = t.Elem()
		}
	}
	return t, t.Kind() == reflect.Struct
}

const referenceHead = `# Configuration

<!-- Written by: go generate ./configs. Edit configs/intercom.toml instead. -->

intercomd reads one [TOML](https://toml.io) file. Four settings are enough:

` + "```toml" + `
[sip]
server = "wss://pbx.example.lan:7443"
user = "1000"
password = "secret"
[call]
target = "1001"
` + "```" + `

` + "`intercomd check FILE`" + ` reports every fault of a file with its line and remedy, without
touching network or devices. An unknown key or a value out of range is a fault, never ignored, and the daemon
shows it on its page. In sections that decide whom to call, who may open or what lines do, a fault keeps the phone
off; in the others, whatever is at fault has its default or is left out, and the bell works
([why](decisions/faults-and-the-bell.md)). Windows line ends and a byte order mark are fine.
What somebody has set up on [the page](status-page.md#changing-the-configuration) is in force in place of the file until that
is edited: the check says so, and ` + "`intercomd config reset`" + ` takes it back.
Whole examples are in ` + "[configs/examples](../configs/examples)" + `, wiring is in [wiring.md](wiring.md).

Sections with double brackets may occur several times. Those whose tables show examples instead of defaults
exist only if the file has them; a key that is left out of them is empty, or as its description says.

Times are strings with units: ` + "`\"500ms\"`, `\"30s\"`, `\"2m\"`, `\"1m30s\"`" + `. A list of one text may be written as that text.
`

func code(s string) string {
	if s == `""` {
		return "empty"
	}
	return "`" + s + "`"
}

// allowed describes the values of a field.
func allowed(f reflect.StructField) string {
	if words := f.Tag.Get("oneof"); words != "" {
		return "`" + strings.Join(strings.Fields(words), "`, `") + "`"
	}
	low, high, ranged := strings.Cut(f.Tag.Get("range"), "..")
	switch {
	case f.Type == reflect.TypeFor[Action]():
		return "an action"
	case f.Type == reflect.TypeFor[[]Line]():
		return "list of numbers or texts"
	case f.Type == reflect.TypeFor[Moment]():
		return "a date, or date and time"
	case ranged && f.Type.Kind() == reflect.Float64:
		unit := ""
		if strings.HasSuffix(f.Tag.Get("toml"), "gain") {
			unit = " dB"
		}
		return fmt.Sprintf("%s to %s%s", low, high, unit)
	case ranged:
		return fmt.Sprintf("%s to %s", low, high)
	}
	switch f.Type.Kind() {
	case reflect.Slice:
		return "list of texts"
	case reflect.Bool:
		return "`true`, `false`"
	case reflect.Struct:
		if f.Type == reflect.TypeFor[Line]() {
			return "number or text"
		}
	}
	return "text"
}
