package lab

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Packet is one message of Asterisk's manager interface.
type Packet map[string]string

// Manager is a connection to Asterisk's manager interface, which does to calls what
// a person at a switchboard would.
type Manager struct {
	conn net.Conn

	mu   sync.Mutex
	got  []Packet
	more chan struct{} // closed and replaced at each packet
	done chan struct{}
	last int
}

// Manager connects and logs in.
func (a *Asterisk) Manager(ctx context.Context) (*Manager, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(a.Config.Address, strconv.Itoa(a.Config.ManagerPort)))
	if err != nil {
		return nil, fmt.Errorf("reach the manager interface: %w", err)
	}
	m := &Manager{conn: conn, more: make(chan struct{}), done: make(chan struct{})}
	go m.read()
	if _, err := m.Do(ctx, Packet{"Action": "Login", "Username": "lab", "Secret": "lab"}); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close ends the connection.
func (m *Manager) Close() {
	_ = m.conn.Close()
	<-m.done
}

func (m *Manager) read() {
	defer close(m.done)
	p := Packet{}
	sc := bufio.NewScanner(m.conn)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line != "" {
			if k, v, ok := strings.Cut(line, ":"); ok {
				p[k] = strings.TrimSpace(p[k] + " " + strings.TrimSpace(v))
			}
			continue
		}
		m.mu.Lock()
		m.got = append(m.got, p)
		close(m.more)
		m.more = make(chan struct{})
		m.mu.Unlock()
		p = Packet{}
	}
}

// Event waits for a packet that matches, also among those that came before.
func (m *Manager) Event(ctx context.Context, match func(Packet) bool) (Packet, error) {
	for {
		m.mu.Lock()
		got, more := m.got[:len(m.got):len(m.got)], m.more
		m.mu.Unlock()
		if i := slices.IndexFunc(got, match); i >= 0 {
			return got[i], nil
		}
		select {
		case <-more:
		case <-m.done:
			return nil, errNoAnswer
		case <-ctx.Done():
			return nil, fmt.Errorf("no such event of Asterisk: %w", ctx.Err())
		}
	}
}

// Do has an action done and returns the answer; one that says Error is an error.
func (m *Manager) Do(ctx context.Context, action Packet) (Packet, error) {
	m.mu.Lock()
	m.last++
	id := strconv.Itoa(m.last)
	m.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "Action: %s\r\nActionID: %s\r\n", action["Action"], id)
	for _, k := range slices.Sorted(maps.Keys(action)) {
		if k != "Action" {
			fmt.Fprintf(&b, "%s: %s\r\n", k, action[k])
		}
	}
	if _, err := m.conn.Write([]byte(b.String() + "\r\n")); err != nil {
		return nil, fmt.Errorf("manager action %s: %w", action["Action"], err)
	}
	p, err := m.Event(ctx, func(p Packet) bool { return p["Response"] != "" && p["ActionID"] == id })
	if err == nil && p["Response"] == "Error" {
		err = fmt.Errorf("manager action %s: %s", action["Action"], p["Message"])
	}
	return p, err
}

// Originate has Asterisk call a telephone and connect it to an extension.
func (m *Manager) Originate(ctx context.Context, user, extension, callerID string) error {
	_, err := m.Do(ctx, Packet{
		"Action": "Originate", "Channel": "PJSIP/" + user, "Context": "lab", "Exten": extension, "Priority": "1",
		"CallerID": callerID, "Async": "true", "Timeout": "20000",
	})
	return err
}

// Channel waits for a channel of a telephone and returns its name.
func (m *Manager) Channel(ctx context.Context, user string) (string, error) {
	e, err := m.Event(ctx, func(e Packet) bool {
		return e["Event"] == "Newchannel" && strings.HasPrefix(e["Channel"], "PJSIP/"+user+"-")
	})
	return e["Channel"], err
}
