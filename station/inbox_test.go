package station

import (
	"fmt"
	"testing"
	"time"
)

// What comes before there is anybody to read it is read in its order, and nobody waits.
func TestLettersBeforeTheStart(t *testing.T) {
	b := NewInbox()
	b.SetFault(Fault{Key: "a"})
	b.Edge(Edge{Input: "bell", Active: true})
	b.SetFault(Fault{Key: "b"})
	b.ClearFault("a")
	b.SetRegistration(Registration{State: RegConnecting})
	b.SetRegistration(Registration{State: RegRegistered})
	var got []string
	for l, ok := b.next(); ok; l, ok = b.next() {
		got = append(got, l.about+l.edge)
	}
	if fmt.Sprint(got) != "[bell fault b fault a registration]" {
		t.Errorf("letters %q", got)
	}
}

// A core that hangs costs no memory without end: what is newest of an input counts, and whoever
// calls or writes is told that there is no room.
func TestAFullInbox(t *testing.T) {
	h := &house{t: t}
	b := NewInbox()
	for i := range mostLetters {
		b.Edge(Edge{Input: fmt.Sprintf("in%d", i%3), Active: i%2 == 0, At: time.Unix(int64(i), 0)})
	}
	b.Edge(Edge{Input: "in1", At: time.Unix(9999, 0)})
	b.Edge(Edge{Input: "new", At: time.Unix(9999, 0)})
	if b.Text(Text{}) || b.Offer(h.call("1001")) {
		t.Error("there was room")
	}
	if got := h.take(); len(got) != 1 || got[0] != "c1 end shutdown" {
		t.Errorf("the caller: %q", got)
	}
	b.SetFault(Fault{Key: "a"}) // never dropped
	if n := len(b.letters); n != mostLetters+1 || b.letters[n-1].about != "fault a" || b.letters[n-2].edge != "in1" {
		t.Errorf("%d letters, the last %q", n, b.letters[n-1].about)
	}
	b.refuseLetters()
	if b.Text(Text{}) || b.Offer(h.call("1002")) {
		t.Error("a door that has stopped takes a call")
	}
	if got := h.take(); len(got) != 1 || got[0] != "c2 end shutdown" {
		t.Errorf("after the end: %q", got)
	}
}
