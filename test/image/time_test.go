package image

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"intercomd/test/lab"
)

// stockVar names the folder of a plain Debian with the door station (image/stock.sh).
const stockVar = "INTERCOMD_STOCK"

// The unit that tells when the door is up: intercomd has said READY=1.
const upUnit = `[Unit]
DefaultDependencies=no
Requires=intercomd.service
After=intercomd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c "read -r up idle </proc/uptime; read -r cpu user nice sys rest </proc/stat; echo DOOR-UP $$up $$((user+nice+sys)) >/dev/console; sleep 3600"
`

// The whole start, from the kernel's first instruction to a door that takes presses, in half the
// time of a plain Debian. Time is counted in instructions, so that how busy this machine is
// does not matter. What is compared is the time that the processor works: while it waits for
// the disk, emulated time runs on by chance, and the plain Debian waits for DHCP.
func TestStartsInHalfTheTime(t *testing.T) {
	stock := os.Getenv(stockVar)
	if stock == "" {
		t.Skip("make bench-boot runs this")
	}
	b := newBoard(t)
	b.start(nothing) // the first start grows the data partition, once
	files := filepath.Join(b.dir, "files")
	ours := upAfter(t, filepath.Join(files, "vmlinuz"), filepath.Join(files, "initrd"), b.card, "quiet loglevel=3 net.ifnames=0 lsm=landlock,yama door.partition=2")
	copied := filepath.Join(t.TempDir(), "root.ext4")
	b.run("cp", "--sparse=always", filepath.Join(stock, "root.ext4"), copied)
	plain := upAfter(t, filepath.Join(stock, "vmlinuz"), filepath.Join(stock, "initrd"), copied, "quiet root=/dev/vda rw net.ifnames=0")
	t.Logf("the card image: %.1f s of work, up after %.1f s of emulated time; a plain Debian: %.1f s, %.1f s; %.2f of its work",
		ours.work, ours.up, plain.work, plain.up, ours.work/plain.work)
	if ours.work > plain.work/2 {
		t.Errorf("the card image takes more than half")
	}
}

// effort is what a start has taken until the door was up, in seconds of emulated time.
type effort struct{ up, work float64 }

// upAfter starts a machine in emulated time and ends it when the door is up.
func upAfter(t *testing.T, kernel, initrd, disk, cmdline string) effort {
	t.Helper()
	unit := base64.StdEncoding.EncodeToString([]byte(upUnit))
	cmd := exec.CommandContext(t.Context(), lab.Tool("qemu-system-x86_64"), "-M", "q35", "-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=2,sleep=off", "-cpu", "max", "-m", "512",
		"-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyS0 tsc=reliable random.trust_cpu=1 panic=5 "+cmdline+" systemd.wants=up.service systemd.set_credential_binary=systemd.extra-unit.up.service:"+unit,
		"-drive", "file="+disk+",format=raw,if=none,id=disk,cache=writeback", "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci")
	up := regexp.MustCompile(`DOOR-UP ([0-9.]+) ([0-9]+)[\r\n]`)
	out := &upWriter{found: make(chan []string, 1), up: up}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case found := <-out.found:
		_ = cmd.Process.Kill()
		<-ended
		var e effort
		var jiffies float64
		if _, err := fmt.Sscan(found[1], &e.up); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(found[2], &jiffies); err != nil {
			t.Fatal(err)
		}
		e.work = jiffies / 100 // of USER_HZ
		return e
	case err := <-ended:
		t.Fatal(fmt.Errorf("the machine ended: %w\n%s", err, out.text.String()))
	}
	return effort{}
}

type upWriter struct {
	text  strings.Builder
	up    *regexp.Regexp
	found chan []string
}

func (w *upWriter) Write(p []byte) (int, error) {
	n, err := w.text.Write(p)
	if m := w.up.FindStringSubmatch(w.text.String()); m != nil {
		select {
		case w.found <- m:
		default:
		}
	}
	return n, err
}
