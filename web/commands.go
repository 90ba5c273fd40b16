package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"intercomd/station"
)

// Times of commands.
const (
	commandTimeout = 3 * time.Second
	defaultHold    = 200 * time.Millisecond
	minHold        = 30 * time.Millisecond // shorter ones are glitches to the board
	maxHold        = time.Minute
)

func (s *Server) postHangup(w http.ResponseWriter, r *http.Request) {
	err := s.order(r, station.Command{Kind: station.CommandHangup}, "hang up")
	switch {
	case err == nil:
		done(w, r)
	case errors.Is(err, station.ErrNoCall):
		s.refuse(w, r, http.StatusConflict, "There is no call to end.")
	default:
		s.refuse(w, r, http.StatusServiceUnavailable,
			sentence("the call could not be ended: "+err.Error())+" Try again, or restart intercomd.")
	}
}

// order gives the station a command and logs it by what it is called, with more about it.
func (s *Server) order(r *http.Request, cmd station.Command, what string, more ...any) error {
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	err := s.station.Do(ctx, cmd)
	s.cfg.Log.Info("status page: "+what, append(more, "from", r.RemoteAddr, "err", err)...)
	return err
}

// postMute switches the microphone of the running call off or on.
func (s *Server) postMute(w http.ResponseWriter, r *http.Request) {
	muted, ok := s.flag(w, r, "muted")
	if !ok {
		return
	}
	err := s.order(r, station.Command{Kind: station.CommandMute, Muted: muted}, "mute", "muted", muted)
	switch {
	case err == nil:
		done(w, r)
	case errors.Is(err, station.ErrNoCall):
		s.refuse(w, r, http.StatusConflict, "Nobody talks: there is no microphone to mute.")
	default:
		s.refuse(w, r, http.StatusServiceUnavailable, sentence("the microphone could not be muted: "+err.Error()))
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
	}
	err := s.order(r, cmd, "self-test", "commission", cmd.Commission)
	switch {
	case err == nil:
		done(w, r)
	case errors.Is(err, station.ErrNotIdle):
		s.refuse(w, r, http.StatusConflict, "The sound cannot be tested now: a call is up, or a test is running.")
	default:
		s.refuse(w, r, http.StatusServiceUnavailable, sentence("the sound could not be tested: "+err.Error()))
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
		s.refuse(w, r, http.StatusBadRequest, sentence(err.Error()))
		return
	}
	s.cfg.Log.Info("status page: press", "input", name, "hold", hold, "from", r.RemoteAddr)
	if err := s.panel.Press(name, hold); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, sentence("the button could not be pressed: "+err.Error()))
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
	s.cfg.Log.Info("status page: contact", "input", name, "active", active, "from", r.RemoteAddr)
	if err := s.panel.Set(name, active); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, sentence("the contact could not be moved: "+err.Error()))
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
	if !s.takeSlot() {
		s.tooMany(w, r)
		return
	}
	defer s.freeSlot()
	// Until the press is reported the client cannot know that it may let go.
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(maxHold + writeTimeout)) // not all writers have deadlines
	s.cfg.Log.Info("status page: button held", "input", name, "from", r.RemoteAddr)
	if err := s.panel.Set(name, true); err != nil {
		s.refuse(w, r, http.StatusServiceUnavailable, sentence("the button could not be pressed: "+err.Error()))
		return
	}
	defer func() {
		if err := s.panel.Set(name, false); err != nil {
			s.cfg.Log.Warn("status page: the button could not be let go", "input", name, "err", err)
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
	s.refuse(w, r, http.StatusBadRequest, "The form field "+field+" is true or false.")
	return false, false
}

// pressable reads the form and finds the input in it, or refuses.
func (s *Server) pressable(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	if err := r.ParseForm(); err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			s.refuse(w, r, http.StatusRequestEntityTooLarge, "The form is too large.")
		} else {
			s.refuse(w, r, http.StatusBadRequest, "The form cannot be read.")
		}
		return "", false
	}
	name = r.PostForm.Get("input")
	snap := s.snapshot()
	known := slices.ContainsFunc(snap.Board.Inputs, func(in station.Input) bool { return in.Name == name })
	if !snap.Board.Simulated || !known {
		s.refuse(w, r, http.StatusNotFound, "There is no such button on a simulated board. "+
			"The form field input names one of the inputs in /status.json.")
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
		return 0, errors.New("the form field hold is a time in milliseconds, 30 to 60000")
	}
	return hold, nil
}

// done answers a command: programs get 204, forms are led back to the page.
func done(w http.ResponseWriter, r *http.Request) {
	if wantsJSON(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
