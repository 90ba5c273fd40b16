package configs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"intercomd/configs/textfile"
)

// This file takes passwords out of the text of a configuration and puts them back, for cards:
// [Seal] makes a text of the very length of the old one, so that it can be written in its place.

// sealed is what stands in place of a secret. No secret is that short and looks like it.
const sealed = "="

var errSealed = errors.New("the secrets of this file cannot be taken out of it")

// A found secret: where its value is in a text, and what it is.
type found struct {
	id         string // such as "sip.password", or "code[anna].digits"
	value      string
	start, end int // of the value with its quotes
}

// Seal takes the secrets out of a configuration as it was saved. The text has the length of
// data and is the same but for the values of secrets. secrets has what was taken out, by the
// names of the settings; it is empty if there was nothing. placeholders are the names of those
// that were taken out before.
//
// Secrets that another place of the text has too, such as a comment, cannot be taken out: that
// is an error, and so is a way of writing them that this function does not know.
func Seal(data []byte) (text []byte, secrets map[string]string, placeholders []string, err error) {
	plain, at, ok := textfile.Offsets(data)
	if !ok {
		return nil, nil, nil, errSealed
	}
	wide := bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff})
	text, secrets = bytes.Clone(data), map[string]string{}
	for _, f := range secretsIn(plain) {
		switch f.value {
		case "":
			continue
		case sealed:
			placeholders = append(placeholders, f.id)
			continue
		}
		if _, twice := secrets[f.id]; twice {
			return nil, nil, nil, fmt.Errorf("%w: %s is there twice", errSealed, f.id)
		}
		secrets[f.id] = f.value
		fill(text[at[f.start]:at[f.end]], wide && data[0] == 0xff, wide)
	}
	was, _ := Parse("", data)
	if countSecrets(was) != len(secrets) {
		return nil, nil, nil, fmt.Errorf("%w: write each of them as key = \"value\" in a line of its own", errSealed)
	}
	if len(secrets) == 0 {
		return data, secrets, placeholders, nil
	}
	// That it is right is proven, not believed.
	back, err := Unseal(text, secrets)
	if err != nil {
		return nil, nil, nil, err
	}
	is, _ := Parse("", back)
	left, _, _ := textfile.Clean(text)
	for id, s := range secrets {
		if len(s) > 3 && bytes.Contains(left, []byte(s)) {
			return nil, nil, nil, fmt.Errorf("%w: that of %s is in another place of it, too", errSealed, id)
		}
	}
	if !reflect.DeepEqual(was, is) || len(text) != len(data) {
		return nil, nil, nil, errSealed
	}
	if again := secretsIn(left); slices.ContainsFunc(again, func(f found) bool { return f.value != sealed && f.value != "" }) {
		return nil, nil, nil, errSealed
	}
	return text, secrets, placeholders, nil
}

// fill overwrites a value with the placeholder and blanks.
func fill(raw []byte, little, wide bool) {
	word := `"` + sealed + `"`
	if !wide {
		copy(raw, word+strings.Repeat(" ", max(0, len(raw)-len(word))))
		return
	}
	order := binary.ByteOrder(binary.BigEndian)
	if little {
		order = binary.LittleEndian
	}
	for i := 0; i+1 < len(raw); i += 2 {
		u := uint16(' ')
		if i/2 < len(word) {
			u = uint16(word[i/2])
		}
		order.PutUint16(raw[i:], u)
	}
}

// Unseal puts secrets back in place of what [Seal] has left of them, as UTF-8 with the same
// lines. What is not in secrets stays as it is, and [Parse] says so. A text without any is
// returned as it is.
func Unseal(data []byte, secrets map[string]string) ([]byte, error) {
	plain, err := CleanText(data)
	if err != nil {
		return nil, err
	}
	var out []byte
	last := 0
	for _, f := range secretsIn(plain) {
		s, ok := secrets[f.id]
		if f.value != sealed || !ok {
			continue
		}
		out = append(append(out, plain[last:f.start]...), quoted(s)...)
		last = f.end
	}
	if last == 0 {
		return data, nil
	}
	return append(out, plain[last:]...), nil
}

// quoted is a basic string of TOML.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// secretKeys are the settings that are secrets, such as "password" of "sip".
func secretKeys() map[string][]string {
	out := map[string][]string{}
	for s := range reflect.TypeFor[Config]().Fields() {
		t := s.Type
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		for f := range t.Fields() {
			if f.Type == reflect.TypeFor[Secret]() {
				out[s.Tag.Get("toml")] = append(out[s.Tag.Get("toml")], f.Tag.Get("toml"))
			}
		}
	}
	return out
}

// countSecrets is how many secrets a configuration has that are not sealed.
func countSecrets(c Config) (n int) {
	v := reflect.ValueOf(c)
	count := func(s reflect.Value) {
		for i := range s.NumField() {
			if secret, ok := s.Field(i).Interface().(Secret); ok && secret != "" && secret != sealed {
				n++
			}
		}
	}
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			count(f)
		case reflect.Slice:
			for j := range f.Len() {
				if f.Index(j).Kind() == reflect.Struct {
					count(f.Index(j))
				}
			}
		}
	}
	return n
}

// secretsIn finds the secrets of a text, as far as the syntax is right.
func secretsIn(text []byte) (list []found) {
	keys := secretKeys()
	var p unstable.Parser
	p.Reset(text)
	section, number := "", map[string]int{}
	many := false
	name := "" // of the section, where it is one of many
	begin := 0 // of list
	ends := func() {
		for i := begin; i < len(list) && many; i++ {
			id := "#" + strconv.Itoa(number[section])
			if name != "" {
				id = name
			}
			list[i].id = fmt.Sprintf("%s[%s].%s", section, id, list[i].id)
		}
		begin, name = len(list), ""
	}
	for p.NextExpression() {
		n := p.Expression()
		var path []string
		for it := n.Key(); it.Next(); {
			path = append(path, string(it.Node().Data))
		}
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			ends()
			section, many = strings.Join(path, "."), n.Kind == unstable.ArrayTable
			number[section]++
		case unstable.KeyValue:
			v := n.Value()
			if v.Kind != unstable.String {
				continue
			}
			where, key := section, path[len(path)-1]
			if len(path) == 2 && section == "" {
				where = path[0]
			} else if len(path) > 1 {
				continue
			}
			if key == "name" && many {
				name = string(v.Data)
			}
			if !slices.Contains(keys[where], key) {
				continue
			}
			f := found{id: where + "." + key, value: string(v.Data), start: int(v.Raw.Offset), end: int(v.Raw.Offset) + int(v.Raw.Length)}
			if many {
				f.id = key
			}
			list = append(list, f)
		}
	}
	ends()
	return list
}
