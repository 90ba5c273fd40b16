package peers

import (
	"path/filepath"
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
	feature(t, on(a), c.name)
	c.T = t
	var callID string
	_, err := a.Wait(within(t, 100*time.Second), c.begin.Add(20*time.Second), func(w lab.Wire) bool {
		callID = w.Header("Call-ID")
		to := w.Header("To")
		return w.Sent && w.Header("Session-Expires") != "" && strings.Contains(to, "sip:"+c.door.Config.User+"@") && strings.Contains(to, "tag=")
	})
	c.must(err)
	w, err := a.Wait(within(t, 10*time.Second), c.begin.Add(20*time.Second), func(w lab.Wire) bool {
		return !w.Sent && strings.HasPrefix(w.First(), "SIP/2.0 200") && w.Header("Call-ID") == callID
	})
	c.must(err)
	t.Logf("refreshed by Asterisk; the door agreed to %s", w.Header("Session-Expires"))
	c.inState("talking")
	c.must(c.door.Hangup(within(t, 5*time.Second)))
	c.over("hung-up", "command")
}

// A proxy may ask for a session timer that the far end knows nothing of: then the
// door refreshes.
func TestTimerOfAProxy(t *testing.T) {
	s := need(t)
	t.Parallel() // it takes a minute: beside Asterisk
	c := s.site.Kamailio.Config
	c.Dir, c.SessionTimer = filepath.Join(s.site.Dir, "kamailio-timer"), 90
	c.SIPPort, c.WSPort, c.WSSPort = c.SIPPort+200, c.WSPort+200, c.WSSPort+200
	k, err := lab.StartKamailio(within(t, 20*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop(3 * time.Second) })
	site := *s.site // the same place with another server
	site.Kamailio = k
	door := atKamailio(t, s, map[string]string{"incoming.auto_answer": `["1001"]`}, "1001")
	door.Server, door.Card = site.WSS(), nil
	sc := &scene{T: t, door: startDoor(t, door), ladder: func(t time.Time) string { return lab.Ladder(k.Since(t)) }, begin: time.Now()}
	sc.must(sc.door.Registered(within(t, 20*time.Second)))
	phone := startBaresip(t, s, lab.BaresipConfig{Codecs: "pcma/8000/1", Kamailio: k})
	feature(t, "Kamailio "+k.Version+" with a session timer", "the door refreshes for baresip, which knows no timers")
	sc.must(phone.Command(within(t, 10*time.Second), "dial", "sip:1000@"+lab.Domain))
	sc.inState("talking")
	refresh := func(status int) func(lab.Message) bool {
		return func(m lab.Message) bool {
			return (m.Method == "UPDATE" || m.Method == "INVITE") && m.From == "1000" && m.Status == status
		}
	}
	m, err := k.Wait(within(t, 60*time.Second), sc.begin, refresh(0))
	sc.must(err)
	_, err = k.Wait(within(t, 10*time.Second), sc.begin, refresh(200))
	sc.must(err)
	t.Logf("refreshed by %s", m.Method)
	sc.inState("talking")
	sc.must(phone.Command(within(t, 10*time.Second), "hangup", ""))
	sc.over("hung-up", "far-end")
}
