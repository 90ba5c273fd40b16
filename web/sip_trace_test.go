package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/words"
)

func TestTrace(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 123e6, time.UTC)
	const id = "a/b c@pbx?x"
	s := New(Config{Log: quiet(), Trace: func(call string) []SIPMessage {
		if call != id {
			return nil
		}
		return []SIPMessage{
			{At: at, Sent: true, Text: "INVITE sip:1001@pbx SIP/2.0\nCSeq: 1 INVITE\n\nv=0\n"},
			{At: at.Add(time.Second), Text: "SIP/2.0 180 Ring\x1b[2Jing\u202e\nCSeq: 1 INVITE\n\n"},
			{At: at.Add(time.Minute), Skipped: 7, Text: "BYE sip:1000@h SIP/2.0\nCSeq: 9 BYE\n\n"},
		}
	}}, newStation(sample()), nil)

	link := tracePath(id)
	if w := ask(s, "GET", link, nil, "Accept", asHTML); !strings.Contains(w.Body.String(), "Ring?[2Jing?") || !strings.Contains(w.Body.String(), "/trace?text") {
		t.Errorf("as a page: %s", w.Body)
	}
	w := ask(s, "GET", link, nil)
	want := `Call a/b c@pbx?x on 14 March 2026 UTC, the door on the left, its server on the right.
Secrets have been removed.

15:09:26.123  --> INVITE sip:1001@pbx (1), with SDP
15:09:27.123  <-- 180 Ring?[2Jing? (1 INVITE)
              ... 7 messages not kept
15:10:26.123  <-- BYE sip:1000@h (9)

-------- 15:09:26.123 sent

INVITE sip:1001@pbx SIP/2.0
CSeq: 1 INVITE

v=0

-------- 15:09:27.123 received

SIP/2.0 180 Ring?[2Jing?
CSeq: 1 INVITE

-------- 15:10:26.123 received

BYE sip:1000@h SIP/2.0
CSeq: 9 BYE
`
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Body.String() != want {
		t.Errorf("%d %s\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}

	w = ask(s, "GET", link, nil, "Accept", "application/json")
	var got struct {
		Call     string
		Messages []SIPMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Call != id || len(got.Messages) != 3 || !got.Messages[0].Sent || got.Messages[2].Skipped != 7 {
		t.Errorf("%v: %s", err, w.Body)
	}

	for _, path := range []string{"/calls/other/trace", "/calls//trace", "/calls/" + strings.Repeat("x", 5000) + "/trace"} {
		if w := ask(s, "GET", path, nil, "Accept", asHTML); w.Code != http.StatusNotFound && w.Code/100 != 3 {
			t.Errorf("%.40s: %d", path, w.Code)
		}
	}
	if w := ask(newServer(newStation(sample()), nil), "GET", link, nil); w.Code != http.StatusNotFound {
		t.Errorf("without traces: %d", w.Code)
	}
}

func TestTraceIsLinked(t *testing.T) {
	snap := with(func(s *station.Snapshot) {
		s.Calls = []station.Record{{ID: "a/b", Ended: s.Time}, {Ended: s.Time}}
	})
	page, err := newRenderer(words.English(), false).page(snap, nil, snap.Time, whoView{})
	if err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, a := range parse(t, page).all("a") {
		if h := attr(a, "href"); strings.HasPrefix(h, "/calls/") {
			links = append(links, h)
		}
	}
	if len(links) != 1 || links[0] != "/calls/a%2Fb/trace" {
		t.Errorf("links %q", links)
	}
}
