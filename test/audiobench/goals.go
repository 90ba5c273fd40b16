package main

import (
	"math"
	"slices"
	"strings"

	"intercomd/test/voice"
)

// goal is one line of the table.
type goal struct {
	what   string
	scenes []string // names, or beginnings that end with "*"
	of     func(score) float64
	as     func([]float64) float64
	limit  float64
	most   bool // the limit is an upper one
}

func (g goal) met(v float64) bool {
	if g.most {
		return v <= g.limit
	}
	return v >= g.limit
}

func (g goal) covers(scene string) bool {
	return slices.ContainsFunc(g.scenes, func(p string) bool {
		if head, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(scene, head)
		}
		return scene == p
	})
}

func median(v []float64) float64 { return voice.Percentile(v, 50) }

func mean(v []float64) (s float64) {
	for _, x := range v {
		s += x / float64(len(v))
	}
	return s
}

func least(v []float64) float64 { return slices.Min(v) }
func most(v []float64) float64  { return slices.Max(v) }

// goals are those of the project.
func goals() []goal {
	echo, talk := []string{"echo*"}, []string{"talk*"}
	return []goal{
		{what: "echo removed at the end, median, dB", scenes: echo, of: func(s score) float64 { return s.end }, as: median, limit: 40},
		{what: "echo removed 0.5 to 3 s after the start, median, dB", scenes: echo, of: func(s score) float64 { return s.early }, as: median, limit: 28},
		{what: "worst tenth of the half seconds after 5 s, dB", scenes: echo, of: func(s score) float64 { return s.worst }, as: least, limit: 30},
		{what: "hard loudspeaker, dB", scenes: []string{"hard"}, of: func(s score) float64 { return s.end }, as: median, limit: 25},
		{what: "clocks ±50 ppm apart, worst, dB", scenes: []string{"drift*"}, of: func(s score) float64 { return s.end }, as: least, limit: 30},
		{what: "250 and 480 ms late, worst, dB", scenes: []string{"delay*"}, of: func(s score) float64 { return s.end }, as: least, limit: 35},
		{what: "another room: time to 20 dB, s", scenes: []string{"room"}, of: func(s score) float64 { return s.recovered }, as: most, limit: 2, most: true},
		{what: "delay jumps by ±40 ms: time to 20 dB, s", scenes: []string{"jump*"}, of: func(s score) float64 { return s.recovered }, as: most, limit: 2, most: true},
		{what: "double talk: SDR, mean, dB", scenes: talk, of: func(s score) float64 { return s.talk.SDR }, as: mean, limit: 14},
		{what: "double talk: STOI, mean", scenes: talk, of: func(s score) float64 { return s.talk.STOI }, as: mean, limit: 0.93},
		{what: "double talk: level of the near end, worst, dB", scenes: talk, of: func(s score) float64 { return s.talk.Loss }, as: least, limit: -3},
		{what: "double talk: frames cut, worst, %", scenes: talk, of: func(s score) float64 { return s.talk.Cut }, as: most, limit: 3, most: true},
		{what: "echo removed right after double talk, worst, dB", scenes: talk, of: func(s score) float64 { return s.afterTalk }, as: least, limit: 25},
		{what: "near end alone in quiet: SDR, dB", scenes: []string{"near"}, of: func(s score) float64 { return s.alone.SDR }, as: least, limit: 30},
		{what: "conversation in street noise: STOI in double talk", scenes: []string{"street"}, of: func(s score) float64 { return s.talk.STOI }, as: least, limit: 0.85},
	}
}

// value is the figure of a goal from the scores by scene; NaN if none of its scenes
// was run.
func (g goal) value(scores map[string]score) float64 {
	var v []float64
	for name, s := range scores {
		if g.covers(name) {
			v = append(v, g.of(s))
		}
	}
	if len(v) == 0 || slices.ContainsFunc(v, math.IsNaN) {
		return math.NaN()
	}
	slices.Sort(v) // sums must not depend on the order of a map
	return g.as(v)
}
