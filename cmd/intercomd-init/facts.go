package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"intercomd/update/slot"
)

// facts is what the firmware says of the start.
type facts struct {
	slot  slot.Slot // none: it does not say
	trial bool
}

// readFacts reads what the Raspberry Pi firmware leaves in the device tree: cells of four
// bytes, big endian. Where there is no device tree, such as in a virtual machine, the kernel's
// command line has the same as door.partition and door.tryboot.
func readFacts(bootloader, cmdline string) facts {
	text, _ := os.ReadFile(cmdline) //nolint:gosec // a file of the kernel
	value := func(property, argument string) int {
		if cell, err := os.ReadFile(filepath.Join(bootloader, property)); err == nil && len(cell) == 4 { //nolint:gosec // a file of the kernel
			return int(binary.BigEndian.Uint32(cell))
		}
		for _, word := range strings.Fields(string(text)) {
			if v, ok := strings.CutPrefix(word, argument+"="); ok {
				if n, err := strconv.Atoi(v); err == nil {
					return n
				}
			}
		}
		return 0
	}
	return facts{
		slot:  slot.OfBootPartition(value("partition", "door.partition")),
		trial: value("tryboot", "door.tryboot") == 1,
	}
}

// machineID makes an identity of the board's own serial number, so that it survives
// every card and needs no place to be kept. Empty: the board has none, and systemd makes
// one up for this start.
func machineID(files ...string) string {
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // a file of the kernel
		serial := strings.Trim(string(data), "\x00 \n")
		if err != nil || strings.Trim(serial, "0-") == "" {
			continue
		}
		sum := sha256.Sum256([]byte("intercomd machine-id " + serial))
		sum[6] = sum[6]&0x0f | 0x40 // as a random UUID (RFC 9562), which systemd wants
		sum[8] = sum[8]&0x3f | 0x80
		return hex.EncodeToString(sum[:16])
	}
	return ""
}

// partition is the device of a partition, /dev/mmcblk0p2 or /dev/sda2.
func partition(disk string, n int) string {
	if last := disk[len(disk)-1]; last >= '0' && last <= '9' {
		return fmt.Sprintf("%sp%d", disk, n)
	}
	return fmt.Sprintf("%s%d", disk, n)
}

// mayBeCard sorts out block devices that are no disks.
func mayBeCard(name string) bool {
	if strings.Contains(name, "boot") || strings.Contains(name, "rpmb") {
		return false
	}
	for _, kind := range []string{"mmcblk", "sd", "vd", "nvme"} {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}
