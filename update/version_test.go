package update

import "testing"

// deb-version(7), and what dpkg's own tests have.
func TestCompare(t *testing.T) {
	order := []string{"0.0~git20250101000000.abc", "0.0~git20260101000000.abc", "0.0", "0.9", "1.0~rc1", "1.0~rc2", "1.0", "1.0+changed", "1.0.1", "1.2", "1.10", "2a", "10"}
	for i, a := range order {
		for j, b := range order {
			if got := Compare(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	if Compare("1.00", "1.0") != 0 || Compare("", "") != 0 || Compare("~", "") >= 0 {
		t.Error("equal ones, or the end")
	}
}
