package jitter_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/audio/jitter"
)

const (
	ms    = time.Millisecond
	tick  = 10 * ms
	ptime = 20 * ms
)

// arrival is a packet of a trace.
type arrival struct {
	at time.Duration
	p  jitter.Packet
}

// trace makes n packets of 20 ms at 48 kHz; edit changes or (false) loses one.
func trace(n int, edit func(i int, a *arrival) bool) []arrival {
	var out []arrival
	for i := range n {
		a := arrival{time.Duration(i) * ptime, jitter.Packet{
			SSRC: 1, Seq: uint16(i), Timestamp: uint32(i * 960), ClockRate: 48000, Samples: 960,
			Payload: binary.BigEndian.AppendUint32(nil, uint32(i)),
		}}
		if edit == nil || edit(i, &a) {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return int(a.at - b.at) })
	return out
}

// heard is one thing that was played, from when on.
type heard struct {
	at       time.Duration
	kind     jitter.Kind
	packet   int
	duration time.Duration
	fresh    bool
	jump     bool
}

type run struct {
	b      *jitter.Buffer
	events []heard
	worst  time.Duration // greatest delay after the first second
}

// play runs a trace through a buffer, asked every 10 ms as the sound card does.
func play(b *jitter.Buffer, tr []arrival, until time.Duration) *run {
	r := &run{b: b}
	var ahead time.Duration
	for now := time.Duration(0); now < until; now += tick {
		for len(tr) > 0 && tr[0].at <= now {
			b.Put(tr[0].p, tr[0].at)
			tr = tr[1:]
		}
		for ahead < tick {
			a := b.Next(now, ahead)
			h := heard{now + ahead, a.Kind, -1, a.Duration, a.Fresh, a.Jump}
			if len(a.Payload) == 4 {
				h.packet = int(binary.BigEndian.Uint32(a.Payload))
			}
			r.events = append(r.events, h)
			ahead += a.Duration
		}
		ahead -= tick
		if now > time.Second {
			r.worst = max(r.worst, b.Stats().Delay)
		}
	}
	return r
}

// played lists the packets played, in order.
func (r *run) played() (p []int) {
	for _, e := range r.events {
		if e.kind == jitter.Play {
			p = append(p, e.packet)
		}
	}
	return p
}

// sum is how much audio of a kind there was after the first packet.
func (r *run) sum(k jitter.Kind) (d time.Duration) {
	started := false
	for _, e := range r.events {
		started = started || e.kind == jitter.Play
		if started && e.kind == k {
			d += e.duration
		}
	}
	return d
}

// around shows what was played around a packet, for stories: "9 c10 r20 11".
func (r *run) around(first, last int) string {
	var out []string
	on := false
	for _, e := range r.events {
		if e.kind == jitter.Play && e.packet == first {
			on = true
		}
		if on {
			switch e.kind {
			case jitter.Play:
				out = append(out, fmt.Sprint(e.packet))
			case jitter.Conceal:
				out = append(out, fmt.Sprintf("c%d", e.duration/ms))
			case jitter.Recover:
				out = append(out, fmt.Sprintf("r%d", e.duration/ms))
			case jitter.Idle:
				out = append(out, "-")
			}
		}
		if e.kind == jitter.Play && e.packet == last {
			return strings.Join(out, " ")
		}
	}
	return strings.Join(out, " ") + " …"
}

func upTo(n int) (p []int) {
	for i := range n {
		p = append(p, i)
	}
	return p
}

func lose(lost ...int) func(int, *arrival) bool {
	return func(i int, _ *arrival) bool { return !slices.Contains(lost, i) }
}

func TestStories(t *testing.T) {
	for _, c := range []struct {
		name  string
		edit  func(int, *arrival) bool
		first int
		last  int
		want  string
	}{
		{"nothing happens", nil, 8, 12, "8 9 10 11 12"},
		{"one lost", lose(10), 9, 12, "9 r20 11 12"},
		{"three lost", lose(10, 11, 12), 9, 13, "9 c10 c10 c10 c10 r20 13"},
		{"swapped", func(i int, a *arrival) bool {
			switch i {
			case 10:
				a.at += 18 * ms
			case 11:
				a.at -= 3 * ms
			}
			return true
		}, 9, 12, "9 10 11 12"},
		{"one comes 45 ms late, nothing is lost", func(i int, a *arrival) bool {
			if i >= 10 && i <= 12 {
				a.at = 12*ptime + 5*ms
			}
			return true
		}, 9, 13, "9 c10 c10 c10 10 11 12 13"},
		{"silence suppressed for 60 ms", func(i int, a *arrival) bool {
			if i >= 10 {
				a.at += 60 * ms
				a.p.Timestamp += 3 * 960
			}
			return true
		}, 9, 11, "9 c10 c10 c10 c10 c10 c10 10 11"},
		{"lost while the queue was dry", func(i int, a *arrival) bool {
			if i == 11 {
				a.at += 15 * ms
			}
			return i != 10
		}, 9, 12, "9 c10 c10 11 12"},
		{"10 ms packets behind 20 ms ones", func(i int, a *arrival) bool {
			if i >= 10 {
				a.at = time.Duration(10)*ptime + time.Duration(i-10)*tick
				a.p.Timestamp = uint32(10*960 + (i-10)*480)
				a.p.Samples = 480
			}
			return true
		}, 9, 14, "9 10 11 12 13 14"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := play(jitter.New(jitter.Config{Floor: 20 * ms}), trace(50, c.edit), 900*ms)
			if got := r.around(c.first, c.last); got != c.want {
				t.Errorf("played %s\n  want  %s", got, c.want)
			}
		})
	}
}

func TestSteadyStreamWaitsForTheFloorOnly(t *testing.T) {
	r := play(jitter.New(jitter.Config{}), trace(500, nil), 10*time.Second)
	if got := r.played(); !slices.Equal(got, upTo(499)) && !slices.Equal(got, upTo(500)) {
		t.Errorf("played %v", got)
	}
	if d := r.sum(jitter.Conceal) + r.sum(jitter.Recover); d != 0 {
		t.Errorf("%v repaired in a perfect stream", d)
	}
	if s := r.b.Stats(); s.Delay != 10*ms || s.Target != 11*ms || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// An eager buffer plays the first packet at once, and waits after pauses only.
func TestEager(t *testing.T) {
	tr := trace(100, func(i int, a *arrival) bool {
		a.at += 3 * ms
		if i >= 50 {
			a.at += time.Second
			a.p.Timestamp += 48000
		}
		return true
	})
	r := play(jitter.New(jitter.Config{Eager: true}), tr, 3500*ms)
	for _, e := range r.events {
		if e.kind == jitter.Play {
			if e.at != 10*ms {
				t.Errorf("the first packet is played at %v", e.at)
			}
			break
		}
	}
	if s := r.b.Stats(); s.Delay < 7*ms || s.Lost > 0 {
		t.Errorf("after the pause: %+v", s)
	}
}

func TestWrap(t *testing.T) {
	tr := trace(400, func(i int, a *arrival) bool {
		a.p.Seq += 65400
		a.p.Timestamp += 0xffff0000
		return i%10 != 5
	})
	r := play(jitter.New(jitter.Config{Floor: 20 * ms}), tr, 8*time.Second+100*ms)
	if n := len(r.played()); n != 360 {
		t.Errorf("%d packets played, want 360", n)
	}
	if s := r.b.Stats(); s.Lost != 40 || s.Received != 360 {
		t.Errorf("%+v", s)
	}
	if d := r.sum(jitter.Recover); d != 40*ptime {
		t.Errorf("%v recovered", d)
	}
}

func TestReorderedFromTheStart(t *testing.T) {
	tr := trace(10, func(i int, a *arrival) bool {
		a.at = time.Duration(max(9-i, 5)) * ms // 5..9 come first, then 4, 3, 2, 1, 0
		return true
	})
	r := play(jitter.New(jitter.Config{}), tr, 300*ms)
	if got := r.played(); !slices.Equal(got, upTo(10)) {
		t.Errorf("played %v", got)
	}
}

func TestDuplicatesAndLatecomers(t *testing.T) {
	tr := trace(100, nil)
	for i := range 100 {
		d := tr[i]
		d.at += time.Duration(i%5) * 20 * ms
		tr = append(tr, d)
	}
	slices.SortStableFunc(tr, func(a, b arrival) int { return int(a.at - b.at) })
	r := play(jitter.New(jitter.Config{}), tr, 3*time.Second)
	if got := r.played(); !slices.Equal(got, upTo(100)) {
		t.Errorf("played %v", got)
	}
	if s := r.b.Stats(); s.Duplicate+s.Late != 100 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// Random jitter up to 60 ms: after some seconds nearly everything is in time.
func TestAdaptsToJitterAndComesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tr := trace(3000, func(i int, a *arrival) bool {
		if i < 1500 {
			a.at += time.Duration(rng.Int64N(int64(60 * ms)))
		}
		return true
	})
	b := jitter.New(jitter.Config{})
	split := slices.IndexFunc(tr, func(a arrival) bool { return a.at >= 30*time.Second })
	r := play(b, tr[:split], 30*time.Second)
	s := b.Stats()
	if s.Target < 50*ms || s.Target > 75*ms {
		t.Errorf("target %v for uniform jitter of 60 ms", s.Target)
	}
	if l := float64(s.Lost) / 1500; l > 0.01 {
		t.Errorf("%.1f %% lost", 100*l)
	}
	if d := r.sum(jitter.Conceal); d > 1500*ms {
		t.Errorf("%v of 30 s concealed", d)
	}
	for i := split; i < len(tr); i++ {
		b.Put(tr[i].p, tr[i].at)
	}
	if got := b.Stats().Target; got > 30*ms {
		t.Errorf("target still %v after 30 calm seconds", got)
	}
}

func TestNewSender(t *testing.T) {
	tr := trace(100, func(i int, a *arrival) bool {
		if i >= 50 {
			a.p.SSRC, a.p.Seq, a.p.Timestamp = 2, uint16(i*7919), a.p.Timestamp+12345678
			a.p.Seq = uint16(i + 30000)
		}
		return true
	})
	for i := range 10 { // the old one goes on for a while
		a := tr[49]
		a.at += time.Duration(i+1)*ptime + ms
		a.p.Seq += uint16(i + 1)
		a.p.Timestamp += uint32((i + 1) * 960)
		a.p.Payload = binary.BigEndian.AppendUint32(nil, 9999)
		tr = append(tr, a)
	}
	slices.SortStableFunc(tr, func(a, b arrival) int { return int(a.at - b.at) })
	r := play(jitter.New(jitter.Config{}), tr, 3*time.Second)
	got := r.played()
	if slices.Contains(got, 9999) {
		t.Error("a sender that was replaced was heard again")
	}
	if got[len(got)-1] != 99 || !slices.Contains(got, 50) {
		t.Errorf("played %v", got)
	}
	var fresh []int
	for _, e := range r.events {
		if e.fresh {
			fresh = append(fresh, e.packet)
		}
	}
	if !slices.Equal(fresh, []int{0, 50}) {
		t.Errorf("fresh decoders for packets %v, want 0 and 50", fresh)
	}
	if gap := r.sum(jitter.Idle) - time.Second; gap > 60*ms {
		t.Errorf("silent for %v while the sender changed", gap)
	}
}

func TestOldSenderComesBack(t *testing.T) {
	tr := trace(150, func(i int, a *arrival) bool {
		if i >= 50 && i < 100 {
			a.p.SSRC = 2
		}
		if i >= 100 {
			a.at += time.Second
		}
		return true
	})
	got := play(jitter.New(jitter.Config{}), tr, 5*time.Second).played()
	if got[len(got)-1] != 149 {
		t.Errorf("played up to %d", got[len(got)-1])
	}
}

// A sender that restarts its counters, and one whose timestamps jump.
func TestRestartsAndJumps(t *testing.T) {
	for name, edit := range map[string]func(i int, a *arrival) bool{
		"sequence and timestamp": func(i int, a *arrival) bool {
			if i >= 50 {
				a.p.Seq, a.p.Timestamp = uint16(i+20000), a.p.Timestamp+1e9
			}
			return true
		},
		"timestamp forward": func(i int, a *arrival) bool {
			if i >= 50 {
				a.p.Timestamp += 1e9
			}
			return true
		},
		"timestamp back": func(i int, a *arrival) bool {
			if i >= 50 {
				a.p.Timestamp -= 1e6
			}
			return true
		},
		"clock rate": func(i int, a *arrival) bool {
			if i >= 50 {
				a.p.ClockRate, a.p.Samples, a.p.Timestamp = 8000, 160, uint32(i*160)
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := play(jitter.New(jitter.Config{}), trace(100, edit), 2*time.Second+50*ms)
			if n := len(r.played()); n < 97 {
				t.Errorf("%d of 100 played", n)
			}
			if s := r.b.Stats(); s.Delay > 45*ms {
				t.Errorf("delay %v afterwards", s.Delay)
			}
		})
	}
}

// A clock that steps, however far and in either direction, is heard by nobody: no
// silence, no packet lost, and the delay stays what it was.
func TestClockSteps(t *testing.T) {
	for _, rate := range []uint32{8000, 48000} {
		for name, step := range map[string]uint32{
			"FreeSWITCH back":    1<<32 + 7680 - 77760,
			"FreeSWITCH forward": 2639598983 - 76800,
			"half a second back": -rate / 2, "half a second forward": rate / 2,
			"a tick back": 1<<32 - 161, "300 ms forward": rate * 3 / 10, "900 ms back": -rate * 9 / 10,
			"900 ms forward": rate * 9 / 10, "to the other end": 1 << 31, "nearly": 1<<31 - 1, "a little more": 1<<31 + 1,
		} {
			for path, edit := range map[string]func(i int, a *arrival){
				"":             func(int, *arrival) {},
				" with jitter": func(i int, a *arrival) { a.at += time.Duration(i*7919%15) * ms },
				" and packets that change places": func(i int, a *arrival) {
					switch i { // 98 and 99 come after 100
					case 98:
						a.at += 42 * ms
					case 99:
						a.at += 23 * ms
					}
				},
			} {
				t.Run(fmt.Sprint(name, " at ", rate, path), func(t *testing.T) {
					tr := trace(300, func(i int, a *arrival) bool {
						a.p.ClockRate, a.p.Samples, a.p.Timestamp = int(rate), int(rate)/50, uint32(i)*rate/50+1000
						if i >= 100 {
							a.p.Timestamp += step
						}
						if i >= 200 {
							a.p.Timestamp += step
						}
						edit(i, a)
						return true
					})
					b := jitter.New(jitter.Config{Floor: 60 * ms})
					r := play(b, tr, 6*time.Second+100*ms)
					if got := r.played(); !slices.Equal(got, upTo(300)) {
						t.Errorf("played %v", got)
					}
					if silent := r.sum(jitter.Conceal) + r.sum(jitter.Recover); silent > 40*ms {
						t.Errorf("%v made up", silent)
					}
					if s := b.Stats(); s.Lost+s.Late > 0 || r.worst > 85*ms || s.Delay < 40*ms {
						t.Errorf("delay %v, at worst %v: %+v", s.Delay, r.worst, s)
					}
				})
			}
		}
	}
}

// A sender that changes what it plays may pause as well, and lose packets.
func TestClockStepsInAPause(t *testing.T) {
	for _, pause := range []time.Duration{40 * ms, 300 * ms, 2 * time.Second} {
		for _, step := range []uint32{1<<32 + 7680 - 77760, 2639598983 - 76800, 24000} {
			tr := trace(200, func(i int, a *arrival) bool {
				if i >= 100 {
					a.at += pause
					a.p.Timestamp += step
				}
				return i != 100 && i != 150
			})
			b := jitter.New(jitter.Config{})
			r := play(b, tr, 8*time.Second)
			var back time.Duration // when 101 was heard
			for _, e := range r.events {
				if e.kind == jitter.Play && e.packet == 101 {
					back = e.at - 101*ptime - pause
				}
			}
			if n := len(r.played()); n != 198 || back > 45*ms {
				t.Errorf("pause %v, step %d: %d played, the first after %v", pause, int32(step), n, back)
			}
			if s := b.Stats(); s.Delay > 45*ms {
				t.Errorf("pause %v, step %d: delay %v", pause, int32(step), s.Delay)
			}
		}
	}
}

// After a stall of the network, what comes in a burst is old: the delay must be
// back near the target at once.
func TestStallAndBurst(t *testing.T) {
	for _, stall := range []time.Duration{300 * ms, 900 * ms, 3 * time.Second, 8 * time.Second} {
		tr := trace(800, func(_ int, a *arrival) bool {
			if a.at >= time.Second && a.at < time.Second+stall {
				a.at = time.Second + stall
			}
			return true
		})
		b := jitter.New(jitter.Config{})
		r := play(b, tr, 16*time.Second+300*ms)
		s := b.Stats()
		if limit := s.Target + 150*ms; s.Delay > limit {
			t.Errorf("%v stall: delay %v afterwards, limit %v", stall, s.Delay, limit)
		}
		got := r.played()
		if got[len(got)-1] != 799 {
			t.Errorf("%v stall: played up to %d", stall, got[len(got)-1])
		}
	}
}

func TestPauseComesBackAtTheTarget(t *testing.T) {
	tr := trace(200, func(i int, a *arrival) bool {
		if i >= 100 {
			a.at += 2 * time.Second
			a.p.Timestamp += 2 * 48000
		}
		return true
	})
	r := play(jitter.New(jitter.Config{}), tr, 7*time.Second)
	if s := r.b.Stats(); s.Delay != 10*ms || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// Ten minutes with clocks 200 ppm apart: the delay tells the drift, nothing is lost.
func TestDriftShowsInTheDelay(t *testing.T) {
	for _, ppm := range []float64{200, -200} {
		tr := trace(30000, func(_ int, a *arrival) bool {
			a.at = time.Duration(float64(a.at) * (1 + ppm*1e-6))
			return true
		})
		r := play(jitter.New(jitter.Config{}), tr, 10*time.Minute)
		if s := r.b.Stats(); s.Lost > 0 || r.worst > 200*ms {
			t.Errorf("%g ppm: %+v, worst %v", ppm, s, r.worst)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	b, now, i := jitter.New(jitter.Config{}), time.Duration(0), 0
	p := make([]byte, 80)
	if n := testing.AllocsPerRun(1000, func() {
		if i%10 != 3 {
			b.Put(jitter.Packet{SSRC: 1, Seq: uint16(i), Timestamp: uint32(i * 960), ClockRate: 48000, Samples: 960, Payload: p}, now)
		}
		b.Next(now, 0)
		i++
		now += ptime
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

// FuzzBuffer reads packets and time steps from data. Whatever comes, every answer
// makes some audio, the queue drains, and the delay stays bounded.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 20, 0, 0, 2, 3, 192, 20})
	f.Add([]byte{1, 255, 255, 255, 255, 0, 1, 0, 0, 3, 192, 255, 2, 9, 9, 9, 9, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, now, stamp := jitter.New(jitter.Config{}), time.Duration(0), uint32(0)
		for len(data) >= 6 {
			stamp += uint32(data[3])<<16 | uint32(data[4])<<8
			p := jitter.Packet{
				SSRC: uint32(data[0] & 3), Codec: int(data[0] >> 7), ClockRate: []int{48000, 8000, 0}[data[0]>>2%3],
				Seq: uint16(data[1])<<8 | uint16(data[2]), Timestamp: stamp,
				Samples: int(data[4]) * 8, Repairs: data[3]&1 == 1, Payload: data[:6],
			}
			b.Put(p, now)
			carrier := p.Seq
			p.Seq -= uint16(data[3] >> 1)
			b.Mend(p, carrier, now)
			b.Ready()
			if a := b.Next(now, 0); a.Duration <= 0 || a.Duration > time.Second {
				t.Fatalf("%+v", a)
			}
			now += time.Duration(data[5]) * ms
			data = data[6:]
		}
		for range 3000 {
			now += tick
			b.Next(now, 0)
		}
		if b.Ready() {
			t.Error("packets are left after 30 s")
		}
	})
}
