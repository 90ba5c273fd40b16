package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"intercomd/test/lab"
)

// Tones of the two sides, Hz: no harmonics of each other.
const (
	doorTone   = 1000.0
	indoorTone = 440.0
	audible    = -45.0 // dBFS; the tones are played at -12
)

// Extensions of the lab.
const (
	doorUser   = "1000"
	indoorUser = "1001"
	nobody     = "1009" // known to the server, registered nowhere
)

// peers are the SIP server and the sound system of the host's side, started when
// first asked for.
var peers struct {
	once  sync.Once
	err   error
	kam   *lab.Kamailio
	pulse *lab.Pulse
}

func stopPeers() {
	if peers.kam != nil {
		_ = peers.kam.Stop(3 * time.Second)
	}
	if peers.pulse != nil {
		_ = peers.pulse.Stop(3 * time.Second)
	}
}

// server starts the SIP server.
func server(t *testing.T) *lab.Kamailio {
	t.Helper()
	peers.once.Do(func() {
		cert, key, err := box.ca.Issue(box.dir, "kamailio", hostAddress)
		if err != nil {
			peers.err = err
			return
		}
		users := map[string]string{}
		for _, u := range []string{doorUser, indoorUser, nobody} {
			users[u] = lab.Password(u)
		}
		ctx := within(t, 30*time.Second)
		peers.kam, peers.err = lab.StartKamailio(ctx, lab.KamailioConfig{
			Dir: filepath.Join(box.dir, "kamailio"), Addresses: []string{hostAddress}, Domain: lab.Domain, Users: users,
			SIPPort: 5060, WSPort: 6443, WSSPort: 7443, CertFile: cert, KeyFile: key,
		})
		if peers.err == nil {
			peers.pulse, peers.err = lab.StartPulse(ctx, filepath.Join(box.dir, "pulse"), "indoor")
		}
	})
	if peers.err != nil {
		t.Fatal("start the SIP server: ", peers.err)
	}
	return peers.kam
}

// indoor starts an indoor station on the host: the same program, which answers by
// itself. Its buttons send the key that
// opens the door, and hang up.
func indoor(t *testing.T, card *lab.Card) *lab.Door {
	t.Helper()
	kam := server(t)
	d, err := lab.StartDoor(within(t, 30*time.Second), lab.DoorConfig{
		Binary: program(), Dir: t.TempDir(), User: indoorUser, Server: fmt.Sprintf("wss://%s:%d", hostAddress, kam.Config.WSSPort),
		CAFile: box.ca.CertFile, Port: 8101, Card: card,
		Keys:   map[string]string{"call.target": `"1000"`, "incoming.answer": `"auto"`, "audio.echo_canceller": `"off"`, "call.talk_time": `"1h"`},
		Tables: "[[button]]\nname = \"key\"\nline = 1\nin_call = \"dtmf:5\"\n[[button]]\nname = \"end\"\nline = 2\nin_call = \"hangup\"\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(10 * time.Second); err != nil {
			t.Error("the indoor station did not end cleanly: ", err)
		}
		if t.Failed() {
			t.Logf("log of the indoor station:\n%s", d.Tail(60))
		}
	})
	if err := d.Registered(within(t, settle)); err != nil {
		t.Fatal(err)
	}
	return d
}

// guestProgram is the daemon for the processor of the machine.
func guestProgram() string {
	if arch() == "arm64" {
		return "../../bin/intercomd-arm64" // of "make build GOARCH=arm64"
	}
	return program()
}

// program is the daemon under test: INTERCOMD_BIN, or what "make build" made.
func program() string {
	if bin := os.Getenv("INTERCOMD_BIN"); bin != "" {
		return bin
	}
	return "../../bin/intercomd"
}
