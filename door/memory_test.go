package door

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

func TestParseMapping(t *testing.T) {
	for line, want := range map[string]mapping{
		"00400000-00e36000 r-xp 00001000 fe:00 1835       /usr/bin/intercomd": {0x400000, 0xe36000, false, "/usr/bin/intercomd"},
		"7f001000-7f002000 r--p 00000000 fe:00 7 /opt/a b (deleted)":          {0x7f001000, 0x7f002000, false, "/opt/a b (deleted)"},
		"7f001000-7f002000 rw-p 00000000 fe:00 7 /usr/lib/libc.so.6":          {0x7f001000, 0x7f002000, true, "/usr/lib/libc.so.6"},
		"7f001000-7f002000 r--p 00000000 00:00 0                   [vvar]":    {0x7f001000, 0x7f002000, false, ""},
		"7f001000-7f002000 rw-p 00000000 00:00 0":                             {0x7f001000, 0x7f002000, true, ""},
	} {
		if got, ok := parseMapping(line); !ok || got != want {
			t.Errorf("%s: %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"Rss:                 4 kB", "VmFlags: rd ex mr mw me sd", "x-y r--p 0 0 0", "2-1 r--p 0 0 0", ""} {
		if got, ok := parseMapping(line); ok {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

// Memory is given back after the start and after calls, and in none.
func TestAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		news := func(yield func(station.Event) bool) {
			for _, e := range []struct {
				after time.Duration
				news  station.News
			}{
				{time.Second, station.CallStarted{}}, {time.Minute, station.CallEnded{}}, // before it was at rest
				{2 * time.Second, station.CallStarted{}}, {time.Minute, station.CallEnded{}},
				{time.Minute, station.CallStarted{}}, {time.Minute, station.CallEnded{}}, {time.Second, nil},
			} {
				time.Sleep(e.after)
				if !yield(station.Event{News: e.news}) {
					return
				}
			}
		}
		atRest(news, func() { at = append(at, time.Since(begin)) })
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{123*time.Second + tidyAfter}; !slices.Equal(at, want) {
			t.Errorf("after %v, want %v", at, want)
		}
	})
}

// What is let go is gone, and the program goes on.
func TestRestMemory(t *testing.T) {
	before := residentFiles(t)
	freed, err := restMemory()
	if err != nil || freed == 0 {
		t.Fatalf("%d bytes, %v", freed, err)
	}
	if after := residentFiles(t); after >= before {
		t.Errorf("%d kB of files are mapped, %d before", after, before)
	}
}

// residentFiles is how much of files this process has in its memory, in kB.
func residentFiles(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Skip("this kernel does not tell")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
