package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Fault is one thing that is wrong in a configuration file.
type Fault struct {
	File    string // as it was named to Parse or Load
	Line    int    // from 1; 0 if the fault has no place
	Key     string // such as "sip.user"; "" for faults of the syntax
	Problem string // what is wrong
	Remedy  string // what would be right
	// Optional says that the door can do without what is at fault, such as a recording or
	// the page: that is taken back to what is safe, and the rest works.
	Optional bool
	section  string // where a fault without a key is
}

// String is one line: file:line: key: problem; remedy.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Place())
	if f.Key != "" {
		b.WriteString(": " + f.Key)
	}
	b.WriteString(": " + f.Problem)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
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
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.String()
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
