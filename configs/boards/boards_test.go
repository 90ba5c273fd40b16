package boards

import (
	"fmt"
	"reflect"
	"testing"
)

func TestProfiles(t *testing.T) {
	for _, name := range append([]string{"auto"}, Names()...) {
		p, err := Load(name)
		if err != nil {
			t.Error(err)
		}
		if name == "generic" {
			continue
		}
		if len(p.Header) != 40 || len(p.Chips) == 0 || p.Name == "" {
			t.Errorf("%s: %d pins, chips %v, name %q", name, len(p.Header), p.Chips, p.Name)
		}
		lines := make(map[int]bool)
		for i, pin := range p.Header {
			if pin.Pin != i+1 || pin.Name == "" {
				t.Errorf("%s: pin %d is %+v", name, i+1, pin)
			}
			if pin.Line != nil {
				if lines[*pin.Line] || pin.Name != fmt.Sprint("GPIO", *pin.Line) {
					t.Errorf("%s: pin %d is %+v", name, i+1, pin)
				}
				lines[*pin.Line] = true
			}
		}
	}
	all, _ := Load("auto")
	for _, name := range Names() { // what makes auto possible
		if p, _ := Load(name); name != "generic" && !reflect.DeepEqual(p.Header, all.Header) {
			t.Errorf("the header of %s differs from the others", name)
		}
	}
}
