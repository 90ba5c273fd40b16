package main

import (
	"os"
	"path/filepath"
	"testing"

	"intercomd/update/slot"
)

func file(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFacts(t *testing.T) {
	for _, c := range []struct {
		name, partition, tryboot, cmdline string
		want                              facts
	}{
		{"plain start of A", "\x00\x00\x00\x02", "\x00\x00\x00\x00", "quiet", facts{slot.A, false}},
		{"trial of B", "\x00\x00\x00\x03", "\x00\x00\x00\x01", "quiet", facts{slot.B, true}},
		{"the device tree comes first", "\x00\x00\x00\x03", "\x00\x00\x00\x00", "door.partition=2 door.tryboot=1", facts{slot.B, false}},
		{"virtual machine", "", "", "x=y door.partition=3 door.tryboot=1\n", facts{slot.B, true}},
		{"the settings partition", "\x00\x00\x00\x01", "", "", facts{}},
		{"a cell of another size", "\x03", "", "", facts{}},
		{"nothing", "", "", "", facts{}},
		{"nonsense", "", "", "door.partition=B door.partition= door.tryboot", facts{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			tree := filepath.Join(dir, "bootloader")
			if c.partition != "" {
				file(t, filepath.Join(tree, "partition"), c.partition)
			}
			if c.tryboot != "" {
				file(t, filepath.Join(tree, "tryboot"), c.tryboot)
			}
			if got := readFacts(tree, file(t, filepath.Join(dir, "cmdline"), c.cmdline)); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestMachineID(t *testing.T) {
	dir := t.TempDir()
	serial := file(t, filepath.Join(dir, "serial"), "10000000abcdef01\x00")
	id := machineID(filepath.Join(dir, "none"), serial)
	if len(id) != 32 || id[12] != '4' {
		t.Errorf("%q is no machine ID", id)
	}
	if again := machineID(serial); again != id {
		t.Errorf("%q, then %q", id, again)
	}
	if other := machineID(file(t, filepath.Join(dir, "other"), "10000000abcdef02\x00")); other == id {
		t.Error("two boards have one identity")
	}
	for _, none := range []string{"", "0000000000000000\x00", "00000000-0000-0000-0000-000000000000\n"} {
		if id := machineID(file(t, filepath.Join(dir, "x"), none)); id != "" {
			t.Errorf("serial %q became %q", none, id)
		}
	}
}

func TestPartitionNames(t *testing.T) {
	for disk, want := range map[string]string{"/dev/mmcblk0": "/dev/mmcblk0p7", "/dev/sda": "/dev/sda7", "/dev/nvme0n1": "/dev/nvme0n1p7", "/dev/vda": "/dev/vda7"} {
		if got := partition(disk, 7); got != want {
			t.Errorf("%s: %s, want %s", disk, got, want)
		}
	}
	for name, want := range map[string]bool{"mmcblk0": true, "mmcblk0boot0": false, "sda": true, "vdb": true, "nvme0n1": true, "loop0": false, "zram0": false, "mmcblk0rpmb": false} {
		if mayBeCard(name) != want {
			t.Errorf("%s may be a card: %t", name, !want)
		}
	}
}
