package sketch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/station"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a door in virtual time, with a bell and a telephone that does what the test says.
type house struct {
	*station.Station
	line *line
}

type line struct{ _ int }

func (line) ID() string                     { return "c1" }
func (line) Incoming() bool                 { return false }
func (line) Peer() station.Peer             { return station.Peer{User: "1001"} }
func (line) Open(station.VoiceMode)         {}
func (line) AnswerWish() station.AnswerWish { return station.AnswerWish{} }
func (line) Queue()                         {}
func (line) Ring()                          {}
func (line) Answer()                        {}
func (line) End(station.Cause)              {}
func (line) SendDigits(string)              {}

func (h *house) Dial(string) station.Call             { return h.line }
func (*house) Hurry(time.Duration)                    {}
func (*house) Play(station.Tone)                      {}
func (*house) Silence()                               {}
func (*house) Prepare()                               {}
func (*house) Mute(bool)                              {}
func (*house) Close()                                 {}
func (*house) Sound() (station.Sound, station.Gauges) { return station.Sound{}, station.Gauges{} }

func (*house) SetLamp(string, station.Pattern, station.Colour)            {}
func (*house) PulseRelay(string, time.Duration) error                     { return nil }
func (*house) FlashRelay(string, time.Duration, time.Duration, int) error { return nil }
func (*house) SwitchRelay(string, bool) error                             { return nil }
func (*house) RelayOn(string) bool                                        { return false }
func (*house) State() (station.BoardState, []station.InputCount)          { return station.BoardState{}, nil }

// visit lets a reader follow a door at which somebody rings, is let in and goes. What the
// reader has to do at the end comes back from follow.
func visit(t *testing.T, follow func(ctx context.Context, h *house), then func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{line: &line{}}
		h.Station = station.New(station.Config{
			Name:    "Front door",
			Buttons: []station.ButtonConfig{{Input: "bell", Press: station.Action{Do: station.Dial, Target: "1001"}}},
			Call:    station.CallConfig{RingTime: time.Minute, TalkTime: time.Minute, Hold: time.Second},
			Door: station.DoorConfig{Pulses: map[string]time.Duration{"door": time.Second},
				Access: station.AccessConfig{Keys: []station.KeyConfig{{Digits: "5", Action: station.Action{Do: station.Release, Relay: "door"}}}}},
		}, h, h, h)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		over := make(chan struct{}, 2)
		go func() { follow(ctx, h); over <- struct{}{} }()
		go func() { h.Run(ctx); over <- struct{}{} }()
		h.SetRegistration(station.Registration{State: station.RegRegistered})
		synctest.Wait()
		h.Edge(station.Edge{Input: "bell", Active: true, At: time.Now()})
		for _, k := range []station.CallEventKind{station.Sent, station.FarRinging, station.Answered} {
			h.CallEvent(h.line, station.CallEvent{Kind: k, At: time.Now()})
		}
		h.CallEvent(h.line, station.CallEvent{Kind: station.Digit, Digit: '5', At: time.Now()})
		time.Sleep(10 * time.Second)
		h.CallEvent(h.line, station.CallEvent{Kind: station.Ended, At: time.Now(), Ending: station.Ending{Cause: station.CauseHangup, By: station.ByPeer}})
		synctest.Wait()
		then(h)
		synctest.Wait()
		cancel()
		<-over
		<-over
	})
}
