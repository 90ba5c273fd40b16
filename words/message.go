// Package words turns codes into sentences, in the languages that the door speaks.
//
// Every room says what it has to say as a [Message]: a stable code and what belongs to it.
// Programs get the message as it is; for people the catalogue of this package has a sentence
// for each code and each language. It knows nothing of doors: which codes there are is the
// affair of those who make them, and a test holds both together.
package words

import (
	"encoding/json"
	"fmt"
	"time"
)

// Message says something in a code. It is a value: messages that say the same are equal.
// The zero value says nothing.
type Message struct {
	Code   string `json:"code"`             // stable, such as "line-busy"
	Params Params `json:"params,omitempty"` // what belongs to it
}

// Params are the parameters of a message by name: a JSON object of strings, written in one
// way only, so that messages can be compared. "" is none.
type Params string

// ParamsOf writes parameters down. Empty ones are left out.
func ParamsOf(m map[string]string) Params {
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	if len(m) == 0 {
		return ""
	}
	data, err := json.Marshal(m) // in the order of names
	if err != nil {
		return "" // strings can always be written
	}
	return Params(data)
}

// Map returns the parameters by name.
func (p Params) Map() map[string]string {
	m := map[string]string{}
	if p != "" {
		_ = json.Unmarshal([]byte(p), &m) // ParamsOf wrote it
	}
	return m
}

// MarshalJSON is the object.
func (p Params) MarshalJSON() ([]byte, error) {
	if p == "" {
		return []byte("{}"), nil
	}
	return []byte(p), nil
}

// UnmarshalJSON reads an object of strings.
func (p *Params) UnmarshalJSON(data []byte) error {
	m := map[string]string{}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("parameters of a message: %w", err)
	}
	*p = ParamsOf(m)
	return nil
}

// New is a message with parameters, given as name and value in turn. An empty value is
// the same as none.
func New(code string, params ...string) Message {
	return Message{Code: code, Params: ParamsOf(pairs(params))}
}

func pairs(params []string) map[string]string {
	m := make(map[string]string, len(params)/2+1)
	for i := 0; i+1 < len(params); i += 2 {
		m[params[i]] = params[i+1]
	}
	return m
}

// With is m with more parameters.
func (m Message) With(params ...string) Message {
	all := m.Params.Map()
	for k, v := range pairs(params) {
		all[k] = v
	}
	return Message{Code: m.Code, Params: ParamsOf(all)}
}

// Because is m with another message as its reason: the parameter why is the code of that,
// and its parameters go along.
func (m Message) Because(why Message) Message {
	params := why.Params.Map()
	for k, v := range m.Params.Map() {
		params[k] = v
	}
	params["why"] = why.Code
	return Message{Code: m.Code, Params: ParamsOf(params)}
}

// None reports whether the message says nothing.
func (m Message) None() bool { return m.Code == "" }

// Time is a moment as a parameter.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// Span is a duration as a parameter.
func Span(d time.Duration) string { return d.String() }

// String is the problem that the message tells, in English: for logs.
func (m Message) String() string {
	if m.None() {
		return ""
	}
	return English().Say("problem", m)
}

// Remedy is what to do about it, in English: for logs. It is "" where nothing can be done.
func (m Message) Remedy() string { return English().Say("remedy", m) }
