package station

import (
	"testing"
	"time"
)

func days(ds ...time.Weekday) (out [7]bool) {
	for _, d := range ds {
		out[d] = true
	}
	return out
}

func TestSchedule(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone data on this machine: ", err)
	}
	work := days(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday)
	office := &Schedule{
		Zone:     berlin,
		Windows:  []Window{{Days: work, From: 8 * 60, To: 18 * 60}, {Holidays: true, From: 10 * 60, To: 12 * 60}},
		Holidays: []Day{{Month: time.December, Day: 25}, {Year: 2026, Month: time.April, Day: 6}},
	}
	night := &Schedule{Zone: berlin, Windows: []Window{{Days: days(time.Friday), From: 22 * 60, To: 6 * 60}}}
	whole := &Schedule{Zone: berlin, Windows: []Window{{Days: days(time.Sunday), From: 0, To: 0}}}

	tests := []struct {
		name string
		s    *Schedule
		at   string
		want bool
	}{
		{"nil holds always", nil, "2026-11-23 03:00", true},
		{"no windows hold always", &Schedule{}, "2026-11-23 03:00", true},
		{"Monday morning", office, "2026-11-23 08:00", true},
		{"a minute early", office, "2026-11-23 07:59", false},
		{"the end is outside", office, "2026-11-23 18:00", false},
		{"Sunday", office, "2026-11-22 12:00", false},
		{"yearly holiday", office, "2026-12-25 09:00", false},
		{"holiday hours", office, "2026-12-25 10:30", true},
		{"holiday hours on a plain Sunday", office, "2026-11-22 10:30", false},
		{"holiday of one year", office, "2026-04-06 09:00", false},
		{"same date next year", office, "2027-04-06 09:00", true},
		{"Friday night", night, "2026-11-27 23:00", true},
		{"still Friday's night", night, "2026-11-28 05:59", true},
		{"over", night, "2026-11-28 06:00", false},
		{"Friday early morning is Thursday's night", night, "2026-11-27 05:00", false},
		{"whole day", whole, "2026-11-22 23:59", true},
		{"whole day from midnight", whole, "2026-11-22 00:00", true},
		{"not the next", whole, "2026-11-23 00:00", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.ParseInLocation("2006-01-02 15:04", tt.at, berlin)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.s.Holds(at.UTC()); got != tt.want {
				t.Errorf("Holds(%s) = %v", tt.at, got)
			}
		})
	}
}

func TestScheduleAcrossClockChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone data on this machine: ", err)
	}
	s := &Schedule{Zone: berlin, Windows: []Window{{Days: days(time.Sunday), From: 1 * 60, To: 4 * 60}}}
	held := time.Duration(0)
	for at := time.Date(2026, 10, 25, 0, 0, 0, 0, berlin); at.Day() == 25; at = at.Add(time.Minute) {
		if s.Holds(at) {
			held += time.Minute
		}
	}
	if held != 4*time.Hour { // 02:00 to 03:00 comes twice
		t.Errorf("held for %v", held)
	}
}
