package vm

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"intercomd/test/lab"
)

// The network between host and guest. There is no way out of it.
const (
	hostAddress  = "10.78.0.1"
	guestAddress = "10.78.0.2"
	tap          = "vm0"
)

// bootLimit is long: an emulated processor on a busy machine is slow.
const bootLimit = 10 * time.Minute

// machine is a running virtual machine with the agent in it.
type machine struct {
	dir  string // for files of the host's side
	qemu *lab.Proc
	ca   *lab.CA
	http http.Client
	sim  chipConfig // the chip that is there; zero: none
	// Events of the past are not asked for again: there are many after a thousand kills.
	marked int
	slept  bool // as deep as it can only once, see nap
}

// start boots the machine and returns when the agent answers.
func (m *machine) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	var err error
	if m.dir, err = os.MkdirTemp("", "intercomd-vm-"); err != nil {
		return err
	}
	if err := m.link(); err != nil {
		return err
	}
	extra := filepath.Join(m.dir, "extra.tar")
	if err := m.pack(ctx, extra); err != nil {
		return err
	}
	if m.ca, err = lab.NewCA(m.dir, "ca"); err != nil {
		return err
	}
	// Two emulated processors now and then trip over a kernel that rewrites its own code while it
	// starts (an int3 of text_poke in sched_clock_cpu): nothing of ours has run by then.
	for attempt := 1; ; attempt++ {
		begin := time.Now()
		err := m.boot(ctx, extra)
		if err == nil {
			fmt.Printf("machine up after %.1f s\n", time.Since(begin).Seconds())
			return nil
		}
		if m.qemu == nil {
			return err
		}
		err = fmt.Errorf("boot the machine: %w\n%s", err, m.qemu.Tail(40))
		if attempt == 3 || ctx.Err() != nil || !strings.Contains(err.Error(), "Kernel panic") {
			return err
		}
		fmt.Printf("again, for the kernel fell: %v\n", err)
	}
}

// boot starts qemu and waits until the agent in it answers.
func (m *machine) boot(ctx context.Context, extra string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var err error
	m.qemu, err = lab.Start(lab.Spec{Name: "qemu", Args: append(qemuArgs(os.Getenv(imageVar), extra), "-monitor", "unix:"+m.monitor()+",server=on,wait=off")})
	if err != nil {
		return err
	}
	err = lab.Poll(ctx, func() error {
		select {
		case <-m.qemu.Exited():
			cancel(errors.New("qemu ended by itself"))
			return ctx.Err()
		default:
		}
		_, _, err := m.script(ctx, "true")
		return err
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// qemuArgs is the command line of the machine.
func qemuArgs(image, extra string) []string {
	args := []string{lab.Tool("qemu-system-x86_64"), "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"}
	console := "ttyS0"
	switch {
	case arch() == "arm64": // the processor of a Raspberry Pi 3 and Zero 2 W
		args = []string{lab.Tool("qemu-system-aarch64"), "-M", "virt", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "cortex-a53"}
		console = "ttyAMA0"
	case os.Getenv("INTERCOMD_VM_KVM") == "1":
		args = []string{lab.Tool("qemu-system-x86_64"), "-M", "q35", "-accel", "kvm", "-cpu", "host"}
	}
	return append(args, "-smp", "2", "-m", "1024", "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
		"-kernel", filepath.Join(image, "vmlinuz"), "-initrd", filepath.Join(image, "initrd"),
		"-append", "console="+console+" quiet mitigations=off tsc=reliable random.trust_cpu=1 net.ifnames=0 panic=1 systemd.show_status=0 door.ip="+guestAddress+"/24",
		"-drive", "file="+filepath.Join(image, "root.ext4")+",format=raw,if=none,id=root,snapshot=on", "-device", "virtio-blk-pci,drive=root",
		"-drive", "file="+extra+",format=raw,if=none,id=extra,readonly=on", "-device", "virtio-blk-pci,drive=extra",
		"-netdev", "tap,id=net,script=no,downscript=no,ifname="+tap, "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci")
}

// monitor is the socket on which qemu takes commands.
func (m *machine) monitor() string { return filepath.Join(m.dir, "monitor") }

// command gives qemu a command and returns what it says.
func (m *machine) command(ctx context.Context, text string) (string, error) {
	var dial net.Dialer
	c, err := dial.DialContext(ctx, "unix", m.monitor())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if at, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(at)
	}
	r := bufio.NewReader(c)
	const prompt = "(qemu) "
	said := func() (string, error) {
		var b strings.Builder
		for !strings.HasSuffix(b.String(), prompt) {
			one, err := r.ReadByte()
			if err != nil {
				return b.String(), err
			}
			b.WriteByte(one)
		}
		return strings.TrimSuffix(b.String(), prompt), nil
	}
	if _, err := said(); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, text+"\n"); err != nil {
		return "", err
	}
	return said()
}

func (m *machine) stop() {
	if m.qemu != nil {
		_ = m.qemu.Stop(5 * time.Second)
	}
	_ = os.RemoveAll(m.dir)
}

// link makes the host's end of the network. It vanishes with the namespace.
func (m *machine) link() error {
	for _, args := range [][]string{
		{"tuntap", "add", tap, "mode", "tap"},
		{"addr", "add", hostAddress + "/24", "dev", tap},
		{"link", "set", tap, "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}

const agentUnit = `[Unit]
Description=hand of the tests
After=sysinit.target
[Service]
ExecStartPre=/usr/sbin/modprobe -a gpio-sim snd-aloop
ExecStart=/usr/local/bin/agent
OOMScoreAdjust=-900
[Install]
WantedBy=multi-user.target
`

// pack builds the agent and writes what is unpacked over the root at boot.
func (m *machine) pack(ctx context.Context, to string) error {
	bin := filepath.Join(m.dir, "agent")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch())
	if _, err := output(build); err != nil {
		return fmt.Errorf("build the agent: %w", err)
	}
	agent, err := os.ReadFile(bin)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name string
		mode int64
		data []byte
		link string
	}{
		{"usr/local/bin/agent", 0o755, agent, ""},
		{"etc/systemd/system/agent.service", 0o644, []byte(agentUnit), ""},
		{"etc/systemd/system/multi-user.target.wants/agent.service", 0o777, nil, "../agent.service"},
	} {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.Write(make([]byte, 512-b.Len()%512)) // a disk has whole sectors
	return os.WriteFile(to, b.Bytes(), 0o600)
}

// output runs a program of the host and returns what it wrote.
func output(cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&errs, os.Stderr)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %w: %s", cmd.Args, err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}
