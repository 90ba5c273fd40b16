package configs

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	_ "time/tzdata" // the zones, wherever the test runs
)

// The example of an office has nearly every setting of this file in it.
func TestOffice(t *testing.T) {
	data, err := os.ReadFile("examples/office.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, faults := Parse("office.toml", data)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if want := []Target{
		{Name: "office", Label: "Example Ltd.", Fallback: "porter", Notify: true,
			Steps: []Step{{User: "1001", RingTime: 15 * time.Second, When: "open"}, {User: "2000", When: "open"}}},
		{Name: "porter", Label: "Porter", Notify: true, Users: []string{"1009", "sip:porter@example.org"},
			Steps: []Step{{User: "1009"}, {User: "sip:porter@example.org"}}},
	}; !reflect.DeepEqual(c.Targets, want) {
		t.Errorf("targets %+v", c.Targets)
	}
	work := [7]bool{false, true, true, true, true, true, false}
	if want := []Schedule{
		{"open", []Window{{Days: work, From: 8 * 60, To: 18 * 60}}},
		{"cleaning", []Window{{Days: work, From: 18 * 60, To: 22 * 60}, {Days: [7]bool{6: true}, To: 24 * 60}}},
	}; !reflect.DeepEqual(c.Schedules, want) {
		t.Errorf("schedules %+v", c.Schedules)
	}
	if d := c.Time.Holidays; len(d) != 7 || d[0] != (Day{0, time.January, 1}) || d[6] != (Day{2026, time.April, 6}) || c.Time.Location().String() != "Europe/Berlin" {
		t.Errorf("time %+v", c.Time)
	}
	if want := (Door{Key: "5", KeyUsers: []string{"1009"}, Callers: []string{"1009"}, Relay: "door", WrongPerCall: 3, WrongPerHour: 10,
		Lock: 30 * time.Minute, HangupAfter: 10 * time.Second, TamperBlock: 30 * time.Minute}); !reflect.DeepEqual(c.Door, want) {
		t.Errorf("door %+v", c.Door)
	}
	if want := []Code{
		{Name: "anna", Digits: "471100", Relay: "door", Users: []string{"1001", "2000"}},
		{Name: "cleaners", Digits: "815081", Relay: "door", When: "cleaning", Until: Moment{2027, time.December, 31, 24 * 60}},
		{Name: "parcel", Digits: "240119", Relay: "gate", Once: true},
	}; !reflect.DeepEqual(c.Codes, want) {
		t.Errorf("codes %+v", c.Codes)
	}
	if b := c.Buttons[0]; b.Press != (Action{Do: DoCall, Target: "office"}) || b.Long != (Action{Do: DoCall, Target: "porter"}) ||
		b.LongAfter != 2*time.Second || b.Pause != 3*time.Second || b.InCall.Do != DoHangup {
		t.Errorf("bell %+v", b)
	}
	if b := c.Buttons[1]; b.Press != (Action{Do: DoOpen, Relay: "door"}) || b.Target != "" {
		t.Errorf("exit %+v", b)
	}
	if want := []Contact{
		{"leaf", "Main entrance", "", Line{Offset: 24}, "up", "high", 50 * time.Millisecond, "door", time.Minute, 15 * time.Second, 0},
		{"housing", "Door station", "", Line{Offset: 5}, "up", "high", 50 * time.Millisecond, "tamper", 0, 0, 0},
	}; !reflect.DeepEqual(c.Contacts, want) {
		t.Errorf("contacts %+v", c.Contacts)
	}
	if n := c.Notify; len(n) != 2 || n[0].Webhook != "https://house.example.lan/api/door?token=secret" || len(n[0].Kinds) != 2 || n[1].Kinds[0] != "alarm" {
		t.Errorf("notify %d", len(n))
	}
	for _, s := range []string{fmt.Sprintf("%+v %#v", c, c), fmt.Sprint(c.Codes, c.Notify, c.Door)} {
		for _, secret := range []string{"471100", "815081", "token"} {
			if strings.Contains(s, secret) {
				t.Errorf("%s is shown", secret)
			}
		}
	}
}

func TestWindows(t *testing.T) {
	all := [7]bool{true, true, true, true, true, true, true}
	for text, want := range map[string]Window{
		"mon 8:00-09:30":             {Days: [7]bool{1: true}, From: 480, To: 570},
		"Mon-Wed,SUN 22:00 - 06:00":  {Days: [7]bool{true, true, true, true}, From: 1320, To: 360},
		"fri-mon 00:00-24:00":        {Days: [7]bool{true, true, false, false, false, true, true}, To: 1440},
		"daily":                      {Days: all, To: 1440},
		"daily,holidays 10:00-12:00": {Days: all, Holidays: true, From: 600, To: 720},
		"  holidays   ":              {Holidays: true, To: 1440},
	} {
		if got, ok := parseWindow(text); !ok || got != want {
			t.Errorf("%q gives %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "mon-", "mon-fri 8-18", "monday 08:00-18:00", "mon,,tue", "mon 08:00-08:00", "mon 24:00-25:00",
		"mon 24:00-06:00", "08:00-18:00", "mon 08:00-18:00 20:00-22:00", "mon-wed-fri", "mon 08:00"} {
		if w, ok := parseWindow(text); ok {
			t.Errorf("%q gives %+v", text, w)
		}
	}
}

func TestMoments(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		m    Moment
		want string
	}{
		{Moment{}, "0001-01-01T00:00:00Z"},
		{Moment{2026, 4, 6, 18 * 60}, "2026-04-06T18:00:00+02:00"},
		{Moment{2026, 12, 31, 24 * 60}, "2027-01-01T00:00:00+01:00"},
		{Moment{2026, 3, 29, 24 * 60}, "2026-03-30T00:00:00+02:00"}, // a day of 23 hours
	} {
		if got := tt.m.In(zone).Format(time.RFC3339); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.m, got, tt.want)
		}
	}
}

// TestPolicyFaults: each row is a text after the minimal file, and the faults it must give.
func TestPolicyFaults(t *testing.T) {
	code := func(rest string) string { return "[[code]]\nname = \"anna\"\n" + rest }
	contact := func(rest string) string { return "[[contact]]\nname = \"leaf\"\nline = 5\n" + rest }
	button := func(rest string) string { return "[[button]]\nname = \"a\"\nline = 5\n" + rest }
	ptt := func(rest string) string { return "[audio]\nduplex = \"push-to-talk\"\n" + rest }
	home := "[[target]]\nname = \"home\"\nusers = \"1\"\n"
	tests := []struct {
		text string
		want []string
	}{
		// Call
		{"extend_key = \"##\"", []string{`x:7: call.extend_key: "##" is not a single telephone key`}},
		{"extend_key = \"\"\nhold_press = \"0s\"", nil},
		{"talk_key = \"12\"", []string{`x:7: call.talk_key: "12" is not a single telephone key`}},
		{"talk_key = \"#\"\n[door]\nkey = \"*\"", nil}, // means nothing without push to talk
		{ptt(""), nil},
		{"talk_key = \"#\"\n" + ptt(""), []string{"x:7: call.talk_key: is the key that extends the call, too"}},
		{"talk_key = \"\"\n" + ptt(""), []string{`no button has in_call = "talk"`}},
		{"talk_key = \"\"\n" + ptt(button("in_call = \"talk\"")), nil},
		{ptt("[door]\nkey = \"*\""), []string{"door.key: contains the key that changes who may talk (talk_key under [call])"}},
		{ptt("[[key]]\ndigits = \"*7\"\ndoes = \"open:door\""), []string{"key.digits: contains the key that changes who may talk"}},
		{"talk_key = \"9\"\n" + ptt(code("digits = \"4911\"")), []string{"code.digits: contains the key that changes who may talk"}},
		{ptt(button("in_call = \"talk\"\nlong = \"call\"")), []string{"button.long: cannot be told from holding the button to talk"}},
		{button("in_call = \"talk\""), []string{`button.in_call: is for push to talk only; write duplex = "push-to-talk" under [audio]`}},
		{ptt(button("press = \"talk\"")), []string{`button.press: "talk" has no effect outside calls; move it to in_call`}},
		{ptt(button("in_call = \"talk:1\"")), []string{`"talk" takes nothing after the word`}},
		{"hold_press = \"3m\"", []string{"give a value from 0s to 2m"}},
		{"[incoming]\nsecond = \"wait\"", []string{`incoming.second: "wait" is not possible here; write one of "busy", "queue"`}},
		{"[incoming]\nsecond = \"queue\"\nqueue_length = 8\nqueue_time = \"5m\"", nil},
		{"[incoming]\nsecond = \"queue\"\nqueue_length = 9", []string{"give a value from 1 to 8"}},
		{"[incoming]\nanswer_on_request = \"10 01\"", []string{`incoming.answer_on_request: "10 01" is not a SIP user`}},
		{"transfers = \"everybody\"", []string{`call.transfers: "everybody" is not possible here; write one of "partner", "called", "never"`}},

		// Targets
		{home + button("target = \"home\""), nil},
		{home, []string{`x:8: target.name: nothing calls the target "home"; write target = "home" in a [[button]]`}},
		{home + button("target = \"hmoe\""), []string{`target.name: nothing calls`,
			`x:13: button.target: there is no target "hmoe"; did you mean "home"? Write a user of that name as "sip:hmoe@DOMAIN"`}},
		{home + button("target = \"sip:hmoe@a\"\nlong = \"call:home\""), nil},
		{"[[target]]\nname = \"1001\"\nusers = [\"1\"]", nil}, // a target in the place of a user
		{"[[target]]\nname = \"1001\"", []string{`x:7: target.users: is missing; say whom it calls`}},
		{"[[target]]\nname = \"1001\"\nusers = 5", []string{"x:9: target.users: is a whole number"}},
		{"[[target]]\nname = \"1001\"\nusers = \"a b\"", []string{`x:9: target.users: "a b" cannot be called`}},
		{"[[target]]\nname = \"1001\"\nusers = [\"1\"]\nfallback = \"1001\"", []string{"x:10: target.fallback: is the target itself"}},
		{"[[target]]\nname = \"1001\"\nusers = [\"1\"]\nfallback = \"homes\"\n" + home, []string{`x:10: target.fallback: there is no target "homes"; did you mean "home"? A fallback is another [[target]]: "home"`, "nothing calls"}},
		{"[[target]]\nname = \"1001\"\nusers = [\"1\"]\nfallback = \"home\"\n" + home + "fallback = \"1001\"", nil}, // a circle
		{"[[target]]\nname = \"1001\"\nusers = [\"1\"]\n[[target]]\nname = \"1001\"\nusers = [\"1\"]", []string{`x:11: target.name: the name "1001" is used in line 8, too`}},
		{"[[target]]\nname = \"1001\"\nusers = [\"1\"]\n[[target.step]]\nuser = \"2\"", []string{"x:9: target.users: [[target.step]] is given too"}},
		{"[[target]]\nname = \"1001\"\n[[target.step]]\nring_time = \"1s\"\nwhen = \"never\"", []string{
			"x:9: target.step.user: is missing", `x:10: target.step.ring_time: "1s" is out of range`, `x:11: target.step.when: there is no schedule "never"; add a [[schedule]] of that name`}},
		{"[[target]]\nname = \"1001\"\n[target.step]\nuser = \"2\"", []string{"x:9: target.step: can occur several times; write [[target.step]]"}},
		{"[[target]]\nname = \"1001\"\nstep = 5", []string{"x:9: target.step: is a whole number; this is a section: write [[target.step]]"}},
		{"[[target]]\nname = \"1001\"\n[[target.step]]\nusr = \"2\"", []string{`target.step.usr: unknown setting; did you mean "user"?`}},
		{"[[target.step]]\nuser = \"1\"", []string{"x:7: target: can occur several times; write [[target]]", "x:7: target.name: is missing"}},

		// Time
		{"[time]\nzone = \"Europe/Berln\"", []string{`x:8: time.zone: "Europe/Berln" is not a time zone`}},
		{"[time]\nzone = \"Local\"", []string{"is not a time zone"}},
		{"[time]\nholidays = [\"12-25\", \"2026-02-30\"]", []string{`x:8: time.holidays: "2026-02-30" is not a day; write it like "12-25"`}},
		{"[[schedule]]\nname = \"s\"\nwindows = \"mon-fri 8-18\"", []string{`x:9: schedule.windows: "mon-fri 8-18" is not a part of the week; write it like`, "nothing uses"}},
		{"[[schedule]]\nname = \"s\"", []string{`x:7: schedule.windows: is missing`, `x:8: schedule.name: nothing uses the schedule "s"`}},
		{"[[schedule]]\nname = \"s\"\nwindows = \"daily\"\n" + code("digits = \"1234\"\nwhen = \"z\""), []string{"nothing uses", `code.when: there is no schedule "z"; write one of "s"`}},

		// Door
		{"[door]\nkey = \"#\"", []string{"x:8: door.key: contains the key that extends the call (extend_key under [call]); choose other keys"}},
		{"extend_key = \"\"\n[door]\nkey = \"#\"", nil},
		{"[door]\nkey = \"5\"\nrelay = \"gate\"", []string{`x:9: door.relay: there is no relay "gate"; write one of "door"`}},
		{"alone relay = []\n" + minimal + "[door]\nkey = \"5\"", []string{"add a [[relay]] of that name"}},
		{"[door]\nkey_users = \"1001\"", []string{"x:8: door.key_users: there is no key"}},
		{"[door]\nkey = \"5\"\nkey_users = \"10 01\"\ncallers = [\"a@b\"]", []string{`door.key_users: "10 01" is not a SIP user`, `door.callers: "a@b" is not`}},
		{"[door]\nwrong_per_call = 0\nwrong_per_hour = \"5\"\nlock = \"30s\"", []string{"x:8: door.wrong_per_call: 0 is out of range; give a value from 1 to 10",
			"x:9: door.wrong_per_hour: is text; write a whole number", "give a value from 1m to 24h"}},
		{"[door]\nwrong_per_call = 99999999999", []string{"out of range"}},
		{"[door]\nkey = 12345", []string{"x:8: door.key: is a whole number; put it between quotation marks"}},

		// Codes
		{code("digits = \"1234\""), nil},
		{code(""), []string{"x:7: code.digits: is missing"}},
		{code("digits = 12345"), []string{"x:9: code.digits: is a whole number; put it between quotation marks"}},
		{code("digits = 12345 # of Anna's"), []string{"code.digits: is a whole number"}},
		{code("digits = 123a45"), []string{"x:9: this line cannot be understood; put the value between quotation marks"}},
		{code("digits = \"123\""), []string{"x:9: code.digits: has only 3 digits; write 4 to 16"}},
		{code("digits = \"12x45\""), []string{"is not a code"}},
		{code("digits = \"12*45\""), []string{"* starts over"}},
		{code("digits = \"12#45\""), []string{"contains the key that extends the call"}},
		{"extend_key = \"\"\n" + code("digits = \"12#45\""), nil},
		{code("digits = \"1234\"") + "\n[[code]]\nname = \"b\"\ndigits = \"12346\"", []string{`x:12: code.digits: has 5 digits, but code "anna" has 4; give all codes the same length`}},
		{code("digits = \"1234\"") + "\n[[code]]\nname = \"b\"\ndigits = \"1234\"", []string{`x:12: code.digits: is the code in line 9, too`}},
		{code("digits = \"1234\"") + "\n[[code]]\nname = \"anna\"\ndigits = \"1235\"", []string{`the name "anna" is used in line 8, too`}},
		{"[[code]]\nname = \"key\"\ndigits = \"1234\"", []string{`code.name: "key" stands for`}},
		{code("digits = \"1234\"\nrelay = \"gate\"\nusers = \"a b\""), []string{`x:10: code.relay: there is no relay "gate"`, `x:11: code.users: "a b" is not`}},
		{code("digits = \"1234\"\nfrom = \"2026-02-30\""), []string{`x:10: code.from: "2026-02-30" is not a date; write it like`}},
		{code("digits = \"1234\"\nfrom = 2026-02-03"), []string{`x:10: code.from: is a date or time; write a text between quotation marks`}},
		{code("digits = \"1234\"\nfrom = \"2026-02-03\"\nuntil = \"2026-02-03\""), nil},
		{code("digits = \"1234\"\nfrom = \"2026-02-03 12:00\"\nuntil = \"2026-02-03 12:00\""), []string{"x:11: code.until: is not after from"}},
		{"[door]\nkey = \"5\"\n" + code("digits = \"1234\""), []string{"x:8: door.key: opens for everybody, so that nobody is ever asked for a [[code]]"}},
		{code("digits = \"1234\"\nrelay = \"l\"\n[[relay]]\nname = \"l\"\nline = 6\nlatching = true"), []string{`code.relay: relay "l" is latching`}},

		// Notify
		{"[[notify]]\nwebhook = \"https://a\"", nil},
		{"[[notify]]\nwebhook = \"http://127.0.0.1:8123/x\"", nil},
		{"[[notify]]\n", []string{"x:7: notify.webhook: is missing"}},
		{"[[notify]]\nwebhook = \"http://ha/12345\"", []string{"x:8: notify.webhook: http:// is not encrypted"}},
		{"[[notify]]\nwebhook = \"house/12345\"", []string{"is not the address of a web service; write it like"}},
		{"[[notify]]\nwebhook = \"ftp://house/12345\"", []string{"use https://"}},
		{"[[notify]]\nwebhook = https://house/12345", []string{"x:8: this line cannot be understood"}},
		{"[[notify]]\nmessage = \"1001\"\nca_file = \"x\"", []string{"notify.ca_file: there is no webhook"}},
		{"[[notify]]\nmessage = \"a b\"\nkinds = []", []string{`"a b" cannot be called`, "notify.kinds: is empty"}},
		{"[[notify]]\nmessage = \"1\"\nkinds = \"alarms\"", []string{`did you mean "alarm"?`}},
		{"[[notify]]\nwebhook = \"https://a\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nkinds = [\"ring\", \"call\", \"answered\", \"missed\", \"opened\", \"alarm\", \"fault\", \"registration\"]", nil},
		{"[[notify]]\nwebhook = \"https://a\"\nsecret = \"hunter22\"", []string{"notify.secret: is not a webhook key; write \"whsec_\""}},
		{"[[notify]]\nwebhook = \"https://a\"\nsecret = \"whsec_MfKQ9r8=\"", []string{"notify.secret: is not a webhook key"}},
		{"[[notify]]\nwebhook = \"https://a\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nsecret_file = \"f\"", []string{"notify.secret_file: "}},
		{"[[notify]]\nmessage = \"1\"\nsecret_file = \"f\"", []string{"notify.secret: there is no webhook"}},

		{"[mqtt]\nserver = \"mqtts://broker\"\nuser = \"d\"\npassword = \"p\"\ncommands = [\"open:door\", \"press\", \"dnd\"]", nil},
		{"[mqtt]\nserver = \"mqtt://127.0.0.1:1883\"\ntopic = \"house/doors\"\ndiscovery = \"\"", nil},
		{"[mqtt]\nuser = \"d\"", []string{"mqtt.server: is missing; name the broker"}},
		{"[mqtt]\ncommands = \"dnd\"", []string{"mqtt.server: is missing"}},
		{"[mqtt]\nserver = \"mqtts://broker\"\npassword = \"p\"", []string{"mqtt.user: is missing"}},
		{"[mqtt]\nserver = \"mqtts://broker\"\nuser = \"d\"\npassword = \"p\"\npassword_file = \"f\"", []string{"mqtt.password_file: "}},
		{"[mqtt]\nserver = \"mqtt://broker\"", []string{"x:8: mqtt.server: mqtt:// is not encrypted"}},
		{"[mqtt]\nserver = \"mqtts://d:hunter22@broker\"", []string{"mqtt.server: has a user or password in it"}},
		{"[mqtt]\nserver = \"d:hunter22@broker\"", []string{`mqtt.server: "(hidden)" is not the address of a broker`}},
		{"[mqtt]\nserver = \"broker:8883\"", []string{`"broker:8883" is not the address of a broker`}},
		{"[mqtt]\nserver = \"wss://broker\"", []string{"is not the address of a broker"}},
		{"[mqtt]\nserver = \"mqtts://broker/x\"", []string{"is not the address of a broker"}},
		{"[mqtt]\nserver = \"mqtts://broker\"\ntopic = \"a/#\"", []string{`mqtt.topic: "a/#" cannot begin a topic`}},
		{"[mqtt]\nserver = \"mqtts://broker\"\ntopic = \"\"", nil},
		{"[mqtt]\nserver = \"mqtts://broker\"\ndiscovery = \"a//b\"", []string{"mqtt.discovery: "}},
		{"[mqtt]\nserver = \"mqtts://broker\"\ncert_file = \"a\"", []string{"mqtt.cert_file: a certificate and its key go together"}},
		{"[mqtt]\nserver = \"mqtts://broker\"\ncommands = \"open:gate\"", []string{`mqtt.commands: "open:gate"`}},
		{"[mqtt]\nserver = \"mqtts://broker\"\ncommands = \"open\"", []string{`did you mean "open:door"?`}},
		{"[[relay]]\nname = \"light\"\nline = 5\nlatching = true\n[mqtt]\nserver = \"mqtts://broker\"\ncommands = \"open:light\"", []string{`mqtt.commands: "open:light"`}},

		// Buttons
		{button("press = \"call:1002\"\nlong = \"dnd\"\nin_call = \"open:door\""), nil},
		{button("press = \"hangup\""), []string{`x:10: button.press: "hangup" has no effect outside calls; move it to in_call`}},
		{button("in_call = \"call\""), []string{`"call" has no effect in a call; move it to press or long`}},
		{button("press = \"none\"\ntarget = \"1\""), []string{`button.target: no action of this button calls it`}},
		{button("press = \"call:\""), []string{`"call:" is incomplete; write "call:1001"`}},
		{button("press = \"call:a b\""), []string{`"a b" cannot be called`}},
		{button("press = \"open\""), []string{`"open" is incomplete; name a relay, as in "open:door"`}},
		{button("press = \"open:dor\""), []string{`button.press: there is no relay "dor"; did you mean "door"?`}},
		{button("press = \"toggle:door\""), []string{`button.press: relay "door" only gives pulses; write "open:door"`}},
		{button("press = \"answer:1\""), []string{`"answer" takes nothing after the word`}},
		{button("press = \"dnd:1\""), []string{`"dnd" takes nothing after the word; write "dnd"`}},
		{button("press = 5"), []string{"is a whole number"}},
		{button("long = \"extnd\"\nlong_after = \"100ms\"\npause = \"1h\""), []string{`did you mean "extend"?`, "give a value from 300ms to 10s", "give a value from 0s to 10m"}},

		// Contacts and relays
		{contact("watches = \"alarm\"\nafter = \"0s\""), nil},
		{contact("watches = \"window\""), []string{`contact.watches: "window" is not possible here; write one of "door", "tamper", "alarm", "nothing"`}},
		{contact("watches = \"tamper\"\nafter = \"5s\"\ngrace = \"5s\""), []string{`x:12: contact.grace: is for contacts that watch a door`, `x:11: contact.after: is not for contacts that watch "tamper"`}},
		{"[[contact]]\nname = \"bell\"\nline = 5", []string{`x:8: contact.name: the name "bell" is that of a default`}},
		{button("") + "[[contact]]\nname = \"a\"\nline = 5", []string{`x:11: contact.name: the name "a" is used in line 8, too`, `x:12: contact.line: line 5 is used by button "a", too`}},
		{"[[contact]]\nname = \"leaf\"", []string{"contact.line: is missing"}},
		{"[[contact]]\nname = \"leaf\"\nline = \"pin 9\"", []string{`contact.line: "pin 9" is GND`}},
		{"[[relay]]\nname = \"l\"\nline = 6\npulse = \"1h\"\nlatching = true\n" + button("press = \"toggle:l\"\nlong=\"open:l\""), nil},
		{"[[key]]\ndigits = \"7\"\ndoes = \"flash:door\"\nusers = [\"1001\"]\n[[key]]\ndigits = \"8\"\ndoes = \"open:door\"", nil},
		{"[[key]]\ndigits = \"7\"\ndoes = \"flash:door\"\nusers = [\"1001\"]\n" + code("digits = \"1234\""), []string{`key.users: "1001" could not open the door with a [[code]] any more`}},
		{"[door]\nkey = \"5\"\nkey_users = \"1001\"\n[[key]]\ndigits = \"7\"\ndoes = \"flash:door\"\nusers = [\"1001\"]\n" + code("digits = \"1234\""), nil},
		{"[[key]]\ndoes = \"open:door\"", []string{"x:7: key.digits: is missing"}},
		{"[[key]]\ndigits = \"7x\"\ndoes = \"open:door\"", []string{"key.digits: is not a sequence of telephone keys"}},
		{"[[key]]\ndigits = \"7\"", []string{"x:7: key.does: is missing"}},
		{"[[key]]\ndigits = \"#7\"\ndoes = \"open:door\"", []string{"extends the call"}},
		{"[[key]]\ndigits = \"7\"\ndoes = \"hangup\"", []string{`key.does: "hangup" is not something that a key does; write "open:RELAY"`}},
		{"[[key]]\ndigits = \"7\"\ndoes = \"on:door\"", []string{`relay "door" only gives pulses`}},
		{"[[key]]\ndigits = \"7\"\ndoes = \"flash:gate\"", []string{`there is no relay "gate"`}},
		{"[door]\nkey = \"5\"\n[[key]]\ndigits = \"15\"\ndoes = \"flash:door\"", []string{"key.digits: ends like another key"}},
		{"[door]\nkey = \"5\"\nkey_users = [\"1\"]\n[[key]]\ndigits = \"5\"\ndoes = \"flash:door\"\nusers = [\"2\"]", nil},
		{"[[key]]\ndigits = \"7\"\ndoes = \"flash:door\"\n" + code("digits = \"1234\""), []string{"key.users: is empty: the key is accepted from everybody"}},
		{"[[target]]\nname = \"t\"\nusers = \"1\"\nprompt = \"closed\"\n" + button("target = \"t\""), []string{"target.prompt: there is no folder of recordings"}},
		{"[[target]]\nname = \"t\"\nusers = \"1\"\nprompt = \"../x\"\n" + button("target = \"t\""), []string{`"../x" is not the name of a recording`}},
		{"[[contact]]\nname = \"c\"\nline = 5\nwatches = \"nothing\"\nsound = \"5s\"", []string{"contact.sound: is not for contacts"}},
		{"[door]\nkey = \"5\"\nrelay = \"l\"\n[[relay]]\nname = \"l\"\nline = 6\nlatching = true", []string{`x:9: door.relay: relay "l" is latching and would leave the door unlocked`}},
	}
	for i, tc := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			text, alone := strings.CutPrefix(tc.text, "alone ")
			if !alone {
				text = minimal + tc.text
			}
			_, faults := Parse("x", []byte(text))
			wellSaid(t, faults...)
			got := faults.Error()
			if len(faults) != len(tc.want) {
				t.Errorf("%d faults, want %d\n%s\n%s", len(faults), len(tc.want), tc.text, got)
			}
			for _, w := range tc.want {
				if !strings.Contains(got, w) {
					t.Errorf("%s\ngives\n%s\nwant %q in it", tc.text, got, w)
				}
			}
			for _, f := range faults {
				if f.Remedy() == "" || f.Line == 0 {
					t.Errorf("a fault without remedy or line: %v", f)
				}
			}
			if strings.Contains(got, "2345") || strings.Contains(got, "/12345") {
				t.Errorf("a secret is in the fault: %s", got)
			}
		})
	}
}
