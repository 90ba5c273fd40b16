package station

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The running door takes another meaning between two events, and forgets nothing.
func TestChange(t *testing.T) {
	story(t, func(h *house) {
		is := h.st.cfg
		is.Buttons = slices.Clone(is.Buttons)
		is.Buttons[0].Label, is.Buttons[0].Press = "Other", Action{Do: Dial, Target: "1099"}
		is.Door.Access = AccessConfig{Codes: []CodeConfig{{Name: "cora", Digits: "2468", Relay: "door"}}}
		if err := h.st.Change(h.t.Context(), is); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b := h.snap().Buttons[0]; b.Label != "Other" || b.Target != "1099" {
			t.Errorf("the snapshot shows %+v", b)
		}
		h.press("bell")
		if got := h.last().peer.User; got != "1099" {
			t.Errorf("it calls %s", got)
		}
		h.last().happens(Answered)
		h.last().digits("2468")
		synctest.Wait()
		if got := news[Released](h); len(got) != 1 || got[0].Name != "cora" || !got[0].OK {
			t.Errorf("%+v", got)
		}
	})
}

// What is left out means the same as at the start: a button without a long press calls when it goes
// down, and not when it is let go.
func TestChangeFillsInWhatIsLeftOut(t *testing.T) {
	story(t, func(h *house) {
		is := h.st.cfg
		is.Buttons = []ButtonConfig{{Input: "bell", Press: Action{Do: Dial, Target: "1099"}}}
		is.Door.TamperBlock = 0
		if err := h.st.Change(h.t.Context(), is); err != nil {
			t.Fatal(err)
		}
		h.st.Edge(Edge{Input: "bell", Active: true, At: time.Now()})
		synctest.Wait()
		if h.snap().State != Calling {
			t.Errorf("a button that is down: %s", h.snap().State)
		}
		if got := h.st.cfg.Door.TamperBlock; got != 30*time.Minute {
			t.Errorf("relays are blocked for %v", got)
		}
		h.st.Edge(Edge{Input: "bell", At: time.Now()})
		h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
	})
}

// What is remembered of codes outlives a change of them.
func TestChangeForgetsNothing(t *testing.T) {
	a := newAccess(AccessConfig{PerHour: 3}, Memory{Used: []string{"once"}, LockedUntil: time.Now().Add(time.Hour)}, func() bool { return true })
	a.renew(AccessConfig{Codes: []CodeConfig{{Name: "once", Digits: "12345", Once: true}}})
	if a.length != 5 || !slices.Contains(a.mem.Used, "once") || a.mem.LockedUntil.IsZero() || a.cfg.PerHour != 10 {
		t.Errorf("%+v", a)
	}
}
