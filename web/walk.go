package web

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// walkView is the page on which a door is commissioned, check by check.
type walkView struct {
	frame
	Progress string
	Checks   []checkView
	Again    bool // something goes on: look again
	Level    *levelView
	Confirm  bool // a relay waits for the password
	People   bool // somebody who has signed in
}

// checkView is one check.
type checkView struct {
	ID               string // anchor
	Kind, Of         string
	Title, How       string
	Result           string // in words
	Tone             tone
	Note, Who        string
	Asks             string // the question to whoever watches; "" if there is none now
	Running, Settled bool
	Relay            bool
	Can              bool // it can be tried now by who asks
}

// levelView is how loud the microphone is.
type levelView struct {
	Text string
	Now  int // dBFS, from -60
}

// progress tells how far a walk is.
func (t teller) progress(w *station.Walk) string {
	n := 0
	for _, c := range w.Checks {
		if c.Result.Settled() {
			n++
		}
	}
	return t.Text("walk.progress", "n", strconv.Itoa(n), "all", strconv.Itoa(len(w.Checks)), "passed", strconv.Itoa(w.Passed()))
}

// checkTone tells what went well from what did not.
func checkTone(r station.CheckResult) tone {
	switch r {
	case station.CheckPassed:
		return good
	case station.CheckFailed:
		return bad
	case station.CheckRunning, station.CheckAsked:
		return warn
	default:
		return calm
	}
}

func (t teller) newCheckView(i int, c station.Check, now time.Time) checkView {
	v := checkView{ID: "c" + strconv.Itoa(i+1), Kind: string(c.Kind), Of: c.Of, Tone: checkTone(c.Result),
		Running: c.Result == station.CheckRunning, Settled: c.Result.Settled(), Relay: c.Kind == station.CheckRelay}
	v.Title = t.Text("check."+v.Kind, "of", clean(cmp.Or(c.Label, c.Of), maxName))
	v.How = t.Text("check-how." + v.Kind)
	v.Result = t.Text("check-result." + string(c.Result))
	if c.Result == station.CheckAsked {
		v.Asks = t.Text("check-asks." + v.Kind)
	}
	if !c.Note.None() {
		v.Note = t.sentence(t.Say("note", c.Note))
	}
	if c.Result.Settled() {
		v.Who = t.Text("walk.by", "who", t.watcher(c.By), "at", t.moment(c.At, now))
	}
	return v
}

// watcher is who has seen to a check.
func (t teller) watcher(p station.Principal) string {
	return cmp.Or(clean(p.Name, maxName), t.Text("walk.nobody"))
}

// walkOf is the walk, an empty one before there is any.
func (s *Server) walkOf() *station.Walk {
	if w := s.station.Walk(); w != nil {
		return w
	}
	return &station.Walk{Checks: []station.Check{}}
}

func (s *Server) getWalk(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, s.walkOf())
		return
	}
	s.walk(w, r, http.StatusOK, "")
}

func (s *Server) walk(w http.ResponseWriter, r *http.Request, status int, problem string) {
	t, v, walk, now := s.renderer(r), visitorOf(r), s.walkOf(), time.Now()
	page := walkView{frame: s.frame(r, t.Text("walk.title"), problem), Progress: t.progress(walk), People: !v.open && !v.person.Token}
	page.Confirm = page.People && !v.person.Fresh(now)
	for i, c := range walk.Checks {
		view := t.newCheckView(i, c, now)
		view.Can = !view.Running && (!view.Relay || page.People && !page.Confirm)
		page.Checks = append(page.Checks, view)
		page.Again = page.Again || view.Running
		if view.Running && c.Kind == station.CheckSpeak {
			if g := s.station.Gauges(); g != nil {
				level := finite(g.Mic.Peak, silence)
				page.Level = &levelView{Text: t.Text("walk.level", "level", dbfs(level)), Now: int(math.Round(min(max(level, meterFloor), 0)))}
			}
		}
	}
	s.document(w, r, status, "walk", page)
}

// checkIn reads which check is meant, or refuses.
func (s *Server) checkIn(w http.ResponseWriter, r *http.Request) (c station.Check, then string, ok bool) {
	kind, of := station.CheckKind(r.PostForm.Get("check")), r.PostForm.Get("of")
	all := s.walkOf().Checks
	i := slices.IndexFunc(all, func(c station.Check) bool { return c.Kind == kind && c.Of == of })
	if i < 0 {
		s.refuse(w, r, http.StatusNotFound, words.New("check-failed", "why", station.ErrNoCheck.Error()))
		return c, "", false
	}
	return all[i], "/walk#c" + strconv.Itoa(i+1), true
}

// postTry begins a check, but none of a relay.
func (s *Server) postTry(w http.ResponseWriter, r *http.Request) {
	c, then, ok := s.checkIn(w, r)
	switch {
	case !ok:
	case c.Kind == station.CheckRelay:
		s.refuse(w, r, http.StatusForbidden, words.New("relay-by-itself"))
	default:
		s.commandThen(w, r, station.Command{Kind: station.CommandCheck, Check: c.Kind, Of: c.Of}, then)
	}
}

// postTryRelay begins the check of a relay, for somebody who has given the password lately.
func (s *Server) postTryRelay(w http.ResponseWriter, r *http.Request) {
	c, then, ok := s.checkIn(w, r)
	switch {
	case !ok:
	case c.Kind != station.CheckRelay:
		s.refuse(w, r, http.StatusNotFound, words.New("check-failed", "why", station.ErrNoCheck.Error()))
	case s.opens(w, r):
		s.commandThen(w, r, station.Command{Kind: station.CommandCheck, Check: c.Kind, Of: c.Of}, then)
	}
}

// postJudge takes the word of whoever watched.
func (s *Server) postJudge(w http.ResponseWriter, r *http.Request) {
	c, then, ok := s.checkIn(w, r)
	if !ok {
		return
	}
	result := station.CheckResult(r.PostForm.Get("result"))
	if !result.Settled() {
		s.refuse(w, r, http.StatusBadRequest, words.New("bad-result"))
		return
	}
	s.commandThen(w, r, station.Command{Kind: station.CommandJudge, Check: c.Kind, Of: c.Of, Result: result}, then)
}

// postWalk begins the walk anew.
func (s *Server) postWalk(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("sure") != "true" {
		s.refuse(w, r, http.StatusBadRequest, words.New("tick-first"))
		return
	}
	s.commandThen(w, r, station.Command{Kind: station.CommandWalk}, "/walk")
}

// reportView is the walk on paper.
type reportView struct {
	frame
	Facts   []fact
	Checks  []checkView
	Printed string
}

// report is what the walk came to, and of which door.
type report struct {
	Door         string          `json:"door"`
	User         string          `json:"user,omitempty"` // of the account at the telephone system
	Server       string          `json:"server,omitempty"`
	Version      string          `json:"version"` // of the program
	Begun        time.Time       `json:"begun,omitzero"`
	Ended        time.Time       `json:"ended,omitzero"`        // zero while a check is open
	Commissioned time.Time       `json:"commissioned,omitzero"` // the reference of the acoustic self-test
	Left         int             `json:"left"`                  // checks that are not settled
	Passed       int             `json:"passed"`
	Checks       []station.Check `json:"checks"`
	Faults       []station.Fault `json:"faults"`
}

func (s *Server) reportOf() report {
	walk, snap := s.walkOf(), s.snapshot()
	out := report{Door: snap.Name, User: snap.Registration.User, Server: snap.Registration.Server, Version: snap.Version,
		Begun: walk.Begun, Ended: walk.Ended, Commissioned: snap.SelfTest.Commissioned, Passed: walk.Passed(), Checks: walk.Checks, Faults: list(snap.Faults)}
	for _, c := range walk.Checks {
		if !c.Result.Settled() {
			out.Left++
		}
	}
	return out
}

func (s *Server) getReport(w http.ResponseWriter, r *http.Request) {
	t, rep, snap, now := s.renderer(r), s.reportOf(), s.snapshot(), time.Now()
	page := reportView{frame: s.frame(r, t.Text("report.title"), ""), Printed: t.Text("report.printed", "at", day(now))}
	for i, c := range rep.Checks {
		v := t.newCheckView(i, c, now)
		if v.Settled {
			v.Who = t.Text("walk.by", "who", t.watcher(c.By), "at", day(c.At.In(now.Location())))
		} else {
			v.Result, v.Note = t.Text("walk.open.what"), ""
		}
		page.Checks = append(page.Checks, v)
	}
	ended := t.Text("report.not-ended", "n", strconv.Itoa(rep.Left))
	if !rep.Ended.IsZero() {
		ended = day(rep.Ended.In(now.Location()))
	}
	begun, baseline := none, t.Text("report.no-baseline")
	if !rep.Begun.IsZero() {
		begun = day(rep.Begun.In(now.Location()))
	}
	if !rep.Commissioned.IsZero() {
		baseline = day(rep.Commissioned.In(now.Location()))
	}
	faults := t.Text("report.no-faults")
	for i, f := range t.newFaultViews(snap, now) {
		if i == 0 {
			faults = ""
		}
		faults += f.Text + " "
	}
	page.Facts = []fact{
		{Name: t.Text("report.door"), Value: clean(rep.Door, maxName)},
		{Name: t.Text("report.account"), Value: orElse(clean(rep.User, maxName)+" · "+serverName(rep.Server), none)},
		{Name: t.Text("report.version"), Value: clean(rep.Version, maxName)},
		{Name: t.Text("report.begun"), Value: begun}, {Name: t.Text("report.ended"), Value: ended},
		{Name: t.Text("report.baseline"), Value: baseline}, {Name: t.Text("report.faults"), Value: faults},
	}
	s.document(w, r, http.StatusOK, "report", page)
}

// day is a moment on paper.
func day(at time.Time) string { return at.Format("2006-01-02 15:04") }
