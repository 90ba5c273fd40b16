package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// fakeProcess remembers what it is told.
type fakeProcess struct {
	restarts []bool
	resets   []station.Principal
	err      error // of Reset
}

func (m *fakeProcess) Restart(now bool) { m.restarts = append(m.restarts, now) }

func (m *fakeProcess) Reset(by station.Principal) error {
	if m.err == nil {
		m.resets = append(m.resets, by)
	}
	return m.err
}

// inspected is a door in the middle of its commissioning.
func inspected(t *testing.T) (*people, *fakeProcess) {
	t.Helper()
	p, m := withPeople(t), &fakeProcess{}
	p.cfg.Process = m
	snap := sample()
	snap.Targets = []station.Target{{Name: "reception", Label: "Reception"}}
	snap.Canary = station.Canary{State: station.CanaryFailed, Target: "9196", At: time.Now(), Problem: words.New("canary-no-echo")}
	p.st.publish(snap)
	p.st.walk = inspectedWalk()
	return p, m
}

// inspectedWalk is half a commissioning.
func inspectedWalk() *station.Walk {
	anna := station.Principal{Via: station.ViaPage, Name: "anna"}
	return &station.Walk{Begun: time.Now(), Checks: []station.Check{
		{Kind: station.CheckButton, Of: "bell", Label: "<Bell>", Result: station.CheckPassed, At: time.Now(), By: anna},
		{Kind: station.CheckLamp, Of: "status", Result: station.CheckAsked},
		{Kind: station.CheckSpeak, Result: station.CheckFailed, At: time.Now(), By: anna, Note: words.New("check-too-quiet", "level", "-70")},
		{Kind: station.CheckCall, Of: "reception", Label: "Reception", Result: station.CheckOpen},
		{Kind: station.CheckRelay, Of: "door", Result: station.CheckOpen},
	}}
}

func TestTheWalkAsksWhoeverWatches(t *testing.T) {
	p, _ := inspected(t)
	body := p.as(p.session["admin"], "GET", "/walk", "", "Accept", asHTML).Body.String()
	for _, want := range []string{"Did it light?", "&lt;Bell&gt;", "anna", "nobody was heard", "2 of 5 done, 1 passed", "/walk/relay"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	report := p.as(p.session["operator"], "GET", "/walk/report", "", "Accept", asHTML).Body.String()
	for _, want := range []string{"not completed: 3 left", "passed", "Signature", "not tried"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if w := p.as(p.session["admin"], "GET", "/walk", "", "Accept", "application/json"); !strings.Contains(w.Body.String(), `"result":"asked"`) {
		t.Error(w.Body)
	}
}

func TestMaintenanceGivesCommandsInTheNameOfWhoAsks(t *testing.T) {
	p, _ := inspected(t)
	for _, tc := range []struct {
		who, path string
		form      url.Values
		status    int
		want      station.Command // its kind "": none
	}{
		{"operator", "/locate", nil, 303, station.Command{Kind: station.CommandLocate}},
		{"operator", "/locate", url.Values{"seconds": {"5"}}, 303, station.Command{Kind: station.CommandLocate, For: 5 * time.Second}},
		{"operator", "/locate", url.Values{"seconds": {"121"}}, 400, station.Command{}},
		{"operator", "/test-call", url.Values{"target": {"reception"}}, 303, station.Command{Kind: station.CommandDial, Target: "reception", Test: true}},
		{"operator", "/test-call", url.Values{"target": {"+49900"}}, 404, station.Command{}},
		{"operator", "/canary", nil, 303, station.Command{Kind: station.CommandCanary}},
		{"operator", "/walk/try", url.Values{"check": {"lamp"}, "of": {"status"}}, 403, station.Command{}},
		{"admin", "/walk/try", url.Values{"check": {"lamp"}, "of": {"status"}}, 303, station.Command{Kind: station.CommandCheck, Check: station.CheckLamp, Of: "status"}},
		{"admin", "/walk/try", url.Values{"check": {"lamp"}, "of": {"other"}}, 404, station.Command{}},
		{"admin", "/walk/try", url.Values{"check": {"relay"}, "of": {"door"}}, 403, station.Command{}},
		{"admin", "/walk/relay", url.Values{"check": {"relay"}, "of": {"door"}}, 303, station.Command{Kind: station.CommandCheck, Check: station.CheckRelay, Of: "door"}},
		{"admin", "/walk/relay", url.Values{"check": {"lamp"}, "of": {"status"}}, 404, station.Command{}},
		{"admin", "/walk/judge", url.Values{"check": {"lamp"}, "of": {"status"}, "result": {"passed"}}, 303,
			station.Command{Kind: station.CommandJudge, Check: station.CheckLamp, Of: "status", Result: station.CheckPassed}},
		{"admin", "/walk/judge", url.Values{"check": {"lamp"}, "of": {"status"}, "result": {"asked"}}, 400, station.Command{}},
		{"admin", "/walk/anew", nil, 400, station.Command{}},
		{"admin", "/walk/anew", url.Values{"sure": {"true"}}, 303, station.Command{Kind: station.CommandWalk}},
	} {
		p.st.told = nil
		w := p.as(p.session[tc.who], "POST", tc.path, tc.form.Encode(), "Accept", asHTML, "Content-Type", form)
		if w.Code != tc.status {
			t.Errorf("%s %v as %s: %d, want %d", tc.path, tc.form, tc.who, w.Code, tc.status)
		}
		var got station.Command
		if len(p.st.told) > 0 {
			got = p.st.told[0]
			if got.By.Name != tc.who {
				t.Errorf("%s: in the name of %+v", tc.path, got.By)
			}
			got.By = station.Principal{}
		}
		if got != tc.want {
			t.Errorf("%s %v: %+v, want %+v", tc.path, tc.form, got, tc.want)
		}
	}
}

func TestARelayOfABlockedDoorIsNotTriedFromThePage(t *testing.T) {
	p, _ := inspected(t)
	snap := *p.st.Snapshot()
	snap.Door.BlockedUntil = time.Now().Add(time.Minute)
	p.st.publish(&snap)
	if w := p.as(p.session["admin"], "POST", "/walk/relay", "check=relay&of=door"); w.Code != http.StatusConflict || len(p.st.told) > 0 {
		t.Error(w.Code, p.st.told)
	}
}

func TestRestartAndReset(t *testing.T) {
	p, m := inspected(t)
	if w := p.as(p.session["operator"], "POST", "/restart", "when=now"); w.Code != http.StatusForbidden || len(m.restarts) > 0 {
		t.Error("an operator restarts: ", w.Code)
	}
	busy := *p.st.Snapshot()
	busy.Call = &station.Record{ID: "a"}
	p.st.publish(&busy)
	for body, want := range map[string]int{"when=now": 409, "when=idle": 303, "when=now&cut=true": 303} {
		n := len(m.restarts)
		if w := p.as(p.session["admin"], "POST", "/restart", body); w.Code != want || (len(m.restarts) > n) != (want == 303) {
			t.Errorf("%s: %d, %v", body, w.Code, m.restarts)
		}
	}
	if w := p.as(p.session["admin"], "POST", "/reset", "x=y"); w.Code != http.StatusBadRequest || len(m.resets) > 0 {
		t.Error("without a tick: ", w.Code)
	}
	r := ask(p.Server, "POST", "/reset", strings.NewReader("sure=true"), "Content-Type", form, "Authorization", "Bearer "+p.token["admin"])
	if r.Code != http.StatusForbidden || len(m.resets) > 0 {
		t.Error("a token resets: ", r.Code)
	}
	if w := p.as(p.session["admin"], "POST", "/reset", "sure=true"); w.Code != http.StatusSeeOther || len(m.resets) != 1 || m.resets[0].Name != "admin" {
		t.Error(w.Code, m.resets)
	}
	var deeds []station.Deed
	for _, e := range p.st.events {
		if a, ok := e.News.(station.Administered); ok {
			deeds = append(deeds, a.Deed)
		}
	}
	if len(deeds) != 3 || deeds[2] != station.FactoryReset {
		t.Errorf("told: %v", deeds)
	}
}
