package door

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// restMemory gives back to the machine what a door at rest does not need. Go's heap is one part.
// The other is the program itself: whenever a page of a file is needed the kernel maps all those
// around it, so that after a start, or a call, nearly all of the program is in our memory. It is
// taken out of it; the kernel keeps the pages, and those that are needed come again without being
// read. Libraries are left alone: one may be unloaded meanwhile, and something else be in its
// place. It returns how many bytes of the program were mapped.
func restMemory() (int, error) {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0, fmt.Errorf("finding the program: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, fmt.Errorf("reading what is mapped: %w", err)
	}
	defer func() { _ = f.Close() }()
	let := 0
	var m mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if next, ok := parseMapping(lines.Text()); ok {
			m = next
			continue
		}
		// Of what was written since it was mapped, relocations, there is no other copy.
		clean, found := strings.CutPrefix(lines.Text(), "Anonymous:")
		if !found || strings.TrimSpace(clean) != "0 kB" || m.writable || m.path != program {
			continue
		}
		if _, _, e := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); e == 0 {
			let += int(m.to - m.from)
		}
	}
	if err := lines.Err(); err != nil {
		return let, fmt.Errorf("reading what is mapped: %w", err)
	}
	return let, nil
}

// mapping is a piece of address space.
type mapping struct {
	from, to uintptr
	writable bool
	path     string // of a file, "" for other memory
}

// parseMapping reads the first line of an entry of /proc/PID/smaps, see proc_pid_smaps(5):
// addresses, rights, offset, device, inode, path.
func parseMapping(line string) (mapping, bool) {
	f := strings.Fields(line)
	if len(f) < 5 || len(f[1]) != 4 {
		return mapping{}, false
	}
	from, to, ok := strings.Cut(f[0], "-")
	if !ok {
		return mapping{}, false
	}
	a, err := strconv.ParseUint(from, 16, 64)
	b, err2 := strconv.ParseUint(to, 16, 64)
	if err != nil || err2 != nil || a > b {
		return mapping{}, false
	}
	m := mapping{from: uintptr(a), to: uintptr(b), writable: f[1][1] != '-'}
	if i := strings.IndexByte(line, '/'); len(f) > 5 && i >= 0 {
		m.path = line[i:]
	}
	return m, true
}
