package memory

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// What is let go is gone, of the program and of libraries, and the program goes on.
func TestRest(t *testing.T) {
	before, libc := residentFiles(t), resident(t, `/libc\.so`)
	if n := Rest(); n == 0 {
		t.Fatal("nothing was let go")
	}
	if after := residentFiles(t); after >= before {
		t.Errorf("%d kB of files are mapped, %d before", after, before)
	}
	if after := resident(t, `/libc\.so`); after >= libc {
		t.Errorf("%d kB of libc are mapped, %d before", after, libc)
	}
}

// residentFiles is how much of files this process has in its memory, in kB.
func residentFiles(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	return sum(t, b, `RssFile:\s+(\d+) kB`)
}

// resident is how much it has of files whose name is like that.
func resident(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	return sum(t, b, `(?m)^[0-9a-f]+-[0-9a-f]+ .*`+name+`.*\nSize:.*\n(?:.*\n)*?Rss:\s+(\d+) kB`)
}

func sum(t *testing.T, b []byte, pattern string) (n int) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(b, -1) {
		v, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		n += v
	}
	if n == 0 {
		t.Fatal("this kernel does not tell")
	}
	return n
}
