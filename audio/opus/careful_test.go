package opus

import "testing"

// With a libopus that can, the decoder takes more trouble as long as packets are lost, from the next packet on.
// One that cannot is left alone.
func TestLossMakesTheDecoderCareful(t *testing.T) {
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.dec.Complexity()
	able := err == nil
	out := make([]float32, MaxSamples)
	decode := func(n int) {
		for range n {
			if _, err := d.Decode([]byte{0x48, 0xff, 0xfe}, out); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(when string, complexity int) {
		t.Helper()
		if got, _ := d.dec.Complexity(); able && got != complexity || !able && d.careful {
			t.Errorf("%s: complexity %d, want %d", when, got, complexity)
		}
	}
	decode(3)
	want("nothing is lost", 0)
	if d.plain {
		t.Error("asked of a library without need")
	}
	if err := d.Conceal(out[:960]); err != nil {
		t.Fatal(err)
	}
	want("in a loss", 0)
	decode(1)
	want("after it", carefulness)
	decode(calm - 2)
	want("20 s later, nearly", carefulness)
	decode(1)
	want("20 s later", 0)
	if d.plain == able {
		t.Errorf("the library can: %v, the decoder takes it for one that cannot: %v", able, d.plain)
	}
}
