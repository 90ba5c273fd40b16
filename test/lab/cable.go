package lab

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// Cable carries TCP connections from one address to another until it is cut. It
// stands between a door and its server, which both live on.
type Cable struct {
	Addr string // where it listens

	listener net.Listener
	done     sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

// LayCable listens on a free port of host and leads to the address to.
func LayCable(host, to string) (*Cable, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("lay a cable to %s: %w", to, err)
	}
	c := &Cable{Addr: l.Addr().String(), listener: l, conns: map[net.Conn]bool{}}
	c.done.Add(1)
	go func() {
		defer c.done.Done()
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.join(near, far)
			c.join(far, near)
		}
	}()
	return c, nil
}

// join carries one direction of a connection.
func (c *Cable) join(from, to net.Conn) {
	c.mu.Lock()
	c.conns[from] = true
	c.mu.Unlock()
	c.done.Add(1)
	go func() {
		defer c.done.Done()
		_, _ = io.Copy(to, from)
		_, _ = from.Close(), to.Close()
		c.mu.Lock()
		delete(c.conns, from)
		c.mu.Unlock()
	}()
}

// Cut ends the connections of the moment; later ones are carried as before.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
}

// Remove ends everything.
func (c *Cable) Remove() {
	_ = c.listener.Close()
	c.Cut()
	c.done.Wait()
}
