// Package accounts knows who may use the page: people with passwords and roles, their sessions,
// tokens for programs, and the one-time code with which the first account is made.
//
// It knows nothing of HTTP, of doors, or of files: whoever makes a [Book] gives it a [Store].
// Passwords are kept as argon2id (RFC 9106), tokens and sessions as hashes; nothing that it
// keeps lets anybody in.
package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Role is what somebody may do; each covers those before it.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // look
	Operator Role = "operator" // calls, and the door
	Admin    Role = "admin"    // everything
)

// Roles lists the roles, the least first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// Covers says whether the role may do what another may.
func (r Role) Covers(o Role) bool {
	mine := slices.Index(Roles(), r)
	return mine >= 0 && mine >= slices.Index(Roles(), o)
}

// Times and bounds.
const (
	SessionLasts = 12 * time.Hour
	FreshFor     = 5 * time.Minute // after a password, what asks for it again does not
	CodeLasts    = 30 * time.Minute
	codeTries    = 10
	maxSessions  = 256
	ownSessions  = 32 // of one account, so that nobody is signed out by what others do
	maxPeople    = 64
	maxTokens    = 64
	minPassword  = 8   // characters
	maxPassword  = 256 // bytes
	usedEvery    = time.Hour
)

// Errors. Their texts are codes; package words has the sentences.
var (
	ErrWrong    = errors.New("wrong-password")
	ErrSlow     = errors.New("too-many-failures")
	ErrBusy     = errors.New("busy")
	ErrCode     = errors.New("wrong-code")
	ErrNoCode   = errors.New("no-code")
	ErrName     = errors.New("bad-name")
	ErrTaken    = errors.New("name-taken")
	ErrWeak     = errors.New("weak-password")
	ErrUnknown  = errors.New("no-such-account")
	ErrLast     = errors.New("last-admin")
	ErrTooMany  = errors.New("too-many")
	ErrRole     = errors.New("bad-role")
	ErrScope    = errors.New("bad-scope")
	ErrNotSaved = errors.New("not-saved")
)

// Code is the code of an error of this package, "failed" of any other.
func Code(err error) string {
	for _, known := range []error{ErrWrong, ErrSlow, ErrBusy, ErrCode, ErrNoCode, ErrName, ErrTaken, ErrWeak, ErrUnknown, ErrLast, ErrTooMany, ErrRole, ErrScope, ErrNotSaved} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "failed"
}

// Store keeps the book. Its methods are called one at a time.
type Store interface {
	// Load fills v with what was kept; v is left alone if nothing was.
	Load(v any) error
	Save(v any) error
}

// Person is who is there: somebody with a session, or a program with a token.
type Person struct {
	Name string
	Role Role
	// Scopes beside those of the role; of programs.
	Scopes []Scope
	Token  bool // a program
	// When the password was last given; zero for programs.
	Confirmed time.Time
}

// Fresh says whether the password was given lately.
func (p Person) Fresh(now time.Time) bool {
	return !p.Confirmed.IsZero() && now.Sub(p.Confirmed) < FreshFor
}

// Account is one entry of the book, without its secret.
type Account struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Hash    string    `json:"hash"`
	Changed time.Time `json:"changed"`
}

// Token lets a program in.
type Token struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role Role   `json:"role"` // "" for none
	// Scopes beside those of the role. Tokens of earlier versions have none.
	Scopes []Scope   `json:"scopes,omitempty"`
	Hash   string    `json:"hash"` // SHA-256 of the secret, which has 256 bits
	Made   time.Time `json:"made"`
	By     string    `json:"by"`
	Used   time.Time `json:"used,omitzero"` // to the hour
}

type kept struct {
	Accounts []Account `json:"accounts"`
	Tokens   []Token   `json:"tokens"`
}

type session struct {
	name      string
	hash      string // of the password that it began with, and ends with
	begun     time.Time
	confirmed time.Time
}

// Book is who may use the page. Its methods may be called by any number of goroutines.
type Book struct {
	store   Store
	hashing chan struct{} // one at a time: each takes 19 MiB

	mu       sync.Mutex
	kept     kept
	given    *Account // of the configuration; it cannot be changed here
	sessions map[[32]byte]*session
	console  [32]byte // hash of the secret of this machine's own programs
	code     string
	until    time.Time // of the code
	tries    int
	slow     throttle
}

// Open reads the book. given is the password of the account "admin" of the configuration, ""
// for none. A book that cannot be read is an error, and lets nobody in: it is no empty book.
func Open(store Store, given string) (*Book, error) {
	b := &Book{store: store, hashing: make(chan struct{}, 1), sessions: make(map[[32]byte]*session), slow: newThrottle()}
	if err := store.Load(&b.kept); err != nil {
		return nil, fmt.Errorf("accounts of the page: %w", err)
	}
	if given != "" {
		h, err := hash(given)
		if err != nil {
			return nil, err
		}
		b.given = &Account{Name: "admin", Role: Admin, Hash: h}
	}
	if !b.Any() {
		b.newCode()
	}
	return b, nil
}

// Any says whether a password is set, without which nothing is open to the network.
func (b *Book) Any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.any()
}

func (b *Book) any() bool { return b.given != nil || len(b.kept.Accounts) > 0 }

// newCode makes the one-time code: 40 bits, in letters that are not taken for others.
func (b *Book) newCode() {
	const letters = "23456789abcdefghjkmnpqrstuvwxyz0"
	raw := make([]byte, 8)
	_, _ = rand.Read(raw) // never fails
	for i := range raw {
		raw[i] = letters[raw[i]%32]
	}
	b.code, b.until, b.tries = string(raw[:4])+"-"+string(raw[4:]), time.Now().Add(CodeLasts), 0
}

// Code is the one-time code and its end; "" without one.
func (b *Book) Code() (code string, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.code == "" || !time.Now().Before(b.until) {
		return "", time.Time{}
	}
	return b.code, b.until
}

// Claim makes the first account, an admin, by the one-time code.
func (b *Book) Claim(ctx context.Context, code, name, password string) error {
	if err := b.claimable(code); err != nil {
		return err
	}
	if err := fits(name, password); err != nil {
		return err
	}
	h, err := b.hash(ctx, password)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.any() {
		return ErrNoCode
	}
	if err := b.change(func(k *kept) {
		k.Accounts = []Account{{Name: name, Role: Admin, Hash: h, Changed: time.Now().UTC()}}
	}); err != nil {
		return err
	}
	b.code = ""
	return nil
}

func (b *Book) claimable(code string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.any() || b.code == "" || !time.Now().Before(b.until) {
		return ErrNoCode
	}
	if subtle.ConstantTimeCompare([]byte(strings.ToLower(strings.TrimSpace(code))), []byte(b.code)) != 1 {
		if b.tries++; b.tries >= codeTries {
			b.code = ""
		}
		return ErrCode
	}
	return nil
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

func fits(name, password string) error {
	if !names.MatchString(name) {
		return ErrName
	}
	if n := len([]rune(password)); n < minPassword || len(password) > maxPassword || strings.EqualFold(password, name) {
		return ErrWeak
	}
	return nil
}

// change applies a change and keeps it, or neither. The caller has the lock.
func (b *Book) change(f func(*kept)) error {
	next := kept{slices.Clone(b.kept.Accounts), slices.Clone(b.kept.Tokens)}
	f(&next)
	if err := b.store.Save(&next); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSaved, err)
	}
	b.kept = next
	return nil
}

// find is an account by its name. The caller has the lock.
func (b *Book) find(name string) *Account {
	if b.given != nil && name == b.given.Name {
		return b.given
	}
	for i := range b.kept.Accounts {
		if b.kept.Accounts[i].Name == name {
			return &b.kept.Accounts[i]
		}
	}
	return nil
}

// check compares a password, and returns as what it is kept. It takes as long for a name that is not there.
func (b *Book) check(ctx context.Context, name, password string, from netip.Addr) (string, error) {
	if len(password) > maxPassword {
		return "", ErrWrong
	}
	if err := b.tooSoon(name, from); err != nil {
		return "", err
	}
	if err := b.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-b.hashing }()
	// Those who failed while this one waited for its turn count: many at once are no way round the delay.
	if err := b.tooSoon(name, from); err != nil {
		return "", err
	}
	want, there := b.hashOf(name)
	ok, err := same(want, password)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok || !there {
		b.slow.failed(name, from, time.Now())
		return "", ErrWrong
	}
	b.slow.worked(name, from)
	return want, nil
}

// tooSoon is a [SlowError] as long as nothing is tried.
func (b *Book) tooSoon(name string, from netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait := b.slow.wait(name, from, time.Now()); wait > 0 {
		return &SlowError{wait}
	}
	return nil
}

// hashOf is what a password for a name is compared with, and whether there is such an account.
func (b *Book) hashOf(name string) (kept string, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.find(name); a != nil {
		return a.Hash, true
	}
	return decoy, false
}

// SlowError is [ErrSlow] with how long to wait.
type SlowError struct{ Wait time.Duration }

// Error is the code.
func (*SlowError) Error() string { return ErrSlow.Error() }

// Unwrap gives [ErrSlow].
func (*SlowError) Unwrap() error { return ErrSlow }

// SignIn begins a session and returns its secret.
func (b *Book) SignIn(ctx context.Context, name, password string, from netip.Addr) (string, error) {
	kept, err := b.check(ctx, name, password, from)
	if err != nil {
		return "", err
	}
	return b.begin(name, kept), nil
}

// begin begins a session of somebody whose password, as it is kept, was right.
func (b *Book) begin(name, kept string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tidy(name, now)
	s := secret()
	b.sessions[sha256.Sum256([]byte(s))] = &session{name: name, hash: kept, begun: now, confirmed: now}
	return s
}

// tidy forgets sessions that are over, and makes room for one of name: by the oldest of the account if it
// has its share, else by the oldest of all if there are too many.
func (b *Book) tidy(name string, now time.Time) {
	var oldest, own [32]byte
	var at, ownAt time.Time
	n := 0
	for k, s := range b.sessions {
		if now.Sub(s.begun) >= SessionLasts {
			delete(b.sessions, k)
			continue
		}
		if at.IsZero() || s.begun.Before(at) {
			oldest, at = k, s.begun
		}
		if s.name != name {
			continue
		}
		n++
		if ownAt.IsZero() || s.begun.Before(ownAt) {
			own, ownAt = k, s.begun
		}
	}
	switch {
	case n >= ownSessions:
		delete(b.sessions, own)
	case len(b.sessions) >= maxSessions:
		delete(b.sessions, oldest)
	}
}

// Session finds who has a session.
func (b *Book) Session(secret string) (Person, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.sessions[sha256.Sum256([]byte(secret))]
	if !ok || time.Since(s.begun) >= SessionLasts {
		return Person{}, false
	}
	a := b.find(s.name)
	if a == nil || a.Hash != s.hash { // it began with a password that was changed meanwhile
		return Person{}, false
	}
	return Person{Name: a.Name, Role: a.Role, Confirmed: s.confirmed}, true
}

// Confirm gives the password of a session once more.
func (b *Book) Confirm(ctx context.Context, secret, password string, from netip.Addr) error {
	p, ok := b.Session(secret)
	if !ok {
		return ErrUnknown
	}
	if _, err := b.check(ctx, p.Name, password, from); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[sha256.Sum256([]byte(secret))]; s != nil {
		s.confirmed = time.Now()
	}
	return nil
}

// SignOut ends a session.
func (b *Book) SignOut(secret string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, sha256.Sum256([]byte(secret)))
}

// SignOutEverywhere ends all sessions of somebody.
func (b *Book) SignOutEverywhere(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signOut(name)
}

func (b *Book) signOut(name string) {
	for k, s := range b.sessions {
		if s.name == name {
			delete(b.sessions, k)
		}
	}
}

// Accounts lists the accounts, without secrets.
func (b *Book) Accounts() (out []Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given != nil {
		out = append(out, Account{Name: b.given.Name, Role: b.given.Role})
	}
	for _, a := range b.kept.Accounts {
		if b.given != nil && a.Name == b.given.Name {
			continue
		}
		a.Hash = ""
		out = append(out, a)
	}
	return out
}

// Put makes an account, or changes role and, unless it is "", password of one. Its sessions end
// with its password.
func (b *Book) Put(ctx context.Context, name string, role Role, password string, fresh bool) error {
	if !slices.Contains(Roles(), role) {
		return ErrRole
	}
	h := ""
	if password != "" || fresh {
		if err := fits(name, password); err != nil {
			return err
		}
		var err error
		if h, err = b.hash(ctx, password); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.find(name)
	switch {
	case fresh && old != nil:
		return ErrTaken
	case old == nil && !fresh:
		return ErrUnknown
	case b.given != nil && name == b.given.Name:
		return ErrTaken
	case fresh && len(b.kept.Accounts) >= maxPeople:
		return ErrTooMany
	case old != nil && old.Role == Admin && role != Admin && b.admins() < 2:
		return ErrLast
	}
	if err := b.change(func(k *kept) {
		i := slices.IndexFunc(k.Accounts, func(a Account) bool { return a.Name == name })
		if i < 0 {
			k.Accounts = append(k.Accounts, Account{Name: name})
			i = len(k.Accounts) - 1
		}
		a := &k.Accounts[i]
		a.Role, a.Changed = role, time.Now().UTC()
		if h != "" {
			a.Hash = h
		}
	}); err != nil {
		return err
	}
	if h != "" {
		b.signOut(name)
	}
	return nil
}

func (b *Book) admins() (n int) {
	if b.given != nil {
		n++
	}
	for _, a := range b.kept.Accounts {
		if a.Role == Admin {
			n++
		}
	}
	return n
}

// Remove takes an account away, with its sessions.
func (b *Book) Remove(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.find(name)
	switch {
	case a == nil || a == b.given:
		return ErrUnknown
	case a.Role == Admin && b.admins() < 2:
		return ErrLast
	}
	if err := b.change(func(k *kept) {
		k.Accounts = slices.DeleteFunc(k.Accounts, func(a Account) bool { return a.Name == name })
	}); err != nil {
		return err
	}
	b.signOut(name)
	return nil
}

// NewToken makes a token and returns its secret, which nobody can be told again. It has the scopes of the
// role, and more; without a role ("") those alone, and reaches the interface for programs but no page.
func (b *Book) NewToken(name string, role Role, by string, more ...Scope) (string, error) {
	if !names.MatchString(name) {
		return "", ErrName
	}
	if err := grantable(role, more); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept.Tokens) >= maxTokens {
		return "", ErrTooMany
	}
	if slices.ContainsFunc(b.kept.Tokens, func(t Token) bool { return t.Name == name }) {
		return "", ErrTaken
	}
	s := "icd_" + secret()
	sum := sha256.Sum256([]byte(s))
	err := b.change(func(k *kept) {
		k.Tokens = append(k.Tokens, Token{ID: hex.EncodeToString(sum[:6]), Name: name, Role: role, Scopes: beside(role, more), Hash: hex.EncodeToString(sum[:]), Made: time.Now().UTC(), By: by})
	})
	if err != nil {
		return "", err
	}
	return s, nil
}

// Tokens lists the tokens, without secrets.
func (b *Book) Tokens() []Token {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.kept.Tokens)
	for i := range out {
		out[i].Hash = ""
	}
	return out
}

// Revoke takes a token away.
func (b *Book) Revoke(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.kept.Tokens, func(t Token) bool { return t.ID == id }) {
		return ErrUnknown
	}
	return b.change(func(k *kept) {
		k.Tokens = slices.DeleteFunc(k.Tokens, func(t Token) bool { return t.ID == id })
	})
}

// Bearer finds the program that has a token. When it was last used is kept to the hour: a card
// wears out.
func (b *Book) Bearer(secret string) (Person, bool) {
	sum := sha256.Sum256([]byte(secret))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.console != [32]byte{} && subtle.ConstantTimeCompare(sum[:], b.console[:]) == 1 {
		return Person{Name: "console", Role: Admin, Token: true}, true
	}
	h := hex.EncodeToString(sum[:])
	for i := range b.kept.Tokens {
		t := b.kept.Tokens[i]
		if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(h)) != 1 {
			continue
		}
		if now := time.Now().UTC(); now.Sub(t.Used) >= usedEvery {
			_ = b.change(func(k *kept) { k.Tokens[i].Used = now }) // the token is good all the same
		}
		return Person{Name: t.Name, Role: t.Role, Scopes: t.Scopes, Token: true}, true
	}
	return Person{}, false
}

// Console makes the secret of this machine's own programs; it is another one after each start.
func (b *Book) Console() string {
	s := secret()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console = sha256.Sum256([]byte(s))
	return s
}

// secret is 256 bits for a cookie or a header.
func secret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}
