package station

import (
	"strings"
	"testing"
	"time"
)

// Text messages are shown, in any state, and bring nothing about.
func TestTexts(t *testing.T) {
	story(t, func(h *house) {
		h.st.Text(Text{At: time.Now(), From: Peer{User: "1001"}, Body: "open the door"})
		c := h.talking()
		h.st.Text(Text{At: time.Now(), From: Peer{User: "1001"}, Call: c.ID(), Body: strings.Repeat("é", 501)})
		h.expect()
		texts := h.snap().Texts
		if len(texts) != 2 || texts[1].Body != "open the door" || texts[0].Call != "c1" || len([]rune(texts[0].Body)) != 500 || !strings.HasSuffix(texts[0].Body, "é…") {
			t.Errorf("%+v", texts)
		}
		for range 20 {
			h.st.Text(Text{Body: "more"})
		}
		if got := h.snap().Texts; len(got) != textsKept || texts[1].Body != "open the door" {
			t.Errorf("%d are kept; those of an older snapshot are now %+v", len(got), texts)
		}
	})
}
