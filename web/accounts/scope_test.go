package accounts

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
)

// No role opens doors, and each has all that those before it have.
func TestScopesOfRoles(t *testing.T) {
	var before []Scope
	for _, r := range Roles() {
		p := Person{Role: r}
		for _, s := range []Scope{ScopeOpen, ScopeBackup, ScopeReset} {
			if p.Has(s) || !s.Explicit() {
				t.Errorf("%s has %s by its role", r, s)
			}
		}
		for _, s := range before {
			if !p.Has(s) {
				t.Errorf("%s has no %s", r, s)
			}
		}
		before = r.Scopes()
	}
	for _, s := range Scopes() {
		if (Person{}).Has(s) {
			t.Errorf("nobody has %s", s)
		}
		if (Person{Role: Admin}).Has(s) == s.Explicit() {
			t.Errorf("admin and %s", s)
		}
	}
}

func TestTokensWithScopes(t *testing.T) {
	s := &shelf{}
	b := book(t, s)
	for i, tc := range []struct {
		role Role
		more []Scope
		want error
		kept []Scope
	}{
		{"", nil, ErrRole, nil},
		{"", []Scope{}, ErrRole, nil},
		{"king", []Scope{ScopeRead}, ErrRole, nil},
		{"", []Scope{"everything"}, ErrScope, nil},
		{Viewer, []Scope{ScopeRead, "everything"}, ErrScope, nil},
		{"", []Scope{ScopeOpen, ScopeRead, ScopeOpen}, nil, []Scope{ScopeRead, ScopeOpen}},
		{Operator, []Scope{ScopeOpen, ScopeCall}, nil, []Scope{ScopeOpen}},
		{Operator, nil, nil, nil},
	} {
		name := string(rune('a' + i))
		secret, err := b.NewToken(name, tc.role, "admin", tc.more...)
		if !errors.Is(err, tc.want) {
			t.Errorf("%q and %q: %v, want %v", tc.role, tc.more, err, tc.want)
		}
		p, ok := book(t, s).Bearer(secret) // after a restart
		if ok != (tc.want == nil) || p.Role != tc.role && ok || !slices.Equal(p.Scopes, tc.kept) {
			t.Errorf("%q and %q: is %+v", tc.role, tc.more, p)
		}
		if ok && tc.role == "" && p.Role.Covers(Viewer) {
			t.Error("a token without a role reaches pages")
		}
	}
}

// A token of an earlier version has what its role has, and opens nothing.
func TestTokenOfEarlierVersions(t *testing.T) {
	var k Token
	if err := json.Unmarshal([]byte(`{"id":"1","name":"x","role":"admin","hash":"","made":"2026-01-01T00:00:00Z","by":"admin"}`), &k); err != nil {
		t.Fatal(err)
	}
	if p := (Person{Role: k.Role, Scopes: k.Scopes}); !p.Has(ScopeLog) || p.Has(ScopeOpen) {
		t.Errorf("%+v", p)
	}
}
