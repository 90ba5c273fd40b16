package gpio

import (
	"bytes"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the kernel is asked for beside periph, whose driver cannot: a line with the level with
// which an output begins, open-drain, no bias, and the times of its edges; a chip that came
// after periph had looked. See linux/gpio.h and
// https://docs.kernel.org/userspace-api/gpio/chardev.html.

// GPIO_V2_LINE_FLAG_*.
const (
	flagInput       = 1 << 2
	flagOutput      = 1 << 3
	flagEdgeRising  = 1 << 4
	flagEdgeFalling = 1 << 5
	flagOpenDrain   = 1 << 6
	flagPullUp      = 1 << 8
	flagPullDown    = 1 << 9
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

// name is a text of the kernel: GPIO_MAX_NAME_SIZE bytes, ended by a zero.
type name [32]byte

func text(n name) string {
	s, _, _ := bytes.Cut(n[:], []byte{0})
	return string(s)
}

// lineRequest is struct gpio_v2_line_request.
type lineRequest struct {
	offsets         [64]uint32
	consumer        name
	config          lineConfig
	numLines        uint32
	eventBufferSize uint32 // 0: the kernel's choice, 16 for a line
	_               [5]uint32
	fd              int32 // the kernel's answer
}

// chipInfo is struct gpiochip_info.
type chipInfo struct {
	name, label name
	lines       uint32
}

// lineInfo is struct gpio_v2_line_info.
type lineInfo struct {
	name, consumer name
	offset         uint32
	numAttrs       uint32
	flags          uint64
	attrs          [10][2]uint64
	_              [4]uint32
}

// consumer is who the kernel says has a line.
const consumer = "intercomd"

// requestOf is _IOWR(0xb4, nr, size) on the architectures that boards have, readOf is _IOR.
func requestOf(nr, size uintptr) uintptr { return 3<<30 | size<<16 | 0xb4<<8 | nr }
func readOf(nr, size uintptr) uintptr    { return 2<<30 | size<<16 | 0xb4<<8 | nr }

// wire is the descriptor of a chip, or of one line that was requested from it.
type wire struct{ fd int }

// chip describes the chip.
func (w wire) chip() (info chipInfo, err error) {
	err = w.ioctl(readOf(0x01, unsafe.Sizeof(info)), unsafe.Pointer(&info)) //nolint:gosec // the kernel's interface
	return info, err
}

// line describes a line of the chip.
func (w wire) line(offset uint32) (info lineInfo, err error) {
	info.offset = offset
	err = w.ioctl(requestOf(0x05, unsafe.Sizeof(info)), unsafe.Pointer(&info)) //nolint:gosec // the kernel's interface
	return info, err
}

// request takes a line of the chip and returns its descriptor. high is the level with which an
// output begins.
func (w wire) request(offset int, flags uint64, high bool) (fd int, err error) {
	r := lineRequest{config: configOf(flags, high), numLines: 1}
	r.offsets[0] = uint32(offset)
	copy(r.consumer[:], consumer)
	if err := w.ioctl(requestOf(0x07, unsafe.Sizeof(r)), unsafe.Pointer(&r)); err != nil { //nolint:gosec // the kernel's interface
		return -1, err
	}
	return int(r.fd), nil
}

// newWire is a duplicate of the descriptor of a line, to be closed.
func newWire(fd int) (wire, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return wire{}, fmt.Errorf("duplicate the descriptor of a line: %w", err)
	}
	return wire{dup}, nil
}

// configOf is what a line is to be.
func configOf(flags uint64, high bool) lineConfig {
	c := lineConfig{flags: flags}
	if flags&flagOutput != 0 {
		c.numAttrs = 1
		c.attrs[0] = lineConfigAttr{id: attrOutputValues, value: bit(high), mask: 1}
	}
	return c
}

// get reads the level of a line.
func (w wire) get() (high bool, err error) {
	v := lineValues{mask: 1}
	err = w.ioctl(requestOf(0x0e, unsafe.Sizeof(v)), unsafe.Pointer(&v)) //nolint:gosec // the kernel's interface
	return v.bits&1 != 0, err
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
