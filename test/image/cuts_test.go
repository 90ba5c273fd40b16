package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"intercomd/test/lab"
	"intercomd/update"
	"intercomd/update/slot"
)

// cutsVar is at how many points of an update the power is cut.
const cutsVar = "INTERCOMD_CUTS"

// cutStarts is how many of the cards that are left then are started in the machine.
const cutStarts = 10

// event is a write to the card, or a flush if it has no data: all before it are on the card.
type event struct {
	at   int64
	data []byte
}

func (e event) flush() bool { return e.data == nil }

// readLog reads what QEMU's blklogwrites has written down, in the format of dm-log-writes
// (Linux, drivers/md/dm-log-writes.c).
func readLog(path string) ([]event, error) {
	log, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const (
		magic, sector              = 0x6a736677736872, 512
		flagFlush, flagFUA, flagGo = 1, 2, 4
	)
	le := binary.LittleEndian
	if len(log) < sector || le.Uint64(log) != magic || le.Uint32(log[24:]) != sector {
		return nil, errors.New("it is no record of writes")
	}
	var events []event
	for n := le.Uint64(log[16:]); n > 0; n-- {
		log = log[sector:]
		if len(log) < sector {
			return nil, errors.New("the record of writes ends in the middle")
		}
		at, size, flags := int64(le.Uint64(log))*sector, int(le.Uint64(log[8:]))*sector, le.Uint64(log[16:])
		if flags&flagFlush != 0 {
			events = append(events, event{})
		}
		if size == 0 || flags&flagGo != 0 { // what is discarded stays as it is
			continue
		}
		if len(log) < sector+size {
			return nil, errors.New("the record of writes ends in the middle")
		}
		events = append(events, event{at, log[sector:][:size:size]})
		log = log[size:]
		if flags&flagFUA != 0 {
			events = append(events, event{})
		}
	}
	return events, nil
}

// replay is a card to which recorded writes are done again.
type replay struct {
	t      *testing.T
	file   *os.File
	events []event
	done   int // events that are on the card for good
	dirty  map[slot.Slot]int
	state  map[slot.Slot]contents // of the slots, as long as dirty says so
}

type contents struct {
	dirty   int
	release string
}

func (r *replay) put(at int64, data []byte) {
	r.t.Helper()
	if _, err := r.file.WriteAt(data, at); err != nil {
		r.t.Fatal(err)
	}
	for s, where := range map[slot.Slot][2]int64{slot.A: {bootA, rootA}, slot.B: {bootB, rootB}} {
		for i, size := range []int64{bootSize, rootSize} {
			if at < (where[i]+size)<<20 && at+int64(len(data)) > where[i]<<20 {
				r.dirty[s]++
			}
		}
	}
}

// cut calls look with the card as a power cut right after n events may leave it: all that was
// flushed is on it, and of what was not either everything, the last write in part, or any of it.
func (r *replay) cut(n int, chance *rand.Rand, look func()) {
	r.t.Helper()
	stable := n
	for stable > r.done && !r.events[stable-1].flush() {
		stable--
	}
	for ; r.done < stable; r.done++ {
		r.put(r.events[r.done].at, r.events[r.done].data)
	}
	inOrder := chance.IntN(2) == 0
	var undo []event
	for i, e := range r.events[stable:n] {
		part := e.data
		switch {
		case inOrder && stable+i == n-1, !inOrder && chance.IntN(4) == 0:
			part = part[:chance.IntN(len(part)/slot.SectorSize+1)*slot.SectorSize]
		case !inOrder && chance.IntN(2) == 0:
			continue
		}
		old := make([]byte, len(part))
		if _, err := r.file.ReadAt(old, e.at); err != nil {
			r.t.Fatal(err)
		}
		undo = append(undo, event{e.at, old})
		r.put(e.at, part)
	}
	look()
	for _, e := range slices.Backward(undo) {
		r.put(e.at, e.data)
	}
}

// release tells which system is in a slot, whole: "old", "new", or "" for neither.
func (r *replay) release(s slot.Slot, releases map[string][2][]byte) string {
	r.t.Helper()
	if c, ok := r.state[s]; ok && c.dirty == r.dirty[s] {
		return c.release
	}
	where := map[slot.Slot][2]int64{slot.A: {bootA, rootA}, slot.B: {bootB, rootB}}[s]
	c := contents{dirty: r.dirty[s]}
	for name, parts := range releases {
		same := true
		for i, part := range parts {
			got := make([]byte, len(part))
			if _, err := r.file.ReadAt(got, where[i]<<20); err != nil {
				r.t.Fatal(err)
			}
			same = same && bytes.Equal(got, part)
		}
		if same {
			c.release = name
		}
	}
	r.state[s] = c
	return c.release
}

// afterCut is what a start makes of a card.
type afterCut struct {
	slot  slot.Slot
	stage update.Stage // as the agent sees it
	// repaired: the data partition could not be mounted as it was.
	repaired bool
}

// judge plays the start after a power cut: firmware, initrd, the check of the data partition
// and the agent, without a machine.
func (r *replay) judge(card *layered, releases map[string][2][]byte) (out afterCut, err error) {
	choice, err := slot.ReadChoice(card) // the wish for a trial went with the power
	if err != nil {
		return out, err
	}
	out.slot = choice.Slot()
	want := map[slot.Slot]string{slot.A: "old", slot.B: "new"}[out.slot]
	if got := r.release(out.slot, releases); want == "" || got != want {
		return out, fmt.Errorf("autoboot.txt starts partition %d, in which there is the release %q", choice.Start, got)
	}
	record, err := slot.ReadRecord(card)
	if err != nil {
		return out, err
	}
	if record.Begin(out.slot, false) {
		return out, errors.New("the initrd gives the slot up")
	}
	if err := slot.WriteRecord(card, record); err != nil {
		return out, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(r.file.Name()), "cut")
	if err != nil {
		return out, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if out.repaired, err = r.data(card, dir); err != nil {
		return out, err
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	agent := update.NewAgent(update.Config{Store: update.Dir(dir), Machine: cardOf{card, out.slot}, Version: want, Boot: "cut",
		Limits: update.LimitsOf(0), Log: slog.New(slog.DiscardHandler)})
	ended := make(chan struct{})
	go func() { defer close(ended); agent.Run(ctx) }()
	status, err := agent.Status(ctx)
	cancel()
	<-ended
	out.stage = status.Stage
	return out, err
}

// data checks the data partition as a start does, and copies what is kept of updates to dir.
func (r *replay) data(card slot.Device, dir string) (repaired bool, err error) {
	table, err := slot.ReadTable(card)
	if err != nil {
		return false, err
	}
	p, err := table.Partition(slot.DataPartition)
	if err != nil {
		return false, err
	}
	image := filepath.Join(dir, "data.img")
	ctx := r.t.Context()
	run := func(name string, args ...string) (exit int, err error) {
		said, err := exec.CommandContext(ctx, lab.Tool(name), args...).CombinedOutput()
		var bad *exec.ExitError
		if errors.As(err, &bad) {
			return bad.ExitCode(), fmt.Errorf("%s %v: %w: %s", name, args, err, said)
		}
		return 0, err
	}
	if _, err := run("dd", "if="+r.file.Name(), "of="+image, "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none",
		fmt.Sprint("skip=", int64(p.Start)*slot.SectorSize), fmt.Sprint("count=", int64(p.Size)*slot.SectorSize)); err != nil {
		return false, err
	}
	// The journal, and what a kernel does as well: -p refuses everything that needs a decision.
	if exit, err := run("e2fsck", "-f", "-p", image); err != nil && exit > 1 {
		// What cannot be mounted is repaired as usr/lib/intercom/data in the image does, and told:
		// a superblock of which half was written.
		repaired = true
		if exit, err := run("e2fsck", "-f", "-y", image); err != nil && exit > 3 {
			if exit, err = run("e2fsck", "-f", "-y", image); err != nil && exit > 3 {
				return true, err
			}
		}
		if exit, err := run("e2fsck", "-f", "-p", image); err != nil && exit > 1 {
			return true, err
		}
	}
	for _, name := range []string{"update.json", "updates.jsonl"} {
		to := filepath.Join(dir, name)
		_ = exec.CommandContext(ctx, lab.Tool("debugfs"), "-R", "dump /updates/"+name+" "+to, image).Run()
		text, err := os.ReadFile(to)
		if errors.Is(err, os.ErrNotExist) || err == nil && len(text) == 0 && name != "update.json" {
			_ = os.Remove(to)
			continue
		}
		if err != nil {
			return repaired, err
		}
		for line := range bytes.Lines(text) {
			if !json.Valid(line) {
				return repaired, fmt.Errorf("%s has %q", name, line)
			}
		}
	}
	return repaired, nil
}

// layered keeps what is written to a card to itself.
type layered struct {
	file    *os.File
	written map[int64][]byte
}

func (l *layered) ReadAt(p []byte, off int64) (int, error) {
	if s, ok := l.written[off]; ok {
		return copy(p, s), nil
	}
	return l.file.ReadAt(p, off)
}

func (l *layered) WriteAt(p []byte, off int64) (int, error) {
	l.written[off] = bytes.Clone(p)
	return len(p), nil
}

func (l *layered) Sync() error { return nil }

// cardOf is the machine of the agent.
type cardOf struct {
	card    slot.Device
	running slot.Slot
}

func (c cardOf) Running() (string, bool) { return c.running.String(), false }

func (c cardOf) Pending() (string, error) {
	r, err := slot.ReadRecord(c.card)
	if r.Pending == 0 || r.Tried {
		return "", err
	}
	return r.Pending.String(), err
}

func (c cardOf) Why() (string, error) {
	r, err := slot.ReadRecord(c.card)
	return r.Why, err
}

func (c cardOf) Try(string) error    { return nil }
func (c cardOf) Commit() error       { return errors.New("there is nothing to commit") }
func (c cardOf) GiveUp(string) error { return errors.New("there is nothing to give up") }
func (c cardOf) Restart() error      { return errors.New("nobody restarts here") }

// cuts cuts the power while an update is installed, tried and committed. before is the card
// before it, logs are the writes of the starts that made after of it.
func cuts(t *testing.T, before, after string, logs []string) {
	n := 100
	if s := os.Getenv(cutsVar); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	releases := map[string][2][]byte{}
	for name, dir := range map[string]string{"old": "", "new": "9.0.1"} {
		var parts [2][]byte
		for i, file := range []string{"boot.vfat", "root.erofs"} {
			var err error
			if parts[i], err = os.ReadFile(filepath.Join(os.Getenv(imageVar), dir, file)); err != nil {
				t.Fatal(err)
			}
		}
		releases[name] = parts
	}
	r := &replay{t: t, dirty: map[slot.Slot]int{}, state: map[slot.Slot]contents{}}
	var phases []int // where each start begins
	for _, l := range logs {
		events, err := readLog(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		phases = append(phases, len(r.events))
		r.events = append(append(r.events, events...), event{}) // whoever switches off has flushed
	}
	var err error
	if r.file, err = os.OpenFile(before, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.file.Close() }()

	seed := rand.Uint64()
	chance := rand.New(rand.NewPCG(seed, 0))
	points := choose(r.events, phases, n, chance)
	starts := map[int]bool{}
	for i := range cutStarts {
		starts[(2*i+1)*len(points)/(2*cutStarts)] = true
	}
	// A commit before there is anything to commit would not pass.
	early := &layered{file: r.file, written: map[int64][]byte{}}
	if err := slot.Commit(early, slot.B); err != nil {
		t.Fatal(err)
	}
	if got, err := r.judge(early, releases); err == nil {
		t.Errorf("a card is judged to start slot %s, where the new system is not yet", got.slot)
	}
	found := map[string]int{}
	for i, at := range points {
		r.cut(at, chance, func() {
			got, err := r.judge(&layered{file: r.file, written: map[int64][]byte{}}, releases)
			phase := len(phases)
			for phase > 1 && at <= phases[phase-1] {
				phase--
			}
			if err == nil && (got.slot == slot.B) != (got.stage == update.Committed) {
				err = fmt.Errorf("slot %s runs, and the agent says %q", got.slot, got.stage)
			}
			if err != nil {
				t.Errorf("power cut after event %d of %d, in start %d: %v (seed %d)", at, len(r.events), phase, err, seed)
				return
			}
			what := fmt.Sprintf("start %d: slot %s, update %q", phase, got.slot, cmp.Or(got.stage, "none"))
			if got.repaired {
				what += ", data repaired"
			}
			found[what]++
			if starts[i] || got.repaired && found[what] == 1 {
				r.start(got)
			}
		})
	}
	for _, what := range slices.Sorted(maps.Keys(found)) {
		t.Logf("%4d cuts in %s", found[what], what)
	}
	// The record is whole: it makes of the card before the very card after.
	r.cut(len(r.events), chance, func() {
		if out, err := exec.CommandContext(t.Context(), lab.Tool("cmp"), before, after).CombinedOutput(); err != nil {
			t.Errorf("the writes that were recorded do not make the card: %v %s", err, out)
		}
	})
	t.Logf("%d power cuts among %d writes and flushes, %d of them started; seed %d", len(points), len(r.events), len(starts), seed)
}

// choose picks n points for power cuts: around each write to what decides over a start, and
// random ones, as many in each start, half of them by writes and half by flushes. The same
// point twice is not the same cut: what of the last writes is on the card is chance.
func choose(events []event, phases []int, n int, chance *rand.Rand) []int {
	var points, flushes []int
	for i, e := range events {
		if e.flush() {
			flushes = append(flushes, i)
		} else if e.at < (settingsAt+bootSize)<<20 || len(e.data) == slot.SectorSize && e.at > rootA<<20 {
			points = append(points, i, i+1)
		}
	}
	chance.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	points = points[:min(len(points), n)]
	inside := func(list []int, from, to int) []int {
		a, _ := slices.BinarySearch(list, from)
		b, _ := slices.BinarySearch(list, to)
		return list[a:b]
	}
	for i := 0; len(points) < n; i++ {
		from, to := phases[i%len(phases)], len(events)
		if i%len(phases)+1 < len(phases) {
			to = phases[i%len(phases)+1]
		}
		at := from + chance.IntN(to-from)
		if f := inside(flushes, from, to); i/len(phases)%2 == 0 && len(f) > 1 {
			j := chance.IntN(len(f) - 1)
			at = f[j] + 1 + chance.IntN(f[j+1]-f[j])
		}
		points = append(points, at)
	}
	slices.Sort(points)
	return points
}

// start starts the card as it is in the machine.
func (r *replay) start(want afterCut) {
	r.t.Helper()
	b := newBoardOf(r.t, 1<<20)
	b.run("cp", "--sparse=always", r.file.Name(), b.card)
	part := want.slot.BootPartition()
	notes := `NOTES .*`
	if want.repaired {
		notes = `NOTES .*card-data-(repaired|new).*`
	}
	b.start(inspect+"systemctl poweroff\n").wants(part, false, off).says(`DOOR active`, `FAILED \.`, notes)
	_ = os.Remove(b.card)
}
