package door

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/store"
)

// What doors have written that run an older version is read on, sentences included where there
// are codes now.
func TestFilesOfOlderDoorsAreReadOn(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		memoryFile: `{"saved":"2026-11-20T10:00:00Z","wrong":["2026-11-20T09:59:00Z"],"lockedUntil":"2026-11-20T10:20:00Z",` +
			`"tamperUntil":"2026-11-20T10:10:00Z","used":["parcel"],"doNotDisturb":true}`,
		baselineFile: `{"at":"2026-10-01T08:00:00Z","measured":{"Heard":true,"Level":-31.2,"Noise":-57.6,"Coupling":-11.4,"Bands":[-10,-11,-12],"Delay":62800000,"Clipped":false}}`,
		lastTestFile: `{"last":{"state":"failed","at":"2026-11-20T03:30:00Z","text":"the microphone does not hear the loudspeaker",` +
			`"remedy":"see whether the loudspeaker is broken","chirps":4,"level":-61.5,"noise":-60,"coupling":0,"delayMs":0},` +
			`"failed":{"state":"failed","at":"2026-11-20T03:30:00Z","text":"the microphone does not hear the loudspeaker",` +
			`"remedy":"see whether the loudspeaker is broken","chirps":4,"level":-61.5,"noise":-60,"coupling":0,"delayMs":0},"since":"2026-11-19T03:30:00Z"}`,
		auditFile: `{"at":"2026-11-20T09:59:00Z","call":"abc","user":"1001","how":"code","ok":false,"why":"wrong code"}` + "\n",
		"clock":   "2026-11-20T10:00:00Z\n",
	} {
		if err := os.WriteFile(s.Path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var m station.Memory
	if err := s.Load(memoryFile, &m); err != nil || len(m.Wrong) != 1 || m.Used[0] != "parcel" || !m.DoNotDisturb || m.LockedUntil.IsZero() || m.TamperUntil.IsZero() || m.Saved.IsZero() {
		t.Errorf("memory %+v, %v", m, err)
	}
	if c := s.Clock(); c.Year() != 2026 {
		t.Errorf("clock %v", c)
	}
	tester := newSelfTester(nil, s, slog.New(slog.DiscardHandler))
	if at := tester.commissioned(); at.Month() != time.October {
		t.Errorf("commissioned %v", at)
	}
	last := tester.last()
	if p := last.Failed.Problem; p.String() != "the microphone does not hear the loudspeaker" || p.Remedy() != "see whether the loudspeaker is broken" || last.Last.Chirps != 4 || last.Since.Day() != 19 {
		t.Errorf("last test %+v", last)
	}

	// The audit log goes on in the same file, and one reader reads all of it.
	a, _ := auditOf(station.Event{At: time.Now(), Call: "def", News: station.Released{By: station.Principal{Via: station.ViaCall, Name: "1001"}, Why: station.RefusedCode}})
	if err := s.Log(auditFile, maxAudit).Append(a); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.Path(auditFile))
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for line := range strings.Lines(string(data)) {
		var a audit
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.How != "code" || a.OK || a.Why == "" {
			t.Errorf("%s: %+v, %v", line, a, err)
		}
		users = append(users, a.User)
	}
	if len(users) != 2 || users[0] != users[1] {
		t.Errorf("users %q", users)
	}
}
