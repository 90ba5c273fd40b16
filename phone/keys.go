package phone

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// This file is about DTMF keys: those that come by RTP and by INFO, which may be the
// same ones twice, and those that we send.

const (
	sameKey  = 1 * time.Second // RTP and INFO tell the same key within this
	keyTime  = 160             // milliseconds that a key which we send by INFO was pressed
	keysKept = 64              // keys that wait to be sent by INFO
)

// keySeen is a key that was told and may come again by the other way.
type keySeen struct {
	key  rune
	info bool // it came by INFO
	at   time.Time
}

// keys tells the keys of two ways apart that may both carry all of them: each key of
// one way is held against the first of the other way that had none yet, since either
// way may be late, but neither changes the order.
type keys struct{ seen []keySeen }

// fresh reports whether a key is a new one.
func (k *keys) fresh(key rune, info bool, now time.Time) bool {
	k.seen = slices.DeleteFunc(k.seen, func(s keySeen) bool { return now.Sub(s.at) >= sameKey })
	i := slices.IndexFunc(k.seen, func(s keySeen) bool { return s.info != info && s.key == key })
	if i >= 0 {
		k.seen = slices.Delete(k.seen, i, i+1)
		return false
	}
	k.seen = append(k.seen, keySeen{key, info, now})
	return true
}

// onDigit tells a key once, even when it comes by RTP and by INFO.
func (c *Call) onDigit(key rune, info bool) {
	if c.phase != up || c.ended {
		return // nothing that is played before the answer opens a door
	}
	if c.keys.fresh(key, info, time.Now()) {
		c.emit(Event{Kind: Digit, Digit: key})
	}
}

// onInfo takes DTMF as FreeSWITCH and others send it when RTP carries none.
func (c *Call) onInfo(tx *serverTx) {
	body := string(tx.req.Body())
	kind, _, _ := strings.Cut(header(tx.req, "content-type", "c"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/dtmf-relay":
		tx.reply(200)
		if key, ok := relayKey(body); ok {
			c.onDigit(key, true)
		}
	case "application/dtmf":
		tx.reply(200)
		if key, ok := dtmfKey(strings.TrimSpace(body)); ok {
			c.onDigit(key, true)
		}
	case "":
		tx.reply(200)
	default:
		tx.reply(415, sip.NewHeader("Accept", "application/dtmf-relay, application/dtmf"))
	}
}

// relayKey reads "Signal=5" out of an application/dtmf-relay body.
func relayKey(body string) (rune, bool) {
	for line := range strings.SplitSeq(strings.ReplaceAll(body, "\r", "\n"), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
			return dtmfKey(strings.TrimSpace(value))
		}
	}
	return 0, false
}

// dtmfKey reads a key written as itself or as an event number (RFC 4733, 3.2).
func dtmfKey(s string) (rune, bool) {
	switch s = strings.ToUpper(s); {
	case len(s) == 1 && strings.IndexByte("0123456789*#ABCD", s[0]) >= 0:
		return rune(s[0]), true
	case s == "10":
		return '*', true
	case s == "11":
		return '#', true
	case len(s) == 2 && s >= "12" && s <= "15":
		return rune('A' + s[1] - '2'), true
	}
	return 0, false
}

// Keypad is what a [MediaSession] may implement as well: it can tell whether the far
// end takes keys in RTP (RFC 4733). Where it does not they are sent by INFO.
type Keypad interface{ CanSendDigits() bool }

// sendKeys sends keys one after the other.
func (c *Call) sendKeys(digits string) {
	if c.phase != up || c.session == nil {
		return
	}
	if k, ok := c.session.(Keypad); !ok || k.CanSendDigits() {
		c.session.SendDigits(digits)
		return
	}
	busy := len(c.unsent) > 0
	for _, d := range digits {
		if key, ok := dtmfKey(string(d)); ok && len(c.unsent) < keysKept {
			c.unsent = append(c.unsent, key)
		}
	}
	if !busy {
		c.sendKey()
	}
}

// sendKey sends the next key by INFO, as FreeSWITCH and others do, and the one after
// it when that was answered.
func (c *Call) sendKey() {
	if len(c.unsent) == 0 || c.phase != up {
		return
	}
	key := string(c.unsent[0])
	c.request(sip.INFO, func(req *sip.Request) {
		setBody(req, "application/dtmf-relay", []byte("Signal="+key+"\r\nDuration="+strconv.Itoa(keyTime)+"\r\n"))
	}, func(res *sip.Response, err error) {
		if err != nil || res.StatusCode >= 300 {
			c.log.Warn("the far end takes no keys, in RTP or by INFO")
			c.unsent = nil
			return
		}
		c.unsent = c.unsent[1:]
		c.sendKey()
	})
}
