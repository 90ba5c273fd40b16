package setup

import (
	"strings"

	"intercomd/configs"
)

// Line is a line of a comparison.
type Line struct {
	Sign byte // '+' is in the new text only, '-' in the old one only, ' ' in both
	Old  int  // its number in the old text, from 1; 0: it is not there
	New  int
	Text string // without secrets
}

// mostCells bounds what a comparison costs: texts that differ in more are shown as replaced.
const mostCells = 4 << 20

// Compare tells the differences of two texts, line by line, each with some lines around it. The
// secrets are compared, and not shown.
func Compare(old, fresh []byte) []Line {
	a, hiddenA := linesOf(old)
	b, hiddenB := linesOf(fresh)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []Line
	both := func(i, j int) { all = append(all, Line{' ', i + 1, j + 1, hiddenB[j]}) }
	for i := range head {
		both(i, i)
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	same := common(x, y)
	i, j := 0, 0
	for _, p := range append(same, [2]int{len(x), len(y)}) {
		for ; i < p[0]; i++ {
			all = append(all, Line{'-', head + i + 1, 0, hiddenA[head+i]})
		}
		for ; j < p[1]; j++ {
			all = append(all, Line{'+', 0, head + j + 1, hiddenB[head+j]})
		}
		if p[0] < len(x) {
			both(head+i, head+j)
			i, j = i+1, j+1
		}
	}
	for n := range tail {
		both(len(a)-tail+n, len(b)-tail+n)
	}
	return near(all)
}

// linesOf are the lines of a text, as they are and without secrets. Of what is no configuration
// nothing is shown.
func linesOf(text []byte) (lines, hidden []string) {
	d, err := configs.NewDocument(text)
	if err != nil {
		clean, _ := configs.CleanText(text)
		lines = split(string(clean))
		return lines, make([]string, len(lines))
	}
	lines, hidden = split(string(d.Text())), split(string(d.Hidden()))
	if len(hidden) != len(lines) { // a secret over several lines, which is none that works
		hidden = make([]string, len(lines))
	}
	return lines, hidden
}

func split(text string) []string {
	text = strings.TrimSuffix(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// common is the longest common subsequence, as pairs of indexes.
func common(x, y []string) (pairs [][2]int) {
	if len(x)*len(y) > mostCells || len(x) == 0 || len(y) == 0 {
		return nil
	}
	w := len(y) + 1
	length := make([]int32, (len(x)+1)*w)
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				length[i*w+j] = length[(i+1)*w+j+1] + 1
			} else {
				length[i*w+j] = max(length[(i+1)*w+j], length[i*w+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] == y[j]:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case length[(i+1)*w+j] >= length[i*w+j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// around is how many lines are shown around a difference.
const around = 3

// near leaves out what is far from every difference.
func near(all []Line) (out []Line) {
	keep := make([]bool, len(all))
	for i, l := range all {
		if l.Sign == ' ' {
			continue
		}
		for j := max(0, i-around); j < min(len(all), i+around+1); j++ {
			keep[j] = true
		}
	}
	for i, l := range all {
		if keep[i] {
			out = append(out, l)
		}
	}
	return out
}
