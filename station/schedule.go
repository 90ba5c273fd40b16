package station

import "time"

// Schedule says at which local times something holds. The zero Schedule holds
// always.
type Schedule struct {
	Windows  []Window
	Holidays []Day          // dates on which only windows marked Holidays hold
	Zone     *time.Location // nil means UTC
}

// Window is a span of local time on some days of the week.
type Window struct {
	Days     [7]bool // indexed by time.Weekday
	Holidays bool    // holds on holidays, and only there unless Days says more
	From, To int     // minutes after midnight; To <= From runs past midnight into the next day
}

// Day is a calendar date. Year 0 stands for every year.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// Holds reports whether t falls into the schedule. A window that runs past
// midnight belongs to the day on which it began.
func (s *Schedule) Holds(t time.Time) bool {
	if s == nil || len(s.Windows) == 0 {
		return true
	}
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	minute := t.Hour()*60 + t.Minute()
	today := s.kind(t)
	yesterday := s.kind(t.AddDate(0, 0, -1))
	for _, w := range s.Windows {
		if w.From < w.To {
			if w.on(today) && minute >= w.From && minute < w.To {
				return true
			}
			continue
		}
		if w.on(today) && minute >= w.From || w.on(yesterday) && minute < w.To {
			return true
		}
	}
	return false
}

// dayKind is what a window needs to know of a day.
type dayKind struct {
	weekday time.Weekday
	holiday bool
}

func (s *Schedule) kind(t time.Time) dayKind {
	y, m, d := t.Date()
	k := dayKind{weekday: t.Weekday()}
	for _, h := range s.Holidays {
		if h.Month == m && h.Day == d && (h.Year == 0 || h.Year == y) {
			k.holiday = true
		}
	}
	return k
}

func (w Window) on(d dayKind) bool {
	if d.holiday {
		return w.Holidays
	}
	return w.Days[d.weekday]
}
