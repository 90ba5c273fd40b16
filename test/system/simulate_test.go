package system

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"intercomd/test/lab"
)

// Twenty simulated doors register with a real server, are heard by its telephones, come back after it was killed,
// press meanwhile, and leave nothing behind.
func TestSimulate(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs Kamailio and a network namespace: run make system")
	}
	const n = 20
	dir := t.TempDir()
	ca, err := lab.NewCA(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "server", lab.Address)
	if err != nil {
		t.Fatal(err)
	}
	users := lab.SimulatedUsers("door%04d", n)
	for u, p := range lab.SimulatedUsers("phone%04d", 4) {
		users[u] = p
	}
	cfg := lab.KamailioConfig{Dir: dir + "/kamailio", Addresses: []string{lab.Address}, Domain: lab.Domain, Users: users,
		SIPPort: 6060, WSPort: 7480, WSSPort: 7481, CertFile: cert, KeyFile: key}
	kam, err := lab.StartKamailio(within(t, 30*time.Second), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kam.Stop(3 * time.Second) })
	server := fmt.Sprintf("wss://%s:%d", lab.Address, cfg.WSSPort)
	sim, err := lab.StartSimulation(binary(t), dir, server, ca.CertFile, users, "-account", "door%04d", "-phones", "4",
		"-spread", "5s", "-power-cut", "-presses", "10", "-within", "5s", "-ring", "1s", "-media", "-talk", "2s", fmt.Sprint(n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Stop(8 * time.Second) })
	r, err := sim.Wait(within(t, 60*time.Second), "presses before the server is killed", func(r lab.SimulationReport) bool {
		return r.Registered == n && r.Phones == 4 && r.Presses.Made == 10 && r.Presses.Open == 0
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Presses; p.Rang != 10 || p.Answered != 10 || p.Heard != 10 || p.Got < 300 {
		t.Errorf("%+v", p)
	}
	if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", sim.Pid)); err != nil || strings.Contains(string(cmdline), lab.Password("door0001")) {
		t.Errorf("the password is seen by everybody: %q, %v", cmdline, err)
	}
	_ = kam.Signal(syscall.SIGKILL)
	<-kam.Exited()
	if _, err := sim.Wait(within(t, 20*time.Second), "nobody registered", func(r lab.SimulationReport) bool { return r.Registered == 0 }); err != nil {
		t.Fatal(err)
	}
	if kam, err = lab.StartKamailio(within(t, 30*time.Second), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err = sim.Wait(within(t, 60*time.Second), "presses while doors come back", func(r lab.SimulationReport) bool {
		return r.Registered == n && r.Presses.Made == 20 && r.Presses.Open == 0
	}); err != nil {
		t.Fatal(err)
	}
	left := time.Now()
	r, err = sim.End(within(t, 20*time.Second))
	if err != nil || r.Presses.Rang != 20 || len(r.Falls) != 1 || r.Falls[0].Lost != n || r.Falls[0].All == 0 {
		t.Errorf("%v\n%+v", err, r)
	}
	gone := kam.Count(left, func(m lab.Message) bool { return m.Method == "REGISTER" && m.Status == 0 })
	if gone < n {
		t.Errorf("%d REGISTERs at the end, of %d doors", gone, n)
	}
}
