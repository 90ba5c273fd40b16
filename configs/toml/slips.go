package toml

import (
	"regexp"
	"slices"
	"strings"

	"intercomd/words"
)

// slip explains a line that is not TOML, as far as it is one of the usual slips.
func (b *builder) slip(line string, err error) words.Message {
	m := slip(line)
	if b.known.Secret(line) {
		// Not even a letter of a password may be in a fault.
		m.Params = ""
		if m.Code == "config-syntax-bare" {
			m = words.New("config-syntax-unquoted")
		}
	} else if slices.Contains([]string{"config-syntax-section", "config-syntax-pair", "config-syntax-alone"}, m.Code) {
		m = m.With("detail", strings.TrimPrefix(err.Error(), "toml: "))
	}
	return m
}

// slip tells what was probably done wrong in a line.
func slip(line string) words.Message {
	key, rest, isPair := strings.Cut(line, "=")
	rest, key = strings.TrimSpace(rest), strings.TrimSpace(key)
	switch {
	case strings.ContainsAny(line, typographic):
		return words.New("config-syntax-quotes")
	case strings.ContainsAny(line, "\u00a0\u2007\u202f\u200b\ufeff"):
		return words.New("config-syntax-blank")
	case strings.HasPrefix(key, "["):
		return words.New("config-syntax-section")
	case strings.HasPrefix(key, ";") || strings.HasPrefix(key, "//") || otherComment.MatchString(rest):
		return words.New("config-syntax-comment")
	case !isPair && yamlPair.MatchString(line):
		return words.New("config-syntax-colon")
	case !isPair:
		return words.New("config-syntax-pair")
	case rest == "":
		return words.New("config-syntax-empty", "name", key)
	case strings.HasPrefix(rest, `"`) && strings.Contains(rest, `\`):
		return words.New("config-syntax-backslash")
	case strings.HasPrefix(rest, `"`) && strings.Count(rest, `"`) == 1 && strings.HasSuffix(rest, "'"),
		strings.HasPrefix(rest, `'`) && strings.Count(rest, `'`) == 1 && strings.HasSuffix(rest, `"`):
		return words.New("config-syntax-mixed")
	case strings.HasPrefix(rest, `"`) && strings.Count(rest, `"`) == 1, strings.HasPrefix(rest, `'`) && strings.Count(rest, `'`) == 1:
		return words.New("config-syntax-unclosed")
	case strings.HasSuffix(rest, ",") && !strings.HasPrefix(rest, "["):
		return words.New("config-syntax-trailing")
	case decimalComma.MatchString(rest):
		return words.New("config-syntax-comma", "name", key, "value", strings.Replace(rest, ",", ".", 1))
	case slices.Contains([]string{"true", "false", "yes", "no"}, strings.ToLower(rest)):
		return words.New("config-syntax-bool")
	case strings.HasPrefix(rest, "[") && !strings.Contains(rest, "]"):
		return words.New("config-syntax-list")
	case !strings.ContainsAny(rest[:1], `"'[{`):
		word, _, _ := strings.Cut(rest, "#")
		return words.New("config-syntax-bare", "name", key, "value", strings.TrimSpace(word))
	}
	return words.New("config-syntax-alone")
}

var (
	otherComment = regexp.MustCompile(`^("[^"]*"|'[^']*'|[^\s"'\[{]+)\s+(//|;|--)`)
	yamlPair     = regexp.MustCompile(`^\s*[A-Za-z0-9_-]+\s*:(\s|$)`)
	decimalComma = regexp.MustCompile(`^[-+]?[0-9]+,[0-9]+$`)
)

// typographic are the quotes of word processors and telephones.
const typographic = "“”„‟‘’‚‛«»‹›"
