package door

import (
	"encoding/json"
	"testing"
	"time"

	"intercomd/station"
)

// The audit log has who, from where, what, to what, and how it went; and nothing twice.
func TestAuditLines(t *testing.T) {
	anna := station.Principal{Via: station.ViaPage, Name: "anna", From: "192.0.2.7"}
	for _, tt := range []struct {
		news station.News
		want string // "" for none
	}{
		{station.Released{OK: true, By: anna, Relay: "door"}, `"user":"anna","from":"192.0.2.7","how":"page","relay":"door","ok":true`},
		{station.Commanded{Command: station.CommandHangup, By: anna}, `"user":"anna","from":"192.0.2.7","how":"page","did":"hangup","ok":true`},
		{station.Commanded{Command: station.CommandHangup, By: anna, Error: "no-call"}, `"user":"anna","from":"192.0.2.7","how":"page","did":"hangup","ok":false,"why":"no-call"`},
		{station.Commanded{Command: station.CommandOpen, By: anna, Relay: "door"}, ""}, // Released tells of it
		{station.Commanded{Command: station.CommandOpen, By: anna, Relay: "x", Error: "no-such-relay"}, `"user":"anna","from":"192.0.2.7","how":"page","did":"open","of":"x","ok":false,"why":"no-such-relay"`},
		{station.SelfTestStarted{By: anna}, ""},
		{station.SelfTestStarted{Commission: true, By: anna}, `"user":"anna","from":"192.0.2.7","how":"page","did":"commission","ok":true`},
		{station.Administered{Deed: station.SignedIn, Of: "anna", By: station.Principal{Via: station.ViaPage, From: "192.0.2.7"}, Why: "wrong-password"},
			`"from":"192.0.2.7","how":"page","did":"signed-in","of":"anna","ok":false,"why":"wrong-password"`},
		{station.CallDigit{}, ""},
	} {
		a, ok := auditOf(station.Event{At: time.Unix(0, 0).UTC(), News: tt.news})
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"at":"1970-01-01T00:00:00Z",` + tt.want + "}"; ok != (tt.want != "") || ok && string(line) != want {
			t.Errorf("%+v\n is %s\nwant %s", tt.news, line, want)
		}
	}
}
