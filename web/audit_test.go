package web

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
)

// did is what was told of deeds, in short.
func (f *fakeStation) did() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if a, ok := e.News.(station.Administered); ok {
			out = append(out, strings.Join([]string{string(a.Deed), a.Of, a.By.Name, a.By.From, a.Why}, " "))
		}
	}
	return out
}

// Whatever is done to accounts, tokens and sessions is told, with who did it and how it went, and
// never with a secret: not even one that was typed into the wrong field.
func TestDeedsAreTold(t *testing.T) {
	p := withPeople(t)
	p.pace = nil
	admin := p.session["admin"]
	for _, step := range []struct{ session, path, body string }{
		{"", "/login", "name=viewer&password=wrong-one"},
		{"", "/login", "name=hunter2-secret&password=x"},
		{"", "/login", "name=viewer&password=" + strings.ReplaceAll(password, " ", "+")},
		{admin, "/access/accounts", "name=bert&role=viewer&password=long+enough"},
		{admin, "/access/accounts", "name=bert&role=viewer&password=long+enough"},
		{admin, "/access/accounts/remove", "name=bert"},
		{admin, "/access/tokens", "name=panel&role=viewer"},
		{admin, "/access/tokens/revoke", "id=none"},
		{admin, "/access/certificate", "certificate=nonsense"},
		{admin, "/confirm", "password=wrong-one"},
		{admin, "/logout", "x=y"},
	} {
		p.as(step.session, "POST", step.path, step.body, "Accept", "application/json")
	}
	const at = " 192.0.2.1 "
	want := []string{"signed-in viewer " + at + "wrong-password", "signed-in  " + at + "wrong-password", "signed-in viewer " + at,
		"account-changed bert admin" + at, "account-changed bert admin" + at + "name-taken", "account-removed bert admin" + at,
		"token-made panel admin" + at, "token-revoked none admin" + at + "no-such-account", "certificate-installed  admin" + at + "certificate-no-certificate",
		"password-confirmed admin admin" + at + "wrong-password", "signed-out admin admin" + at}
	if got := p.st.did(); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Whoever tries passwords cannot fill the card with it.
func TestFailuresAreToldSparingly(t *testing.T) {
	var f recent
	now, n := time.Unix(1e9, 0), 0
	for i := range 3600 {
		if f.once(now.Add(time.Duration(i)*time.Second), failures, failuresPer) {
			n++
		}
	}
	if n != failures {
		t.Errorf("%d in an hour", n)
	}
	if !f.once(now.Add(failuresPer), failures, failuresPer) {
		t.Error("none in the next hour")
	}
}

// Only admins hear of what admins do.
func TestDeedsAreForAdmins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := withPeople(t)
		for _, role := range accounts.Roles() {
			w, leave := watch(t, p.Server, "/events", "Cookie", nearCookie+"="+p.session[string(role)])
			w.got()
			p.st.happens(station.Administered{Deed: station.TokenMade, Of: "panel"})
			p.st.happens(station.CallDigit{})
			time.Sleep(coalesce)
			var told []string
			for _, e := range w.got() {
				told = append(told, e.data)
			}
			text := strings.Join(told, " ")
			if strings.Contains(text, "admin.token-made") != (role == accounts.Admin) || !strings.Contains(text, "call.digit") {
				t.Errorf("%s hears %s", role, text)
			}
			leave()
		}
	})
}
