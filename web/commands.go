package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// Times of commands.
const (
	commandTimeout = 3 * time.Second
	defaultHold    = 200 * time.Millisecond
	minHold        = 30 * time.Millisecond // shorter ones are glitches to the board
	maxHold        = time.Minute
)

func (s *Server) postHangup(w http.ResponseWriter, r *http.Request) {
	s.command(w, r, station.Command{Kind: station.CommandHangup})
}

// postMute switches the microphone of the running call off or on.
func (s *Server) postMute(w http.ResponseWriter, r *http.Request) {
	if muted, ok := s.flag(w, r, "muted"); ok {
		s.command(w, r, station.Command{Kind: station.CommandMute, Muted: muted})
	}
}

// postSelfTest begins an acoustic self-test; how it goes is in the snapshot.
func (s *Server) postSelfTest(w http.ResponseWriter, r *http.Request) {
	cmd := station.Command{Kind: station.CommandTest}
	if r.PostFormValue("commission") != "" {
		var ok bool
		if cmd.Commission, ok = s.flag(w, r, "commission"); !ok {
			return
		}
		if cmd.Commission && !s.may(w, r, admin) {
			return
		}
	}
	s.command(w, r, cmd)
}

// do gives the station a command in the name of who asks. It waits no longer than a command may take.
func (s *Server) do(r *http.Request, cmd station.Command) error {
	cmd.By = principal(r)
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	return s.station.Do(ctx, cmd)
}

// command gives the station a command and answers. The station tells everybody of it.
func (s *Server) command(w http.ResponseWriter, r *http.Request, cmd station.Command) {
	if err := s.do(r, cmd); err != nil {
		s.commandFailed(w, r, cmd.Kind, err)
		return
	}
	done(w, r)
}

// commandFailed says why the station did not take a command.
func (s *Server) commandFailed(w http.ResponseWriter, r *http.Request, kind station.CommandKind, err error) {
	code := station.Code(err)
	why := words.New(string(kind)+"-failed", "why", code)
	status := statusOf(err)
	switch {
	case errors.Is(err, station.ErrNoCall), errors.Is(err, station.ErrNotIdle):
		why = words.New(string(kind) + "-" + code)
	case errors.Is(err, station.ErrBlocked):
		why = words.New("relays-blocked")
	case errors.Is(err, station.ErrRelay):
		why = words.New("open-failed", "why", code)
	case status == http.StatusServiceUnavailable:
		why = words.New(string(kind)+"-failed", "why", code, "detail", err.Error())
	}
	s.refuse(w, r, status, why)
}

// statusOf is how a page or a program is told that the station did not take a command: what it names does not
// exist, it does not fit the state of the door, or the door cannot.
func statusOf(err error) int {
	is := func(known error) bool { return errors.Is(err, known) }
	switch {
	case slices.ContainsFunc([]error{station.ErrNoButton, station.ErrNoRelay, station.ErrNoTarget, station.ErrNoCheck}, is):
		return http.StatusNotFound
	case slices.ContainsFunc([]error{station.ErrNoCall, station.ErrNotIdle, station.ErrOpens, station.ErrBlocked, station.ErrNotAsked, station.ErrNotKnown}, is):
		return http.StatusConflict
	default:
		return http.StatusServiceUnavailable
	}
}

// postPress presses a button of the simulated board for a given time.
func (s *Server) postPress(w http.ResponseWriter, r *http.Request) {
	name, ok := s.pressable(w, r)
	if !ok {
		return
	}
	hold, err := holdTime(r.PostForm.Get("hold"))
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, words.New("bad-hold"))
		return
	}
	s.cfg.Log.Info("status page: press", "input", name, "hold", hold, "by", principal(r).Name, "from", principal(r).From)
	if err := s.panel.Press(name, hold); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, words.Because(words.New("panel-failed"), err))
		return
	}
	done(w, r)
}

// postSet makes an input of the simulated board active or inactive until further
// notice: a contact, such as that of a door.
func (s *Server) postSet(w http.ResponseWriter, r *http.Request) {
	name, ok := s.pressable(w, r)
	if !ok {
		return
	}
	active, ok := s.flag(w, r, "active")
	if !ok {
		return
	}
	s.cfg.Log.Info("status page: contact", "input", name, "active", active, "by", principal(r).Name, "from", principal(r).From)
	if err := s.panel.Set(name, active); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, words.Because(words.New("contact-failed"), err))
		return
	}
	done(w, r)
}

// postHold keeps a button of the simulated board pressed for as long as the
// request lives: a dead man's handle. However the browser goes away, the button
// comes up again, at the latest after maxHold.
func (s *Server) postHold(w http.ResponseWriter, r *http.Request) {
	name, ok := s.pressable(w, r)
	if !ok {
		return
	}
	if !take(s.holds) {
		s.full(w, r, words.New("too-many-holds", "n", strconv.Itoa(maxHolds)))
		return
	}
	defer free(s.holds)
	// Until the press is reported the client cannot know that it may let go.
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(maxHold + writeTimeout)) // not all writers have deadlines
	s.cfg.Log.Info("status page: button held", "input", name, "by", principal(r).Name, "from", principal(r).From)
	if err := s.panel.Set(name, true); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, words.Because(words.New("panel-failed"), err))
		return
	}
	defer func() {
		if err := s.panel.Set(name, false); err != nil {
			s.cfg.Log.Warn("status page: the button could not be released", "input", name, "error", err)
		}
	}()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("pressed\n"))
	if err := rc.Flush(); err != nil {
		return
	}
	limit := time.NewTimer(maxHold)
	defer limit.Stop()
	select {
	case <-limit.C:
	case <-r.Context().Done():
	case <-s.stop:
	}
}

// flag reads a form field that is true or false, or refuses.
func (s *Server) flag(w http.ResponseWriter, r *http.Request, field string) (on, ok bool) {
	switch r.PostFormValue(field) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	s.refuse(w, r, http.StatusBadRequest, words.New("bad-flag", "field", field))
	return false, false
}

// form reads the form of a command, or refuses.
func (s *Server) form(w http.ResponseWriter, r *http.Request) bool {
	n := guestOf(r)
	if n != nil { // as long as a client says nothing, its place is worth as little as that of an idle one
		n.over()
	}
	err := r.ParseForm()
	if n != nil {
		n.begin()
	}
	if err != nil {
		s.refuseBody(w, r, err, "bad-form")
	}
	return err == nil
}

// refuseBody refuses a body that cannot be read: one that is too large, or what otherwise names.
func (s *Server) refuseBody(w http.ResponseWriter, r *http.Request, err error, otherwise string) {
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		s.refuse(w, r, http.StatusRequestEntityTooLarge, words.New("form-too-large"))
		return
	}
	s.refuse(w, r, http.StatusBadRequest, words.New(otherwise))
}

// pressable finds the input in the form, or refuses.
func (s *Server) pressable(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	name = r.PostForm.Get("input")
	snap := s.snapshot()
	known := slices.ContainsFunc(snap.Board.Inputs, func(in station.Input) bool { return in.Name == name })
	if !snap.Board.Simulated || !known {
		s.refuse(w, r, http.StatusNotFound, words.New("no-such-input"))
		return "", false
	}
	return name, true
}

// holdTime reads milliseconds.
func holdTime(field string) (time.Duration, error) {
	if field == "" {
		return defaultHold, nil
	}
	ms, err := strconv.Atoi(field)
	hold := time.Duration(ms) * time.Millisecond
	if err != nil || ms > int(maxHold/time.Millisecond) || hold < minHold {
		return 0, errors.New("the form field hold must be a time in milliseconds, 30 to 60000")
	}
	return hold, nil
}

// done answers a command: programs get 204, forms are led back to the page.
func done(w http.ResponseWriter, r *http.Request) { doneThen(w, r, "/") }

// doneThen answers a command: programs get 204, people are led on.
func doneThen(w http.ResponseWriter, r *http.Request, then string) {
	if wantsJSON(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, then, http.StatusSeeOther)
}
