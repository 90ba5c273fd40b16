package slot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
)

// memory is a card in memory. It takes one sector at a time, keeps an account of what
// was written, and can lose its power.
type memory struct {
	data    []byte           // as it was made; clones share it
	written map[int64][]byte // sectors that are another now
	writes  []write
	left    int // writes until the power goes; -1: it stays
	torn    int // bytes that still arrive of the write in which it goes
}

type write struct {
	lba  int64
	data []byte
}

var errPower = errors.New("no power")

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[off:])
	for at := off - off%SectorSize; at < off+int64(n) && len(m.written) > 0; at += SectorSize {
		if s, ok := m.written[at/SectorSize]; ok {
			copy(p[max(at-off, 0):n], s[max(off-at, 0):])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// put writes the beginning of a sector.
func (m *memory) put(lba int64, p []byte) {
	s := make([]byte, SectorSize)
	copy(s, m.data[lba*SectorSize:])
	copy(s, m.written[lba])
	copy(s, p)
	if m.written == nil {
		m.written = map[int64][]byte{}
	}
	m.written[lba] = s
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if len(p) != SectorSize || off%SectorSize != 0 {
		return 0, fmt.Errorf("a write of %d bytes at %d is not a sector", len(p), off)
	}
	if m.left == 0 {
		m.put(off/SectorSize, p[:m.torn])
		m.left = -2
	}
	if m.left == -2 {
		return 0, errPower
	}
	if m.left > 0 {
		m.left--
	}
	m.writes = append(m.writes, write{off / SectorSize, append([]byte(nil), p...)})
	m.put(off/SectorSize, p)
	return len(p), nil
}

func (m *memory) Sync() error {
	if m.left == -2 {
		return errPower
	}
	return nil
}

func (m *memory) clone() *memory {
	return &memory{data: m.data, written: maps.Clone(m.written), left: -1}
}

// The tests' card in sectors: as the real one, smaller.
const (
	settingsAt = 8192
	extendedAt = 15 * 1024
	cardSize   = 24 * 1024
)

// newCard makes a card: table, settings with a FAT of that kind, no record.
func newCard(t testing.TB, fatBits int, files ...fatEntry) *memory {
	t.Helper()
	m := &memory{data: make([]byte, cardSize*SectorSize), left: -1}
	table := func(lba uint32, entries ...[4]uint32) { // index, type, start, size
		s := m.data[lba*SectorSize:]
		for _, e := range entries {
			at := entriesAt + e[0]*entrySize
			s[at+4] = byte(e[1])
			binary.LittleEndian.PutUint32(s[at+8:], e[2])
			binary.LittleEndian.PutUint32(s[at+12:], e[3])
		}
		s[bootMagicAt], s[bootMagicAt+1] = 0x55, 0xaa
	}
	binary.LittleEndian.PutUint32(m.data[440:], Signature)
	table(0, [4]uint32{0, 0x0c, settingsAt, 4096}, [4]uint32{1, 0x0c, 12288, 1024}, [4]uint32{2, 0x0c, 13312, 1024}, [4]uint32{3, typeExtendedLBA, extendedAt, 6144})
	table(extendedAt, [4]uint32{0, 0x83, 8, 1016}, [4]uint32{1, typeExtendedCHS, 1024, 2048})
	table(extendedAt+1024, [4]uint32{0, 0x83, 8, 1016}, [4]uint32{1, typeExtendedCHS, 3072, 3072})
	table(extendedAt+3072, [4]uint32{0, 0x83, 8, 3064})
	if len(files) == 0 {
		files = []fatEntry{{name: "README  TXT", text: []byte("hello")}, {name: "AUTOBOOTTXT", text: Autoboot(A)}}
	}
	makeFAT(m.data[settingsAt*SectorSize:], fatBits, files)
	return m
}

type fatEntry struct {
	name    string // eleven bytes
	attr    byte
	text    []byte
	cluster uint32 // 0: the next one
	size    uint32 // 0: that of the text
}

// makeFAT makes a file system of 4096 sectors with clusters of one sector. The root
// directory of a FAT32 goes on in a second cluster after sixteen entries.
func makeFAT(fs []byte, bits int, files []fatEntry) {
	const reserved, fatSectors, total = 8, 40, 4096
	copy(fs, "\xeb\x3c\x90intercom")
	le := binary.LittleEndian
	le.PutUint16(fs[11:], SectorSize)
	fs[13] = 1
	le.PutUint16(fs[14:], reserved)
	fs[16] = 2
	le.PutUint16(fs[19:], total)
	fs[bootMagicAt], fs[bootMagicAt+1] = 0x55, 0xaa
	var dir [][]byte
	first := reserved + 2*fatSectors
	next := uint32(10)
	at := func(cluster uint32) []byte { return fs[(uint32(first)+cluster-2)*SectorSize:][:SectorSize] }
	if bits == 32 {
		le.PutUint32(fs[36:], fatSectors)
		le.PutUint32(fs[44:], 5) // the root directory, then cluster 7
		for i := range 2 {
			fat := fs[(reserved+i*fatSectors)*SectorSize:]
			le.PutUint32(fat[5*4:], 0xf0000007)
			le.PutUint32(fat[7*4:], 0x0fffffff)
		}
		dir = [][]byte{at(5), at(7)}
	} else {
		le.PutUint16(fs[22:], fatSectors)
		le.PutUint16(fs[17:], 32)
		first += 2
		dir = [][]byte{fs[(first-2)*SectorSize:][:SectorSize], fs[(first-1)*SectorSize:][:SectorSize]}
	}
	for i, f := range files {
		e := dir[i/16][i%16*32:]
		copy(e, f.name)
		e[11] = f.attr
		c := f.cluster
		if c == 0 {
			c = next
			next++
			copy(at(c), f.text)
		}
		size := f.size
		if size == 0 {
			size = uint32(len(f.text))
		}
		le.PutUint16(e[26:], uint16(c))
		le.PutUint16(e[20:], uint16(c>>16))
		le.PutUint32(e[28:], size)
	}
}

func TestFirmwareReadsWhatWeWrite(t *testing.T) {
	for _, s := range []Slot{A, B} {
		text := Autoboot(s)
		if len(text) != SectorSize {
			t.Errorf("autoboot.txt for %s has %d bytes", s, len(text))
		}
		want := Choice{Start: s.BootPartition(), Trial: s.Other().BootPartition()}
		if got := ParseChoice(text); got != want {
			t.Errorf("autoboot.txt for %s says %+v, want %+v", s, got, want)
		}
		if !strings.Contains(string(text), "tryboot_a_b=1\n") {
			t.Errorf("autoboot.txt for %s does not ask for tryboot_a_b", s)
		}
	}
}

// A new card says what this package would write.
func TestAutobootOfNewCards(t *testing.T) {
	text, err := os.ReadFile("../../image/boot/autoboot.txt")
	if err != nil || string(text) != string(Autoboot(A)) {
		t.Errorf("image/boot/autoboot.txt has\n%s\nwant\n%s\n%v", text, Autoboot(A), err)
	}
}

func TestParseChoice(t *testing.T) {
	for _, c := range []struct {
		text string
		want Choice
	}{
		{"[all]\nboot_partition=2\n[tryboot]\nboot_partition=3\n", Choice{2, 3}},
		{"boot_partition=3", Choice{3, 0}},
		{"[all]\r\nboot_partition=2\r\n[tryboot]\r\nboot_partition=3\r\n", Choice{2, 3}},
		{"boot_partition=2\n[none]\nboot_partition=9\n[all]\nboot_partition=3", Choice{3, 0}},
		{" boot_partition = 2 \n#boot_partition=3", Choice{2, 0}},
		{"boot_partition=x\n", Choice{}},
		{"\xff\xfe\x00garbage", Choice{}},
		{"", Choice{}},
	} {
		if got := ParseChoice([]byte(c.text)); got != c.want {
			t.Errorf("%q says %+v, want %+v", c.text, got, c.want)
		}
	}
}

func TestCommitOnEveryFAT(t *testing.T) {
	autoboot := fatEntry{name: "AUTOBOOTTXT", text: Autoboot(A)}
	var crowd []fatEntry // so that the file lies in the second part of the directory
	for i := range 20 {
		crowd = append(crowd, fatEntry{name: fmt.Sprintf("FILE%02d  TXT", i), text: Autoboot(B)})
	}
	for _, c := range []struct {
		name  string
		files []fatEntry
	}{
		{"alone", []fatEntry{autoboot}},
		{"after a label and a deleted copy", []fatEntry{
			{name: "AUTOBOOTTXT", attr: 0x08}, {name: "\xe5UTOBOOTTXT", text: Autoboot(B)}, autoboot}},
		{"after a folder of that name", []fatEntry{{name: "AUTOBOOTTXT", attr: 0x10, text: []byte("x")}, autoboot}},
		{"last of many", append(crowd, autoboot)},
		{"saved shorter by an editor", []fatEntry{{name: "AUTOBOOTTXT", text: []byte(strings.TrimRight(string(Autoboot(A)), "\n") + "\n")}}},
	} {
		for _, bits := range []int{16, 32} {
			t.Run(fmt.Sprintf("%s on FAT%d", c.name, bits), func(t *testing.T) {
				m := newCard(t, bits, c.files...)
				if got, err := ReadChoice(m); err != nil || got.Slot() != A {
					t.Fatalf("before: %+v, %v", got, err)
				}
				if err := Commit(m, B); err != nil {
					t.Fatal(err)
				}
				if got, err := ReadChoice(m); err != nil || got != (Choice{3, 2}) {
					t.Errorf("after: %+v, %v", got, err)
				}
				if len(m.written) != 1 || len(m.writes) != 1 {
					t.Errorf("%d sectors changed in %d writes, want one", len(m.written), len(m.writes))
				}
				if err := Commit(m, B); err != nil || len(m.writes) != 1 {
					t.Errorf("the same again: %d writes, %v", len(m.writes), err)
				}
			})
		}
	}
}

func TestBadCardsAreRefusedUnchanged(t *testing.T) {
	spoil := func(change func(m *memory)) *memory {
		m := newCard(t, 32)
		change(m)
		return m
	}
	fs := func(m *memory) []byte { return m.data[settingsAt*SectorSize:] }
	for name, m := range map[string]*memory{
		"empty":               {data: make([]byte, cardSize*SectorSize), left: -1},
		"shorter than one":    {data: make([]byte, 100), left: -1},
		"another disk":        spoil(func(m *memory) { m.data[440]++ }),
		"no settings":         spoil(func(m *memory) { m.data[entriesAt+4] = 0 }),
		"no FAT":              spoil(func(m *memory) { clear(fs(m)[:SectorSize]) }),
		"sectors of 4096":     spoil(func(m *memory) { binary.LittleEndian.PutUint16(fs(m)[11:], 4096) }),
		"no cluster size":     spoil(func(m *memory) { fs(m)[13] = 0 }),
		"all system":          spoil(func(m *memory) { binary.LittleEndian.PutUint32(fs(m)[36:], 1<<31) }),
		"root outside":        spoil(func(m *memory) { binary.LittleEndian.PutUint32(fs(m)[44:], 1<<20) }),
		"file missing":        newCard(t, 32, fatEntry{name: "README  TXT", text: []byte("x")}),
		"file empty":          newCard(t, 32, fatEntry{name: "AUTOBOOTTXT"}),
		"file too long":       newCard(t, 32, fatEntry{name: "AUTOBOOTTXT", text: Autoboot(A), size: 513}),
		"file too short":      newCard(t, 32, fatEntry{name: "AUTOBOOTTXT", text: []byte("boot_partition=2\n")}),
		"file outside":        newCard(t, 16, fatEntry{name: "AUTOBOOTTXT", cluster: 60000, size: 512}),
		"file in the FAT":     newCard(t, 32, fatEntry{name: "AUTOBOOTTXT", cluster: 1, size: 512}),
		"directory is a ring": spoil(ring),
	} {
		t.Run(name, func(t *testing.T) {
			if err := Commit(m, B); err == nil {
				t.Error("it was written to")
			}
			if len(m.writes) != 0 {
				t.Errorf("%d writes", len(m.writes))
			}
		})
	}
}

// ring makes the root directory a ring without the file.
func ring(m *memory) {
	fs := m.data[settingsAt*SectorSize:]
	binary.LittleEndian.PutUint32(fs[8*SectorSize+7*4:], 5)
	for _, cluster := range []int{5, 7} {
		for i := range 16 {
			copy(fs[(8+80+cluster-2)*SectorSize+i*32:], fmt.Sprintf("OTHER%02d TXT", i))
		}
	}
}

func TestTable(t *testing.T) {
	m := newCard(t, 32)
	table, err := ReadTable(m)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range table.Partitions {
		got = append(got, fmt.Sprintf("%d:%d+%d", p.Number, p.Start, p.Size))
	}
	want := "1:8192+4096 2:12288+1024 3:13312+1024 4:15360+6144 5:15368+1016 6:16392+1016 7:18440+3064"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestGrowData(t *testing.T) {
	for _, c := range []struct {
		name       string
		disk, most uint64
		want       uint32
	}{
		{"larger card", 100_001, 1 << 40, 100_001 - 18440 - (100_001-18440)%8},
		{"bounded", 100_000, 10_000, 10_000},
		{"nothing to gain", 18440 + 3064, 1 << 40, 3064},
		{"shorter than its table", 1000, 1 << 40, 3064},
		{"larger than a table can say", 1 << 40, 1 << 40, 1<<32 - 1 - 18440 - (1<<32-1-18440)%8},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newCard(t, 32)
			grown, err := GrowData(m, c.disk, c.most)
			if err != nil || grown != (c.want != 3064) {
				t.Fatalf("grown %t, %v", grown, err)
			}
			table, err := ReadTable(m)
			if err != nil {
				t.Fatal(err)
			}
			data, err := table.Partition(DataPartition)
			if err != nil || data.Size != c.want {
				t.Errorf("data has %d sectors, want %d: %v", data.Size, c.want, err)
			}
			if grown && table.extended.Start+table.extended.Size != data.Start+data.Size {
				t.Errorf("the extended partition ends elsewhere than data")
			}
			if again, err := GrowData(m, c.disk, c.most); again || err != nil {
				t.Errorf("the second time: %t, %v", again, err)
			}
		})
	}
}

// Wherever the power goes, the table can be read, nothing else moves, and the next
// start finishes.
func TestGrowDataThroughPowerCuts(t *testing.T) {
	for left := range 4 {
		m := newCard(t, 32)
		m.left = left
		_, _ = GrowData(m, 100_000, 1<<40)
		m = m.clone()
		table, err := ReadTable(m)
		if err != nil || len(table.Partitions) != 7 {
			t.Fatalf("after %d writes: %v", left, err)
		}
		if _, err := ReadChoice(m); err != nil {
			t.Errorf("after %d writes: %v", left, err)
		}
		if _, err := GrowData(m, 100_000, 1<<40); err != nil {
			t.Errorf("after %d writes: %v", left, err)
		}
		table, _ = ReadTable(m)
		if p, err := table.Partition(DataPartition); err != nil || p.Size != 81560 {
			t.Errorf("after %d writes and another start: %+v, %v", left, p, err)
		}
	}
}

func FuzzCard(f *testing.F) {
	m := newCard(f, 32)
	f.Add(m.data[:SectorSize], m.data[settingsAt*SectorSize:][:SectorSize], m.data[(settingsAt+8+80+3)*SectorSize:][:SectorSize])
	m = newCard(f, 16)
	f.Add(m.data[:SectorSize], m.data[settingsAt*SectorSize:][:SectorSize], m.data[(settingsAt+8+80)*SectorSize:][:SectorSize])
	f.Fuzz(func(t *testing.T, mbr, boot, dir []byte) {
		m := newCard(t, 32)
		copy(m.data[:SectorSize], mbr)
		copy(m.data[settingsAt*SectorSize:][:SectorSize], boot)
		copy(m.data[(settingsAt+8+80+3)*SectorSize:][:SectorSize], dir)
		_, _ = ReadChoice(m)
		_ = Commit(m, B)
		_, _ = GrowData(m, 100_000, 1<<40)
		_ = WriteRecord(m, Record{Pending: B})
	})
}
