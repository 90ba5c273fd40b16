package portaudio

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/audio/device"
)

// waits starts a wait and returns a channel that tells when it has ended.
func waits(b *bell, d time.Duration) <-chan struct{} {
	ended := make(chan struct{})
	go func() { b.Wait(d); close(ended) }()
	return ended
}

func rung(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal(what)
	}
}

// A bell is rung from Go and from C, before a wait or during it, and time ends a wait that has an end.
func TestBell(t *testing.T) {
	d := New(slog.New(slog.DiscardHandler))
	made, err := d.Bell()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Bell(); err != nil || again != made {
		t.Errorf("another one: %v", err)
	}
	b := d.bell
	b.Ring()
	b.Ring()
	rung(t, "rung before", waits(b, time.Hour))
	rung(t, "time", waits(b, time.Millisecond))
	w := waits(b, device.ForEver) // an end of the wait before has no part in it
	select {
	case <-w:
		t.Error("a wait ends by itself")
	case <-time.After(50 * time.Millisecond):
	}
	b.Ring()
	rung(t, "rung meanwhile", w)
	w = waits(b, time.Hour)
	if _, err := unix.Write(b.in, []byte{0}); err != nil { // what a callback does
		t.Fatal(err)
	}
	rung(t, "rung from C", w)
	for { // as a callback does whom nobody hears
		if _, err := unix.Write(b.in, make([]byte, 1<<12)); err != nil {
			break
		}
	}
	b.Ring()
	rung(t, "a full pipe", waits(b, time.Hour))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b.Ring() // the engine does not know yet
}

// No ring is lost, whatever else ends the waits meanwhile.
func TestNoRingIsLost(t *testing.T) {
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	var rings, heard, over atomic.Int64
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		for n := 0; over.Load() == 0; n++ {
			b.Wait([]time.Duration{time.Microsecond, time.Hour, device.ForEver}[n%3])
			heard.Store(rings.Load())
		}
	}()
	limit := time.Now().Add(30 * time.Second)
	for n := int64(1); n <= 20000; n++ {
		rings.Store(n)
		b.Ring()
		if n%5 == 0 {
			_, _ = unix.Write(b.in, []byte{0})
		}
		for heard.Load() < n {
			if time.Now().After(limit) {
				t.Fatalf("ring %d was not heard", n)
			}
			runtime.Gosched()
		}
	}
	over.Store(1)
	b.Ring()
	<-waited
}
