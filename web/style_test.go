package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Text must be readable: WCAG 2.2, success criterion 1.4.3, asks for a contrast
// of 4.5 to 1.
func TestContrast(t *testing.T) {
	css, err := staticFiles.ReadFile("static/page.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d sets of colours, want light and dark", len(blocks))
	}
	for i, theme := range []string{"light", "dark"} {
		colour := make(map[string]string)
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(blocks[i][1], -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range strings.Fields(`
			ink/paper ink/card soft/paper soft/card active/paper active/card good/card warn/card bad/card calm/card
			good/good-bg active/active-bg warn/warn-bg bad/bad-bg
			ink/good-bg ink/active-bg ink/warn-bg ink/bad-bg soft/active-bg soft/bad-bg
			card/bad paper/ink plate-ink/plate-lo plate-ink/plate-hi plate-soft/plate-lo plate-soft/plate-hi`) {
			fg, bg, _ := strings.Cut(pair, "/")
			if fg == "calm" {
				fg = "soft"
			}
			if colour[fg] == "" || colour[bg] == "" {
				t.Errorf("%s: %s is not a pair of colours", theme, pair)
				continue
			}
			if c := contrast(colour[fg], colour[bg]); c < 4.5 {
				t.Errorf("%s: %s has a contrast of %.2f", theme, pair, c)
			}
		}
	}
}

func contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// luminance is the relative luminance of "#rrggbb" (WCAG 2.2, definitions).
func luminance(hex string) float64 {
	part := func(i int) float64 {
		n, err := strconv.ParseUint(hex[i:i+2], 16, 8)
		if err != nil {
			return math.NaN()
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}
