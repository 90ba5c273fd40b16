package mqtt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"intercomd/station"
	"intercomd/words"
)

const (
	testBase   = "intercomd/10000000abcdef01"
	testConfig = "homeassistant/device/10000000abcdef01/config"
)

func keeps(topic, part string) func(b *broker) bool {
	return func(b *broker) bool { return strings.Contains(b.kept[topic], part) }
}

func said(topic, part string) func(b *broker) bool {
	return func(b *broker) bool {
		return slices.ContainsFunc(b.seen, func(p *packets.Publish) bool { return p.Topic == topic && strings.Contains(string(p.Payload), part) })
	}
}

// A broker has the state and the device, hears of a ring once, and at the end that the door is away.
func TestBrokerIsTold(t *testing.T) {
	b, h := newBroker(t), newHouse()
	stop := start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.until("the state", keeps(testBase+"/state", `"state":"idle"`))
	b.until("the device", keeps(testConfig, `"device_class":"doorbell"`))
	h.happen(time.Now(), station.Pressed{Button: "bell", Label: "Family Example", Does: station.Dial})
	h.change(func(s *station.Snapshot) { s.State = station.Calling })
	b.until("the ring", said(testBase+"/ring/bell", `"event_type":"ring"`))
	b.until("the event", said(testBase+"/event/button/pressed", `"kind":"button.pressed"`))
	b.until("the call", keeps(testBase+"/state", `"state":"calling"`))
	h.happen(time.Now(), station.Pressed{Button: "light", Does: station.Toggle})
	h.change(func(s *station.Snapshot) { s.Door.DoNotDisturb = true })
	b.until("do not disturb", keeps(testBase+"/state", `"doNotDisturb":true`))
	h.happen(time.Now(), station.Pressed{Button: "bell", Does: station.Dial})
	h.happen(time.Now(), station.Halted{})
	b.until("all events", said(testBase+"/event/door/stopped", ""))
	b.mu.Lock()
	rings := 0
	for _, p := range b.seen {
		if strings.HasPrefix(p.Topic, testBase+"/ring/") {
			rings++
			if p.Retain || p.QoS != 1 || p.Properties.MessageExpiry == nil {
				t.Errorf("the ring is kept, or never ends: %+v", p)
			}
		} else if p.Retain != (b.kept[p.Topic] != "") {
			t.Errorf("%s: retain %v", p.Topic, p.Retain)
		}
	}
	if c := b.connects[0]; !c.CleanStart || c.WillTopic != testBase+"/availability" || !c.WillRetain || string(c.WillMessage) != offline || c.ClientID != "intercomd-10000000abcdef01" {
		t.Errorf("connect %+v", c)
	}
	b.mu.Unlock()
	if rings != 1 {
		t.Errorf("%d rings: one was of a light, one in the hours of rest", rings)
	}
	stop()
	b.until("the door is away", keeps(testBase+"/availability", offline))
}

// A broker that has forgotten all is told all, as it is then; a ring of yesterday is none.
func TestBrokerStartsAnew(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	for round := range 3 {
		h.happen(time.Now().Add(-time.Minute), station.Pressed{Button: "bell", Label: "stale", Does: station.Dial})
		name := fmt.Sprintf("Door %d", round)
		b.throwOut()
		h.change(func(s *station.Snapshot) { s.Name = name })
		h.happen(time.Now(), station.Pressed{Button: "bell", Label: name, Does: station.Dial})
		b.until("the state anew", keeps(testBase+"/state", name))
		b.until("the device anew", keeps(testConfig, name))
		b.until("the door is there anew", keeps(testBase+"/availability", online))
		b.until("the ring that came in between", said(testBase+"/ring/bell", name))
	}
	if b.mu.Lock(); said(testBase+"/ring/bell", "stale")(b) {
		t.Error("an old ring was told of")
	}
	b.mu.Unlock()
}

// When Home Assistant says that it has started, it is told all.
func TestHomeAssistantStartsAnew(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.set(func(b *broker) { clear(b.kept) })
	b.send("homeassistant/status", "offline", false)
	b.send("homeassistant/status", online, false)
	b.until("the device", keeps(testConfig, "doorbell"))
	b.until("the state", keeps(testBase+"/state", "idle"))
}

// What a broker that does not work says is a fault, which names what to do, and is over with it.
func TestFaultsOfBrokers(t *testing.T) {
	b, h := newBroker(t), newHouse()
	b.refuse = 0x86
	c := config(b.url())
	c.User, c.Password = "door", "hunter22"
	start(t, h, c)
	h.until(t, "a refusal is shown", func(h *house) bool { return h.faults[faultKey].Code == "mqtt-refused" })
	h.mu.Lock()
	f := h.faults[faultKey]
	h.mu.Unlock()
	if !strings.Contains(f.String(), "wrong user or password") || f.Remedy() == "" || strings.Contains(f.String(), "hunter22") {
		t.Errorf("%s; %s", f, f.Remedy())
	}
	b.set(func(b *broker) { b.refuse, b.deny = 0, "homeassistant/" })
	h.until(t, "what may not be written is shown", func(h *house) bool { return h.faults[faultKey].Code == "mqtt-silent" })
	b.until("what may be written", keeps(testBase+"/state", "idle"))
	b.set(func(b *broker) { b.deny = "" })
	b.throwOut()
	h.until(t, "all is well", func(h *house) bool { return len(h.faults) == 0 })
	b.until("all is there", keeps(testConfig, "doorbell"))
}

// A door that is thrown out for another one says so, and not that the broker hung up.
func TestTakenOver(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	for range 3 {
		b.set(func(b *broker) { b.kept = map[string]string{} })
		b.dismiss(0x8e)
		h.until(t, "the fault", func(h *house) bool { return strings.Contains(h.faults[faultKey].String(), "another device") })
		b.until("the door is there again", keeps(testBase+"/availability", online))
		h.until(t, "all is well", func(h *house) bool { return len(h.faults) == 0 })
	}
}

// A broker that hangs up without a word may have started anew; one that does so again and again has thrown the
// door out for another device, as Mosquitto does.
func TestHungUpOn(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	for i := range thrownOut + 1 {
		b.until("the door is there", keeps(testBase+"/availability", online))
		h.mu.Lock()
		if i < thrownOut && len(h.faults) > 0 { // later an attempt that came to nothing may have counted as well
			t.Errorf("hung up on %d times: %v", i, h.faults)
		}
		h.mu.Unlock()
		b.throwOut()
	}
	h.until(t, "the fault", func(h *house) bool {
		f := h.faults[faultKey]
		return f.Code == "mqtt-refused" && strings.Contains(f.String(), "another device")
	})
}

// A certificate that cannot be taken at first, as where the clock of a board is wrong until it has asked for the
// time, keeps no broker away for good.
func TestCertificateOfAnotherTime(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	certificate := func(from time.Time) *tls.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		pool.AddCert(c)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	later, now := certificate(time.Now().Add(time.Hour)), certificate(time.Now().Add(-time.Minute))
	var tries atomic.Int32
	b := newSecureBroker(t, &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if tries.Add(1) <= 2 {
			return later, nil
		}
		return now, nil
	}})
	c := config("mqtts://" + b.Addr().String())
	c.RootCAs = pool
	start(t, newHouse(), c)
	b.until("the door is there", keeps(testBase+"/availability", online))
	if tries.Load() < 3 {
		t.Error("nothing was wrong at first")
	}
}

// A broker that goes silent is left, and found again.
func TestSilentBroker(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.set(func(b *broker) { b.silent = true })
	for i := range 3 * kept { // more than wait
		h.happen(time.Now(), station.Muted{On: i%2 == 0})
	}
	h.change(func(s *station.Snapshot) { s.Name = "Later" })
	b.until("it is left", func(b *broker) bool { return len(b.conns) == 0 })
	b.set(func(b *broker) { b.silent = false })
	b.until("it is found again", keeps(testBase+"/state", "Later"))
}

func TestOrders(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url(), "open:door", "dnd", "press", "hangup", "selftest"))
	b.until("orders are heard", func(b *broker) bool {
		return slices.ContainsFunc(b.subs, func(s packets.SubOptions) bool {
			return s.Topic == testBase+"/do/#" && s.RetainHandling == 2 && s.RetainAsPublished
		})
	})
	do := testBase + "/do/"
	for _, bad := range []struct {
		topic, payload, code string
		retain               bool
	}{
		{do + "open/gate", payloadPress, "not-allowed", false},
		{do + "open/door", payloadPress, "retained", true},
		{do + "open/door", "yes", "bad-payload", false},
		{do + "open/door", strings.Repeat("x", 1000), "bad-payload", false},
		{do + "open", payloadPress, "not-allowed", false},
		{do + "open/door/x", payloadPress, "not-allowed", false},
		{do + "answer", payloadPress, "not-allowed", false},
		{do + "mute", payloadPress, "not-allowed", false},
		{do + "test", payloadPress, "not-allowed", false},
		{do, payloadPress, "not-allowed", false},
		{do + "dnd", "PRESS", "bad-payload", false},
		{"elsewhere", payloadPress, "not-allowed", false},
	} {
		b.send(bad.topic, bad.payload, bad.retain)
		b.until(bad.topic+" is refused", said(testBase+"/refused", fmt.Sprintf(`{"code":%q,"topic":%q}`, bad.code, bad.topic)))
		b.set(func(b *broker) { b.seen = nil })
	}
	b.send(do+"dnd", payloadOff, false) // it is
	b.send(do+"open/door", payloadLock, false)
	for _, good := range []struct{ topic, payload string }{{"open/door", payloadPress}, {"dnd", payloadOn}, {"press/bell", payloadPress}, {"hangup", payloadPress}, {"selftest", payloadPress}} {
		b.send(do+good.topic, good.payload, false)
	}
	h.until(t, "orders are carried out", func(h *house) bool { return len(h.done) == 5 })
	by := station.Principal{Via: station.ViaMQTT, Name: "MQTT", From: "127.0.0.1"}
	want := []station.Command{{Kind: station.CommandOpen, Relay: "door", By: by}, {Kind: station.CommandDND, By: by}, {Kind: station.CommandPress, Button: "bell", By: by}, {Kind: station.CommandHangup, By: by}, {Kind: station.CommandTest, By: by}}
	h.mu.Lock()
	if !slices.Equal(h.done, want) {
		t.Errorf("done %+v", h.done)
	}
	h.refuse = station.ErrNoCall
	h.mu.Unlock()
	b.send(do+"hangup", payloadPress, false)
	b.until("the door refuses", said(testBase+"/refused", `"code":"no-call"`))
}

// Whoever orders too much gets less.
func TestOrdersAreLimited(t *testing.T) {
	h := newHouse()
	o := newOrders(config("", "open:door", "press"), h, testBase, "broker", config("").Log)
	fast := 0
	for range 8 {
		if err := o.carryOut(t.Context(), order{testBase + "/do/open/door", payloadPress, false}); errors.Is(err, errTooFast) {
			fast++
		}
	}
	if len(h.done) != 6 || fast != 2 {
		t.Errorf("opened %d times, refused %d", len(h.done), fast)
	}
	for range 100 {
		_ = o.carryOut(t.Context(), order{testBase + "/do/press/bell", payloadPress, false})
	}
	if len(h.done) > 15 {
		t.Errorf("%d orders", len(h.done))
	}
}

// Without any that is allowed, no orders are even heard.
func TestNoOrders(t *testing.T) {
	b, h := newBroker(t), newHouse()
	start(t, h, config(b.url()))
	b.until("the door is there", keeps(testBase+"/availability", online))
	b.send(testBase+"/do/open/door", payloadPress, false)
	b.until("the order is refused", said(testBase+"/refused", "not-allowed"))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		if strings.HasPrefix(s.Topic, testBase) {
			t.Errorf("subscribed to %s", s.Topic)
		}
	}
	if len(h.done) > 0 {
		t.Errorf("done %+v", h.done)
	}
}

// A door that is told to end does so though its broker takes nothing, or is not there.
func TestEndWithABrokerThatHangs(t *testing.T) {
	b, h := newBroker(t), newHouse()
	b.silent = true
	stop := start(t, h, config(b.url()))
	b.until("it is connected", func(b *broker) bool { return len(b.conns) > 0 })
	stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	start(t, h, config("mqtt://"+l.Addr().String()))()
	if err := Run(t.Context(), h, config("mqtts://")); err == nil {
		t.Error("no address is none")
	}
}

// What the broker keeps says how the door is.
func TestState(t *testing.T) {
	h := newHouse()
	h.change(func(s *station.Snapshot) {
		s.NotReady = words.New("no-bell")
		s.Contacts = slices.Clone(s.Contacts)
		s.Contacts[0].Active, s.Contacts[0].Alarm = true, station.AlarmHeld
		s.Faults = []station.Fault{{Key: faultKey, Message: words.New("mqtt-refused", "host", "x")}, {Key: "alarm.leaf", Message: words.New("alarm-held", "label", "Leaf", "after", "1m0s")}}
		s.Calls = []station.Record{{Ending: station.Ending{Cause: station.CauseBusy}}}
	})
	st := stateOf(h.snap, "door", words.In("de"))
	if st.Ready || st.NotReady == "" || !st.Open || !st.Contacts["leaf"] || st.Alarms["leaf"] != string(station.AlarmHeld) || len(st.Faults) != 1 || st.Faults[0].Remedy == "" || st.LastCall != words.In("de").Say("cause", words.New("busy")) {
		t.Errorf("%+v", st)
	}
}

func TestObjectID(t *testing.T) {
	if got := objectID("a.b/c#d-1"); got != "a_b_c_d-1" {
		t.Error(got)
	}
}

func FuzzOrders(f *testing.F) {
	f.Add(testBase+"/do/open/door", payloadPress, false)
	f.Add(testBase+"/do/press/", "", true)
	f.Fuzz(func(t *testing.T, topic, payload string, retained bool) {
		o := newOrders(config("", "open:door"), newHouse(), testBase, "x", config("").Log)
		cmd, err := o.read(order{topic, payload, retained})
		if err == nil && (cmd.Kind != station.CommandOpen || cmd.Relay != "door" || payload != payloadPress || retained || topic != testBase+"/do/open/door") {
			t.Errorf("%q %q: %+v", topic, payload, cmd)
		}
	})
}

// What a broker says by hanging up, or of a certificate, is said in words that name a remedy.
func TestWhy(t *testing.T) {
	remote := func(text string) error {
		return fmt.Errorf("failed to connect: %w", &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)})
	}
	for name, row := range map[string]struct {
		err     error
		want    string
		refused bool
	}{
		"expired":      {remote("expired certificate"), "it does not take the door's certificate (expired certificate)", true},
		"none":         {remote("certificate required"), "certificate required", true},
		"stranger":     {remote("unknown certificate authority"), "unknown certificate authority", true},
		"not of ours":  {remote("internal error"), "internal error", false},
		"full":         {fmt.Errorf("read: %w", io.EOF), "without a word", false},
		"reset":        {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "without a word", false},
		"nobody there": {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection refused", false},
	} {
		got := why(row.err)
		if !strings.Contains(got.Error(), row.want) || errors.Is(got, errRefused) != row.refused {
			t.Errorf("%s: %v", name, got)
		}
	}
}
