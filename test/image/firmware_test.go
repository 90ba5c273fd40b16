package image

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/test/lab"
)

// The wish for a trial start reaches the firmware of a Raspberry Pi: on the emulated board,
// with its own device tree, the slot comes from the device tree and rpi_tryboot's mailbox tag
// is sent at the restart. The emulator knows the tag no better than Debian's kernel does, and
// says so.
func TestTrialReachesTheFirmware(t *testing.T) {
	b := newBoard(t)
	if !b.arm64 {
		t.Skip("make test-image-arm64 runs this: the card of the boards is needed")
	}
	fs := b.card + "@@68M"
	b.run("mcopy", "-n", "-o", "-i", fs, "::vmlinuz", "::initrd", "::bcm2837-rpi-3-b.dtb", b.dir+"/")
	dtb := filepath.Join(b.dir, "bcm2837-rpi-3-b.dtb")
	b.run("fdtput", "-p", "-t", "x", dtb, "/chosen/bootloader", "partition", "2")
	b.run("fdtput", "-t", "x", dtb, "/chosen/bootloader", "tryboot", "0")
	unit := base64.StdEncoding.EncodeToString([]byte(`[Unit]
After=intercomd.service
[Service]
Type=oneshot
ExecStart=/usr/bin/intercomd slot set-primary B
ExecStart=/usr/bin/systemctl --no-block reboot
`))
	missing := filepath.Join(b.dir, "unimplemented")
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	// The emulated watchdog ends the machine as soon as it is armed.
	cmd := exec.CommandContext(ctx, lab.Tool("qemu-system-aarch64"), "-M", "raspi3b", "-accel", "tcg,thread=multi,tb-size=512",
		"-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none",
		"-kernel", filepath.Join(b.dir, "vmlinuz"), "-initrd", filepath.Join(b.dir, "initrd"), "-dtb", dtb,
		"-drive", "file="+b.card+",format=raw,if=sd", "-d", "unimp,guest_errors", "-D", missing,
		"-append", "console=ttyAMA0,115200 console=ttyS1,115200 loglevel=6 panic=5 net.ifnames=0 lsm=landlock,yama module_blacklist=bcm2835_wdt systemd.watchdog_sec=0 "+
			"systemd.wants=image-test.service systemd.set_credential_binary=systemd.extra-unit.image-test.service:"+unit)
	out := &output{cancel: cancel, at: "Restarting system with command"} // which it cannot without its watchdog
	cmd.Stdout, cmd.Stderr = out, out
	_ = cmd.Run()
	console := strings.ReplaceAll(out.text.String(), "\r", "")
	for _, want := range []string{"intercomd-init: slot A, trial false", "Restarting system with command '0 tryboot'"} {
		if !strings.Contains(console, want) {
			t.Errorf("the console does not say %q", want)
		}
	}
	log, err := os.ReadFile(missing)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "00038064"); n != 1 {
		t.Errorf("the firmware was asked for a trial %d times", n)
	}
	if t.Failed() {
		t.Log(console)
	}
}
