package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/words"
)

// Process is what the page can do with the program that the door runs in. Its methods return at
// once and may be called by any number of goroutines.
type Process interface {
	// Restart lets a new process begin: when no call is up, or now.
	Restart(now bool)
	// Reset makes a new door of this one, when no call is up: by is who wanted it. An error changes
	// nothing.
	Reset(by station.Principal) error
}

// serviceView is the page for whoever looks after the door.
type serviceView struct {
	frame
	Said     string // what was just done
	Targets  []station.Target
	Canary   string
	Next     string // when the next canary call is due
	Wrong    bool   // the last one failed
	CanTry   bool
	Admin    bool
	Progress string // of the walk
	Process  bool
	People   bool // somebody who has signed in
	Fresh    bool // and has given the password lately
}

// notice is what the page says after a command, by what its address tells.
func notice(what string) string {
	switch what {
	case "restart":
		return "service.restart.coming"
	case "reset":
		return "service.reset.coming"
	}
	return ""
}

func (s *Server) getService(w http.ResponseWriter, r *http.Request) {
	s.service(w, r, http.StatusOK, "")
}

func (s *Server) service(w http.ResponseWriter, r *http.Request, status int, problem string) {
	t, v, snap, now := s.renderer(r), visitorOf(r), s.snapshot(), time.Now()
	page := serviceView{frame: s.frame(r, t.Text("nav.service"), problem), Targets: snap.Targets, Process: s.cfg.Process != nil,
		Admin: v.person.Role.Covers(accounts.Admin), People: !v.open && !v.person.Token, Fresh: v.person.Fresh(now)}
	if key := notice(r.URL.Query().Get("said")); key != "" {
		page.Said = t.Text(key)
	}
	page.Canary = t.canaryWords(snap.Canary, now)
	page.Wrong = snap.Canary.State == station.CanaryFailed
	page.CanTry = snap.Canary.Target != "" && snap.Canary.State != station.CanaryRunning
	if next := snap.Canary.Next; !next.IsZero() {
		page.Next = t.Text("service.canary.next", "at", t.moment(next, now))
	}
	if walk := s.station.Walk(); walk != nil {
		page.Progress = t.progress(walk)
	}
	s.document(w, r, status, "service", page)
}

// canaryWords tells how the last canary call went.
func (t teller) canaryWords(c station.Canary, now time.Time) string {
	target := clean(c.Target, maxName)
	ms := func(v float64) string { return strconv.Itoa(int(finite(v, 0))) + " ms" }
	switch c.State {
	case station.CanaryWaiting:
		return t.Text("service.canary.waiting", "target", target)
	case station.CanaryRunning:
		return t.Text("service.canary.running", "target", target)
	case station.CanaryPassed:
		return t.Text("service.canary.passed", "target", target, "at", t.moment(c.At, now), "answer", ms(c.AnswerMS), "echo", ms(c.EchoMS))
	case station.CanaryFailed:
		return t.Text("service.canary.failed", "target", target, "at", t.moment(c.At, now), "why", t.problem(c.Problem)+" "+t.remedy(c.Problem))
	default:
		return t.Text("service.canary.off")
	}
}

// commandThen gives the station a command and leads people on to a page.
func (s *Server) commandThen(w http.ResponseWriter, r *http.Request, cmd station.Command, then string) {
	if err := s.do(r, cmd); err != nil {
		s.commandFailed(w, r, cmd.Kind, err)
		return
	}
	doneThen(w, r, then)
}

// mostLocate is how long the door may be told to show where it is, in seconds.
const mostLocate = 120

// postLocate lets the door show where it is, for the usual time or "seconds".
func (s *Server) postLocate(w http.ResponseWriter, r *http.Request) {
	cmd := station.Command{Kind: station.CommandLocate}
	if field := r.PostForm.Get("seconds"); field != "" {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || n > mostLocate {
			s.refuse(w, r, http.StatusBadRequest, words.New("bad-seconds"))
			return
		}
		cmd.For = time.Duration(n) * time.Second
	}
	s.commandThen(w, r, cmd, "/service")
}

// postTestCall calls a target of the configuration. People see the call on the page of the door.
func (s *Server) postTestCall(w http.ResponseWriter, r *http.Request) {
	target := r.PostForm.Get("target")
	if !slices.ContainsFunc(s.snapshot().Targets, func(t station.Target) bool { return t.Name == target }) {
		s.refuse(w, r, http.StatusNotFound, words.New("dial-failed", "why", station.ErrNoTarget.Error()))
		return
	}
	s.commandThen(w, r, station.Command{Kind: station.CommandDial, Target: target, Test: true}, "/")
}

func (s *Server) postCanary(w http.ResponseWriter, r *http.Request) {
	s.commandThen(w, r, station.Command{Kind: station.CommandCanary}, "/service")
}

// postRestart lets a new process begin. A call is cut off only if somebody wants that.
func (s *Server) postRestart(w http.ResponseWriter, r *http.Request) {
	if !s.restart(r, r.PostForm.Get("when") == "now", r.PostForm.Get("cut") == "true") {
		s.refuse(w, r, http.StatusConflict, words.New("tick-first"))
		return
	}
	doneThen(w, r, "/service?said=restart")
}

// restart lets a new process begin: now, or when no call is up. It is false if that would cut a call off that
// may not be cut.
func (s *Server) restart(r *http.Request, now, cut bool) bool {
	if now && !cut && s.snapshot().Call != nil {
		return false
	}
	when := "idle"
	if now {
		when = "now"
	}
	s.audit(station.RestartAsked, when, visitorOf(r), "")
	s.cfg.Process.Restart(now)
	return true
}

// postReset makes a new door of this one.
func (s *Server) postReset(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("sure") != "true" {
		s.refuse(w, r, http.StatusBadRequest, words.New("tick-first"))
		return
	}
	if err := s.reset(r); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, words.Because(words.New("reset-failed"), err))
		return
	}
	doneThen(w, r, "/service?said=reset")
}

// reset makes a new door of this one, when no call is up. An error changes nothing.
func (s *Server) reset(r *http.Request) error {
	err, why := s.cfg.Process.Reset(principal(r)), ""
	if err != nil {
		why = "not-saved"
	}
	s.audit(station.FactoryReset, "", visitorOf(r), why)
	return err
}
