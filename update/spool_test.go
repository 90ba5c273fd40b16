package update

import (
	"errors"
	"os"
	"testing"
)

// A bundle without end is cut off, and leaves nothing.
func TestEndlessBundle(t *testing.T) {
	s := NewSpool(nil, t.TempDir())
	left := int64(100 << 20)
	s.free = func(string) (int64, error) { left -= 10 << 20; return left, nil }
	err := s.write(endless{}, -1)
	entries, _ := os.ReadDir(s.dir)
	if !errors.Is(err, ErrNoRoom) || len(entries) != 0 {
		t.Errorf("%v, %d files", err, len(entries))
	}
	for size, want := range map[int64]error{mostBundle + 1: ErrTooLarge, 60 << 20: ErrNoRoom} {
		left = 100 << 20
		if err := s.write(endless{}, size); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
