package g711_test

import (
	"math"
	"slices"
	"testing"

	"intercomd/audio/g711"
)

type law struct {
	name string
	enc  func(int16) byte
	dec  func(byte) int16
	max  int // the largest magnitude of the law
	slop int // truncation of the input to the law's own resolution
}

func laws() []law {
	return []law{
		{"mu", g711.EncodeMu, g711.DecodeMu, 32124, 4},
		{"a", g711.EncodeA, g711.DecodeA, 32256, 8},
	}
}

// Known pairs from the tables of G.711 (values scaled to 16 bits) and from
// RFC 3551 practice: silence is 0xFF in µ-law, 0xD5 in A-law.
func TestKnownValues(t *testing.T) {
	for _, c := range []struct {
		name string
		dec  func(byte) int16
		code byte
		want int16
	}{
		{"mu", g711.DecodeMu, 0xff, 0}, {"mu", g711.DecodeMu, 0x80, 32124}, {"mu", g711.DecodeMu, 0x00, -32124},
		{"mu", g711.DecodeMu, 0xfe, 8}, {"mu", g711.DecodeMu, 0xef, 132}, {"mu", g711.DecodeMu, 0x6f, -132},
		{"a", g711.DecodeA, 0xd5, 8}, {"a", g711.DecodeA, 0x55, -8}, {"a", g711.DecodeA, 0xaa, 32256},
		{"a", g711.DecodeA, 0x2a, -32256}, {"a", g711.DecodeA, 0xc5, 264}, {"a", g711.DecodeA, 0xf5, 528},
	} {
		if got := c.dec(c.code); got != c.want {
			t.Errorf("%s-law %#02x = %d, want %d", c.name, c.code, got, c.want)
		}
	}
}

func TestEveryCodeSurvives(t *testing.T) {
	for _, l := range laws() {
		for c := range 256 {
			v := l.dec(byte(c))
			got := l.enc(v)
			if got != byte(c) && (v != 0 || l.dec(got) != 0) { // µ-law has two zeros
				t.Errorf("%s-law: %#02x decodes to %d, which encodes to %#02x", l.name, c, v, got)
			}
		}
	}
}

// Every one of the 65,536 samples must come back within half a quantising step,
// and a louder sample never as a quieter one. Between two segments the decision
// value of G.711 is not half way, so the step is that of the louder neighbour.
func TestEverySampleIsNear(t *testing.T) {
	for _, l := range laws() {
		var values []int
		for c := range 256 {
			values = append(values, int(l.dec(byte(c))))
		}
		slices.Sort(values)
		last := math.MinInt
		for s := math.MinInt16; s <= math.MaxInt16; s++ {
			got := int(l.dec(l.enc(int16(s))))
			if got < last {
				t.Fatalf("%s-law: %d became %d although %d became %d", l.name, s, got, s-1, last)
			}
			last = got
			if abs(s) >= l.max {
				if abs(got) != l.max {
					t.Fatalf("%s-law: %d became %d, want the limit", l.name, s, got)
				}
				continue
			}
			i := slices.Index(values, got)
			step := max(got-values[max(i-1, 0)], values[min(i+1, 255)]-got)
			if abs(got-s) > step/2+l.slop {
				t.Fatalf("%s-law: %d became %d, more than half of %d away", l.name, s, got, step)
			}
		}
		if values[255] != l.max || values[0] != -l.max {
			t.Errorf("%s-law spans %d to %d, want ±%d", l.name, values[0], values[255], l.max)
		}
	}
}

func abs(v int) int { return max(v, -v) }
