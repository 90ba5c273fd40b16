package slot

import (
	"encoding/binary"
	"fmt"
)

// Partition types (MBR).
const (
	typeEmpty       = 0x00
	typeExtendedCHS = 0x05
	typeExtendedLBA = 0x0f
)

// Partition is one entry of a card's table, in sectors.
type Partition struct {
	Number      int
	Start, Size uint32

	entry  uint32 // the sector with its entry
	offset int    // and where in it
}

// Table is the partition table of a card: an MBR with logical partitions, as the ROMs of
// all boards can read it.
type Table struct {
	Partitions []Partition // primary ones by number, then logical ones from 5 on

	extended *Partition // of Partitions
	links    []Partition
}

const (
	entriesAt   = 446
	entrySize   = 16
	bootMagicAt = 510
	mostLogical = 16 // more than we make, few enough to end on a chain that is a ring
)

func entryAt(sector []byte, lba uint32, i int) (kind byte, p Partition) {
	off := entriesAt + i*entrySize
	e := sector[off : off+entrySize]
	return e[4], Partition{Start: binary.LittleEndian.Uint32(e[8:]), Size: binary.LittleEndian.Uint32(e[12:]), entry: lba, offset: off}
}

func hasBootMagic(sector []byte) bool {
	return sector[bootMagicAt] == 0x55 && sector[bootMagicAt+1] == 0xaa
}

// IsCard reports whether a disk whose first sector is given is a card of ours.
func IsCard(first []byte) bool {
	return len(first) >= SectorSize && hasBootMagic(first) && binary.LittleEndian.Uint32(first[440:]) == Signature
}

// ReadTable reads the partition table. It returns ErrNotOurs for a disk that is not a
// card of a door station.
func ReadTable(d Device) (*Table, error) {
	first, err := readSector(d, 0)
	if err != nil {
		return nil, err
	}
	if !IsCard(first) {
		return nil, ErrNotOurs
	}
	t := &Table{}
	extended := -1
	for i := range 4 {
		kind, p := entryAt(first, 0, i)
		if kind == typeEmpty || p.Size == 0 {
			continue
		}
		p.Number = i + 1
		if kind == typeExtendedLBA || kind == typeExtendedCHS {
			extended = len(t.Partitions)
		}
		t.Partitions = append(t.Partitions, p)
	}
	if extended < 0 {
		return t, nil
	}
	base, at := t.Partitions[extended].Start, t.Partitions[extended].Start
	for n := range mostLogical {
		sector, err := readSector(d, at)
		if err != nil {
			return nil, err
		}
		if !hasBootMagic(sector) {
			break
		}
		if kind, p := entryAt(sector, at, 0); kind != typeEmpty && p.Size != 0 {
			p.Number, p.Start = 5+n, at+p.Start
			t.Partitions = append(t.Partitions, p)
		}
		kind, link := entryAt(sector, at, 1)
		if kind == typeEmpty || link.Size == 0 {
			break
		}
		link.Start += base
		t.links = append(t.links, link)
		at = link.Start
	}
	t.extended = &t.Partitions[extended]
	return t, nil
}

// Partition finds one by number.
func (t *Table) Partition(n int) (Partition, error) {
	for _, p := range t.Partitions {
		if p.Number == n {
			return p, nil
		}
	}
	return Partition{}, fmt.Errorf("%w: it has no partition %d", ErrNotOurs, n)
}

// GrowData makes the data partition, the last one, as large as a disk of diskSectors
// allows and mostSectors permits. It reports whether anything was changed. Each of its
// writes is one sector and leaves a table that can be used, so that the next start
// finishes what a power cut has stopped. A partition never shrinks.
func GrowData(d Device, diskSectors, mostSectors uint64) (bool, error) {
	t, err := ReadTable(d)
	if err != nil {
		return false, err
	}
	data, err := t.Partition(DataPartition)
	if err != nil {
		return false, err
	}
	if t.extended == nil || len(t.links) == 0 || t.Partitions[len(t.Partitions)-1].Number != DataPartition {
		return false, fmt.Errorf("%w: partition %d is not the last one", ErrNotOurs, DataPartition)
	}
	const align = 8 // a page
	size := min(diskSectors-min(diskSectors, uint64(data.Start)), mostSectors, 1<<32-1-uint64(data.Start))
	size -= size % align
	if size <= uint64(data.Size) {
		return false, nil
	}
	end := data.Start + uint32(size)
	link := t.links[len(t.links)-1]
	for _, w := range []struct {
		p    Partition
		size uint32
	}{
		{*t.extended, end - t.extended.Start}, // first, so that nothing lies outside of it
		{link, end - link.Start},
		{data, uint32(size)},
	} {
		if w.size <= w.p.Size {
			continue
		}
		sector, err := readSector(d, w.p.entry)
		if err != nil {
			return false, err
		}
		binary.LittleEndian.PutUint32(sector[w.p.offset+12:], w.size)
		if err := writeSector(d, w.p.entry, sector); err != nil {
			return false, err
		}
	}
	return true, nil
}
