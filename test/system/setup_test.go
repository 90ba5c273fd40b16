package system

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// standing is how the configuration of a door stands.
type standing struct {
	InForce struct {
		ID      int    `json:"id"`
		Outcome string `json:"outcome"`
	} `json:"inForce"`
	Trial *struct {
		ID int `json:"id"`
	} `json:"trial"`
	Begun bool `json:"begun"`
	Note  struct {
		Code string `json:"code"`
	} `json:"note"`
	Versions []struct {
		ID      int    `json:"id"`
		Outcome string `json:"outcome"`
		Why     struct {
			Code string `json:"code"`
		} `json:"why"`
	} `json:"versions"`
}

// waitFor waits until the configuration stands as it should.
func waitFor(t *testing.T, d *lab.Door, limit time.Duration, words string, ok func(standing) bool) (st standing) {
	t.Helper()
	_, err := d.Wait(within(t, limit), words, func(lab.Status) bool {
		st = standing{}
		body, err := d.JSON(within(t, 5*time.Second), "config")
		return err == nil && json.Unmarshal([]byte(body), &st) == nil && ok(st)
	})
	if err != nil {
		t.Fatalf("%v; it stands: %+v", err, st)
	}
	return st
}

// A wrong password that is set on the page costs the door its registration for a minute, and then
// it is back. What is right is kept by a person, survives a restart, and gives way to the file.
func TestSetupFromThePage(t *testing.T) {
	s := need(t)
	conf := doorConfig(t, s, map[string]string{"call.target": `"1001"`, "web.password": `"correct horse"`})
	d := registered(t, conf)
	file, err := os.ReadFile(d.File)
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)

	if _, err := d.Put(within(t, 10*time.Second), "config", strings.Replace(text, "[sip]", "[sipp]", 1)); err == nil || !strings.Contains(err.Error(), "422") {
		t.Errorf("a text with faults: %v", err)
	}
	if _, err := d.Put(within(t, 10*time.Second), "config", strings.Replace(text, lab.Password("1000"), "wrong", 1)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, d, 30*time.Second, "on trial", func(st standing) bool { return st.Trial != nil && st.Begun })
	if _, err := d.Wait(within(t, 30*time.Second), "refused", func(st lab.Status) bool { return st.Registration.State == "refused" }); err != nil {
		t.Fatal(err)
	}
	if err := d.Do(within(t, 10*time.Second), "config/keep", nil); err == nil || !strings.Contains(err.Error(), "setup-not-registered") {
		t.Errorf("kept without a registration: %v", err)
	}
	begin := time.Now()
	st := waitFor(t, d, 2*time.Minute, "taken back", func(st standing) bool { return st.Trial == nil && len(st.Versions) == 2 })
	if v := st.Versions[0]; v.Outcome != "back" || v.Why.Code != "setup-no-registration" || st.InForce.ID != 0 {
		t.Errorf("%+v", st)
	}
	if err := d.Registered(within(t, 40*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Logf("back and registered %v after the trial was seen", time.Since(begin).Round(time.Second))

	// What needs another door, and is right.
	if _, err := d.Put(within(t, 10*time.Second), "config", strings.Replace(text, "[sip]", "[sip]\ndisplay_name = \"North gate\"", 1)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, d, 30*time.Second, "on trial", func(st standing) bool { return st.Trial != nil && st.Begun })
	if _, err := d.Wait(within(t, 30*time.Second), "registered under its new name", func(st lab.Status) bool {
		return st.Registration.State == "registered" && st.Name == "North gate"
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Do(within(t, 10*time.Second), "config/keep", nil); err != nil {
		t.Fatal(err)
	}
	// What does not: somebody with a code.
	if err := d.Do(within(t, 10*time.Second), "people", url.Values{"name": {"anna"}, "digits": {"4711"}}); err != nil {
		t.Fatal(err)
	}
	st = waitFor(t, d, 10*time.Second, "kept", func(st standing) bool { return st.Trial == nil && st.InForce.Outcome == "kept" })

	restart := func() {
		t.Helper()
		if err := d.Stop(6 * time.Second); err != nil {
			t.Error(err)
		}
		if d, err = lab.RunDoor(within(t, 30*time.Second), conf, d.File); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	defer func() { _ = d.Stop(6 * time.Second) }()
	if err := d.Registered(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := waitFor(t, d, 10*time.Second, "the same", func(standing) bool { return true }); got.InForce.ID != st.InForce.ID {
		t.Errorf("after a restart: %+v, before %+v", got, st)
	}
	if page, err := d.Get(within(t, 10*time.Second), "people"); err != nil || !strings.Contains(page, "anna") || strings.Contains(page, "4711") {
		t.Errorf("%v: people are\n%s", err, page)
	}
	if now, err := d.Status(within(t, 5*time.Second)); err != nil || now.Name != "North gate" {
		t.Errorf("the door is called %q, %v", now.Name, err)
	}
	// A press calls, with all of this.
	pressed, err := d.Press(within(t, 10*time.Second), "bell")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.kam.Wait(within(t, 10*time.Second), pressed, func(m lab.Message) bool {
		return m.Method == "INVITE" && m.Status == 0 && m.From == "1000"
	}); err != nil {
		t.Fatal(err)
	}

	// Whoever edits the file has the last word.
	if err := os.WriteFile(d.File, []byte(text+"\n# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	restart()
	if got := waitFor(t, d, 20*time.Second, "the file's", func(st standing) bool { return st.InForce.ID == 0 }); got.Note.Code != "setup-file-edited" {
		t.Errorf("%+v", got)
	}
	if data, err := os.ReadFile(d.File); err != nil || string(data) != text+"\n# mine\n" {
		t.Errorf("the installer's file was touched: %v", err)
	}
}
