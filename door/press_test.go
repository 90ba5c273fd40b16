package door

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/board"
	"intercomd/configs"
	"intercomd/station"
)

// smallDoor is one bell, one lamp and one relay with their defaults.
func smallDoor(t *testing.T) *configs.Config {
	t.Helper()
	c, faults := configs.Parse("test.toml", []byte("[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return &c
}

func (d *officeDoor) lamp() board.LampState { return d.panel.State().Lamps[0] }

// From the finger to the light: what the debouncing takes, and nothing else.
func TestPressToLampTakesNoLongerThanDebouncing(t *testing.T) {
	atADoor(t, smallDoor(t), time.Hour, func(d *officeDoor) {
		time.Sleep(time.Second) // the flash that says that the door is ready
		if d.lamp().On {
			t.Fatal("the lamp is lit before the press")
		}
		begin := time.Now()
		if err := d.panel.Press("bell", time.Second); err != nil {
			t.Fatal(err)
		}
		for !d.lamp().On && time.Since(begin) < time.Second {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if took := time.Since(begin); took > 26*time.Millisecond {
			t.Errorf("press to lamp took %v", took)
		}
		if p := d.lamp().Pattern; p != string(station.LampFast) {
			t.Errorf("the lamp shows %q", p)
		}
	})
}

// A worn bell, pressed a thousand times for as long as the shortest press that must
// count or longer, with spikes of a doorbell transformer between: a thousand calls.
func TestThousandBouncyPressesAreThousandCalls(t *testing.T) {
	atADoor(t, smallDoor(t), time.Hour, func(d *officeDoor) {
		r := rand.New(rand.NewPCG(5, 6))
		level := func(active bool, hold time.Duration) {
			if err := d.panel.Set("bell", active); err != nil {
				t.Fatal(err)
			}
			time.Sleep(hold)
		}
		bounce := func(to bool) {
			for range r.IntN(10) {
				level(to, time.Duration(100_000+r.Int64N(3_000_000)))
				level(!to, time.Duration(100_000+r.Int64N(3_000_000)))
			}
		}
		for n := range 1000 {
			level(true, 5*time.Millisecond) // a spike
			level(false, 50*time.Millisecond)
			bounce(true)
			level(true, 30*time.Millisecond+time.Duration(r.Int64N(int64(time.Second))))
			bounce(false)
			level(false, 100*time.Millisecond)
			d.st.CallEvent(d.last(), station.CallEvent{Kind: station.Ended, At: time.Now(), Ending: station.Ending{Cause: station.CauseBusy, By: station.ByPeer}})
			synctest.Wait()
			if len(d.calls) != n+1 {
				t.Fatalf("%d calls after %d presses", len(d.calls), n+1)
			}
		}
		in := d.panel.State().Inputs[0]
		if in.Presses != 1000 || in.Glitches < 1000 || in.Widths[2] < 1000 {
			t.Errorf("counted %+v", in)
		}
	})
}
