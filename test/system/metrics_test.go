package system

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// A collector reads what a call was, promtool accepts how it is said, and the alerts work.
func TestMetrics(t *testing.T) {
	s := need(t)
	d := startDoor(t, doorConfig(t, s, map[string]string{"call.target": `"4711"`})) // who does not exist
	if err := d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	pressed, err := d.Press(within(t, 10*time.Second), "bell")
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Over(within(t, 20*time.Second), pressed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.Get(within(t, 10*time.Second), "metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`intercomd_calls_total{by="` + r.Ending.By + `",cause="` + r.Ending.Cause + `",direction="outgoing"} 1`,
		`intercomd_call_setup_seconds_count{direction="outgoing",step="sent"} 1`,
		`intercomd_registration_state{state="registered"} 1`,
		`intercomd_input_presses_total{input="bell"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the scrape lacks %s", line)
		}
	}
	check := exec.CommandContext(t.Context(), lab.Tool("promtool"), "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), lab.Tool("promtool"), args...)
		cmd.Dir = "../../docs/monitoring"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
