package device

import (
	"sync"
	"testing"
	"time"
)

// One writer and one reader at full speed: every sample arrives once, in order.
func TestExchange(t *testing.T) {
	m := &RingMemory{}
	const total = 500000
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; n < total; {
			s := make([]int16, min(1+n%7000, total-n))
			for i := range s {
				s[i] = int16(n + i)
			}
			n += m.write(s)
		}
	})
	d := make([]int16, 6000)
	for n := 0; n < total; {
		k := m.read(d[:1+n%6000])
		for i, v := range d[:k] {
			if v != int16(n+i) {
				t.Fatalf("sample %d is %d", n+i, v)
			}
		}
		n += k
	}
	wg.Wait()
	if n := m.write(make([]int16, 2*RingSize)); n != RingSize || m.waiting() != RingSize {
		t.Errorf("%d samples in a full queue", m.waiting())
	}
	if m.discard(24); m.waiting() != RingSize-24 {
		t.Errorf("%d samples after discard", m.waiting())
	}
	if m.discard(1 << 20); m.waiting() != 0 {
		t.Errorf("%d samples after discard", m.waiting())
	}
}

// Gaps make the headroom larger, calm makes it smaller, and a trial of less that
// failed is not repeated soon.
func TestCushion(t *testing.T) {
	const ms = time.Millisecond
	c := newHeadroom(5*ms, 20*ms)
	calm := func() (n int) {
		for was := c.size; c.size == was; n++ {
			if c.frame(); n > 10*calmMost {
				t.Fatal("never smaller")
			}
		}
		return n - 1
	}
	for range 10 {
		c.gap()
	}
	if c.size != 20*ms {
		t.Errorf("%v after ten gaps", c.size)
	}
	if n := calm(); c.size != 15*ms || n > calmLeast {
		t.Errorf("%v after %d calm frames", c.size, n)
	}
	c.gap()
	if n := calm(); n < 2*calmLeast-2 {
		t.Errorf("tried again after %d frames", n)
	}
	for c.size > 0 {
		calm()
	}
	for range 3 * calmMost {
		if c.frame(); c.size < 0 {
			t.Fatal("smaller than nothing")
		}
	}
	if c.after != calmLeast {
		t.Errorf("waits for %d frames after long calm", c.after)
	}
}
