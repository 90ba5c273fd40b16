package update

import "strings"

// Compare compares versions as Debian does (deb-version(7)): negative if a is older. "1.2.0~rc1" comes before "1.2.0", which comes before "1.10".
func Compare(a, b string) int {
	for a != "" || b != "" {
		if n := compareText(&a, &b); n != 0 {
			return n
		}
		if n := compareNumber(&a, &b); n != 0 {
			return n
		}
	}
	return 0
}

// compareText compares the beginnings that have no digits, and takes them off.
func compareText(a, b *string) int {
	for !digit(*a) && *a != "" || !digit(*b) && *b != "" {
		if n := order(*a) - order(*b); n != 0 {
			return n
		}
		*a, *b = rest(*a), rest(*b)
	}
	return 0
}

// compareNumber does that with the digits at the beginnings.
func compareNumber(a, b *string) int {
	x, y := number(a), number(b)
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(x, y)
}

func digit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func rest(s string) string {
	if s == "" {
		return s
	}
	return s[1:]
}

// order is how the first sign of s counts: a tilde before the end, letters before all else.
func order(s string) int {
	switch {
	case s == "" || digit(s):
		return 0
	case s[0] == '~':
		return -1
	case s[0] >= 'a' && s[0] <= 'z', s[0] >= 'A' && s[0] <= 'Z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

func number(s *string) string {
	n := 0
	for n < len(*s) && digit((*s)[n:]) {
		n++
	}
	out := strings.TrimLeft((*s)[:n], "0")
	*s = (*s)[n:]
	return out
}
