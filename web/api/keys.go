package api

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// KeyHeader is where a client names a command, so that it can send it again when it does not know whether
// it arrived (draft-ietf-httpapi-idempotency-key-header-07).
const KeyHeader = "Idempotency-Key"

// Bounds of [Keys].
const (
	keysKept  = 512
	keyLasts  = 24 * time.Hour
	mostKey   = 128     // characters
	mostReply = 4 << 10 // bytes of an answer that is kept
)

// Reply is an answer that can be given again.
type Reply struct {
	Status int
	Header http.Header // of this answer alone; nil for none
	Body   []byte
}

// Keys remembers which commands were carried out, and how they were answered. It is bounded. Its methods may
// be called by any number of goroutines. The zero value is ready.
type Keys struct {
	mu   sync.Mutex
	all  map[keyOf]*keyed
	line []queued // the oldest first
}

// keyOf is a key and whose it is: nobody gets the answers of others.
type keyOf struct{ who, key string }

type queued struct {
	of    keyOf
	entry *keyed
}

type keyed struct {
	print [sha256.Size]byte // of the request
	at    time.Time
	reply *Reply // nil as long as it is carried out
}

// Key is the key of a request; "" without one. A client may write it as a string of RFC 8941, as the
// draft has it, or bare.
func Key(h http.Header) (string, *Refused) {
	lines := h.Values(KeyHeader)
	if len(lines) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(lines[0])
	if strings.HasPrefix(key, `"`) {
		rest, closed := strings.CutSuffix(key[1:], `"`)
		if !closed || len(key) < 2 {
			return "", refused(http.StatusBadRequest, "bad-key")
		}
		key = rest
	}
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	if len(lines) > 1 || key == "" || len(key) > mostKey || strings.ContainsFunc(key, odd) {
		return "", refused(http.StatusBadRequest, "bad-key")
	}
	return key, nil
}

// Once carries out a request that has a key, or gives the answer that it got the first time. Another
// request with the same key is refused, and so is the same one while it is carried out. Answers that say
// "not now" (429, 5xx) are not kept: the client is to try again.
func (k *Keys) Once(who, key string, r *http.Request, body []byte, now time.Time, do func() Reply) (Reply, *Refused) {
	h := sha256.New()
	h.Write([]byte(r.Method + " " + r.URL.RequestURI() + "\n"))
	h.Write(body)
	of, entry := keyOf{who, key}, &keyed{at: now}
	copy(entry.print[:], h.Sum(nil))

	k.mu.Lock()
	k.tidy(now)
	if old, ok := k.all[of]; ok {
		defer k.mu.Unlock()
		switch {
		case old.print != entry.print:
			return Reply{}, refused(http.StatusUnprocessableEntity, "key-of-another")
		case old.reply == nil:
			return Reply{}, refused(http.StatusConflict, "key-in-use")
		}
		return *old.reply, nil
	}
	if k.all == nil {
		k.all = make(map[keyOf]*keyed)
	}
	k.all[of] = entry
	k.line = append(k.line, queued{of, entry})
	k.mu.Unlock()

	done := false
	defer func() { // also when do panics
		k.mu.Lock()
		defer k.mu.Unlock()
		if !done && k.all[of] == entry {
			delete(k.all, of)
		}
	}()
	reply := do()
	if done = reply.Status < 500 && reply.Status != http.StatusTooManyRequests && len(reply.Body) <= mostReply; done {
		k.mu.Lock()
		entry.reply = &reply
		k.mu.Unlock()
	}
	return reply, nil
}

// tidy forgets what is old and, if there are too many, the oldest of whoever has the most: nobody can make the
// door forget the commands of others. What is being carried out stays. The caller has the lock.
func (k *Keys) tidy(now time.Time) {
	held, most := map[string]int{}, 0
	k.line = slices.DeleteFunc(k.line, func(q queued) bool {
		switch {
		case k.all[q.of] != q.entry: // it was taken back already
			return true
		case now.Sub(q.entry.at) >= keyLasts:
			delete(k.all, q.of)
			return true
		}
		held[q.of.who]++
		most = max(most, held[q.of.who])
		return false
	})
	if len(k.line) < keysKept {
		return
	}
	oldest := slices.IndexFunc(k.line, func(q queued) bool { return held[q.of.who] == most && q.entry.reply != nil })
	if oldest >= 0 {
		delete(k.all, k.line[oldest].of)
		k.line = slices.Delete(k.line, oldest, oldest+1)
	}
}
