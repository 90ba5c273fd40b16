package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// SimulationReport is the part of what `intercomd simulate -json` tells that the lab looks at.
type SimulationReport struct {
	Kind          string         `json:"kind"`
	At            float64        `json:"at"`
	Doors         int            `json:"doors"`
	Registered    int            `json:"registered"`
	Failing       int            `json:"failing"`
	Phones        int            `json:"phones"`
	Registrations int            `json:"registrations"`
	Most          int            `json:"registrationsMost"`
	Spread        float64        `json:"spread"`
	Bytes         int            `json:"bytes"`
	Faults        map[string]int `json:"faults"`
	Falls         []struct {
		At    float64 `json:"at"`
		Lost  int     `json:"lost"`
		First float64 `json:"first"`
		All   float64 `json:"all"`
		Most  int     `json:"most"`
		Curve []int   `json:"curve"`
	} `json:"falls"`
	Presses struct {
		Made     int            `json:"made"`
		Rang     int            `json:"rang"`
		Failed   map[string]int `json:"failed"`
		Open     int            `json:"open"`
		Answered int            `json:"answered"`
		Heard    int            `json:"heard"`
		P50      float64        `json:"p50"`
		P95      float64        `json:"p95"`
		Longest  float64        `json:"longest"`
		Sent     int            `json:"packetsSent"`
		Got      int            `json:"packetsReceived"`
	} `json:"presses"`
}

// Simulation is a running `intercomd simulate`.
type Simulation struct {
	*Proc

	mu   sync.Mutex
	last SimulationReport
}

// SimulatedUsers are n accounts of a pattern, with their passwords.
func SimulatedUsers(pattern string, n int) map[string]string {
	users := map[string]string{}
	for i := range n {
		u := fmt.Sprintf(pattern, i+1)
		users[u] = Password(u)
	}
	return users
}

// StartSimulation plays doors against a server. dir is for the file with the passwords of users.
func StartSimulation(binary, dir, server, ca string, users map[string]string, args ...string) (*Simulation, error) {
	var list strings.Builder
	for u, p := range users {
		fmt.Fprintf(&list, "%s %s\n", u, p)
	}
	file := filepath.Join(dir, "passwords")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		return nil, fmt.Errorf("start a simulation: %w", err)
	}
	s := &Simulation{}
	var err error
	s.Proc, err = Start(Spec{Name: "intercomd simulate", Line: s.line, Args: append([]string{binary, "simulate", "-json", "-server", server, "-domain", Domain, "-ca", ca, "-password-file", file}, args...)})
	return s, err
}

func (s *Simulation) line(text string) {
	var r SimulationReport
	if json.Unmarshal([]byte(text), &r) != nil || r.Kind == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = r
}

// Report is the last one.
func (s *Simulation) Report() SimulationReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Wait waits until a report is as it should be.
func (s *Simulation) Wait(ctx context.Context, what string, ok func(SimulationReport) bool) (SimulationReport, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := Poll(ctx, func() error {
		if ok(s.Report()) {
			return nil
		}
		select {
		case <-s.Exited():
			cancel()
			return errors.New("the simulation has ended")
		default:
			return errors.New("not yet")
		}
	})
	if err != nil {
		return s.Report(), fmt.Errorf("%s: %w: %+v\n%s", what, err, s.Report(), s.Tail(3))
	}
	return s.Report(), nil
}

// End ends it as ^C does, and returns the summary. That doors or presses failed is in it, and is no error.
func (s *Simulation) End(ctx context.Context) (SimulationReport, error) {
	if err := s.Signal(syscall.SIGINT); err != nil {
		return s.Report(), err
	}
	select {
	case <-s.Exited():
	case <-ctx.Done():
		return s.Report(), fmt.Errorf("the simulation does not end: %w", ctx.Err())
	}
	if r := s.Report(); r.Kind != "summary" {
		return r, fmt.Errorf("the simulation ended without a summary: %w\n%s", s.Err(), s.Tail(5))
	}
	return s.Report(), nil
}
