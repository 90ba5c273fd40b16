package slot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// fatFile is where a file of a FAT file system lies on the card.
type fatFile struct {
	lba  uint32 // its first sector
	size uint32 // bytes
}

var errNoFile = errors.New("the file is not there")

// findFATFile finds a file in the root directory of the FAT12, FAT16 or FAT32 file system that
// begins at sector start, by its name in 8.3. The directory is what counts: a copy of the
// file that was deleted still has its text somewhere. (Microsoft, FAT: General Overview of
// On-Disk Format, 1.03.)
func findFATFile(d Device, start uint32, name string) (fatFile, error) {
	boot, err := readSector(d, start)
	if err != nil {
		return fatFile{}, err
	}
	var (
		sectorBytes = binary.LittleEndian.Uint16(boot[11:])
		perCluster  = uint32(boot[13])
		reserved    = uint32(binary.LittleEndian.Uint16(boot[14:]))
		fats        = uint32(boot[16])
		rootEntries = uint32(binary.LittleEndian.Uint16(boot[17:]))
		total       = uint32(binary.LittleEndian.Uint16(boot[19:]))
		fatSectors  = uint32(binary.LittleEndian.Uint16(boot[22:]))
	)
	if total == 0 {
		total = binary.LittleEndian.Uint32(boot[32:])
	}
	fat32 := fatSectors == 0
	if fat32 {
		fatSectors = binary.LittleEndian.Uint32(boot[36:])
	}
	if !hasBootMagic(boot) || sectorBytes != SectorSize || perCluster == 0 || reserved == 0 || fats == 0 || fats > 2 || fatSectors == 0 {
		return fatFile{}, errors.New("it has no FAT file system with sectors of 512 bytes")
	}
	rootSectors := (rootEntries*32 + SectorSize - 1) / SectorSize
	system := uint64(reserved) + uint64(fats)*uint64(fatSectors) + uint64(rootSectors)
	if system >= uint64(total) {
		return fatFile{}, errors.New("its FAT file system is damaged: no room for files")
	}
	firstData := start + uint32(system)
	clusters := (total - uint32(system)) / perCluster
	sectorOf := func(cluster uint32) (uint32, bool) {
		if cluster < 2 || cluster-2 >= clusters {
			return 0, false
		}
		return firstData + (cluster-2)*perCluster, true
	}
	want := shortName(name)

	// look searches sectors of a directory; end means that no entry follows.
	look := func(lba, n uint32) (f fatFile, found, end bool, err error) {
		for i := range n {
			sector, err := readSector(d, lba+i)
			if err != nil {
				return f, false, false, err
			}
			for e := sector; len(e) >= 32; e = e[32:] {
				const label, directory, deleted = 0x08, 0x10, 0xe5
				switch {
				case e[0] == 0:
					return f, false, true, nil
				case e[0] == deleted || e[11]&(label|directory) != 0 || string(e[:11]) != want:
					continue
				}
				cluster := uint32(binary.LittleEndian.Uint16(e[26:]))
				if fat32 {
					cluster |= uint32(binary.LittleEndian.Uint16(e[20:])) << 16
				}
				f.size = binary.LittleEndian.Uint32(e[28:])
				at, ok := sectorOf(cluster)
				if !ok && f.size > 0 {
					return f, false, false, errors.New("its FAT file system is damaged: a file lies outside of it")
				}
				f.lba = at
				return f, true, false, nil
			}
		}
		return f, false, false, nil
	}

	if !fat32 {
		f, found, _, err := look(start+reserved+fats*fatSectors, rootSectors)
		if err == nil && !found {
			err = errNoFile
		}
		return f, err
	}
	cluster := binary.LittleEndian.Uint32(boot[44:]) & 0x0fffffff
	const mostSectors = 65536 * 32 / SectorSize // a directory has 65536 entries at most
	for range mostSectors / perCluster {        // a chain that is a ring ends here
		at, ok := sectorOf(cluster)
		if !ok {
			break
		}
		f, found, end, err := look(at, perCluster)
		if err != nil || found {
			return f, err
		}
		if end {
			break
		}
		fat, err := readSector(d, start+reserved+cluster/(SectorSize/4))
		if err != nil {
			return fatFile{}, err
		}
		cluster = binary.LittleEndian.Uint32(fat[cluster%(SectorSize/4)*4:]) & 0x0fffffff
	}
	return fatFile{}, errNoFile
}

// shortName is the name as a directory has it: eight and three, upper case, padded.
func shortName(name string) string {
	base, ext, _ := strings.Cut(strings.ToUpper(name), ".")
	return fmt.Sprintf("%-8s%-3s", base, ext)
}
