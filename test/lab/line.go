package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Addresses of the two ends of a [Line].
const (
	NearAddress = "10.78.0.1"
	FarAddress  = "10.78.0.2"

	NearAddress6 = "fd78::1" // after [Line.OnlySix]
	FarAddress6  = "fd78::2"

	network = "10.78.0.0/24"
)

// Weather is what a line does to the packets of each direction, each for itself.
type Weather struct {
	Loss   float64       // share of packets that are lost, by chance
	Delay  time.Duration // of all others
	Jitter time.Duration // by which the delay of each differs, up or down; packets overtake each other
	Cut    bool          // nothing comes through
}

// Line is an IP line between this network namespace and another one, with weather.
//
//	here: line0 10.78.0.1 ─── TUN ─── this program ─── TUN ─── line0 10.78.0.2 :there
//
// It does what netem does (sch_netem is not in every kernel), to whole IP packets: the
// kernels at both ends do TCP with all its repetitions.
type Line struct {
	tuns [2]*os.File
	jobs chan func() // for the thread that lives in the far namespace
	// address is that of the far end. It belongs to that thread.
	address string
	pump    sync.WaitGroup
	once    sync.Once

	mu      sync.Mutex
	fire    firewall
	weather Weather
	random  *rand.Rand
	closed  bool
	lost    int
	passed  int
}

// NewLine makes the other namespace and the line to it, in fair weather. It must run in a
// namespace of its own, see [InNamespace].
func NewLine() (*Line, error) {
	l := &Line{jobs: make(chan func()), random: rand.New(rand.NewPCG(1, 2))} // the same weather each time
	ready := make(chan error, 1)
	go l.live(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("a line to another namespace: %w", err)
	}
	near, err := openTUN(NearAddress, FarAddress)
	if err != nil {
		close(l.jobs)
		_ = l.tuns[1].Close()
		return nil, fmt.Errorf("a line to another namespace: %w", err)
	}
	l.tuns[0] = near
	for i := range l.tuns {
		l.pump.Go(func() { l.carry(l.tuns[i], l.tuns[1-i]) })
	}
	if err := ip("route", "add", network, "dev", "line0"); err != nil {
		l.Close()
		return nil, fmt.Errorf("a line to another namespace: %w", err)
	}
	return l, nil
}

// live makes the far namespace and runs jobs in it until the line is closed.
func (l *Line) live(ready chan<- error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		ready <- err
		return
	}
	defer func() {
		// The thread goes home and is given back: with it would die what it had started before,
		// be it the sound server of all tests (PR_SET_PDEATHSIG in prctl(2)).
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		_ = home.Close()
	}()
	err = unix.Unshare(unix.CLONE_NEWNET)
	l.address = FarAddress
	if err == nil {
		err = ip("link", "set", "lo", "up")
	}
	if err == nil {
		l.tuns[1], err = openTUN(FarAddress, NearAddress)
	}
	if err == nil {
		err = ip("route", "add", "default", "dev", "line0")
	}
	ready <- err
	if err != nil {
		return
	}
	for job := range l.jobs {
		job()
	}
}

// There runs f in the far namespace: sockets that it opens and processes that it starts
// belong there.
func (l *Line) There(f func() error) error {
	done := make(chan error, 1)
	l.jobs <- func() { done <- f() }
	return <-done
}

// dial connects to an address in the far namespace.
func (l *Line) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = l.There(func() error {
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Move gives the far end another address in place of the one that it has, as a new lease
// does.
func (l *Line) Move(address string) error {
	return l.There(func() error {
		err := ip("addr", "del", l.address, "peer", NearAddress, "dev", "line0")
		if err == nil {
			err = ip("addr", "add", address, "peer", NearAddress, "dev", "line0")
		}
		if err == nil {
			err = ip("route", "replace", "default", "dev", "line0")
		}
		l.address = address
		return err
	})
}

// OnlySix gives both ends IPv6 addresses, and takes the IPv4 address of the far end away.
func (l *Line) OnlySix() error {
	if err := ip("addr", "add", NearAddress6+"/64", "dev", "line0", "nodad"); err != nil {
		return err
	}
	return l.There(func() error {
		err := ip("addr", "add", FarAddress6+"/64", "dev", "line0", "nodad")
		if err == nil {
			err = ip("addr", "del", l.address, "peer", NearAddress, "dev", "line0")
		}
		if err == nil {
			err = ip("route", "add", "default", "via", NearAddress6, "dev", "line0")
		}
		return err
	})
}

// Set changes the weather.
func (l *Line) Set(w Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
}

// Packets returns how many packets have come through, and how many were lost.
func (l *Line) Packets() (passed, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passed, l.lost
}

// Close ends the line. Processes in the far namespace are the caller's to stop, before.
func (l *Line) Close() {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		for _, t := range l.tuns {
			_ = t.Close()
		}
		l.pump.Wait()
		close(l.jobs)
	})
}

// carry takes packets from one end to the other.
func (l *Line) carry(from, to *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		delay, ok := l.fate(buf[:n], from)
		if !ok {
			continue
		}
		packet := append([]byte{}, buf[:n]...)
		if delay == 0 {
			_, _ = to.Write(packet)
			continue
		}
		time.AfterFunc(delay, func() { _, _ = to.Write(packet) }) // a closed end loses it
	}
}

// fate is what becomes of the next packet.
func (l *Line) fate(packet []byte, from *os.File) (delay time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.weather
	if w.Cut || !l.fire.pass(packet, from) || l.random.Float64() < w.Loss {
		l.lost++
		return 0, false
	}
	l.passed++
	if w.Jitter > 0 {
		w.Delay += time.Duration((2*l.random.Float64() - 1) * float64(w.Jitter))
	}
	return max(w.Delay, 0), true
}

// openTUN makes line0 in the namespace of the calling thread.
func openTUN(own, peer string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq("line0")
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make line0: %w", err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "line0")
	err = ip("addr", "add", own, "peer", peer, "dev", "line0")
	if err == nil {
		err = ip("link", "set", "line0", "up")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ip runs ip(8) in the namespace of the calling thread.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}
