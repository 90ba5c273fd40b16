package lab

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RTPEngine is a running rtpengine: all media of the calls of a Kamailio passes
// through it, in user space, and it can speak WebRTC to one side and plain RTP to
// the other.
type RTPEngine struct {
	*Proc
	Version string // as it says itself
	Socket  string // for KamailioConfig.RTPEngine
}

var rtpengineVersion = regexp.MustCompile(`Version: ([0-9.]+)`)

// StartRTPEngine starts rtpengine at address with its control port and returns when
// it answers there.
func StartRTPEngine(ctx context.Context, dir, address string, port int) (*RTPEngine, error) {
	out, err := exec.CommandContext(ctx, Tool("rtpengine"), "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ask rtpengine for its version: %w", err)
	}
	control := net.JoinHostPort(address, strconv.Itoa(port))
	r := &RTPEngine{Socket: "udp:" + control}
	if m := rtpengineVersion.FindSubmatch(out); m != nil {
		r.Version = string(m[1])
	}
	r.Proc, err = Start(Spec{Name: "rtpengine", Args: []string{
		Tool("rtpengine"), "--config-file=none", "--foreground", "--log-stderr", "--log-level=5",
		"--table=-1", // no kernel module
		"--interface=" + address, "--listen-ng=" + control, "--port-min=40000", "--port-max=40999", "--num-threads=2",
		"--delete-delay=0", "--pidfile=" + filepath.Join(dir, "rtpengine.pid"),
	}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := Poll(ctx, func() error { return r.ping(control) }); err != nil {
		_ = r.Stop(time.Second)
		return nil, fmt.Errorf("start rtpengine: %w\n%s", err, r.Tail(20))
	}
	return r, nil
}

// ping asks over the control protocol whether it is there.
func (r *RTPEngine) ping(control string) error {
	conn, err := net.Dial("udp", control)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("lab d7:command4:pinge")); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	buf := make([]byte, 1500)
	n, err := conn.Read(buf)
	if err == nil && !strings.Contains(string(buf[:n]), "4:pong") {
		err = fmt.Errorf("it answers %q", buf[:n])
	}
	return err
}
