package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"intercomd/words"
)

// Fault is one thing that is wrong in a configuration file.
type Fault struct {
	File string // as it was named to Parse or Load
	Line int    // from 1; 0 if the fault has no place
	Key  string // such as "sip.user"; "" for faults of the syntax
	// Message says what is wrong and, in the family "remedy", what would be right. Its
	// parameter in, if there is one, is the place of the fault in a file that Key names.
	words.Message
	// Optional says that the door can do without what is at fault, such as a recording or
	// the page: that is taken back to what is safe, and the rest works.
	Optional bool
	section  string // where a fault without a key is
}

// String is one line in English: file:line: key: problem; remedy.
func (f Fault) String() string { return f.In(words.English()) }

// In is one line in a language: file:line: key: problem; remedy.
func (f Fault) In(l *words.Language) string {
	m := f.Told()
	problem, remedy := l.Say("problem", m), l.Say("remedy", m)
	if remedy == "" {
		return problem
	}
	return l.Text("check.fault", "problem", problem, "remedy", remedy)
}

// Told is the fault as a message of its own, with its place and its key.
func (f Fault) Told() words.Message {
	return words.New("config-fault", "place", f.Place(), "key", f.Key).Because(f.Message)
}

// Place is where the fault is: file:line, or the file.
func (f Fault) Place() string {
	if f.Line > 0 {
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return f.File
}

// Faults is everything that is wrong in a configuration file, in the order of lines.
type Faults []Fault //nolint:errname // a list of what a person reads, not one error

// Error has one line for each fault.
func (f Faults) Error() string { return f.In(words.English()) }

// In has one line for each fault, in a language.
func (f Faults) In(l *words.Language) string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.In(l)
	}
	return strings.Join(lines, "\n")
}

// printable is text for a terminal: names of files may have anything in them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// printableMessage is a message whose parameters are printable.
func printableMessage(m words.Message) words.Message {
	params := m.Params.Map()
	for k, v := range params {
		params[k] = printable(v)
	}
	return words.Message{Code: m.Code, Params: words.ParamsOf(params)}
}

// Told is the first fault as a reason for something else: what is wrong, and in which file.
func (f Faults) Told() words.Message {
	if len(f) == 0 {
		return words.Message{}
	}
	return f[0].With("in", f[0].Place())
}

func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
}

// nearest is the word that was probably meant, or "".
func nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, limit := "", max(2, len(word)/3)
	for _, k := range known {
		if len(word) >= 3 && len(k) >= 3 && (strings.HasPrefix(k, word) || strings.HasPrefix(word, k)) {
			return k
		}
		if d := distance(word, k); d <= limit && d < len(k) {
			best, limit = k, d-1
		}
	}
	return best
}

// distance is how many letters must be changed, inserted or removed to make b of a
// (V. Levenshtein, 1966); swapping two neighbours counts as one change.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
