package door

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"intercomd/audio"
	"intercomd/audio/denoise"
	"intercomd/audio/pcm"
)

func TestSuppressorsByName(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, late := range map[string]int{"low": denoise.Latency, "high": denoise.Latency, "max": denoise.LargeLatency} {
		click := func(s audio.Suppressor) int {
			out := make([]float32, 4*pcm.Frame)
			out[0] = 1
			loudest := 0
			for i := 0; i < len(out); i += pcm.Frame {
				s.Process(out[i:][:pcm.Frame])
			}
			for i, v := range out {
				if v > out[loudest] {
					loudest = i
				}
			}
			return loudest
		}
		for what, f := range map[string]func(string, *slog.Logger) (func() audio.Suppressor, error){"bare": newSuppressor, "in calls": suppressorOfCalls} {
			s, err := f(name, log)
			if err != nil {
				t.Fatal(err)
			}
			if got := click(s()); got != late {
				t.Errorf("%s, %s: %d samples late, want %d", name, what, got, late)
			}
		}
	}
	for _, name := range []string{"off", ""} {
		if s, err := suppressorOfCalls(name, log); s != nil || err != nil {
			t.Errorf("%q: a suppressor, %v", name, err)
		}
	}
	for _, name := range []string{"MAX", "best"} {
		if _, err := suppressorOfCalls(name, log); err == nil {
			t.Errorf("%q is known", name)
		}
	}
}

// constant gives back one value, and takes time for it.
type constant struct {
	value float32
	work  func()
}

func (c constant) Process(frame []float32) {
	c.work()
	for i := range frame {
		frame[i] = c.value
	}
}

// A board that does not keep up with the large suppressor goes on with the small one, without
// a click; what else takes time now and then changes nothing.
func TestReliefOfASlowBoard(t *testing.T) {
	for name, c := range map[string]struct {
		takes func(n int) time.Duration
		given int // the first frame of the small one; 0: none
	}{
		"fast":      {func(int) time.Duration { return time.Millisecond }, 0},
		"slow":      {func(int) time.Duration { return 4 * time.Millisecond }, reliefWindow},
		"disturbed": {func(n int) time.Duration { return time.Duration(n%3) * 5 * time.Millisecond / 2 }, 0}, // a third too late
		"gets slow": {func(n int) time.Duration { return time.Duration(n) * 10 * time.Microsecond }, 4 * reliefWindow},
	} {
		var now time.Duration
		var said []time.Duration
		n := 0
		r := &relief{
			large: constant{1, func() { now += c.takes(n) }}, small: constant{0, func() {}},
			clock: func() time.Duration { return now }, say: func(d time.Duration) { said = append(said, d) },
		}
		frame := make([]float32, pcm.Frame)
		last := float32(1)
		given := 0
		for ; n < 6*reliefWindow; n++ {
			r.Process(frame)
			for _, v := range frame {
				if math.Abs(float64(v-last)) > 2.0/pcm.Frame {
					t.Fatalf("%s: frame %d: a step from %v to %v", name, n, last, v)
				}
				last = v
			}
			if given == 0 && last < 0.5 {
				given = n
			}
		}
		if given != c.given || len(said) != min(1, c.given) {
			t.Errorf("%s: the small one from frame %d on, want %d; said %v", name, given, c.given, said)
		}
	}
}

// The log says what became of it.
func TestReliefIsToldInTheLog(t *testing.T) {
	var out bytes.Buffer
	s, err := suppressorOfCalls("max", slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := s().(*relief)
	if !ok {
		t.Fatal("nothing relieves a slow board")
	}
	var now time.Duration
	r.clock = func() time.Duration { now += 5 * time.Millisecond; return now }
	frame := make([]float32, pcm.Frame)
	for range reliefWindow + 1 {
		r.Process(frame)
	}
	if said := out.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "using high") || !strings.Contains(said, "microseconds=5000") {
		t.Errorf("the log says %q", said)
	}
	if n := testing.AllocsPerRun(100, func() { r.Process(frame) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
