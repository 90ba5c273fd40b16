package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Cost of a password: what OWASP asks for at least, and what a Pi Zero 2 W does in less than a
// second beside a call.
const (
	memory  = 19 << 10 // KiB
	passes  = 2
	threads = 1
	keyLen  = 32
)

// cost is what a password made now costs.
func cost() (mem, times uint32) {
	if raceDetector {
		return 64, 1
	}
	return memory, passes
}

// queue is how long somebody waits for the passwords of others.
const queue = 5 * time.Second

func derive(password string, salt []byte) []byte {
	mem, times := cost()
	return argon2.IDKey([]byte(password), salt, times, mem, threads, keyLen)
}

// hash is a password as it is kept, in the form of the reference implementation.
func hash(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return written(salt, derive(password, salt)), nil
}

func written(salt, key []byte) string {
	mem, times := cost()
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, mem, times, threads, enc(salt), enc(key))
}

// decoy is what passwords are compared with for names that are not there, so that it takes as
// long: of this key nobody knows a password. It costs the start nothing.
var decoy = written(make([]byte, 16), make([]byte, keyLen)) //nolint:gochecknoglobals // a constant

var errHash = errors.New("this is no password of ours")

// same compares a password with what is kept.
func same(kept, password string) (bool, error) {
	var v, m, t, p int
	parts := strings.Split(kept, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errHash
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &v, &m, &t, &p); err != nil ||
		v != argon2.Version || m < 8 || m > 32<<10 || t < 1 || t > 10 || p != 1 {
		return false, errHash // a file that was tampered with must not eat the memory
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) != keyLen {
		return false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, uint32(t), uint32(m), 1, keyLen)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// turn waits until nobody else hashes: each takes memory and a core, which a call needs.
func (b *Book) turn(ctx context.Context) error {
	t := time.NewTimer(queue)
	defer t.Stop()
	select {
	case b.hashing <- struct{}{}:
		return nil
	case <-t.C:
		return ErrBusy
	case <-ctx.Done():
		return ErrBusy
	}
}

func (b *Book) hash(ctx context.Context, password string) (string, error) {
	if err := b.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-b.hashing }()
	return hash(password)
}

// Work does once the computing that each sign-in with a password costs, for those who measure it.
func Work() { derive("a password of usual length", make([]byte, 16)) }
