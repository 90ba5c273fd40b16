package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"intercomd/words"
)

// Refused is why a request cannot be understood, and with which status it is refused.
type Refused struct { //nolint:errname // an answer first, and an error for logs
	Status int
	Why    words.Message
}

// Error is for logs.
func (r *Refused) Error() string { return r.Why.String() }

func refused(status int, code string, params ...string) *Refused {
	return &Refused{status, words.New(code, params...)}
}

// Body reads the body of a request. Its reader bounds it; see [http.MaxBytesReader].
func Body(r *http.Request) ([]byte, *Refused) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		return body, nil
	}
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return nil, refused(http.StatusRequestEntityTooLarge, "body-too-large")
	}
	return nil, refused(http.StatusBadRequest, "bad-body")
}

// JSON fills v with the object that a body is: all of it, and with no field that v does not have, so that
// what is misspelt is told rather than left out. An empty body is an empty object, and null a field that is
// left out, as many libraries write it. Numbers are of the type [Int].
func JSON(header http.Header, body []byte, v any) *Refused {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refused(http.StatusUnsupportedMediaType, "wrong-media-type", "wanted", "application/json")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		if _, err = d.Token(); !errors.Is(err, io.EOF) {
			return refused(http.StatusBadRequest, "bad-json", "detail", "there is more than one object")
		}
		if why := ambiguous(body, v); why != "" {
			return refused(http.StatusBadRequest, "bad-json", "detail", why)
		}
		return nil
	}
	if err == nil {
		return refused(http.StatusBadRequest, "bad-json", "detail", "it is no object")
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return refused(http.StatusBadRequest, "bad-json", "detail", mistyped(wrong))
	}
	return refused(http.StatusBadRequest, "bad-json", "detail", strings.TrimPrefix(err.Error(), "json: "))
}

// Int is a whole number in a body. JSON has one kind of number, in which 10, 10.0 and 1e1 are the same: a
// language that has one kind, too, writes any of them.
type Int int

// UnmarshalJSON reads a number without a fraction.
func (i *Int) UnmarshalJSON(b []byte) error {
	wrong := &json.UnmarshalTypeError{Value: "number " + string(b), Type: reflect.TypeFor[int]()}
	switch b[0] {
	case 'n': // null is a field that is left out
		return nil
	case '"':
		wrong.Value = "string"
	case '{':
		wrong.Value = "object"
	case '[':
		wrong.Value = "array"
	case 't', 'f':
		wrong.Value = "bool"
	}
	n, err := strconv.ParseFloat(string(b), 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
		return wrong
	}
	*i = Int(n)
	return nil
}

// mistyped says what a field must be, without the names that types have in this program.
func mistyped(e *json.UnmarshalTypeError) string {
	if e.Field == "" {
		return "it is no object"
	}
	kind := "of another type"
	switch e.Type.Kind() {
	case reflect.Bool:
		kind = "true or false"
	case reflect.Int:
		kind = "a whole number"
	case reflect.String:
		kind = "text"
	case reflect.Slice:
		kind = "a list"
	}
	return "the field " + strconv.Quote(strings.TrimPrefix(e.Field, ".")) + " must be " + kind + ", and is " + e.Value
}

// ambiguous says what in an object could be read in two ways, of which the decoder takes one without a word:
// a field twice, a name in another case, bytes that are no text; "" if nothing is. v is a pointer to what it
// was decoded into, which has no objects in it.
func ambiguous(body []byte, v any) string {
	if !utf8.Valid(body) {
		return "it is not UTF-8"
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err.Error()
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		delete(fields, name)
	}
	for name := range fields {
		return "unknown field " + strconv.Quote(name)
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		at, err := d.Token()
		if err != nil {
			return "" // at the end
		}
		name, is := at.(string)
		if !is { // the braces of the object
			continue
		}
		if seen[name] {
			return "the field " + strconv.Quote(name) + " is there twice"
		}
		seen[name] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return ""
		}
	}
}

// Query is the parameters of a request, of which each is there once at most and known.
type Query struct{ values url.Values }

// ParseQuery reads the parameters; known lists them. A name with "..." behind it may be there several times.
func ParseQuery(raw string, known ...string) (Query, *Refused) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, refused(http.StatusBadRequest, "bad-query")
	}
	for name, v := range values {
		switch {
		case slices.Contains(known, name+"..."):
		case !slices.Contains(known, name):
			return Query{}, refused(http.StatusBadRequest, "unknown-parameter", "name", name, "known", strings.ReplaceAll(strings.Join(known, ", "), "...", ""))
		case len(v) > 1:
			return Query{}, refused(http.StatusBadRequest, "bad-parameter", "name", name, "wanted", "one value")
		}
	}
	return Query{values}, nil
}

// Has says whether a parameter is there.
func (q Query) Has(name string) bool { return q.values.Has(name) }

// Text is a parameter; "" if it is not there.
func (q Query) Text(name string) string { return q.values.Get(name) }

// All is a parameter that may be there several times.
func (q Query) All(name string) []string { return q.values[name] }

// Number is a parameter from low to high, or instead if it is not there.
func (q Query) Number(name string, low, high, instead int) (int, *Refused) {
	if !q.Has(name) {
		return instead, nil
	}
	n, err := strconv.Atoi(q.Text(name))
	if err != nil || n < low || n > high {
		return 0, refused(http.StatusBadRequest, "bad-parameter", "name", name, "wanted", strconv.Itoa(low)+"…"+strconv.Itoa(high))
	}
	return n, nil
}
