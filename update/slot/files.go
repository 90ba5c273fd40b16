package slot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// This file reads files at the top of partition 1, and overwrites what is in them in place: no
// directory, no table of clusters and no size ever changes, so that a power cut leaves a file
// system as whole as it was. (Microsoft, FAT: General Overview of On-Disk Format, 1.03.)

// mostSettings is the size of the largest file that is read so.
const mostSettings = 1 << 20

// volume is the file system of partition 1.
type volume struct {
	d                    Device
	start, end           uint32 // sectors of the partition
	perCluster           uint32
	table, firstData     uint32 // sectors
	rootAt, rootSectors  uint32 // of FAT12 and FAT16
	rootCluster          uint32 // of FAT32
	clusters             uint32
	bits                 int
	tableCopy            []byte // sector tableCopyAt of the table
	tableCopyAt          uint32
	fatSectors, fatCount uint32
}

func openVolume(d Device) (*volume, error) {
	t, err := ReadTable(d)
	if err != nil {
		return nil, err
	}
	p, err := t.Partition(SettingsPartition)
	if err != nil {
		return nil, err
	}
	boot, err := readSector(d, p.Start)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	v := &volume{d: d, start: p.Start, end: p.Start + p.Size, perCluster: uint32(boot[13]), fatCount: uint32(boot[16])}
	reserved, entries := uint32(le.Uint16(boot[14:])), uint32(le.Uint16(boot[17:]))
	total := uint32(le.Uint16(boot[19:]))
	if total == 0 {
		total = le.Uint32(boot[32:])
	}
	v.fatSectors = uint32(le.Uint16(boot[22:]))
	if v.fatSectors == 0 {
		v.fatSectors, v.rootCluster, v.bits = le.Uint32(boot[36:]), le.Uint32(boot[44:])&0x0fffffff, 32
	}
	v.rootSectors = (entries*32 + SectorSize - 1) / SectorSize
	system := uint64(reserved) + uint64(v.fatCount)*uint64(v.fatSectors) + uint64(v.rootSectors)
	if !hasBootMagic(boot) || le.Uint16(boot[11:]) != SectorSize || v.perCluster == 0 || reserved == 0 || v.fatCount == 0 || v.fatCount > 2 || v.fatSectors == 0 ||
		total > p.Size || system >= uint64(total) {
		return nil, errors.New("partition 1 has no FAT file system that can be used")
	}
	v.table = p.Start + reserved
	v.rootAt = v.table + v.fatCount*v.fatSectors
	v.firstData = v.start + uint32(system)
	v.clusters = (total - uint32(system)) / v.perCluster
	if v.bits == 0 {
		v.bits = 16
		if v.clusters < 4085 {
			v.bits = 12
		}
	}
	if uint64(v.clusters+2)*uint64(v.bits) > uint64(v.fatSectors)*SectorSize*8 {
		return nil, errors.New("the FAT of partition 1 is too short")
	}
	return v, nil
}

// sector is the first one of a cluster.
func (v *volume) sector(cluster uint32) (uint32, bool) {
	if cluster < 2 || cluster-2 >= v.clusters {
		return 0, false
	}
	return v.firstData + (cluster-2)*v.perCluster, true
}

func (v *volume) tableByte(off uint32) (byte, error) {
	lba := v.table + off/SectorSize
	if v.tableCopy == nil || v.tableCopyAt != lba {
		s, err := readSector(v.d, lba)
		if err != nil {
			return 0, err
		}
		v.tableCopy, v.tableCopyAt = s, lba
	}
	return v.tableCopy[off%SectorSize], nil
}

// next is what the table says of a cluster: 0 is free, those that are no cluster end a chain.
func (v *volume) next(cluster uint32) (uint32, error) {
	off, n := cluster*uint32(v.bits)/8, uint32(4)
	if v.bits != 32 {
		n = 2
	}
	var x uint32
	for i := range n {
		b, err := v.tableByte(off + i)
		if err != nil {
			return 0, err
		}
		x |= uint32(b) << (8 * i)
	}
	switch {
	case v.bits == 32:
		x &= 0x0fffffff
	case v.bits == 12 && cluster%2 == 1:
		x >>= 4
	case v.bits == 12:
		x &= 0x0fff
	}
	return x, nil
}

// chain lists the sectors of a chain of clusters, most of them at most.
func (v *volume) chain(cluster, most uint32) (out []uint32, err error) {
	for uint32(len(out)) < most {
		at, ok := v.sector(cluster)
		if !ok {
			break
		}
		for i := range v.perCluster {
			out = append(out, at+i)
		}
		if cluster, err = v.next(cluster); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// topFile is a file at the top of the partition.
type topFile struct {
	long, short string // lower case
	size        uint32
	sectors     []uint32 // all of its clusters
}

// files lists them.
func (v *volume) files() (out []topFile, err error) {
	const mostDir = 65536 * 32 / SectorSize
	var dir []uint32
	if v.bits == 32 {
		if dir, err = v.chain(v.rootCluster, mostDir); err != nil {
			return nil, err
		}
	} else {
		for i := range min(v.rootSectors, mostDir) {
			dir = append(dir, v.rootAt+i)
		}
	}
	parts := map[byte][]uint16{} // of a long name, by their numbers
	for _, lba := range dir {
		sector, err := readSector(v.d, lba)
		if err != nil {
			return nil, err
		}
		for e := sector; len(e) >= 32; e = e[32:] {
			const long, label, directory, deleted = 0x0f, 0x08, 0x10, 0xe5
			switch {
			case e[0] == 0:
				return out, nil
			case e[0] == deleted:
				clear(parts)
				continue
			case e[11]&0x3f == long:
				if e[0]&0x40 != 0 {
					clear(parts)
				}
				parts[e[0]&0x1f] = longPart(e)
				continue
			case e[11]&(label|directory) != 0:
				clear(parts)
				continue
			}
			f := topFile{size: binary.LittleEndian.Uint32(e[28:]), long: strings.ToLower(longName(parts))}
			clear(parts)
			f.short = strings.ToLower(strings.TrimRight(string(e[:8]), " "))
			if ext := strings.TrimRight(string(e[8:11]), " "); ext != "" {
				f.short += "." + strings.ToLower(ext)
			}
			cluster := uint32(binary.LittleEndian.Uint16(e[26:]))
			if v.bits == 32 {
				cluster |= uint32(binary.LittleEndian.Uint16(e[20:])) << 16
			}
			if f.sectors, err = v.chain(cluster, min(f.size, mostSettings)/SectorSize+1); err != nil {
				return nil, err
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// longPart is the thirteen letters of an entry of a long name.
func longPart(e []byte) (out []uint16) {
	for _, r := range [][2]int{{1, 11}, {14, 26}, {28, 32}} {
		for i := r[0]; i < r[1]; i += 2 {
			out = append(out, binary.LittleEndian.Uint16(e[i:]))
		}
	}
	return out
}

func longName(parts map[byte][]uint16) string {
	var all []uint16
	for i := byte(1); parts[i] != nil; i++ {
		all = append(all, parts[i]...)
	}
	if i := slices.Index(all, 0); i >= 0 {
		all = all[:i]
	}
	return string(utf16.Decode(all))
}

// find finds a file by its long or its short name.
func (v *volume) find(name string) (topFile, error) {
	list, err := v.files()
	if err != nil {
		return topFile{}, err
	}
	name = strings.ToLower(name)
	for _, f := range list {
		if f.long == name || f.short == name {
			if f.size > mostSettings || uint64(len(f.sectors))*SectorSize < uint64(f.size) {
				return f, fmt.Errorf("%s is too large, or damaged", name)
			}
			return f, nil
		}
	}
	return topFile{}, fmt.Errorf("%s: %w", name, errNoFile)
}

func (v *volume) read(f topFile) ([]byte, error) {
	data := make([]byte, 0, len(f.sectors)*SectorSize)
	for _, lba := range f.sectors {
		s, err := readSector(v.d, lba)
		if err != nil {
			return nil, err
		}
		data = append(data, s...)
	}
	return data, nil
}

// ReadSettings reads a file at the top of partition 1, a megabyte at most.
func ReadSettings(d Device, name string) ([]byte, error) {
	v, err := openVolume(d)
	if err != nil {
		return nil, err
	}
	f, err := v.find(name)
	if err != nil {
		return nil, err
	}
	data, err := v.read(f)
	if err != nil {
		return nil, err
	}
	return data[:f.size], nil
}

// Overwrite puts other contents of the same length in place of those of a file at the top of
// partition 1: those of its sectors that differ, one after the other, from the first on.
func Overwrite(d Device, name string, data []byte) error {
	v, err := openVolume(d)
	if err != nil {
		return err
	}
	f, err := v.find(name)
	if err != nil {
		return err
	}
	if uint64(len(data)) != uint64(f.size) {
		return fmt.Errorf("%s has %d bytes and cannot be made one of %d in place", name, f.size, len(data))
	}
	for i, lba := range f.sectors {
		if i*SectorSize >= len(data) {
			break
		}
		old, err := readSector(d, lba)
		if err != nil {
			return err
		}
		fresh := make([]byte, SectorSize) // nothing of before is left behind the end
		copy(fresh, data[i*SectorSize:])
		if bytes.Equal(old, fresh) {
			continue
		}
		if err := writeSector(d, lba, fresh); err != nil {
			return err
		}
	}
	return nil
}

// Scrub overwrites with zeros what partition 1 has in clusters that no file uses, and behind the
// ends of files at its top: what editors leave of earlier versions of a file. It returns how many
// sectors that were.
func Scrub(ctx context.Context, d Device) (sectors int, err error) {
	v, err := openVolume(d)
	if err != nil {
		return 0, err
	}
	list, err := v.files()
	if err != nil {
		return 0, err
	}
	zero := func(lba uint32, from int) error {
		s, err := readSector(d, lba)
		if err != nil {
			return err
		}
		if len(bytes.Trim(s[from:], "\x00")) == 0 {
			return nil
		}
		clear(s[from:])
		sectors++
		return writeSector(d, lba, s)
	}
	taken := map[uint32]bool{} // also by files whose chain the table does not know, after damage
	for _, f := range list {
		for _, lba := range f.sectors {
			taken[lba] = true
		}
		cluster := int64(v.perCluster) * SectorSize
		reach := (int64(f.size) + cluster - 1) / cluster * int64(v.perCluster) // sectors of the clusters that it needs
		for i, lba := range f.sectors[:min(int64(len(f.sectors)), reach)] {
			if used := int64(f.size) - int64(i)*SectorSize; used < SectorSize {
				if err := zero(lba, int(max(used, 0))); err != nil {
					return sectors, err
				}
			}
		}
	}
	for c := uint32(2); c-2 < v.clusters; c++ {
		if ctx.Err() != nil {
			return sectors, ctx.Err() //nolint:wrapcheck // the caller's
		}
		n, err := v.next(c)
		if err != nil {
			return sectors, err
		}
		if n != 0 {
			continue
		}
		at, _ := v.sector(c)
		for i := range v.perCluster {
			if taken[at+i] {
				continue
			}
			if err := zero(at+i, 0); err != nil {
				return sectors, err
			}
		}
	}
	return sectors, nil
}
