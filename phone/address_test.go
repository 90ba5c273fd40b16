package phone

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// grammar writes addresses as RFC 3261, section 25.1 allows them, and knows what they mean.
type grammar struct{ *rand.Rand }

func (g grammar) of(letters string, least, most int) string {
	var b strings.Builder
	for range least + g.IntN(most-least+1) {
		b.WriteByte(letters[g.IntN(len(letters))])
	}
	return b.String()
}

const (
	alphanum = "abcXYZ019"
	token    = alphanum + "-.!%*_+`'~"
)

// escapes sometimes puts an escape behind text.
func (g grammar) escapes(s string) string {
	if g.IntN(3) > 0 {
		return s
	}
	return s + fmt.Sprintf("%%%02X", g.IntN(256))
}

func (g grammar) lws() string { return []string{"", "", " ", "\t ", "  "}[g.IntN(5)] }

func (g grammar) quoted() (text, meaning string) {
	var b strings.Builder
	b.WriteByte('"')
	for range g.IntN(8) {
		c := []string{"a", " ", "<", ">", ";", ",", "=", `\"`, `\\`, "ü", "@", "'", "tag=x"}[g.IntN(13)]
		b.WriteString(c)
		meaning += strings.TrimPrefix(c, `\`)
	}
	return b.String() + `"`, meaning
}

// params writes uri-parameters.
func (g grammar) params() string {
	var b strings.Builder
	for range g.IntN(4) {
		b.WriteString(";" + g.of(alphanum+"[]/:&+$-_.!~*'()", 1, 6) + fmt.Sprint(g.IntN(1000)))
		if g.IntN(2) == 0 {
			b.WriteString("=" + g.escapes(g.of(alphanum+"[]/:&+$-_.!~*'()", 1, 6)))
		}
	}
	return b.String()
}

func (g grammar) host() string {
	return []string{"a.test", "192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]", "a-b.example.com", "h"}[g.IntN(6)]
}

func (g grammar) uri() (text, user, host string) {
	var b strings.Builder
	b.WriteString([]string{"sip:", "sips:"}[g.IntN(2)])
	if g.IntN(4) > 0 {
		user = g.escapes(g.of(alphanum+"-_.!~*'()&=+$,;?/", 1, 8))
		user = "u" + user // "sip://" is how people mistype "sip:"
		b.WriteString(user)
		if g.IntN(4) == 0 {
			b.WriteString(":" + g.of(alphanum+"&=+$,", 1, 4))
		}
		b.WriteString("@")
	}
	host = g.host()
	b.WriteString(host)
	if g.IntN(2) == 0 {
		fmt.Fprintf(&b, ":%d", 1+g.IntN(65535))
	}
	b.WriteString(g.params())
	if g.IntN(4) == 0 {
		b.WriteString("?" + g.of(alphanum+"[]/?:+$", 1, 4) + "=" + g.of(alphanum+"[]/?:+$", 0, 4) + "&x=y")
	}
	return b.String(), user, host
}

// Whatever the grammar can write is read as what it means, alone and in a list, and a URI
// comes back as it was.
func TestAddressesOfTheGrammar(t *testing.T) {
	g := grammar{rand.New(rand.NewPCG(1, 2))}
	for range 5_000 {
		var list []string
		var want []address
		var tags []string
		for range 1 + g.IntN(3) {
			var a address
			uri, user, host := g.uri()
			a.uri = uri
			var text string
			switch g.IntN(4) {
			case 0:
				var quoted string
				quoted, a.name = g.quoted()
				text = quoted + g.lws() + "<" + uri + ">"
				a.name = strings.TrimSpace(a.name)
			case 1:
				a.name = g.of(token, 1, 5) + " " + g.of(token, 1, 5)
				text = a.name + g.lws() + "<" + uri + ">"
			case 2:
				if !strings.ContainsAny(uri, ",;?") { // which need brackets (RFC 3261, 20)
					text, a.bare = uri, true
					break
				}
				fallthrough
			default:
				text = "<" + uri + ">"
			}
			tag := g.of(token, 1, 6)
			text += g.lws()
			if value, _ := g.quoted(); g.IntN(2) == 0 {
				text += ";" + g.lws() + "x" + g.lws() + "=" + g.lws() + value + g.lws()
			}
			text += ";" + g.lws() + "TAG" + g.lws() + "=" + g.lws() + tag + g.lws()
			if g.IntN(2) == 0 {
				text += ";" + g.of(token, 1, 4) + "y"
			}
			list, want, tags = append(list, g.lws()+text+g.lws()), append(want, a), append(tags, tag)

			parsed, err := parseURI(uri)
			if err != nil || parsed.User != user || parsed.Host != host || parsed.String() != uri && !strings.Contains(uri, "=&") {
				t.Fatalf("%q was read as user %q, host %q and written as %q (%v)", uri, parsed.User, parsed.Host, parsed.String(), err)
			}
		}
		parts := splitOutside(strings.Join(list, ","), ',')
		if len(parts) != len(want) {
			t.Fatalf("%q was cut into %q", list, parts)
		}
		for i, p := range parts {
			a, err := parseAddress(p)
			tag, _ := a.param("tag")
			if w := want[i]; err != nil || a.uri != w.uri || strings.TrimSpace(a.name) != w.name || a.bare != w.bare || tag != tags[i] || tagOf(p) != tags[i] {
				t.Fatalf("%q was read as %+v, tag %q and %q, want %+v with %q (%v)", p, a, tag, tagOf(p), w, tags[i], err)
			}
		}
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for _, s := range []string{
		"", " ", ";tag=a", "<>", "< sip:a@b>", "<sip:a@b >", "<sip:a@b", "sip:a b@c", `"a <sip:a@b>`, `"a" b <sip:a@b>`, `a" <sip:a@b>`,
		"Bell, A <sip:a@b>", "<sip:a@b> x", "<sip:a@b>x;tag=1", "<sip:a\x00@b>", "<<sip:a@b>>", `<sip:"a"@b>`,
	} {
		if a, err := parseAddress(s); err == nil {
			t.Errorf("%q is said to be %+v", s, a)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		`"A \"b\" <c>" <sip:u;x?y:p@[::1]:5060;lr;maddr=[::2]?h=v>;tag=1;q="a;b>c"`, "tel:+49-30;phone-context=x;tag=1", "*", "sip:a@b;tag=1, <sip:c;lr=on>",
		`<sip:%61%zz@h;=;;x=>;`, `"\`, "<", `"a"<sip:@>`, "sip:", "sip:;", "sip:[", "sip:a@[::1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range splitOutside(s, ',') {
			p := partyOf(v)
			if p.Name != oneLine(p.Name) {
				t.Errorf("control characters in the name %q", p.Name)
			}
			a, err := parseAddress(v)
			if err != nil {
				continue
			}
			again, err := parseAddress("<" + a.uri + ">" + a.params)
			if err != nil || again.uri != a.uri {
				t.Errorf("%q: %q, then %q (%v)", v, a.uri, again.uri, err)
			}
			if uri, err := parseURI(a.uri); err == nil {
				if strings.ContainsAny(uri.String(), " \r\n<>") {
					t.Errorf("%q is written as %q", a.uri, uri.String())
				}
			}
		}
		if uri, err := parseTarget(s, "pbx.test"); err == nil {
			text := uri.String()
			if again, err := parseTarget(text, ""); err != nil || again.String() != text {
				t.Errorf("the target %q is %q, then %q (%v)", s, text, again.String(), err)
			}
			for _, r := range text {
				if r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"\`, r) {
					t.Fatalf("the target %q is written as %q", s, text)
				}
			}
		}
		if u := escapeUser(s); escapeUser(u) != u || strings.ContainsAny(u, "#@:<>\" \r\n") {
			t.Errorf("%q escaped is %q", s, u)
		}
	})
}
