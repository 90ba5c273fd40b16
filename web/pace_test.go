package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// However fast one client asks, from the network or from this machine, another one is answered.
func TestNobodyTakesThePaceOfOthers(t *testing.T) {
	get, post := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRequest(http.MethodPost, "/locate", nil)
	lan, other, near := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("127.0.0.1")
	for _, tc := range []struct{ greedy, quiet netip.Addr }{{lan, other}, {lan, near}, {near, lan}} {
		p, now, answered := newPace(), time.Now(), 0
		for range 3_000 { // 30 s
			for range 20 {
				if p.allow(get, tc.greedy, now) {
					answered++
				}
				p.allow(post, tc.greedy, now)
			}
			if now.Nanosecond() < 10_000_000 && (!p.allow(get, tc.quiet, now) || !p.allow(post, tc.quiet, now)) {
				t.Fatalf("%v keeps %v from being answered", tc.greedy, tc.quiet)
			}
			now = now.Add(10 * time.Millisecond)
		}
		if answered == 0 || answered > allBurst+31*allPace {
			t.Errorf("%v was answered %d times", tc.greedy, answered)
		}
	}
}

// Who asks too fast has to come again, which is slower.
func TestTooFastIsCutOff(t *testing.T) {
	s := newServer(newStation(sample()), nil)
	s.pace.all = rate.NewLimiter(0, 0)
	if w := ask(s, "GET", "/healthz", nil); w.Code != http.StatusTooManyRequests || w.Header().Get("Connection") != "close" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
