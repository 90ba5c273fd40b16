package words

import "errors"

// Error is an error that people are told in their language.
type Error struct {
	Message
	Kind error // for errors.Is: the kind of error, which the message tells already; may be nil
	Err  error // what was wrong below, for logs and for errors.Is; nil if there is nothing to add
}

// Error is the problem in English, for logs, and what was wrong below.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.String()
	}
	return e.String() + " (" + e.Err.Error() + ")"
}

// Unwrap is the kind of error and what was wrong below.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// Told is what people are told.
func (e *Error) Told() Message { return e.Message }

// Told finds what people are told of an error: of the first in its tree that says it by a
// method Told. Where there is none, only the text of a library is left.
func Told(err error) (m Message, ok bool) {
	var told interface {
		error
		Told() Message
	}
	if !errors.As(err, &told) {
		return m, false
	}
	return told.Told(), true
}

// Because is [Message.Because] with what people are told of an error, be it one of this program
// or a common one of the operating system, or with its text as the parameter detail.
func Because(m Message, err error) Message {
	if why, ok := Told(err); ok {
		return m.Because(why)
	}
	if why, ok := ofSystem(err); ok {
		return m.Because(why)
	}
	return m.With("detail", err.Error())
}
