package provision

import (
	"cmp"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
)

// FileName is the configuration as it should be called on the card.
const FileName = "intercom.toml"

// candidate is a file that may be the configuration.
type candidate struct {
	name string
	rank int // how sure that is; 0 is its very name
	at   time.Time
}

// shortName is what is left of the name where only the short one survived (Microsoft FAT
// specification, 6.0): a repaired file system, or a tool of long ago.
var shortName = regexp.MustCompile(`^interc~[1-9]\.tom$`)

// rank tells how sure it is that a file of that name is the configuration, 0 is best;
// ok is false if it is not.
func rank(name string) (n int, ok bool) {
	name = strings.ToLower(name)
	bare := name
	for strings.HasSuffix(bare, ".txt") { // what editors add, and file managers hide
		bare = strings.TrimSuffix(bare, ".txt")
	}
	switch {
	case name == FileName:
		return 0, true
	case bare == FileName:
		return 1, true
	case shortName.MatchString(name):
		return 2, true
	}
	return 0, false
}

// find lists what may be the configuration among the files at the top of a card, newest
// first, and what only looks like it.
func find(entries []fs.DirEntry) (list []candidate, like []string) {
	for _, e := range entries {
		n, ok := rank(e.Name())
		if !ok {
			if looksLikeIt(e.Name()) {
				like = append(like, e.Name())
			}
			continue
		}
		c := candidate{name: e.Name(), rank: n}
		if info, err := e.Info(); err == nil {
			c.at = info.ModTime()
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.rank, b.rank))
	})
	return list, like
}

// looksLikeIt tells names such as "intercom (1).toml" and "intercom.toml.rtf". What a Mac
// puts beside every file ("._intercom.toml") does not count.
func looksLikeIt(name string) bool {
	name = strings.ToLower(name)
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "~$") && (strings.Contains(name, "intercom") || strings.HasSuffix(name, ".toml") && name != "custom.toml")
}
