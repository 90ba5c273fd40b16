// Package slot knows the card of a door station: where its two systems lie, which of
// them starts, and how that choice is changed so that a power cut leaves the old or the
// new one and never none.
//
// The boards' firmware reads autoboot.txt on the first partition. It names the partition
// that starts and the one that a trial start takes, once, when the system before it asked
// for that. Changing the choice is overwriting that file's one sector in place; nothing
// else is ever written to that partition. What the firmware cannot keep (which slot is
// wanted next, which proved itself, how often it started in a row) lies in two sectors
// before the first partition, so that a damaged or full file system cannot take it away.
//
// The package refuses to know what makes a system good, where updates come from and
// who asks; it talks to no network and starts no program. Of systemd it asks a restart.
package slot

import (
	"errors"
	"fmt"
)

// Slot is one of the two places that a system can be started from.
type Slot byte

// The slots; 0 is none.
const (
	A Slot = 'A'
	B Slot = 'B'
)

// Partitions of the card by number, as Linux counts them.
const (
	SettingsPartition = 1 // FAT: autoboot.txt, the one file of the installer
	DataPartition     = 7 // ext4: what outlives an update
)

// Signature is the disk signature of every card of ours (bytes 440 to 443 of its first
// sector). Linux makes partition UUIDs such as d0075701-05 of it.
const Signature = 0xd0075701

// ParseSlot reads "A" or "B".
func ParseSlot(s string) (Slot, error) {
	if s == "A" || s == "B" {
		return Slot(s[0]), nil
	}
	return 0, fmt.Errorf("%q is not a slot; there are A and B", s)
}

// String is "A", "B" or "none".
func (s Slot) String() string {
	if s == A || s == B {
		return string(rune(s))
	}
	return "none"
}

// Other is the slot that s is not.
func (s Slot) Other() Slot {
	switch s {
	case A:
		return B
	case B:
		return A
	}
	return 0
}

// BootPartition is the FAT partition with kernel and initrd that the firmware starts.
func (s Slot) BootPartition() int {
	switch s {
	case A:
		return 2
	case B:
		return 3
	}
	return 0
}

// RootPartition is the partition with the root file system.
func (s Slot) RootPartition() int {
	switch s {
	case A:
		return 5
	case B:
		return 6
	}
	return 0
}

// OfBootPartition is the slot whose boot partition has that number, none for others.
func OfBootPartition(n int) Slot {
	switch n {
	case A.BootPartition():
		return A
	case B.BootPartition():
		return B
	}
	return 0
}

// SectorSize is the unit in which a card takes or loses what is written.
const SectorSize = 512

// Device is a card or an image of one. Implementations write one sector at a time
// and return from Sync only when everything written is on the medium.
type Device interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Sync() error
}

// ErrNotOurs is returned for a disk that has not our signature or layout.
var ErrNotOurs = errors.New("this is not the card of a door station")

func readSector(d Device, lba uint32) ([]byte, error) {
	buf := make([]byte, SectorSize)
	if _, err := d.ReadAt(buf, int64(lba)*SectorSize); err != nil {
		return nil, fmt.Errorf("reading sector %d: %w", lba, err)
	}
	return buf, nil
}

// writeSector overwrites one sector and reads it back.
func writeSector(d Device, lba uint32, data []byte) error {
	if len(data) != SectorSize {
		return fmt.Errorf("a sector has %d bytes, not %d", SectorSize, len(data))
	}
	if _, err := d.WriteAt(data, int64(lba)*SectorSize); err != nil {
		return fmt.Errorf("writing sector %d: %w", lba, err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("writing sector %d: %w", lba, err)
	}
	back, err := readSector(d, lba)
	if err != nil {
		return err
	}
	if string(back) != string(data) {
		return fmt.Errorf("writing sector %d: the card does not keep what is written; replace it", lba)
	}
	return nil
}
