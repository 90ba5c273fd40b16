package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type shelf struct {
	data []byte
	fail error
}

func (s *shelf) Load(v any) error {
	if s.data == nil {
		return nil
	}
	return json.Unmarshal(s.data, v)
}

func (s *shelf) Save(v any) (err error) {
	if s.fail != nil {
		return s.fail
	}
	s.data, err = json.Marshal(v)
	return err
}

const good = "correct horse"

var (
	lan   = netip.MustParseAddr("192.0.2.7")
	other = netip.MustParseAddr("192.0.2.8")
	local = netip.MustParseAddr("127.0.0.1")
)

func book(t *testing.T, s *shelf) *Book {
	t.Helper()
	b, err := Open(s, "")
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := b.Code(); code != "" {
		if err := b.Claim(t.Context(), code, "admin", good); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// The code is for one account, ten tries and half an hour.
func TestTheCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := Open(&shelf{}, "")
		if err != nil {
			t.Fatal(err)
		}
		code, until := b.Code()
		if len(code) != 9 || time.Until(until) != CodeLasts {
			t.Fatalf("%q until %v", code, until)
		}
		if err := b.Claim(t.Context(), code, "admin", "short"); !errors.Is(err, ErrWeak) {
			t.Errorf("a weak password: %v", err)
		}
		if err := b.Claim(t.Context(), code, "Ad min", good); !errors.Is(err, ErrName) {
			t.Errorf("a bad name: %v", err)
		}
		for range codeTries {
			if err := b.Claim(t.Context(), "aaaa-aaaa", "admin", good); !errors.Is(err, ErrCode) {
				t.Errorf("a wrong code: %v", err)
			}
		}
		if err := b.Claim(t.Context(), code, "admin", good); !errors.Is(err, ErrNoCode) || b.Any() {
			t.Errorf("after ten tries: %v", err)
		}
		b, _ = Open(&shelf{}, "")
		code, _ = b.Code()
		time.Sleep(CodeLasts)
		if err := b.Claim(t.Context(), code, "admin", good); !errors.Is(err, ErrNoCode) {
			t.Errorf("after half an hour: %v", err)
		}
	})
}

// Sessions end after 12 hours, with the password, and by signing out everywhere.
func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book(t, &shelf{})
		in := func() string {
			s, err := b.SignIn(t.Context(), "admin", good, lan)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		has := func(s string) bool { _, ok := b.Session(s); return ok }
		s := in()
		time.Sleep(SessionLasts - time.Second)
		if !has(s) {
			t.Error("it ends early")
		}
		time.Sleep(time.Second)
		if has(s) {
			t.Error("it does not end")
		}
		s, u := in(), in()
		b.SignOut(s)
		if has(s) || !has(u) {
			t.Error("signing out ends the wrong one")
		}
		b.SignOutEverywhere("admin")
		if has(u) {
			t.Error("it outlives signing out everywhere")
		}
		s = in()
		if err := b.Put(t.Context(), "admin", Admin, "another horse", false); err != nil || has(s) {
			t.Errorf("it outlives its password: %v", err)
		}
		if _, err := b.SignIn(t.Context(), "admin", good, lan); !errors.Is(err, ErrWrong) {
			t.Errorf("the old password: %v", err)
		}
	})
}

// Five failures are free, then each takes longer; whoever has been there before is not kept out
// by the failures of others, and nobody at the machine.
func TestFailuresTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book(t, &shelf{})
		try := func(pass string, from netip.Addr) error {
			_, err := b.SignIn(t.Context(), "admin", pass, from)
			return err
		}
		if err := try(good, other); err != nil {
			t.Fatal(err)
		}
		for range freeFailures {
			if err := try("wrong", lan); !errors.Is(err, ErrWrong) {
				t.Fatal(err)
			}
		}
		var slow *SlowError
		if err := try(good, lan); !errors.As(err, &slow) || slow.Wait != firstDelay {
			t.Errorf("then: %v", err)
		}
		if err := try(good, netip.MustParseAddr("192.0.2.99")); !errors.Is(err, ErrSlow) {
			t.Errorf("another address with the same name: %v", err)
		}
		if err := try(good, other); err != nil {
			t.Errorf("who has been there before: %v", err)
		}
		for range 100 {
			_ = try("wrong", lan)
			time.Sleep(longestDelay)
		}
		if err := try("wrong", lan); !errors.Is(err, ErrWrong) {
			t.Errorf("the delay has no end: %v", err)
		}
		for range 50 {
			_ = try("wrong", local)
		}
		time.Sleep(localDelay)
		if err := try(good, local); err != nil {
			t.Errorf("at the machine: %v", err)
		}
	})
}

// What is kept lets nobody in, and outlives a restart; what cannot be kept does not happen.
func TestWhatIsKept(t *testing.T) {
	s := &shelf{}
	b := book(t, s)
	token, err := b.NewToken("reader", Viewer, "admin")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(s.data), good) || strings.Contains(string(s.data), token) || strings.Contains(string(s.data), token[4:]) {
		t.Error("a secret is kept as it is")
	}
	again := book(t, s)
	if p, ok := again.Bearer(token); !ok || p.Role != Viewer || !p.Token || p.Fresh(time.Now()) {
		t.Errorf("the token after a restart: %+v", p)
	}
	if _, err := again.SignIn(t.Context(), "admin", good, lan); err != nil {
		t.Error(err)
	}
	if err := again.Remove("admin"); !errors.Is(err, ErrLast) {
		t.Errorf("the last admin: %v", err)
	}
	if err := again.Put(t.Context(), "admin", Viewer, "", false); !errors.Is(err, ErrLast) {
		t.Errorf("the last admin as a viewer: %v", err)
	}
	s.fail = errors.New("full")
	if err := again.Put(t.Context(), "bert", Viewer, good, true); !errors.Is(err, ErrNotSaved) || len(again.Accounts()) != 1 {
		t.Errorf("on a full card: %v, %v", err, again.Accounts())
	}
}

// The password of the configuration is that of admin and cannot be changed on the page.
func TestGivenPassword(t *testing.T) {
	b, err := Open(&shelf{}, good)
	if err != nil || !b.Any() {
		t.Fatal(err)
	}
	if code, _ := b.Code(); code != "" {
		t.Error("there is a code")
	}
	if _, err := b.SignIn(t.Context(), "admin", good, lan); err != nil {
		t.Error(err)
	}
	if err := b.Put(t.Context(), "admin", Admin, "another horse", false); err == nil {
		t.Error("it can be changed")
	}
}

// A name that is not there takes as long as a wrong password: what it is compared with is sound.
func TestUnknownName(t *testing.T) {
	if ok, err := same(decoy, good); ok || err != nil {
		t.Errorf("the decoy: %v, %v", ok, err)
	}
	if _, err := book(t, &shelf{}).SignIn(t.Context(), "nobody", good, lan); !errors.Is(err, ErrWrong) {
		t.Errorf("%v", err)
	}
}

// Only one password is looked at at a time, and who waits too long is told so.
func TestOneAtATime(t *testing.T) {
	b := book(t, &shelf{})
	b.hashing <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.SignIn(ctx, "admin", good, lan); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
}

// Many passwords at once, of one address or of many, are no more tries than one after the other.
func TestManyAtOnce(t *testing.T) {
	for what, from := range map[string]func(int) netip.Addr{
		"of one address":   func(int) netip.Addr { return lan },
		"of many":          func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}) },
		"of this machine":  func(int) netip.Addr { return local },
		"with other names": func(int) netip.Addr { return other },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := book(t, &shelf{})
			b.hashing <- struct{}{}
			tried := 0
			var mu sync.Mutex
			var running sync.WaitGroup
			for i := range 3 * freeFailures {
				running.Go(func() {
					name := "admin"
					if what == "with other names" {
						name = fmt.Sprint("name", i)
					}
					_, err := b.SignIn(t.Context(), name, "wrong", from(i))
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, ErrWrong) {
						tried++
					}
				})
			}
			synctest.Wait() // all wait for their turn
			<-b.hashing
			running.Wait()
			if tried != freeFailures {
				t.Errorf("%s: %d were tried, %d are free", what, tried, freeFailures)
			}
		})
	}
}

// A password that is changed while somebody signs in with it lets nobody in.
func TestChangedMeanwhile(t *testing.T) {
	b := book(t, &shelf{})
	kept, err := b.check(t.Context(), "admin", good, lan)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "admin", Admin, "another horse", false); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Session(b.begin("admin", kept)); ok {
		t.Error("the old password has begun a session")
	}
}

// Whoever signs in again and again ends their own sessions, and nobody else's.
func TestSessionsAreShared(t *testing.T) {
	b := book(t, &shelf{})
	s, err := b.SignIn(t.Context(), "admin", good, lan)
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	now := time.Now()
	for i := range 2 * maxSessions {
		b.tidy("eve", now)
		b.sessions[[32]byte{1, byte(i), byte(i >> 8)}] = &session{name: "eve", begun: now.Add(time.Duration(i)), confirmed: now}
	}
	n := len(b.sessions)
	b.mu.Unlock()
	if _, ok := b.Session(s); !ok || n != 1+ownSessions {
		t.Errorf("there are %d sessions, the admin's: %v", n, ok)
	}
}

func FuzzKeptPassword(f *testing.F) {
	h, _ := hash(good)
	f.Add(h, good)
	f.Add("$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA", "x")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$", "")
	f.Fuzz(func(t *testing.T, kept, password string) {
		if ok, _ := same(kept, password); ok && kept != h {
			if again, err := same(kept, password+"x"); again || err != nil {
				t.Errorf("%q takes anything", kept)
			}
		}
	})
}

func BenchmarkPassword(b *testing.B) {
	for b.Loop() {
		derive(good, []byte("0123456789abcdef"))
	}
}

// What a password costs: at least what OWASP asks for. make unit runs this without the race detector,
// which makes them cheap.
func TestWhatAPasswordCosts(t *testing.T) {
	if raceDetector {
		t.Skip("cheap with the race detector")
	}
	h, err := hash(good)
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; err != nil || !strings.HasPrefix(h, want) || !strings.HasPrefix(decoy, want) {
		t.Errorf("%q, compared with %q, want %s: %v", h, decoy, want, err)
	}
	if ok, err := same(h, good); !ok || err != nil {
		t.Errorf("it is not taken back: %v", err)
	}
}
