package rtc

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reader waits for the packets of a session one by one, as nobody but tests does.
type reader struct {
	drain func(func(*Packet)) error
	kept  []Packet
}

func reads(s *Session) *reader { return &reader{drain: s.Receive} }

func (r *reader) next() (Packet, error) {
	for len(r.kept) == 0 {
		err := r.drain(func(p *Packet) {
			q := *p
			q.Payload = slices.Clone(p.Payload)
			r.kept = append(r.kept, q)
		})
		if err != nil {
			return Packet{}, err
		}
		if len(r.kept) == 0 {
			time.Sleep(200 * time.Microsecond)
		}
	}
	p := r.kept[0]
	r.kept = r.kept[1:]
	return p, nil
}

// waiting is how many packets wait, which are then gone.
func (r *reader) waiting() (n int) {
	if errors.Is(r.drain(func(*Packet) { n++ }), io.EOF) {
		return -1
	}
	return n
}
