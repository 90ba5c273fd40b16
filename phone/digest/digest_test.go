package digest

import (
	"strings"
	"testing"
)

// The examples of RFC 7616, section 3.9.1.
func TestRFC7616Examples(t *testing.T) {
	for _, tc := range []struct{ algorithm, want string }{
		{"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
		{"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	} {
		t.Run(tc.algorithm, func(t *testing.T) {
			c := New("Mufasa", "Circle of Life", true)
			c.cnonce = func() string { return "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" }
			_, err := c.Challenged(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + tc.algorithm +
				`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
			if err != nil {
				t.Fatal(err)
			}
			got := c.Authorization("GET", "/dir/index.html", nil)
			for _, want := range []string{`response="` + tc.want + `"`, `nc=00000001`, `qop=auth,`, `algorithm=` + tc.algorithm, `opaque="FQhe/`} {
				if !strings.Contains(got, want) {
					t.Errorf("missing %s in %s", want, got)
				}
			}
		})
	}
}

// RFC 2617's and RFC 3261's servers without qop (RFC 2069): the example has no
// official vector for SIP, so the formula is spelt out in the expectation.
func TestWithoutQOP(t *testing.T) {
	c := New("bob", "zanzibar", true)
	if _, err := c.Challenged(`Digest realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"`); err != nil {
		t.Fatal(err)
	}
	got := c.Authorization("REGISTER", "sip:biloxi.com", nil)
	if strings.Contains(got, "qop") || strings.Contains(got, "nc=") || strings.Contains(got, "cnonce") {
		t.Errorf("qop fields without qop: %s", got)
	}
	// echo -n "md5(bob:biloxi.com:zanzibar):nonce:md5(REGISTER:sip:biloxi.com)" | md5sum
	if want := `response="` + c.response(c.current, "REGISTER", "sip:biloxi.com", "", "x", "y", nil) + `"`; !strings.Contains(got, want) {
		t.Errorf("response depends on nc or cnonce: %s", got)
	}
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []string
		want []string // realm/nonce/algorithm/qop/stale
	}{
		"freeswitch": {
			[]string{`Digest realm="127.0.0.1", nonce="d51cfed5-5ab5", algorithm=MD5, qop="auth"`},
			[]string{"127.0.0.1/d51cfed5-5ab5/MD5/auth/false"},
		},
		"kamailio, stale": {
			[]string{`Digest realm="lab.test", nonce="Zk==", qop="auth", stale=true`},
			[]string{"lab.test/Zk==/MD5/auth/true"},
		},
		"two in one value": {
			[]string{`Digest realm="a", nonce="1", algorithm=SHA-256, Digest realm="a", nonce="2", algorithm=MD5`},
			[]string{"a/1/SHA-256//false", "a/2/MD5//false"},
		},
		"a list without quotes": {
			[]string{`Digest realm="a",qop=auth,auth-int,nonce="1"`, `Digest qop = auth-int , auth , algorithm=SHA-256, nonce="2",realm="a"`},
			[]string{"a/1/MD5/auth+auth-int/false", "a/2/SHA-256/auth-int+auth/false"},
		},
		"a list without quotes at the end, and the next": {
			[]string{`Digest realm="a", nonce="1", qop=auth,auth-int, Digest realm="b", nonce="2", qop=auth`, `Digest nonce="3",realm="c",qop=auth,auth-int`},
			[]string{"a/1/MD5/auth+auth-int/false", "b/2/MD5/auth/false", "c/3/MD5/auth+auth-int/false"},
		},
		"other schemes around": {
			[]string{`Negotiate, NTLM TlRMTVNTUAAB==, Digest realm="a", nonce="1", qop="auth", Basic realm="x", Bearer`, `AWSv9 region="q, Digest realm=no"`},
			[]string{"a/1/MD5/auth/false"},
		},
		"unknown algorithms": {
			[]string{`Digest realm="a", nonce="1", algorithm=AKAv1-MD5, Digest realm="a", nonce="2", algorithm="SHA-512-256"`},
			[]string{"a/1/AKAV1-MD5//false", "a/2/SHA-512-256//false"},
		},
		"semicolons": {
			[]string{`Digest realm="a"; nonce="1"; qop="auth,auth-int"; stale=TRUE`},
			[]string{"a/1/MD5/auth+auth-int/true"},
		},
		"other scheme between": {
			[]string{`Bearer realm="b", error="x"`, `Digest realm="a" , nonce="1"`},
			[]string{"a/1/MD5//false"},
		},
		"quotes, commas and spaces": {
			[]string{`digest REALM = "a \"b\", c" ,nonce="x,y", qop="auth,auth-int", algorithm="md5-sess", stale=TRUE`},
			[]string{`a "b", c/x,y/MD5-SESS/auth+auth-int/true`},
		},
		"unquoted":        {[]string{`Digest realm=a,nonce=b`}, []string{"a/b/MD5//false"}},
		"no nonce":        {[]string{`Digest realm="a"`}, nil},
		"no realm":        {[]string{`Digest nonce="a"`}, nil},
		"unclosed quote":  {[]string{`Digest realm="a", nonce="b`}, []string{"a/b/MD5//false"}},
		"parameter first": {[]string{`realm="a", nonce="b"`}, nil},
		"nothing":         {[]string{"", " , ,", "\"\"\"", "="}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range Parse(tc.in...) {
				stale := "false"
				if c.Stale {
					stale = "true"
				}
				got = append(got, strings.Join([]string{c.Realm, c.Nonce, c.Algorithm, strings.Join(c.QOP, "+"), stale}, "/"))
			}
			if strings.Join(got, "|") != strings.Join(tc.want, "|") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestChoice(t *testing.T) {
	const (
		md5c   = `Digest realm="r", nonce="m", algorithm=MD5, qop="auth"`
		sha    = `Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth"`
		sha512 = `Digest realm="r", nonce="t", algorithm=SHA-512-256, qop="auth"`
		future = `Digest realm="r", nonce="f", algorithm=SHA-999, qop="auth"`
		odd    = `Digest realm="r", nonce="o", algorithm=SHA-256, qop="token"`
	)
	for name, tc := range map[string]struct {
		earlier  []string
		now      []string
		allowMD5 bool
		nonce    string
		err      error
	}{
		"only MD5 in TLS":       {nil, []string{md5c}, true, "m", nil},
		"only MD5 in the clear": {nil, []string{md5c}, false, "", ErrWeak},
		"SHA-256 preferred":     {nil, []string{md5c, sha}, true, "s", nil},
		"order does not matter": {nil, []string{sha, md5c}, true, "s", nil},
		"the strongest":         {nil, []string{sha, sha512}, true, "t", nil},
		"unknown passed over":   {nil, []string{future, md5c}, true, "m", nil},
		"unknown qop":           {nil, []string{odd, md5c}, true, "m", nil},
		"nothing usable":        {nil, []string{future, odd}, true, "", ErrNoChallenge},
		"downgrade":             {[]string{sha}, []string{md5c}, true, "s", ErrDowngrade},
		"both offered later":    {[]string{sha}, []string{md5c, sha}, true, "s", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := New("u", "p", tc.allowMD5)
			if tc.earlier != nil {
				if _, err := c.Challenged(tc.earlier...); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Challenged(tc.now...); err != tc.err { //nolint:errorlint // returned as it is
				t.Fatalf("got error %v, want %v", err, tc.err)
			}
			if c.Nonce() != tc.nonce {
				t.Errorf("nonce %q, want %q", c.Nonce(), tc.nonce)
			}
		})
	}
}

func TestNonceCount(t *testing.T) {
	c := New("u", "p", true)
	if got := c.Authorization("INVITE", "sip:x", nil); got != "" || c.Ready() {
		t.Errorf("an answer without a question: %q", got)
	}
	challenge := func(nonce string) {
		t.Helper()
		if _, err := c.Challenged(`Digest realm="r", qop="auth", nonce="` + nonce + `"`); err != nil {
			t.Fatal(err)
		}
	}
	want := func(nc string) {
		t.Helper()
		if got := c.Authorization("INVITE", "sip:x", nil); !strings.Contains(got, "nc="+nc) {
			t.Errorf("want nc=%s in %s", nc, got)
		}
	}
	challenge("a")
	want("00000001")
	want("00000002")
	challenge("a") // the same nonce again: the count must go on
	want("00000003")
	challenge("b")
	want("00000001")
	c.Forget()
	if c.Ready() {
		t.Error("ready after Forget")
	}
}

func TestNoLineEndsInAnswers(t *testing.T) {
	c := New("u", "p", true)
	if _, err := c.Challenged("Digest realm=\"r\r\nEvil: 1\", nonce=\"n\""); err != nil {
		t.Fatal(err)
	}
	if got := c.Authorization("INVITE", "sip:x", nil); strings.ContainsAny(got, "\r\n") {
		t.Errorf("line end in %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`Digest realm="127.0.0.1", nonce="d51cfed5-5ab5-4804-9fd1-670ec9846e72", algorithm=MD5, qop="auth"`,
		`Digest realm="a", nonce="1", algorithm=SHA-256, Digest realm="a", nonce="2"`,
		`Digest realm="a\`, `Digest =`, `,,,=,="`, `Digest qop=,a,b,=c`, `Digest realm=a nonce=b`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, ch := range Parse(s) {
			if ch.Nonce == "" || ch.Algorithm == "" {
				t.Errorf("incomplete challenge %+v", ch)
			}
		}
		c := New("u", "p", true)
		if _, err := c.Challenged(s); err == nil {
			if got := c.Authorization("INVITE", "sip:a", nil); got == "" || strings.ContainsAny(got, "\r\n") {
				t.Errorf("bad answer %q", got)
			}
		}
	})
}
