package simulate

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"intercomd/phone"
	"intercomd/phone/rtc"
)

const (
	maxTimes  = 100_000 // ringing times that are kept, the oldest of them dropped
	maxCurve  = 3600    // seconds of a curve
	maxCauses = 32      // ways in which presses fail, or registrations
	maxFalls  = 16      // losses of the server that are kept, the newest
)

// Report is how the doors of a [Site] fare. Times are seconds; those named At count from the start.
type Report struct {
	At         float64 `json:"at"`
	Doors      int     `json:"doors"`
	Registered int     `json:"registered"`
	Failing    int     `json:"failing"` // that try in vain
	Phones     int     `json:"phones"`  // telephones that are registered
	// Registrations counts those of doors that had none. Now is how many of these there were in the last
	// second, Most in any second.
	Registrations int            `json:"registrations"`
	Now           int            `json:"registrationsNow"`
	Most          int            `json:"registrationsMost"`
	Falls         []Fall         `json:"falls,omitempty"`  // losses of the server
	Faults        map[string]int `json:"faults,omitempty"` // codes of what went wrong with registrations
	Presses       Presses        `json:"presses"`
}

// Fall is a time in which more than half of the doors lost their registration.
type Fall struct {
	At    float64 `json:"at"`    // when the first lost it
	Lost  int     `json:"lost"`  // how many there were without one
	First float64 `json:"first"` // when the first came back; 0: not yet
	All   float64 `json:"all"`   // when the last did; 0: not yet
	Most  int     `json:"most"`  // registrations in any second
	Curve []int   `json:"curve"` // registrations in each second from First on
}

// Presses is what became of presses.
type Presses struct {
	Made     int            `json:"made"`
	Rang     int            `json:"rang"`
	Failed   map[string]int `json:"failed,omitempty"` // that did not ring, by cause and status
	Open     int            `json:"open"`             // calls that are under way
	Cut      int            `json:"cut"`              // calls that the end of the simulation ended before they rang
	Answered int            `json:"answered"`
	Heard    int            `json:"heard"` // calls with sound both ways
	// From the press to the ringing of the far end.
	P50     float64 `json:"p50"`
	P95     float64 `json:"p95"`
	Longest float64 `json:"longest"`
	// Packets of sound, as the doors saw them.
	Sent uint64 `json:"packetsSent"`
	Got  uint64 `json:"packetsReceived"`
}

// mark is what the ledger knows of one door.
type mark struct {
	up, failing bool
}

// ledger counts what happens. It is written by all phones, and bounded however long that goes on.
type ledger struct {
	mu    sync.Mutex
	start time.Time
	r     Report
	total int         // telephones
	last  []time.Time // registrations of the last second
	low   bool        // a fall is under way: not all are back
	lost  time.Time   // when the first of all lost its registration; zero: all have one
	times []time.Duration

	pressAt time.Time // when presses are due; zero: not now
	greeted bool      // all were registered once
	closed  bool      // the doors go: their registrations count no more
}

func newLedger(doors, phones int) *ledger {
	return &ledger{r: Report{Doors: doors, Faults: map[string]int{}, Presses: Presses{Failed: map[string]int{}}}, total: phones}
}

func (l *ledger) begin(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start = now
}

// end keeps the figures of registrations as they are.
func (l *ledger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *ledger) at(t time.Time) float64 { return t.Sub(l.start).Seconds() }

// registered notes how a phone stands with its server.
func (l *ledger) registered(d *door, r phone.Registration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := time.Now()
	was := d.mark
	d.mark = mark{up: r.State == phone.Registered, failing: r.State == phone.FailedRetrying || r.State == phone.RefusedRetrying}
	if r.Problem.Code != "" {
		count(l.r.Faults, r.Problem.Code)
	}
	switch {
	case d.rings:
		l.r.Phones += change(was.up, d.mark.up)
		return
	case d.mark.up && !was.up:
		l.came(now)
	case was.up && !d.mark.up:
		l.went(now)
	}
	l.r.Failing += change(was.failing, d.mark.failing)
}

func change(was, is bool) int {
	switch {
	case is && !was:
		return 1
	case was && !is:
		return -1
	default:
		return 0
	}
}

// count counts a code, of which there are not many.
func count(m map[string]int, code string) {
	if _, ok := m[code]; !ok && len(m) >= maxCauses {
		code = "other"
	}
	m[code]++
}

// came notes a door that has a registration now.
func (l *ledger) came(now time.Time) {
	l.r.Registered++
	l.r.Registrations++
	l.forget(now)
	l.last = append(l.last, now)
	l.r.Most = max(l.r.Most, len(l.last))
	if l.low {
		l.back(&l.r.Falls[len(l.r.Falls)-1], now)
	}
	if l.r.Registered < l.r.Doors {
		return
	}
	l.lost, l.low = time.Time{}, false
	if !l.greeted {
		l.greeted, l.pressAt = true, now
	}
}

// back notes a door that has come back after a fall.
func (l *ledger) back(f *Fall, now time.Time) {
	if f.First == 0 {
		f.First = l.at(now)
		l.pressAt = now.Add(pressAfter)
	}
	f.Most = max(f.Most, len(l.last))
	if l.r.Registered == l.r.Doors {
		f.All = l.at(now)
	}
	for second := int(l.at(now) - f.First); len(f.Curve) <= second && second < maxCurve; {
		f.Curve = append(f.Curve, 0)
	}
	if second := int(l.at(now) - f.First); second < len(f.Curve) {
		f.Curve[second]++
	}
}

// went notes a door that has none any more.
func (l *ledger) went(now time.Time) {
	l.r.Registered--
	if l.lost.IsZero() {
		l.lost = now
	}
	if !l.greeted {
		return
	}
	if without := l.r.Doors - l.r.Registered; l.low {
		f := &l.r.Falls[len(l.r.Falls)-1]
		f.Lost = max(f.Lost, without)
	} else if 2*without > l.r.Doors {
		l.low = true
		if l.r.Falls = append(l.r.Falls, Fall{At: l.at(l.lost), Lost: without}); len(l.r.Falls) > maxFalls {
			l.r.Falls = slices.Delete(l.r.Falls, 0, 1)
		}
	}
}

// forget drops registrations that are older than a second.
func (l *ledger) forget(now time.Time) {
	for len(l.last) > 0 && now.Sub(l.last[0]) >= time.Second {
		l.last = l.last[1:]
	}
}

// pressesDue reports, once, that it is time to press.
func (l *ledger) pressesDue(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := !l.pressAt.IsZero() && !now.Before(l.pressAt)
	if due {
		l.pressAt = time.Time{}
	}
	return due
}

func (l *ledger) pressed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Presses.Made++
	l.r.Presses.Open++
}

func (l *ledger) rang(after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Presses.Rang++
	if l.times = append(l.times, after); len(l.times) > maxTimes {
		l.times = slices.Delete(l.times, 0, maxTimes/2)
	}
}

func (l *ledger) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Presses.Answered++
}

// over notes the end of a call.
func (l *ledger) over(rang bool, e phone.Ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Presses.Open--
	switch {
	case rang:
		return
	case e.Cause == phone.Shutdown:
		l.r.Presses.Cut++
		return
	}
	code := string(e.Cause)
	if e.Status != 0 {
		code += " " + strconv.Itoa(e.Status)
	}
	count(l.r.Presses.Failed, code)
}

// heard notes the sound of a call that is over.
func (l *ledger) heard(s rtc.Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.r.Presses
	p.Sent, p.Got = p.Sent+s.Sent, p.Got+s.Received
	if s.Sent > 0 && s.Received > 0 {
		p.Heard++
	}
}

// report is a copy of the figures as they are now.
func (l *ledger) report(now time.Time) Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	r := l.r
	r.At, r.Now = l.at(now), len(l.last)
	r.Falls = slices.Clone(r.Falls)
	for i := range r.Falls {
		r.Falls[i].Curve = slices.Clone(r.Falls[i].Curve)
	}
	r.Faults, r.Presses.Failed = maps.Clone(r.Faults), maps.Clone(r.Presses.Failed)
	if len(l.times) > 0 {
		times := slices.Clone(l.times)
		slices.SortFunc(times, cmp.Compare)
		part := func(p int) float64 { return times[(len(times)-1)*p/100].Seconds() }
		r.Presses.P50, r.Presses.P95, r.Presses.Longest = part(50), part(95), part(100)
	}
	return r
}
