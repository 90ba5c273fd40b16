package gpio

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What periph's driver cannot ask of the kernel for a line that it has requested:
// the level with which an output begins, open-drain, and no bias. See linux/gpio.h and
// https://docs.kernel.org/userspace-api/gpio/chardev.html.

// GPIO_V2_LINE_FLAG_*.
const (
	flagInput       = 1 << 2
	flagOutput      = 1 << 3
	flagEdgeRising  = 1 << 4
	flagEdgeFalling = 1 << 5
	flagOpenDrain   = 1 << 6
	flagNoBias      = 1 << 10
)

const attrOutputValues = 2 // GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES

// lineConfig is struct gpio_v2_line_config.
type lineConfig struct {
	flags    uint64
	numAttrs uint32
	_        [5]uint32
	attrs    [10]lineConfigAttr
}

// lineConfigAttr is struct gpio_v2_line_config_attribute; value is its union.
type lineConfigAttr struct {
	id    uint32
	_     uint32
	value uint64
	mask  uint64
}

// lineValues is struct gpio_v2_line_values.
type lineValues struct{ bits, mask uint64 }

// requestOf is _IOWR(0xb4, nr, size) on the architectures that boards have.
func requestOf(nr, size uintptr) uintptr { return 3<<30 | size<<16 | 0xb4<<8 | nr }

// wire is the descriptor of one requested line: a duplicate, to be closed.
type wire struct{ fd int }

func newWire(fd int) (wire, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return wire{}, fmt.Errorf("duplicate the descriptor of a line: %w", err)
	}
	return wire{dup}, nil
}

// configure changes what the line is. high is the level with which an output begins.
func (w wire) configure(flags uint64, high bool) error {
	c := lineConfig{flags: flags}
	if flags&flagOutput != 0 {
		c.numAttrs = 1
		c.attrs[0] = lineConfigAttr{id: attrOutputValues, value: bit(high), mask: 1}
	}
	return w.ioctl(requestOf(0x0d, unsafe.Sizeof(c)), unsafe.Pointer(&c)) //nolint:gosec // the kernel's interface
}

// set changes the level of an output.
func (w wire) set(high bool) error {
	v := lineValues{bits: bit(high), mask: 1}
	return w.ioctl(requestOf(0x0f, unsafe.Sizeof(v)), unsafe.Pointer(&v)) //nolint:gosec // the kernel's interface
}

func (w wire) ioctl(request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(w.fd), request, uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

func (w wire) close() error { return unix.Close(w.fd) }

func bit(high bool) uint64 {
	if high {
		return 1
	}
	return 0
}
