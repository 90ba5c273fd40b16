package image

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"intercomd/test/lab"
)

// stockVar names the folder of a plain Debian with the door station (image/stock.sh).
const stockVar = "INTERCOMD_STOCK"

// The unit that tells when the door is up: intercomd has said READY=1.
const upUnit = `[Unit]
Requires=intercomd.service
After=intercomd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c "read up idle </proc/uptime; echo DOOR-UP $up >/dev/console; sleep 3600"
`

// The whole start, from the kernel's first instruction to a door that takes presses, in half the
// time of a plain Debian. Time is counted in instructions, so that how busy this machine is
// does not matter.
func TestStartsInHalfTheTime(t *testing.T) {
	stock := os.Getenv(stockVar)
	if stock == "" {
		t.Skip("make bench-boot runs this")
	}
	b := newBoard(t)
	b.start(nothing) // the first start grows the data partition, once
	files := filepath.Join(b.dir, "files")
	ours := upAfter(t, filepath.Join(files, "vmlinuz"), filepath.Join(files, "initrd"), b.card, "quiet loglevel=3 net.ifnames=0 door.partition=2")
	copied := filepath.Join(t.TempDir(), "root.ext4")
	b.run("cp", "--sparse=always", filepath.Join(stock, "root.ext4"), copied)
	plain := upAfter(t, filepath.Join(stock, "vmlinuz"), filepath.Join(stock, "initrd"), copied, "quiet root=/dev/vda rw net.ifnames=0")
	t.Logf("the card image: %.2f s, a plain Debian: %.2f s of emulated time, %.2f of it", ours, plain, ours/plain)
	if ours > plain/2 {
		t.Errorf("the card image takes more than half")
	}
}

// upAfter starts a machine in emulated time and returns when the door was up, in seconds.
func upAfter(t *testing.T, kernel, initrd, disk, cmdline string) float64 {
	t.Helper()
	unit := base64.StdEncoding.EncodeToString([]byte(upUnit))
	cmd := exec.CommandContext(t.Context(), lab.Tool("qemu-system-x86_64"), "-M", "q35", "-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=2,sleep=off", "-cpu", "max", "-m", "512",
		"-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyS0 tsc=reliable random.trust_cpu=1 panic=5 "+cmdline+" systemd.wants=up.service systemd.set_credential_binary=systemd.extra-unit.up.service:"+unit,
		"-drive", "file="+disk+",format=raw,if=none,id=disk,cache=writeback", "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci")
	up := regexp.MustCompile(`DOOR-UP ([0-9.]+)`)
	out := &upWriter{found: make(chan string, 1), up: up}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case s := <-out.found:
		_ = cmd.Process.Kill()
		<-ended
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	case err := <-ended:
		t.Fatal(fmt.Errorf("the machine ended: %w\n%s", err, out.text.String()))
	}
	return 0
}

type upWriter struct {
	text  strings.Builder
	up    *regexp.Regexp
	found chan string
}

func (w *upWriter) Write(p []byte) (int, error) {
	n, err := w.text.Write(p)
	if m := w.up.FindStringSubmatch(w.text.String()); m != nil {
		select {
		case w.found <- m[1]:
		default:
		}
	}
	return n, err
}
