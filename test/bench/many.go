package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"intercomd/test/lab"
)

const (
	manyPresses = 100
	manyPhones  = 20
	manyAway    = 2 * time.Second // that the server is dead
	manyPatient = 4 * time.Minute
	manyBack    = 60.0 // seconds, for all doors
	manyPeak    = 50.0 // registrations in a second
)

// comeback is how a site came back after its server was killed.
type comeback struct {
	spread        time.Duration
	all           time.Duration // from when the server listened again
	peak          int           // registrations that the server granted in any second
	curve         []int         // the same, by second
	before, after presses
	use           lab.Usage
	doors         int
}

type presses struct {
	made, rang int
	p95        float64 // ms
}

// errDied is a server that ended by itself: Kamailio 5.6 with OpenSSL 3 does now and then, of many connections at once.
var errDied = errors.New("the server has died")

// manyDoors plays doors against Kamailio, kills that and starts it anew: as a site that spreads its return, and as doors
// that think of themselves only. Then it plays a power cut of the site. It draws both curves into a file, if one is named.
func manyDoors(ctx context.Context, binary string, n int, picture string) error {
	wide, err := comeBack(ctx, binary, n, "")
	if err != nil {
		return err
	}
	narrow, err := comeBack(ctx, binary, n, "0s")
	for again := 0; errors.Is(err, errDied) && again < 3; again++ {
		fmt.Println("without a spread,", err)
		narrow, err = comeBack(ctx, binary, n, "0s")
	}
	if err != nil {
		return err
	}
	cut, err := powerCut(ctx, binary, n)
	if err != nil {
		return err
	}
	report([]result{
		{what: fmt.Sprintf("%d doors: all registered after the server listens", n), unit: "s", ours: wide.all.Seconds(), ref: narrow.all.Seconds(), limit: manyBack},
		{what: "registrations granted in any second", unit: "", ours: float64(wide.peak), ref: float64(narrow.peak), limit: manyPeak},
		{what: fmt.Sprintf("of %d presses in a quiet minute, do not ring", wide.before.made), unit: "", ours: float64(wide.before.made - wide.before.rang), limit: 0.5},
		{what: fmt.Sprintf("of %d presses in the minute of the return, do not ring", wide.after.made), unit: "", ours: float64(wide.after.made - wide.after.rang), limit: 0.5},
		{what: "press to ringing, quiet, 95 %", unit: "ms", ours: wide.before.p95, ref: narrow.before.p95},
		{what: "press to ringing, while doors come back, 95 %", unit: "ms", ours: wide.after.p95, ref: narrow.after.p95},
		{what: "after a power cut: all registered after all have started", unit: "s", ours: cut.all.Seconds(), limit: manyBack},
		{what: "after a power cut: registrations granted in any second", unit: "", ours: float64(cut.peak), limit: manyPeak},
		{what: "memory of the simulation, for each door", unit: "kB", ours: float64(wide.use.RSS) / float64(n)},
	}, "Yardstick: the same doors with reconnect_spread = \"0s\", in the same run.")
	if picture != "" {
		return os.WriteFile(picture, []byte(drawing(wide, narrow)), 0o644)
	}
	return nil
}

// estate is a server and its doors.
type estate struct {
	dir    string
	config lab.KamailioConfig
	server *lab.Kamailio
	sim    *lab.Simulation
	doors  int
}

// gather starts a server and n doors, with further arguments of the simulation. Whatever it returns is to be stopped.
func gather(ctx context.Context, binary string, n int, args ...string) (*estate, error) {
	dir, err := os.MkdirTemp("", "intercomd-many-")
	if err != nil {
		return nil, err
	}
	c := &estate{dir: dir, doors: n}
	if binary, err = filepath.Abs(binary); err != nil {
		return c, err
	}
	ca, err := lab.NewCA(dir, "ca")
	if err != nil {
		return c, err
	}
	cert, key, err := ca.Issue(dir, "server", lab.Address)
	if err != nil {
		return c, err
	}
	users := lab.SimulatedUsers("door%04d", n)
	for u, p := range lab.SimulatedUsers("phone%04d", manyPhones) {
		users[u] = p
	}
	c.config = lab.KamailioConfig{Dir: filepath.Join(dir, "kamailio"), Addresses: []string{lab.Address}, Domain: lab.Domain, Users: users,
		SIPPort: 5060, WSPort: 6443, WSSPort: 7443, CertFile: cert, KeyFile: key, Memory: 64 + n}
	if c.server, err = lab.StartKamailio(ctx, c.config); err != nil {
		return c, err
	}
	args = append([]string{"-account", "door%04d", "-phones", strconv.Itoa(manyPhones)}, args...)
	c.sim, err = lab.StartSimulation(binary, dir, "wss://"+lab.Address+":7443", ca.CertFile, users, append(args, strconv.Itoa(n))...)
	return c, err
}

func (c *estate) stop() {
	if c == nil {
		return
	}
	if c.sim != nil {
		_ = c.sim.Stop(10 * time.Second)
	}
	if c.server != nil {
		_ = c.server.Stop(3 * time.Second)
	}
	_ = os.RemoveAll(c.dir)
}

// there waits until all are registered and so many presses are over, as long as the server lives.
func (c *estate) there(ctx context.Context, what string, made int) (lab.SimulationReport, error) {
	ctx, cancel := context.WithTimeout(ctx, manyPatient)
	defer cancel()
	died := false
	r, err := c.sim.Wait(ctx, what, func(r lab.SimulationReport) bool {
		select {
		case <-c.server.Exited():
			died = true
		default:
		}
		return died || r.Registered == c.doors && r.Phones == manyPhones && r.Presses.Made == made && r.Presses.Open == 0
	})
	if died {
		err = fmt.Errorf("%s: %w", what, errDied)
	}
	if err != nil {
		err = fmt.Errorf("%w\nlog of the server:\n%s", err, c.server.Tail(20))
	}
	return r, err
}

// comeBack plays a server that is killed.
func comeBack(ctx context.Context, binary string, n int, spread string) (c comeback, err error) {
	args := []string{"-presses", strconv.Itoa(manyPresses)}
	if spread != "" {
		args = append(args, "-spread", spread)
	}
	all, err := gather(ctx, binary, n, args...)
	defer all.stop()
	if err != nil {
		return c, err
	}
	fmt.Printf("%d doors register\n", n)
	r, err := all.there(ctx, "presses in a quiet minute", manyPresses)
	if err != nil {
		return c, err
	}
	c.before = presses{r.Presses.Made, r.Presses.Rang, 1000 * r.Presses.P95}
	fmt.Println("the server is killed")
	if err := all.server.Signal(syscall.SIGKILL); err != nil {
		return c, err
	}
	<-all.server.Exited()
	if err := wait(ctx, manyAway); err != nil {
		return c, err
	}
	if all.server, err = lab.StartKamailio(ctx, all.config); err != nil {
		return c, err
	}
	listens := time.Now()
	fmt.Println("the server listens again")
	if r, err = all.there(ctx, "presses while doors come back", 2*manyPresses); err != nil {
		return c, err
	}
	if c.use, err = lab.UsageOf(all.sim.Pid); err != nil {
		return c, err
	}
	c.after = presses{r.Presses.Made - c.before.made, r.Presses.Rang - c.before.rang, 1000 * r.Presses.P95}
	c.spread, c.doors = time.Duration(r.Spread*float64(time.Second)), n
	if err := c.granted(all.server, listens); err != nil {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err = all.sim.End(ctx)
	fmt.Printf("at the end: presses %+v, faults %v\nregistrations a second after the return of the server, reconnect_spread %s:\n%s", r.Presses, r.Faults, c.spread, chart(c))
	return c, err
}

// powerCut plays doors that all start in the same moment, with their server there.
func powerCut(ctx context.Context, binary string, n int) (c comeback, err error) {
	fmt.Printf("%d doors start together\n", n)
	begin := time.Now()
	all, err := gather(ctx, binary, n, "-power-cut")
	defer all.stop()
	if err != nil {
		return c, err
	}
	if _, err := all.there(ctx, "all doors after a power cut", 0); err != nil {
		return c, err
	}
	c.doors = n
	if err := c.granted(all.server, begin); err != nil {
		return c, err
	}
	fmt.Printf("registrations a second after a power cut:\n%s", chart(c))
	return c, nil
}

// granted reads the server's own record of the registrations that it granted: the first of each door.
func (c *comeback) granted(server *lab.Kamailio, listens time.Time) error {
	seen := map[string]bool{}
	var times []time.Time
	for _, m := range server.Sent() {
		if m.Method == "REGISTER" && m.Status == 200 && strings.HasPrefix(m.From, "door") && !seen[m.From] {
			seen[m.From] = true
			times = append(times, m.At)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	from := 0
	for i, t := range times {
		for t.Sub(times[from]) >= time.Second {
			from++
		}
		c.peak = max(c.peak, i-from+1)
		for second := int(max(t.Sub(listens), 0) / time.Second); ; {
			if second < len(c.curve) {
				c.curve[second]++
				break
			}
			c.curve = append(c.curve, 0)
		}
	}
	if len(times) != c.doors {
		return errors.New("the server did not grant every door a registration")
	}
	c.all = times[len(times)-1].Sub(listens)
	return nil
}

// chart draws a curve as text.
func chart(c comeback) string {
	var b strings.Builder
	scale := max(slices.Max(c.curve)/60, 1)
	for s, k := range c.curve {
		fmt.Fprintf(&b, "%3d s %4d %s\n", s, k, strings.Repeat("#", (k+scale-1)/scale))
	}
	return b.String()
}

// Measures of the picture, in pixels.
const (
	drawnWidth, drawnHeight = 640, 240
	drawnLeft, drawnBottom  = 44, 36
	drawnTop                = 28
)

// drawing is both curves as a picture: what the site does in front, what doors do that know of no others behind it.
func drawing(wide, narrow comeback) string {
	seconds := max(len(wide.curve), len(narrow.curve)) + 2
	most := max(slices.Max(wide.curve), slices.Max(narrow.curve))
	most = (most + 99) / 100 * 100
	x := func(s int) float64 { return drawnLeft + float64(s)*float64(drawnWidth-drawnLeft-8)/float64(seconds) }
	y := func(n int) float64 {
		return float64(drawnHeight-drawnBottom) - float64(n)*float64(drawnHeight-drawnBottom-drawnTop)/float64(most)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#333">`+"\n", drawnWidth, drawnHeight, drawnWidth, drawnHeight)
	fmt.Fprintf(&b, `<title>Registrations a second of %d doors after their server was killed</title>`+"\n", wide.doors)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", drawnWidth, drawnHeight)
	for n := 0; n <= most; n += 100 {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d</text>`+"\n", drawnLeft, y(n), drawnWidth-8, drawnLeft-6, y(n)+4, n)
	}
	for s := 0; s <= seconds; s += 10 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d s</text>`+"\n", x(s), drawnHeight-drawnBottom+16, s)
	}
	bars := func(curve []int, colour string) {
		fmt.Fprintf(&b, `<path fill="%s" d="`, colour)
		for s, n := range curve {
			if n > 0 {
				fmt.Fprintf(&b, "M%.1f %.1fV%.1fH%.1fV%.1fz", x(s), y(0), y(n), x(s+1)-1, y(0))
			}
		}
		fmt.Fprintln(&b, `"/>`)
	}
	bars(narrow.curve, "#c9c9c9")
	bars(wide.curve, "#1f6fb2")
	fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#b22" stroke-dasharray="5 4"/>`+"\n", drawnLeft, y(int(manyPeak)), drawnWidth-8)
	fmt.Fprintf(&b, `<rect x="%d" y="8" width="10" height="10" fill="#1f6fb2"/><text x="%d" y="17">reconnect_spread %s: %d at most</text>`+"\n", drawnLeft+90, drawnLeft+106, wide.spread, wide.peak)
	fmt.Fprintf(&b, `<rect x="%d" y="8" width="10" height="10" fill="#c9c9c9"/><text x="%d" y="17">0s: %d at most</text><text x="%d" y="17" fill="#b22">- - 50</text>`+"\n", drawnLeft+330, drawnLeft+346, narrow.peak, drawnLeft+470)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">registrations a second of %d doors, from when the server listens again</text>`+"\n</svg>\n", (drawnLeft+drawnWidth)/2, drawnHeight-4, wide.doors)
	return b.String()
}
