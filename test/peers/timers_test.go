package peers

import (
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// longCall is a call that lives until Asterisk has refreshed its session: every 45 s,
// half of the shortest interval that RFC 4028 allows. It has no sound and goes on
// beside everything else.
type longCall struct {
	name string
	scene
}

// longCalls begins one call of each direction.
func longCalls(t *testing.T, s *shared, a *lab.Asterisk, m *lab.Manager) []*longCall {
	t.Helper()
	begin := func(name, user string, call func(c *longCall)) *longCall {
		c := onAsterisk(t, s, user, map[string]string{"incoming.auto_answer": `["2222"]`}, "tone")
		c.Card = nil
		l := &longCall{name: name, scene: scene{T: t, door: startDoor(t, c), ladder: a.Ladder, begin: time.Now()}}
		l.must(l.door.Registered(within(t, 20*time.Second)))
		call(l)
		l.inState("talking")
		return l
	}
	return []*longCall{
		begin("session timer of a call from the door is refreshed", "1003", func(c *longCall) { c.press("tone") }),
		begin("session timer of a call to the door is refreshed", "1004", func(c *longCall) {
			c.must(m.Originate(within(t, 5*time.Second), "1004", "tone", "2222"))
		}),
	}
}

// refreshed makes sure that the session was refreshed and the call lives on.
func (c *longCall) refreshed(t *testing.T, a *lab.Asterisk) {
	feature(t, asterisk, a.Version, c.name)
	c.T = t
	var callID string
	_, err := a.Wait(within(t, 100*time.Second), c.begin.Add(20*time.Second), func(w lab.Wire) bool {
		callID = w.Header("Call-ID")
		to := w.Header("To")
		return w.Sent && w.Header("Session-Expires") != "" && strings.Contains(to, c.door.Config.User) && strings.Contains(to, "tag=")
	})
	c.must(err)
	w, err := a.Wait(within(t, 10*time.Second), c.begin.Add(20*time.Second), func(w lab.Wire) bool {
		return !w.Sent && strings.HasPrefix(w.First(), "SIP/2.0 200") && w.Header("Call-ID") == callID
	})
	c.must(err)
	t.Logf("refreshed by Asterisk; the door agreed to %s", w.Header("Session-Expires"))
	c.inState("talking")
	c.must(c.door.Hangup(within(t, 5*time.Second)))
	c.over("hung up", "door")
}
