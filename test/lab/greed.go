package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Greed is what a page must bear: clients that want everything, and give nothing back.
type Greed struct {
	Addr    string // of the page
	Idle    int    // connections that ask for nothing
	Streams int    // event streams, every other of which never reads
	Bodies  int    // clients that send bodies without end, one after the other

	mu      sync.Mutex
	conns   []net.Conn
	streams int // that were answered 200
	full    int // that were told that there is no place
	other   int
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Start opens everything and returns when it is open; bodies go on until Stop.
func (g *Greed) Start(ctx context.Context) error {
	ctx, g.stop = context.WithCancel(ctx)
	for i := range g.Idle + g.Streams {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", g.Addr)
		if err != nil {
			return fmt.Errorf("greedy client %d: %w", i, err)
		}
		g.mu.Lock()
		g.conns = append(g.conns, c)
		g.mu.Unlock()
		if n := i - g.Idle; n >= 0 {
			g.running.Go(func() { g.stream(c, n%2 == 0) })
		}
	}
	for range g.Bodies {
		g.running.Go(func() { g.bodies(ctx) })
	}
	return nil
}

// stream asks for a stream and notes the answer.
func (g *Greed) stream(c net.Conn, reads bool) {
	fmt.Fprintf(c, "GET /live HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReaderSize(c, 512)
	res, err := http.ReadResponse(r, nil) //nolint:bodyclose // closing would read it
	g.mu.Lock()
	switch {
	case err != nil:
		g.other++
	case res.StatusCode == http.StatusOK:
		g.streams++
	case res.StatusCode == http.StatusServiceUnavailable:
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		if bytes.Contains(body, []byte("full")) || bytes.Contains(body, []byte("too-many-streams")) {
			g.full++
		} else {
			g.other++
		}
	default:
		g.other++
	}
	g.mu.Unlock()
	if err == nil && reads {
		_ = c.SetReadDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

// bodies sends one body without end after the other.
func (g *Greed) bodies(ctx context.Context) {
	chunk := make([]byte, 32<<10)
	for ctx.Err() == nil {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", g.Addr)
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "POST /call/mute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000000\r\n\r\nmuted=")
		for err == nil {
			_, err = c.Write(chunk)
		}
		c.Close()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// Answers are how many streams were served, were told that the page is full, and neither.
func (g *Greed) Answers() (served, full, other int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.streams, g.full, g.other
}

// Stop closes everything.
func (g *Greed) Stop() {
	if g.stop != nil {
		g.stop()
	}
	g.mu.Lock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
	g.mu.Unlock()
	g.running.Wait()
}

// LimitAsUnit gives a running process the descriptors that the unit in file gives it.
func LimitAsUnit(pid int, file string) error {
	unit, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`(?m)^LimitNOFILE=(\d+)$`).FindSubmatch(unit)
	if m == nil {
		return errors.New(file + " has no LimitNOFILE")
	}
	n, err := strconv.ParseUint(string(m[1]), 10, 32)
	if err != nil {
		return err
	}
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}, nil)
}
