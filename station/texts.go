package station

import "time"

// Limits of what is kept of text messages to the door.
const (
	textsKept = 10
	textRunes = 500 // of one message
)

// Text is a text message that somebody sent to the door.
type Text struct {
	At   time.Time `json:"at"`
	From Peer      `json:"from"`
	Call string    `json:"call,omitempty"` // ID of the call that it came in
	Body string    `json:"body"`           // at most 500 characters
}

// keepText puts a text message at the head of those that are shown.
func (s *Station) keepText(t Text) {
	if r := []rune(t.Body); len(r) > textRunes {
		t.Body = string(r[:textRunes-1]) + "…"
	}
	s.tellOf(t.Call, TextCame{From: t.From, Characters: len([]rune(t.Body))})
	texts := append([]Text{t}, s.texts...) // the slice of the last snapshot stays as it is
	s.texts = texts[:min(len(texts), textsKept)]
}
