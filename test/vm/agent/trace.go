package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

const tracefs = "/sys/kernel/tracing"

// event is what the kernel traced of a line (include/trace/events/gpio.h).
type event struct {
	N     int    // number of the event
	At    int64  // ns
	Line  string // name of the line, or "#" and its number
	Kind  string // "set" and "get" of a level, "in" and "out" of the direction
	Value int    // the level
}

// trace collects the kernel's events from the beginning.
type trace struct {
	mu     sync.Mutex
	events []event
	more   chan struct{} // closed and replaced at each event
}

func startTrace(ctx context.Context, sim *simulator) (*trace, error) {
	// The clock of the programs, so that times can be compared.
	err := put(tracefs+"/trace_clock", "mono")
	for _, name := range []string{"gpio_value", "gpio_direction"} {
		err = errors.Join(err, put(tracefs+"/events/gpio/"+name+"/enable", "1"))
	}
	// Whoever reads is woken at each event, not when a part of the buffer is full.
	err = errors.Join(err, put(tracefs+"/buffer_percent", "0"), put(tracefs+"/tracing_on", "1"))
	if err != nil {
		return nil, fmt.Errorf("switch tracing on: %w", err)
	}
	pipe, err := os.Open(tracefs + "/trace_pipe")
	if err != nil {
		return nil, err
	}
	t := &trace{more: make(chan struct{})}
	context.AfterFunc(ctx, func() { _ = pipe.Close() })
	go func() {
		sc := bufio.NewScanner(pipe)
		for sc.Scan() {
			if e, number, ok := parse(sc.Text()); ok {
				e.Line = sim.name(number)
				t.add(e)
			}
		}
	}()
	return t, nil
}

// parse reads a line such as
//
//	intercomd-412     [001] .....    35.123456: gpio_value: 529 set 1
//	intercomd-412     [001] .....    35.123456: gpio_direction: 529 out (0)
func parse(s string) (e event, number int, ok bool) {
	head, what, found := strings.Cut(s, ": gpio_")
	if !found {
		return e, 0, false
	}
	fields := strings.Fields(head)
	sec, err := strconv.ParseFloat(fields[len(fields)-1], 64)
	if err != nil {
		return e, 0, false
	}
	e.At = int64(sec*1e6+0.5) * 1000
	fields = strings.Fields(what)
	if len(fields) < 4 {
		return e, 0, false
	}
	number, err = strconv.Atoi(fields[1])
	e.Kind = fields[2]
	if fields[0] == "value:" {
		e.Value, _ = strconv.Atoi(fields[3])
	}
	return e, number, err == nil
}

func (t *trace) add(e event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.N = len(t.events)
	t.events = append(t.events, e)
	close(t.more)
	t.more = make(chan struct{})
}

// from returns the events from number n on; it waits until there is one or ctx ends.
func (t *trace) from(ctx context.Context, n int) []event {
	for {
		t.mu.Lock()
		events, more := t.events, t.more
		t.mu.Unlock()
		if n < len(events) {
			return events[n:]
		}
		select {
		case <-more:
		case <-ctx.Done():
			return []event{}
		}
	}
}
