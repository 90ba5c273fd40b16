package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// onsetBlock is the grain to which the beginning of a tone is found: 10 ms.
const onsetBlock = Rate / 100

// Player plays a tone into the microphone of a card until it is stopped.
type Player struct {
	cmd  *exec.Cmd
	in   *os.File
	done chan struct{}
	mu   sync.Mutex
	fill func(out []int16, n int) // makes what is played from sample n on
}

// Play starts a sine of freq (Hz) at level (dBFS) in front of the microphone.
func (c *Card) Play(freq, level float64) (*Player, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("play into %s: %w", c.Mic(), err)
	}
	cmd := exec.Command(Tool("pacat"), "--playback", "--raw", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=20", "--device="+c.Mic())
	cmd.Env = append(os.Environ(), c.pulse.env()...)
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("play into %s: %w", c.Mic(), err)
	}
	// A long queue would keep playing the old tone after Set.
	_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	p := &Player{cmd: cmd, in: w, done: make(chan struct{})}
	p.Set(freq, level)
	go p.run()
	return p, nil
}

// run feeds the player; the pipe paces it.
func (p *Player) run() {
	defer close(p.done)
	samples := make([]int16, Rate/100)
	raw := make([]byte, 2*len(samples))
	for n := 0; ; n += len(samples) {
		p.mu.Lock()
		fill := p.fill
		p.mu.Unlock()
		fill(samples, n)
		for i, x := range samples {
			binary.LittleEndian.PutUint16(raw[2*i:], uint16(x))
		}
		if _, err := p.in.Write(raw); err != nil {
			return
		}
	}
}

// Set changes the tone. Up to a few hundred ms of the old one are still queued.
func (p *Player) Set(freq, level float64) {
	p.play(func(out []int16, n int) { Sine(out, n, freq, level) })
}

// Noise plays white noise of so many dBFS (RMS) in place of the tone: what a microphone hears where nobody talks.
func (p *Player) Noise(level float64) {
	r := rand.New(rand.NewPCG(1, 2)) // the same each time
	amplitude := 32767 * math.Sqrt(3) * math.Pow(10, level/20)
	p.play(func(out []int16, _ int) {
		for i := range out {
			out[i] = int16(math.Round(amplitude * (2*r.Float64() - 1)))
		}
	})
}

// Chime plays three soft notes every four seconds in place of the tone: something
// that a person can stand.
func (p *Player) Chime() { p.play(chime) }

// Chirps plays a [Chirp] every period, with silence between, in place of the tone.
func (p *Player) Chirps(period time.Duration) {
	every := int(period * Rate / time.Second)
	p.play(func(out []int16, n int) {
		for i := range out {
			out[i] = 0
			if at := (n + i) % every; at < ChirpSize {
				out[i] = int16(32767 * Chirp(at))
			}
		}
	})
}

func (p *Player) play(fill func(out []int16, n int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill = fill
}

// chime fills out with that, beginning at sample n.
func chime(out []int16, n int) {
	for i := range out {
		at := (n + i) % (4 * Rate)
		note, since := at/(Rate/3), float64(at%(Rate/3))/Rate
		out[i] = 0
		if note < 3 {
			freq := [3]float64{523.25, 659.25, 783.99}[note]
			out[i] = int16(6000 * math.Exp(-9*since) * min(1, since*200) * math.Sin(2*math.Pi*freq*since))
		}
	}
}

// Stop ends the tone.
func (p *Player) Stop() {
	_ = p.cmd.Process.Kill()
	_ = p.in.Close()
	_ = p.cmd.Wait()
	<-p.done
}

// Recorder listens to the loudspeaker of a card and remembers the last minute.
type Recorder struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	samples []int16
	first   int       // number of samples heard before samples[0]
	end     time.Time // when the last of samples was received
	origin  time.Time // when sample 0 would have been received without waiting
	more    chan struct{}
}

const remembered = 60 * Rate // samples

// Record starts listening to the loudspeaker.
func (c *Card) Record() (*Recorder, error) { return c.record(c.Speaker()) }

// RecordMic starts listening to what the microphone hears: the lab's own tones.
func (c *Card) RecordMic() (*Recorder, error) { return c.record(c.Mic()) }

func (c *Card) record(sink string) (*Recorder, error) {
	cmd := exec.Command(Tool("parec"), "--raw", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=5", "--device="+sink+".monitor")
	cmd.Env = append(os.Environ(), c.pulse.env()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", sink, err)
	}
	r := &Recorder{cmd: cmd, done: make(chan struct{}), more: make(chan struct{})}
	go r.run(out)
	return r, nil
}

func (r *Recorder) run(out io.Reader) {
	defer close(r.done)
	raw := make([]byte, 2*onsetBlock)
	for {
		if _, err := io.ReadFull(out, raw); err != nil {
			return
		}
		r.mu.Lock()
		for i := 0; i < len(raw); i += 2 {
			r.samples = append(r.samples, int16(binary.LittleEndian.Uint16(raw[i:])))
		}
		if drop := len(r.samples) - remembered; drop > remembered {
			r.samples = append([]int16(nil), r.samples[drop:]...)
			r.first += drop
		}
		r.end = time.Now()
		heard := time.Duration(r.first+len(r.samples)) * time.Second / Rate
		if o := r.end.Add(-heard); r.origin.IsZero() || o.Before(r.origin) {
			r.origin = o
		}
		close(r.more)
		r.more = make(chan struct{})
		r.mu.Unlock()
	}
}

// Last returns the last d of what was heard.
func (r *Recorder) Last(d time.Duration) []int16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.samples), int(d.Seconds()*Rate))
	return append([]int16(nil), r.samples[len(r.samples)-n:]...)
}

// All returns what is remembered and when its first sample was heard: by the count of
// samples since the recording began, which waits for no process. Two recordings that
// lost nothing can be compared by it to a millisecond.
func (r *Recorder) All() ([]int16, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]int16(nil), r.samples...), r.origin.Add(time.Duration(r.first) * time.Second / Rate)
}

// position is the number of the sample that was heard at t.
func (r *Recorder) position(t time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first + len(r.samples) - int(r.end.Sub(t).Seconds()*Rate)
}

// from returns what was heard from sample pos on (or the earliest remembered
// one), the number and time of its first sample, and a channel that is closed
// when there is more.
func (r *Recorder) from(pos int) ([]int16, int, time.Time, chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := min(len(r.samples), max(0, pos-r.first))
	s := append([]int16(nil), r.samples[i:]...)
	return s, r.first + i, r.end.Add(-time.Duration(len(s)) * time.Second / Rate), r.more
}

// Heard waits for a tone of freq at level (dBFS) or louder after t and returns
// when it began, to 10 ms.
func (r *Recorder) Heard(ctx context.Context, t time.Time, freq, level float64) (time.Time, error) {
	begin := r.position(t)
	for pos := begin; ; {
		s, first, start, more := r.from(pos)
		i, ok := onset(s, freq, level)
		if ok {
			return start.Add(time.Duration(i) * time.Second / Rate), nil
		}
		pos = first + i
		select {
		case <-more:
		case <-r.done:
			return time.Time{}, errors.New("the recording ended")
		case <-ctx.Done():
			s, _, _, _ := r.from(begin)
			return time.Time{}, fmt.Errorf("no tone of %.0f Hz at %.0f dBFS was heard: %w (%.1f dBFS of it, %.1f dBFS of everything, in %d ms)",
				freq, level, ctx.Err(), Level(s, freq), RMS(s), len(s)*1000/Rate)
		}
	}
}

// Between waits until everything from t on for d has been heard and returns it.
func (r *Recorder) Between(ctx context.Context, t time.Time, d time.Duration) ([]int16, error) {
	want := int(d.Seconds() * Rate)
	begin := r.position(t)
	for {
		s, _, _, more := r.from(begin)
		if len(s) >= want {
			return s[:want], nil
		}
		select {
		case <-more:
		case <-r.done:
			return nil, errors.New("the recording ended")
		case <-ctx.Done():
			return nil, fmt.Errorf("listen for %v: %w", d, ctx.Err())
		}
	}
}

// onset finds the first sample from which freq is heard at level or louder: 100
// ms that measure loud enough as a whole, then the first 10 ms of them that do.
// Without one it returns where to go on when there is more.
func onset(s []int16, freq, loud float64) (int, bool) {
	i := 0
	for ; i+block <= len(s); i += onsetBlock {
		if Level(s[i:i+block], freq) < loud {
			continue
		}
		for j := i; j+onsetBlock <= i+block; j += onsetBlock {
			if level(s[j:j+onsetBlock], freq, onsetWindow) >= loud {
				return j, true
			}
		}
		return i, true
	}
	return i, false
}

// Stop ends the recording.
func (r *Recorder) Stop() {
	_ = r.cmd.Process.Kill()
	<-r.done
	_ = r.cmd.Wait()
}
