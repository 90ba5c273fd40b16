package configs

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// canaries fills every Secret that a configuration can have, wherever it is, and returns them.
func canaries(v reflect.Value, out *[]string) {
	switch {
	case v.Type() == reflect.TypeFor[Secret]():
		s := fmt.Sprintf("canary-%d-!", len(*out))
		*out = append(*out, s)
		v.SetString(s)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				canaries(v.Field(i), out)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		canaries(v.Index(0), out)
	}
}

func TestPlainHasNoSecrets(t *testing.T) {
	c := Default()
	var want []string
	canaries(reflect.ValueOf(&c).Elem(), &want)
	c.SIP.User = "1000"
	text := c.Plain()
	for _, s := range want {
		if strings.Contains(text, s) {
			t.Errorf("there is %s in\n%s", s, text)
		}
	}
	if got := c.Secrets(); len(got) != len(want) || len(want) < 8 {
		t.Errorf("secrets %q, want %q", got, want)
	}
	for _, line := range []string{"sip.user = 1000\n", "sip.password = (hidden)\n", "code[1].digits = (hidden)\n", "web.listen = 127.0.0.1:8080\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
}
