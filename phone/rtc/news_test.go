package rtc

import (
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// The addresses are read anew when the kernel says that something has changed, and not otherwise.
func TestAddressesAreReadWhenTheyChange(t *testing.T) {
	var here, others bool
	looks := 0
	look := func(netip.Addr) (bool, bool) { looks++; return here, others }
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

	ended := make(chan struct{})
	go func() { // a network namespace of this thread, which ends with it
		defer close(ended)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Log("without a network to change: ", err)
			return
		}
		m := mover{news: hearAddresses()}
		defer m.news.close()
		step := func(what string, local netip.Addr, moved bool, read int) {
			t.Helper()
			looks = 0
			if got := m.moved(local, look); got != moved || looks != read {
				t.Errorf("%s: moved %t, read %d times; want %t, %d", what, got, looks, moved, read)
			}
		}
		step("not connected", netip.Addr{}, false, 0)
		here, others = true, true
		step("connected", one, false, 1)
		step("a second later", one, false, 0)
		step("by another address", other, false, 1)
		flip(t)
		step("something changed", other, false, 1)
		step("and not again", other, false, 0)
		here = false
		flip(t)
		step("it has gone", other, true, 1)
		step("a second later", other, true, 1)
		others = false
		step("no others", other, false, 1)
		others = true
		step("others come", other, true, 1)
	}()
	<-ended

	here, others, looks = true, true, 0
	for range 3 { // a network of which nobody tells
		if (&mover{}).moved(one, look) {
			t.Error("nothing has moved")
		}
	}
	if looks != 3 {
		t.Errorf("read %d times where nobody tells of changes", looks)
	}
}

// flip switches the loopback interface of this thread's network on, or off.
func flip(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = unix.Close(fd) }()
	r, err := unix.NewIfreq("lo")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r)
	}
	if err == nil {
		r.SetUint16(r.Uint16() ^ unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
	}
	if err != nil {
		t.Error(err)
	}
}
