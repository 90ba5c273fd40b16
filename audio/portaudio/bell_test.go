package portaudio

import (
	"log/slog"
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
	for range 1 << 17 { // more than a pipe holds: it blocks nobody
		b.Ring()
	}
	rung(t, "a full pipe", waits(b, time.Hour))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b.Ring() // the engine does not know yet
}
