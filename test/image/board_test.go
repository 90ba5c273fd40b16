package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// Where things are on the card (image/compose.sh), in MiB.
const (
	settingsAt, bootA, bootB, bootSize = 4, 68, 132, 64
	rootA, rootB, rootSize             = 197, 358, 160
	dataAt                             = 519
)

// bootLimit is long: an emulated processor on a busy machine is slow.
const bootLimit = 12 * time.Minute

// board is a board with a card in it.
type board struct {
	t     *testing.T
	dir   string
	card  string
	trial bool   // the firmware has been asked for a trial start
	extra string // for the kernel's command line
	net   string // how QEMU connects it; "" is to nothing
	qemu  []string
	arm64 bool // the very card image of the boards, with their processor
	// log, when set, gets every write to the card and every flush, in their order (cuts_test.go).
	log string
	// hears are called when the console says a text, once each.
	hears map[string]func()
}

// newBoard puts a fresh card of two gigabytes in.
func newBoard(t *testing.T) *board { return newBoardOf(t, 2<<30) }

// newBoardOf puts a fresh card of that many bytes in.
func newBoardOf(t *testing.T, size int64) *board {
	t.Helper()
	version, err := os.ReadFile(filepath.Join(os.Getenv(imageVar), "version"))
	if err != nil {
		t.Fatal(err)
	}
	b := &board{t: t, dir: t.TempDir(), arm64: strings.Contains(string(version), "arch arm64\n")}
	b.card = filepath.Join(b.dir, "card.img")
	b.run("cp", "--sparse=always", filepath.Join(os.Getenv(imageVar), "card.img"), b.card)
	if err := os.Truncate(b.card, size); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *board) run(name string, args ...string) string {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), lab.Tool(name), args...)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%v: %v", cmd, err)
	}
	return string(out)
}

// copySlot makes B what A is, as an update does.
func (b *board) copySlot() {
	b.t.Helper()
	for _, m := range [][3]int{{bootA, bootB, bootSize}, {rootA, rootB, rootSize}} {
		b.run("dd", "if="+b.card, "of="+b.card, "bs=1M", fmt.Sprint("skip=", m[0]), fmt.Sprint("seek=", m[1]), fmt.Sprint("count=", m[2]), "conv=notrunc", "status=none")
	}
}

// overwrite puts size MiB of zeros, or of noise, onto the card.
func (b *board) overwrite(at, size int, with string) {
	b.t.Helper()
	b.run("dd", "if="+with, "of="+b.card, "bs=1M", fmt.Sprint("seek=", at), fmt.Sprint("count=", size), "conv=notrunc", "status=none")
}

// write puts a file onto the partition that people write to.
func (b *board) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.run("mcopy", "-o", "-i", fmt.Sprintf("%s@@%dM", b.card, settingsAt), path, "::"+name)
}

// read returns a file of it.
func (b *board) read(name string) string {
	b.t.Helper()
	return b.run("mtype", "-i", fmt.Sprintf("%s@@%dM", b.card, settingsAt), "::"+name)
}

// delete removes a file from it.
func (b *board) delete(name string) {
	b.t.Helper()
	b.run("mdel", "-i", fmt.Sprintf("%s@@%dM", b.card, settingsAt), "::"+name)
}

// autoboot is what the firmware makes of autoboot.txt: the partitions of a plain start
// and of a trial.
func (b *board) autoboot() (plain, trial int) {
	b.t.Helper()
	text := b.run("mtype", "-i", fmt.Sprintf("%s@@%dM", b.card, settingsAt), "::autoboot.txt")
	if len(text) != 512 {
		b.t.Errorf("autoboot.txt has %d bytes", len(text))
	}
	section := ""
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "[") {
			section = line
		}
		var n int
		if _, err := fmt.Sscanf(line, "boot_partition=%d", &n); err == nil {
			if section == "[tryboot]" {
				trial = n
			} else {
				plain = n
			}
		}
	}
	return plain, trial
}

// ending is how a start came to its end.
type ending string

const (
	off        ending = "off"
	restart    ending = "restart"
	trialStart ending = "restart for a trial"
	cut        ending = "power cut"
	hung       ending = "nothing"
)

// boot is one start from power on to its end.
type boot struct {
	t       *testing.T
	part    int
	trial   bool
	console string
	end     ending
}

// The unit that runs the script, once the door is up or has failed to.
const testUnit = `[Unit]
After=intercomd.service intercom-data.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c "tr -d '\\000' </dev/vdb >/run/t; exec /bin/sh /run/t >/dev/console 2>&1"
`

// start switches the board on, or lets it restart, and runs script in the system that comes
// up. It returns when the machine is off or restarts. A line of the script's that begins
// with "CUT" takes the power away.
func (b *board) start(script string) *boot {
	b.t.Helper()
	plain, trial := b.autoboot()
	s := &boot{t: b.t, part: plain, trial: b.trial}
	if b.trial {
		s.part = trial
	}
	b.trial = false
	at, ok := map[int]int{2: bootA, 3: bootB}[s.part]
	if !ok {
		b.t.Fatalf("autoboot.txt starts partition %d: the board is dead", s.part)
	}
	files := filepath.Join(b.dir, "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		b.t.Fatal(err)
	}
	fs := fmt.Sprintf("%s@@%dM", b.card, at)
	b.run("mcopy", "-n", "-o", "-i", fs, "::vmlinuz", "::initrd", "::cmdline.txt", files+"/")
	line, err := os.ReadFile(filepath.Join(files, "cmdline.txt"))
	if err != nil {
		b.t.Fatal(err)
	}
	qemu, machine, console := "qemu-system-x86_64", []string{"-M", "q35", "-cpu", "max"}, "console=ttyS0 random.trust_cpu=1"+knownTSC()
	if b.arm64 {
		qemu, machine, console = "qemu-system-aarch64", []string{"-M", "virt", "-cpu", "cortex-a53"}, "console=ttyAMA0"
	}
	args := []string{console, fmt.Sprint("door.partition=", s.part), "door.tryboot=0"}
	if s.trial {
		args[len(args)-1] = "door.tryboot=1"
	}
	for _, word := range strings.Fields(string(line)) {
		if !strings.HasPrefix(word, "console=") {
			args = append(args, word)
		}
	}
	if b.extra != "" {
		args = append(args, b.extra)
	}
	disk2 := filepath.Join(b.dir, "script")
	if script != "" {
		args = append(args, "systemd.wants=image-test.service",
			"systemd.set_credential_binary=systemd.extra-unit.image-test.service:"+base64.StdEncoding.EncodeToString([]byte(testUnit)))
	}
	if err := os.WriteFile(disk2, append([]byte(script), make([]byte, 65536-len(script))...), 0o600); err != nil {
		b.t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(b.t.Context(), bootLimit)
	defer cancel()
	machine = append(append(machine, "-accel", "tcg,thread=multi,tb-size=512", "-smp", "2", "-m", "512",
		"-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
		"-kernel", filepath.Join(files, "vmlinuz"), "-initrd", filepath.Join(files, "initrd"), "-append", strings.Join(args, " "),
		"-device", "virtio-blk-pci,drive=card", "-drive", "file="+disk2+",format=raw,if=none,id=script,readonly=on", "-device", "virtio-blk-pci,drive=script",
		"-netdev", cmp.Or(b.net, "user,id=net,restrict=on"), "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"), b.qemu...)
	card := "file=" + b.card + ",format=raw,if=none,id=card,cache=writeback"
	if b.log != "" {
		card = "driver=blklogwrites,if=none,id=card,cache=writeback,log-sector-size=512,file.driver=file,file.filename=" + b.card + ",log.driver=file,log.filename=" + b.log
	}
	machine = append(machine, "-drive", card)
	var w *output
	begin := time.Now()
	for untouched := b.gap(); ; {
		if b.log != "" {
			if err := os.WriteFile(b.log, nil, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(ctx, lab.Tool(qemu), machine...)
		w = &output{cancel: cancel, at: "\nCUT", hears: b.hears}
		cmd.Stdout, cmd.Stderr = w, w
		err = cmd.Run()
		s.console = strings.ReplaceAll(w.text.String(), "\r", "")
		// Two emulated processors now and then trip over a kernel that rewrites its own code while
		// it starts. Before our init has written the start down nothing has happened to the card.
		if strings.Contains(s.console, "Oops: int3") && b.gap() == untouched && ctx.Err() == nil {
			b.t.Log("the emulator tripped over the kernel; once more")
			continue
		}
		break
	}
	switch {
	case w.cut:
		s.end = cut
	case strings.Contains(s.console, "Restarting system with command '0 tryboot'"):
		s.end, b.trial = trialStart, true
	case strings.Contains(s.console, "reboot: Power down"):
		s.end = off
	case ctx.Err() == nil && err == nil: // -no-reboot: a restart, a panic or the watchdog
		s.end = restart
	default:
		s.end = hung
	}
	b.t.Logf("partition %d, trial %t: %s after %.0f s", s.part, s.trial, s.end, time.Since(begin).Seconds())
	return s
}

// gap is what lies before the first partition: the table and the record of starts.
func (b *board) gap() [sha256.Size]byte {
	b.t.Helper()
	f, err := os.Open(b.card)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	text := make([]byte, settingsAt<<20)
	if _, err := f.ReadAt(text, 0); err != nil {
		b.t.Fatal(err)
	}
	return sha256.Sum256(text)
}

// knownTSC tells the kernel how fast the counter of time runs, which is the host's. On a busy
// host it finds out for itself by a factor of six too little, and all its times are as short.
func knownTSC() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !bytes.Contains(info, []byte(" constant_tsc ")) || !bytes.Contains(info, []byte(" hypervisor ")) {
		return "" // the speed that is shown there is that of the moment
	}
	m := regexp.MustCompile(`(?m)^cpu MHz\s*: ([0-9]+)\.([0-9]{3})$`).FindSubmatch(info)
	if m == nil {
		return ""
	}
	return fmt.Sprintf(" tsc=reliable tsc_early_khz=%s%s", m[1], m[2])
}

// output keeps what the machine says and pulls the plug where it says at.
type output struct {
	text   bytes.Buffer // not embedded: what copies into it must not pass Write by
	at     string
	cut    bool
	cancel context.CancelFunc
	hears  map[string]func()
}

func (c *output) Write(p []byte) (int, error) {
	n, err := c.text.Write(p)
	if !c.cut && bytes.Contains(c.text.Bytes(), []byte(c.at)) {
		c.cut = true
		c.cancel() // SIGKILL
	}
	for text, do := range c.hears {
		if bytes.Contains(c.text.Bytes(), []byte(text)) {
			delete(c.hears, text)
			go do()
		}
	}
	return n, err
}

// wants checks which slot was started and how it ended.
func (s *boot) wants(part int, trial bool, end ending) *boot {
	s.t.Helper()
	if s.part != part || s.trial != trial || s.end != end {
		s.t.Fatalf("started partition %d, trial %t, then %s; want %d, %t, %s\n%s", s.part, s.trial, s.end, part, trial, end, s.tail())
	}
	return s
}

// says checks that the console has each of these, as regular expressions for whole lines.
func (s *boot) says(lines ...string) {
	s.t.Helper()
	for _, l := range lines {
		if !regexp.MustCompile(`(?m)^` + l + `$`).MatchString(s.console) {
			s.t.Errorf("the console does not say %q\n%s", l, s.tail())
		}
	}
}

func (s *boot) tail() string {
	lines := strings.Split(s.console, "\n")
	return strings.Join(lines[max(0, len(lines)-120):], "\n")
}
