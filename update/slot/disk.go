package slot

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Disk is a card behind a block device (or an image in a file). What it writes reaches
// the card as the very sectors that were asked for: past the page cache, which would
// write the neighbours as well. It is not safe for use by several goroutines.
type Disk struct {
	f   *os.File
	buf []byte // a page, which is aligned as direct access wants it
}

// OpenDisk opens the device of a whole card.
func OpenDisk(path string) (*Disk, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_DIRECT|unix.O_SYNC, 0) //nolint:gosec // a disk of the caller
	if err != nil {
		// File systems in memory, where tests keep images, know no direct access.
		if f, err = os.OpenFile(path, os.O_RDWR|unix.O_SYNC, 0); err != nil { //nolint:gosec // the same
			return nil, fmt.Errorf("the card: %w", err)
		}
	}
	buf, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("the card: %w", err)
	}
	return &Disk{f: f, buf: buf}, nil
}

// Sectors is the size of the card.
func (d *Disk) Sectors() (uint64, error) {
	n, err := d.f.Seek(0, io.SeekEnd)
	return uint64(max(n, 0)) / SectorSize, err
}

// ReadAt reads whole sectors, a page of them at most.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if err := d.fits(p); err != nil {
		return 0, err
	}
	n, err := d.f.ReadAt(d.buf[:len(p)], off)
	return copy(p, d.buf[:n]), err
}

// WriteAt writes whole sectors, a page of them at most.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.fits(p); err != nil {
		return 0, err
	}
	return d.f.WriteAt(d.buf[:copy(d.buf, p)], off)
}

func (d *Disk) fits(p []byte) error {
	if len(p) > len(d.buf) || len(p)%SectorSize != 0 {
		return fmt.Errorf("%d bytes are not whole sectors of one page", len(p))
	}
	return nil
}

// Sync returns when everything is on the card.
func (d *Disk) Sync() error { return d.f.Sync() }

// Reread makes the kernel read the partition table again. No partition may be in use.
func (d *Disk) Reread() error {
	if err := unix.IoctlSetInt(int(d.f.Fd()), unix.BLKRRPART, 0); err != nil {
		return fmt.Errorf("the card's partition table: %w", err)
	}
	return nil
}

// Close ends it.
func (d *Disk) Close() error {
	err := unix.Munmap(d.buf)
	if e := d.f.Close(); e != nil {
		err = e
	}
	return err
}
