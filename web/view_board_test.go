package web

import (
	"testing"

	"github.com/chromedp/chromedp"

	"intercomd/station"
)

// The longest bar is as high as the drawing, a single pulse is still seen, and an input
// that nobody has touched has no histogram.
func TestPulses(t *testing.T) {
	if bars := english.pulses(station.Widths{}); bars != nil {
		t.Errorf("no pulses: %v", bars)
	}
	bars := english.pulses(station.Widths{1: 1, 5: 40_000})
	for i, want := range []pulseBar{
		{Limit: "<1 ms", Count: "0", Gap: pulseHeight},
		{Limit: "<3", Count: "1", Gap: pulseHeight - 1, Height: 1},
	} {
		if bars[i] != want {
			t.Errorf("bar %d: %+v, want %+v", i, bars[i], want)
		}
	}
	if b := bars[5]; b.Height != pulseHeight || b.Gap != 0 || b.Limit != "<300" {
		t.Errorf("the highest bar: %+v", b)
	}
}

// The page must not be wider than its window, whatever a line has been through.
func TestBrowserFitsPhones(t *testing.T) {
	b := browser(t)
	st := newStation(with(func(s *station.Snapshot) {
		for i := range s.Gauges.Inputs[0].Widths {
			s.Gauges.Inputs[0].Widths[i] = 123_456_789
		}
		s.Gauges.Inputs[0].Glitches = 123_456_789
	}))
	base, stop := serving(t, newServer(st, newPanel()))
	b.do(chromedp.EmulateViewport(360, 700))
	b.do(chromedp.Navigate(base))
	b.says("#link", "live")
	if !b.is(`document.documentElement.scrollWidth <= innerWidth && document.querySelectorAll(".pulses li").length === 9`) {
		t.Error("the page is wider than a telephone")
	}
	b.do(chromedp.Navigate("about:blank"))
	stop()
}
