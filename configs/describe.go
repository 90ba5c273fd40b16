package configs

import (
	"reflect"
	"strings"
	"time"
)

// Sort is how a setting is written: a stable code.
type Sort string

// The sorts of settings.
const (
	SortText   Sort = "text"
	SortList   Sort = "list" // of texts
	SortSecret Sort = "secret"
	SortBool   Sort = "bool"
	SortChoice Sort = "choice" // one of some words
	SortNumber Sort = "number" // whole or decimal
	SortTime   Sort = "time"   // a span, such as "30s"
	SortLine   Sort = "line"   // a number, or a name
)

// Describe tells how a setting is written, by its name without numbers, such as "button.line", and
// the words that it may be. ok is false if there is no such setting.
func Describe(key string) (sort Sort, words []string, ok bool) {
	t := reflect.TypeFor[Config]()
	var field reflect.StructField
	for part := range strings.SplitSeq(key, ".") {
		for t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return "", nil, false
		}
		if field, ok = fieldOf(t, part); !ok {
			return "", nil, false
		}
		t = field.Type
	}
	words = strings.Fields(field.Tag.Get("oneof"))
	switch t {
	case reflect.TypeFor[Secret]():
		return SortSecret, nil, true
	case reflect.TypeFor[time.Duration]():
		return SortTime, nil, true
	case reflect.TypeFor[Line]():
		return SortLine, nil, true
	}
	switch t.Kind() {
	case reflect.Slice:
		return SortList, words, true
	case reflect.Bool:
		return SortBool, nil, true
	case reflect.Int, reflect.Float64:
		return SortNumber, nil, true
	}
	if len(words) > 0 {
		return SortChoice, words, true
	}
	return SortText, nil, true
}
