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

// infoKinds are the media types under which keys come in INFO. No RFC says what they
// hold: see [infoKey].
func infoKinds() []string {
	return []string{"application/dtmf-relay", "application/dtmf", "audio/telephone-event", "application/vnd.nortelnetworks.digits"}
}

// onInfo takes DTMF as FreeSWITCH and others send it when RTP carries none.
func (c *Call) onInfo(tx *serverTx) {
	body := bodyPart(tx.req)
	body.disposition = "" // whatever it is called, it is a key
	if body.kind == "" || slices.Contains(infoKinds(), body.kind) && len(body.data) == 0 {
		tx.reply(200)
		return
	}
	for _, kind := range infoKinds() {
		data := body.find(kind, "signal", 0)
		if data == nil {
			continue
		}
		tx.reply(200)
		if key, ok := infoKey(string(data)); ok {
			c.onDigit(key, true)
		} else {
			c.log.Debug("an INFO for DTMF contains no key", "type", kind, "bytes", len(data))
		}
		return
	}
	tx.reply(415, sip.NewHeader("Accept", strings.Join(infoKinds(), ", ")))
}

// infoKey reads a key out of a body, in any form that is in use under any of the media
// types: "Signal=5" or "Signal: 5" with a Duration below (Cisco, FreeSWITCH), "d=5"
// (Nortel and others), or the bare key.
func infoKey(body string) (rune, bool) {
	var named, bare string
	for line := range strings.FieldsFuncSeq(body, func(r rune) bool { return strings.ContainsRune("\r\n;,&\x00", r) }) {
		name, value := "", line
		if i := strings.IndexAny(line, "=:"); i >= 0 {
			name, value = strings.ToLower(strings.TrimSpace(line[:i])), line[i+1:]
		}
		words := strings.Fields(value)
		if len(words) == 0 {
			continue
		}
		switch word := strings.Trim(words[0], "\"'"); {
		case name == "signal":
			return dtmfKey(word)
		case named == "" && (name == "d" || name == "digit" || name == "event"):
			named = word
		case bare == "" && name == "":
			bare = word
		}
	}
	if named != "" {
		return dtmfKey(named)
	}
	return dtmfKey(bare)
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

// sendKeys sends keys one after the other.
func (c *Call) sendKeys(digits string) {
	if c.phase != up || c.session == nil {
		return
	}
	if c.session.CanSendDigits() {
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
			c.log.Warn("the far end accepts no DTMF, neither in RTP nor by INFO")
			c.unsent = nil
			return
		}
		c.unsent = c.unsent[1:]
		c.sendKey()
	})
}
