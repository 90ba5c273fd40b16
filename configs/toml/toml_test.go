package toml

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var plain = Knowledge{
	Secret:     func(line string) bool { return strings.Contains(line, "pass") },
	Expendable: func(key string) bool { return strings.HasPrefix(key, "log") },
}

// outline is a tree as lines of text.
func outline(b *strings.Builder, name string, v *Value) {
	fmt.Fprintf(b, "%d %s %s %s\n", v.Line, name, v.Kind, v.Text)
	for i, item := range v.Items {
		outline(b, fmt.Sprintf("%s[%d]", name, i), item)
	}
	for _, e := range v.Entries {
		outline(b, Join(name, e.Name), e.Value)
	}
}

func TestTree(t *testing.T) {
	tree := Parse([]byte("# first\n[a]\nb = \"x\" # y\nc.d = [1, 2.5]\n\n[[e]]\nf = true\n[[e]]\ng = 2020-01-01\n"), plain)
	var b strings.Builder
	outline(&b, "", tree.Root)
	const want = "0  section \n2 a section \n3 a.b text x\n4 a.c section \n4 a.c.d list \n4 a.c.d[0] whole 1\n4 a.c.d[1] real 2.5\n" +
		"6 e list \n6 e[0] section \n7 e[0].f bool true\n8 e[1] section \n9 e[1].g date 2020-01-01\n"
	if b.String() != want || !tree.Whole || len(tree.Faults) > 0 {
		t.Errorf("%s\nwant\n%s\n%+v", b.String(), want, tree.Faults)
	}
}

func TestFaultsOfTheSyntax(t *testing.T) {
	tree := Parse([]byte("[a]\nb = x\n\nc: 1\n[d]\npass = secret\n\ne = 1\ne = 2\n"), plain)
	var got []string
	for _, f := range tree.Faults {
		got = append(got, fmt.Sprint(f.Line, f.Key, f.Section, " ", f.Code))
	}
	const want = "2a.b config-syntax-bare, 4a.c config-syntax-colon, 6d.pass config-syntax-unquoted, 9d.e config-setting-twice"
	if strings.Join(got, ", ") != want || !tree.Whole || !tree.Broken["a.b"] || strings.Contains(fmt.Sprint(tree.Faults), "secret") {
		t.Errorf("%q, %+v", got, tree)
	}
	if tree := Parse([]byte("[a\nb = 1\n"), plain); tree.Whole || len(tree.Faults) != 1 {
		t.Errorf("a header that nobody can read: %+v", tree)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a = 1\n[b]\n[[c]]\n", "a = [\n1,\n\n", "[a.b.c]\nd.e = {f = 1, f = 2}\n", "\x00", "a = \"\"\"\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := Parse(data, plain)
		if tree.Root == nil || !tree.Whole && len(tree.Faults) == 0 || len(tree.Faults) > 10*len(data)+10 {
			t.Errorf("%+v", tree)
		}
		for _, fault := range tree.Faults {
			if fault.Line < 0 || fault.Line > strings.Count(string(data), "\n")+1 || fault.Code == "" {
				t.Errorf("%+v", fault)
			}
		}
	})
}
