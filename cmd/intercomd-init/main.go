// Command intercomd-init is the first program of the card image: init of its initrd.
//
// The firmware has chosen a slot; this program finds out which one, makes sure that a
// system which keeps restarting gives way to the one that worked, mounts the slot's root
// read-only below a layer in memory and starts systemd in it. Whatever goes wrong before
// that ends in a restart, after which the firmware has forgotten a trial: a new system
// that does not get this far is left by itself. It needs neither a shell nor the data
// partition, and uses no network.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/update/slot"
)

const (
	// diskWait is how long cards and USB sticks may take to appear.
	diskWait = 15 * time.Second
	// mostData is how large the data partition may become (sectors). What is on it is
	// small; a check of it after a power cut must stay short, and a card lives longer
	// with room that nobody writes to.
	mostData = 4 << 30 / slot.SectorSize
	// newRoot is where the system that starts is put together.
	newRoot = "/new"
	// systemInit takes over.
	systemInit = "/usr/lib/systemd/systemd"
)

func main() {
	err := start()
	// Only a failure comes back here.
	say(2, "%v; restarting", err)
	time.Sleep(2 * time.Second) // to be read on a screen
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	os.Exit(1) // the kernel panics and restarts
}

// say writes a line into the kernel's log. Level 2 and 3 reach a quiet console.
func say(level int, format string, args ...any) {
	line := fmt.Sprintf("<%d>intercomd-init: %s\n", level, fmt.Sprintf(format, args...))
	if f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString(line)
		_ = f.Close()
	}
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil { //nolint:gosec // a root that all may enter
		return err
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mounting %s on %s: %w", source, target, err)
	}
	return nil
}

func start() error {
	for _, m := range []struct{ kind, target, data string }{
		{"devtmpfs", "/dev", "mode=0755"}, {"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"tmpfs", "/run", "mode=0755"},
	} {
		if err := mount(m.kind, m.target, m.kind, unix.MS_NOSUID, m.data); err != nil {
			return err
		}
	}
	loadModules("/mod")
	openWatchdog()
	say(6, "modules are loaded")

	disk, err := findDisk(diskWait)
	if err != nil {
		return err
	}
	say(6, "the card is %s", disk)
	facts := readFacts("/proc/device-tree/chosen/bootloader", "/proc/cmdline")
	boot, err := begin(disk, facts)
	if err != nil {
		return err
	}
	root := partition(disk, boot.Slot.RootPartition())
	if err := buildRoot(root, boot); err != nil {
		err = fmt.Errorf("slot %s: %w", boot.Slot, err)
		if !boot.Trial {
			return errors.Join(err, giveWay(disk, boot.Slot, err.Error()))
		}
		return err
	}
	if err := namePartitions(disk); err != nil {
		say(3, "%v", err) // RAUC and the data partition do without
	}
	if err := mountData(partition(disk, slot.DataPartition)); err != nil {
		say(6, "the data partition is left to intercom-data.service: %v", err)
	}
	say(5, "slot %s, trial %t, %s", boot.Slot, boot.Trial, disk)
	return switchRoot()
}

// loadModules loads what the initrd carries, in the order of their names. One that fits
// no device here is none of our business.
func loadModules(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.ko"))
	slices.Sort(files)
	for _, name := range files {
		f, err := os.Open(name) //nolint:gosec // a module of the initrd
		if err != nil {
			continue
		}
		_ = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
	}
}

// openWatchdog starts the board's watchdog, or takes it over from the firmware. Closed
// without its magic letter it goes on; systemd has to open it in time.
func openWatchdog() {
	if f, err := os.OpenFile("/dev/watchdog", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("\n")
		_ = f.Close()
	}
}

// findDisk waits for a disk with our signature and the partitions that a start needs; a
// door rings without data.
func findDisk(wait time.Duration) (string, error) {
	for end := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		entries, _ := os.ReadDir("/sys/block")
		for _, e := range entries {
			disk := "/dev/" + e.Name()
			if !mayBeCard(e.Name()) || !isCard(disk) {
				continue
			}
			if _, err := os.Stat(partition(disk, slot.B.RootPartition())); err == nil {
				return disk, nil
			}
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("no card of a door station within %v", wait)
		}
	}
}

func isCard(disk string) bool {
	f, err := os.Open(disk) //nolint:gosec // a disk of the kernel
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	first := make([]byte, slot.SectorSize)
	if _, err := f.ReadAt(first, 0); err != nil {
		return false
	}
	return slot.IsCard(first)
}

// begin finds out which slot was started, writes the start down and grows the data
// partition. It returns only if the start is to go on; faults of the card that do not
// hinder it end up in the note.
func begin(path string, facts facts) (slot.Boot, error) {
	boot := slot.Boot{Slot: facts.slot, Trial: facts.trial, Disk: path}
	note := func(err error) {
		if err != nil {
			say(3, "%v", err)
			if boot.Note == "" {
				boot.Note = err.Error()
				leaveNote("boot", "card-odd", boot.Note)
			}
		}
	}
	disk, err := slot.OpenDisk(path)
	if err != nil {
		boot.Slot = orA(boot.Slot)
		note(err)
		return boot, nil
	}
	defer func() { _ = disk.Close() }()

	choice, err := slot.ReadChoice(disk)
	note(err)
	if boot.Slot == 0 {
		boot.Slot = orA(choice.Slot())
		note(errors.New("the firmware does not say what it has started, so that updates cannot be tried: bring its boot loader up to date"))
	}
	record, err := slot.ReadRecord(disk)
	note(err)
	goBack := record.Begin(boot.Slot, boot.Trial)
	if goBack {
		why := fmt.Sprintf("slot %s was started %d times in a row without coming to a working door", boot.Slot, slot.StartsLimit)
		if err := slot.Commit(disk, boot.Slot.Other()); err != nil {
			note(err) // then this one has to do
		} else {
			record.WentBack(boot.Slot, why)
			note(slot.WriteRecord(disk, record))
			return boot, errors.New(why)
		}
	}
	note(slot.WriteRecord(disk, record))
	if record.Why != "" { // until the next update
		leaveNote("slot", "went-back", record.Why)
	}

	sectors, err := disk.Sectors()
	note(err)
	if grown, err := slot.GrowData(disk, sectors, mostData); err != nil {
		note(err)
	} else if grown {
		note(disk.Reread())
		waitFor(partition(path, slot.DataPartition), 2*time.Second)
	}
	return boot, nil
}

func orA(s slot.Slot) slot.Slot {
	if s == 0 {
		return slot.A
	}
	return s
}

func waitFor(path string, wait time.Duration) {
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
}

// giveWay makes the other slot start from now on if it is known to work.
func giveWay(path string, broken slot.Slot, why string) error {
	disk, err := slot.OpenDisk(path)
	if err != nil {
		return err
	}
	defer func() { _ = disk.Close() }()
	record, err := slot.ReadRecord(disk)
	if err != nil {
		return err
	}
	if record.State(broken.Other()) != slot.Good {
		return fmt.Errorf("slot %s is not known to work either", broken.Other())
	}
	if err := slot.Commit(disk, broken.Other()); err != nil {
		return err
	}
	record.WentBack(broken, why)
	return slot.WriteRecord(disk, record)
}

// buildRoot puts the system together below newRoot: the slot's file system, which nobody
// can write to, and above it a layer in memory that every start makes anew.
func buildRoot(device string, boot slot.Boot) error {
	if err := mount(device, "/ro", "erofs", unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := mount("overlay", "/ov", "tmpfs", 0, "size=30%,mode=0755"); err != nil {
		return err
	}
	for _, dir := range []string{"/ov/up", "/ov/work"} {
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // a root that all may enter
			return err
		}
	}
	if err := mount("overlay", newRoot, "overlay", 0, "lowerdir=/ro,upperdir=/ov/up,workdir=/ov/work"); err != nil {
		return err
	}
	if _, err := os.Stat(newRoot + systemInit); err != nil {
		return err
	}
	if id := machineID("/proc/device-tree/serial-number", "/sys/class/dmi/id/product_uuid"); id != "" {
		if err := os.WriteFile(newRoot+"/etc/machine-id", []byte(id+"\n"), 0o444); err != nil { //nolint:gosec // all may read it
			return err
		}
	}
	if err := os.MkdirAll("/run/intercom", 0o755); err != nil { //nolint:gosec // the daemon may read it
		return err
	}
	return os.WriteFile("/run/intercom/boot", []byte(boot.String()), 0o644) //nolint:gosec // the daemon may read it
}

// notes is where the daemon finds what it has to show as a fault (cmd/intercomd/notes.go).
const notes = "/run/intercom/notes"

// leaveNote says something to the daemon: a code and its detail.
func leaveNote(name, code, detail string) {
	if err := os.MkdirAll(notes, 0o755); err != nil { //nolint:gosec // the daemon may read it
		return
	}
	text := fmt.Sprintf("%s\ndetail=%s\n", code, strings.ReplaceAll(detail, "\n", " "))
	_ = os.WriteFile(filepath.Join(notes, name), []byte(text), 0o644) //nolint:gosec // the daemon may read it
}

// namePartitions makes /dev/intercom, so that nothing has to wait for udev to find out
// what is known already.
func namePartitions(disk string) error {
	if err := os.MkdirAll("/dev/intercom", 0o755); err != nil { //nolint:gosec // as /dev is
		return err
	}
	for name, n := range map[string]int{
		"settings": slot.SettingsPartition, "data": slot.DataPartition,
		"boot-a": slot.A.BootPartition(), "root-a": slot.A.RootPartition(),
		"boot-b": slot.B.BootPartition(), "root-b": slot.B.RootPartition(),
	} {
		if err := os.Symlink(partition(disk, n), "/dev/intercom/"+name); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// switchRoot gives the machine to the system below newRoot.
func switchRoot() error {
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run"} {
		if err := unix.Mount(dir, newRoot+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("moving %s: %w", dir, err)
		}
	}
	_ = os.RemoveAll("/mod") // memory
	if err := unix.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("switching the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("switching the root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "GO") })
	return fmt.Errorf("starting %s: %w", systemInit, unix.Exec(systemInit, []string{systemInit}, env))
}
