package slot

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// autobootFile is what the firmware reads first. (Raspberry Pi documentation, autoboot.txt:
// at most 512 bytes, sections [all] and [tryboot], boot_partition, tryboot_a_b.)
const autobootFile = "autoboot.txt"

// Choice is what autoboot.txt says.
type Choice struct {
	Start int // partition of a plain start
	Trial int // partition of a trial start; 0: as a plain one
}

// Slot is the slot of a plain start, none if the file names another partition.
func (c Choice) Slot() Slot { return OfBootPartition(c.Start) }

// ParseChoice reads autoboot.txt as the firmware does: what stands before any section
// or in [all] counts always, [tryboot] at trial starts only, other sections never here.
func ParseChoice(text []byte) Choice {
	var c Choice
	section := "[all]"
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) != "boot_partition" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			continue
		}
		switch section {
		case "[all]":
			c.Start = n
		case "[tryboot]":
			c.Trial = n
		}
	}
	return c
}

// Autoboot is the text of autoboot.txt that starts s, padded to a sector with ends of
// lines: the file keeps its size whatever it says.
func Autoboot(s Slot) []byte {
	text := fmt.Sprintf("# Which slot starts. Written by the door station; please leave it alone.\n"+
		"[all]\ntryboot_a_b=1\nboot_partition=%d\n[tryboot]\nboot_partition=%d\n", s.BootPartition(), s.Other().BootPartition())
	return append([]byte(text), bytes.Repeat([]byte("\n"), SectorSize-len(text))...)
}

const autobootRemedy = "write autoboot.txt of the release to the card's first partition again"

func findAutoboot(d Device) (fatFile, error) {
	t, err := ReadTable(d)
	if err != nil {
		return fatFile{}, err
	}
	p, err := t.Partition(SettingsPartition)
	if err != nil {
		return fatFile{}, err
	}
	f, err := findFATFile(d, p.Start, autobootFile)
	if err != nil {
		return fatFile{}, fmt.Errorf("%s on partition %d: %w; %s", autobootFile, SettingsPartition, err, autobootRemedy)
	}
	if f.size == 0 || f.size > SectorSize {
		return fatFile{}, fmt.Errorf("%s has %d bytes instead of %d; %s", autobootFile, f.size, SectorSize, autobootRemedy)
	}
	if uint64(f.lba) >= uint64(p.Start)+uint64(p.Size) {
		return fatFile{}, fmt.Errorf("%s lies outside its partition; %s", autobootFile, autobootRemedy)
	}
	return f, nil
}

// ReadChoice reads autoboot.txt of the card.
func ReadChoice(d Device) (Choice, error) {
	f, err := findAutoboot(d)
	if err != nil {
		return Choice{}, err
	}
	text, err := readSector(d, f.lba)
	if err != nil {
		return Choice{}, err
	}
	return ParseChoice(text[:f.size]), nil
}

// Commit makes s the slot that starts, by overwriting one sector. Beside what an installer asks
// for ([Overwrite]), it is the only write that the settings partition ever sees. A card that already says so is left alone.
func Commit(d Device, s Slot) error {
	if s.Other() == 0 {
		return errors.New("no slot to commit")
	}
	f, err := findAutoboot(d)
	if err != nil {
		return err
	}
	text, err := readSector(d, f.lba)
	if err != nil {
		return err
	}
	want := Autoboot(s)
	if ParseChoice(text[:f.size]) == ParseChoice(want) {
		return nil
	}
	// Somebody may have saved the file shorter; what it must say has to fit in.
	if ParseChoice(want[:f.size]) != ParseChoice(want) {
		return fmt.Errorf("%s has %d bytes instead of %d; %s", autobootFile, f.size, SectorSize, autobootRemedy)
	}
	return writeSector(d, f.lba, want)
}
