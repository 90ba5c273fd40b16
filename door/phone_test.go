package door

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/phone/siptest"
	"intercomd/station"
	"intercomd/words"
)

func TestRegistrationIsTranslated(t *testing.T) {
	since, retry := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, tt := range map[string]struct {
		in   phone.Registration
		want station.Registration
	}{
		"off": {phone.Registration{State: phone.Offline, Since: since}, station.Registration{State: station.RegOff, Since: since}},
		"failed": {
			phone.Registration{State: phone.FailedRetrying, Server: "wss://pbx", User: "1000@pbx", Since: since, Retry: retry, Err: errors.New("no"), Problem: words.New("told", "detail", "no")},
			station.Registration{State: station.RegFailed, Server: "wss://pbx", User: "1000@pbx", Since: since, Retry: retry, Problem: words.New("told", "detail", "no")},
		},
		"registered, but another device took it": {
			phone.Registration{State: phone.Registered, Since: since, Retry: retry, Others: 1, Err: errors.New("another device"), Problem: words.New("registration-taken", "user", "1000")},
			station.Registration{State: station.RegRegistered, Since: since, Retry: retry, Problem: words.New("registration-taken", "user", "1000")},
		},
	} {
		if got := registration(tt.in); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	for _, s := range []phone.State{phone.Connecting, phone.Registering, phone.Registered, phone.FailedRetrying, phone.RefusedRetrying} {
		switch got := registration(phone.Registration{State: s}).State; got {
		case station.RegConnecting, station.RegRegistering, station.RegRegistered, station.RegFailed, station.RegRefused:
		default:
			t.Errorf("%s became %q, which the door does not know", s, got)
		}
	}
}

// What the far end says of itself is kept for days and told to everybody: only so much of it.
func TestFarEndsAreBrief(t *testing.T) {
	long := strings.Repeat("W", 10_000)
	p, e := peer(phone.Party{URI: long, User: long, Name: long}), ending(phone.Ending{Reason: long})
	if n := len(p.URI) + len(p.User) + len(p.Name) + len(e.Reason); n > 800 {
		t.Errorf("%d bytes", n)
	}
	if p := peer(phone.Party{URI: "sip:1001@pbx", User: "1001", Name: "Miller"}); p != (station.Peer{URI: "sip:1001@pbx", User: "1001", Name: "Miller"}) {
		t.Errorf("%+v", p)
	}
}

// A call over the real media, whose far end speaks and then goes away without a word.
func TestFarEndFallsSilent(t *testing.T) {
	const limit, patience = 3 * time.Second, 30 * time.Second
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	media, err := rtc.New(rtc.Config{IncludeLoopback: true})
	must(err)
	defer func() { must(media.Close()) }()
	srv := siptest.New(t, siptest.Options{})
	events := make(chan phone.Event, 64)
	tel := &telephone{in: station.NewInbox(), media: media}
	ua, err := phone.New(phone.Config{Servers: []string{srv.URL()}, User: "1000", Owner: tel, MediaTimeout: limit})
	must(err)
	ctx, cancel := context.WithCancel(t.Context())
	rest := make(chan error, 1)
	go func() { rest <- ua.Run(ctx) }()
	defer func() { cancel(); must(<-rest) }()
	for ua.Registration().State != phone.Registered {
		time.Sleep(5 * time.Millisecond)
	}
	conn := srv.Conn()

	c := &overheard{call: tel.newCall(), events: events}
	c.Call = ua.Dial("1001", c)
	leg := conn.ExpectInvite()
	far, err := media.NewSession(t.Context())
	must(err)
	defer func() { must(far.Close()) }()
	answer, err := far.Answer([]byte(leg.Invite.Body))
	must(err)
	leg.Respond(200, "OK", "\r\n"+string(answer))
	conn.Expect("ACK")

	over := time.After(patience)
	speak := time.NewTicker(20 * time.Millisecond)
	defer speak.Stop()
	var last time.Time
	for spoken := 0; spoken < 20; { // packets that have arrived
		select {
		case <-speak.C:
			must(far.WriteFrame([]byte{1, 2, 3}, 960, false))
			if at, due := c.heard(); due && at.After(last) {
				last, spoken = at, spoken+1
			}
		case <-over:
			t.Fatal("nothing was heard")
		}
	}
	shown := opened{call: c.call, at: last.Add(-time.Second)}
	if since := shown.silentSince(); !since.Equal(last) {
		t.Errorf("silent since %v, not since the last packet at %v", since, last)
	}
	shown.at = last.Add(time.Second)
	if since := shown.silentSince(); !since.Equal(shown.at) {
		t.Errorf("silent since %v, before the call was opened at %v", since, shown.at)
	}
	for {
		select {
		case e := <-events:
			if e.Kind != phone.Ended {
				continue
			}
			if e.Ending.Cause != phone.MediaFault || e.Ending.Reason != "no audio came for 3 s" || e.At.Sub(last) < limit {
				t.Errorf("ended %v after the last packet: %+v", e.At.Sub(last), e.Ending)
			}
			conn.Respond(conn.Expect("BYE"), 200, "OK")
			return
		case <-over:
			t.Fatal("the call goes on in silence")
		}
	}
}

// overheard is a call whose events a test hears, too.
type overheard struct {
	*call
	events chan phone.Event
}

func (o *overheard) Happened(e phone.Event) {
	o.call.Happened(e)
	o.events <- e
}
