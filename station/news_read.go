package station

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// newsTypes has one of each type in news.go.
func newsTypes() []News {
	return []News{Started{}, ConfigRead{}, Halted{}, Missed{}, Pressed{}, PressIgnored{}, PressKept{}, CallStarted{}, CallDigit{}, CallQueued{}, CallPassedOn{},
		CallNotPassedOn{}, CallEnded{}, VisitorMissed{}, TalkExtended{}, TalkTurned{}, Muted{}, Released{}, Switched{}, KeypadLocked{}, RelaysBlocked{},
		ContactChanged{}, AlarmChanged{}, DisturbChanged{}, FaultRaised{}, FaultCleared{}, RegistrationChanged{}, DeviceChanged{}, SelfTestStarted{},
		SelfTestEnded{}, Checked{}, CanaryEnded{}, TextCame{}, Commanded{}, CallStep{}, Administered{}}
}

// ReadNews is the news that somebody has kept as JSON, by its kind. The value is one of the types
// in news.go.
func ReadNews(kind Kind, data []byte) (News, error) {
	for _, n := range newsTypes() {
		// Those whose kind has the step or the deed in it come last.
		if k := n.Kind(); k != kind && (!strings.HasSuffix(string(k), ".") || !strings.HasPrefix(string(kind), string(k))) {
			continue
		}
		v := reflect.New(reflect.TypeOf(n))
		if err := json.Unmarshal(data, v.Interface()); err != nil {
			return nil, fmt.Errorf("read an event of the kind %q: %w", kind, err)
		}
		if out, ok := v.Elem().Interface().(News); ok {
			return out, nil
		}
	}
	return nil, fmt.Errorf("there is no kind of event %q", kind)
}

// Kinds lists the kinds of all events.
func Kinds() (all []Kind) {
	for _, n := range newsTypes() {
		switch n.(type) {
		case CallStep:
			for _, step := range CallEventKinds() {
				if k := (CallStep{Step: step}).Kind(); step != Transferred && !slices.Contains(all, k) { // which types of their own tell of
					all = append(all, k)
				}
			}
		case Administered:
			for _, d := range Deeds() {
				all = append(all, Administered{Deed: d}.Kind())
			}
		default:
			all = append(all, n.Kind())
		}
	}
	return all
}
