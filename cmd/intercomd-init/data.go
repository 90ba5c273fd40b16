package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// dataDone tells intercom-data.service that there is nothing left to do for it.
const dataDone = "/run/intercom/data-done"

// dataFolders are the folders of the data partition and where the system expects them.
func dataFolders() map[string]string {
	return map[string]string{"intercomd": "/var/lib/intercomd", "timesync": "/var/lib/systemd/timesync"}
}

// leastFree is below what the data partition counts as full.
const leastFree = 1 << 20

// mountData mounts the data partition as usr/lib/intercom/data in the image does, if all is
// as it should be: that script has the rest of the cases, and the programs for them. On
// an emulated processor it takes seven seconds, this takes none.
func mountData(device string) error {
	at := newRoot + "/data"
	if err := unix.Mount(device, at, "ext4", unix.MS_NOATIME|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "commit=30,errors=remount-ro"); err != nil {
		return fmt.Errorf("mounting %s: %w", device, err)
	}
	if err := prepared(at, device); err != nil {
		return errors.Join(err, unix.Unmount(at, 0))
	}
	for from, to := range dataFolders() {
		if err := unix.Mount(filepath.Join(at, from), newRoot+to, "", unix.MS_BIND, ""); err != nil {
			return errors.Join(fmt.Errorf("mounting %s: %w", to, err), unmountData(at))
		}
	}
	return os.WriteFile(dataDone, nil, 0o644) //nolint:gosec // it says nothing
}

// unmountData leaves nothing behind for the script to trip over.
func unmountData(at string) error {
	for _, to := range dataFolders() {
		_ = unix.Unmount(newRoot+to, 0) // it may not be mounted yet
	}
	return unix.Unmount(at, 0)
}

// prepared reports why the mounted data partition needs more than being mounted.
func prepared(at, device string) error {
	name := filepath.Base(device)
	errs, err := os.ReadFile("/sys/fs/ext4/" + name + "/errors_count") //nolint:gosec // a file of the kernel
	if err != nil {
		return err
	}
	if n := strings.TrimSpace(string(errs)); n != "0" {
		return fmt.Errorf("it has had %s errors", n)
	}
	if err := os.WriteFile(filepath.Join(at, ".written"), nil, 0o600); err != nil {
		return err
	}
	version, err := os.ReadFile(newRoot + "/usr/lib/intercom/version")
	if err != nil {
		return err
	}
	size, err := os.ReadFile("/sys/class/block/" + name + "/size") //nolint:gosec // a file of the kernel
	if err != nil {
		return err
	}
	mark, err := os.ReadFile(filepath.Join(at, ".prepared")) //nolint:gosec // below our own mount
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSpace(mark), bytes.TrimSpace(append(version, size...))) {
		return errors.New("it was prepared for another version or size")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		return err
	}
	if fs.Bavail*uint64(fs.Bsize) < leastFree {
		return errors.New("it is full")
	}
	tmp := filepath.Join(at, "tmp") // what an interrupted update left behind
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	return os.Mkdir(tmp, 0o755) //nolint:gosec // of root, and nothing secret is in it
}
