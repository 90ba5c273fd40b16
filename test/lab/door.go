package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DoorConfig is what a test says about an intercomd that it starts.
type DoorConfig struct {
	Binary string // path of intercomd
	Dir    string // for its files; created
	User   string // extension at the lab's server; its password is [Password]
	Server string // wss://...
	CAFile string // "" trusts the system's authorities only
	Port   int    // of its page on 127.0.0.1
	Card   *Card  // its sound card; nil for none
	// Keys are further lines of the file, "section.key" to TOML value. They win over
	// what the fields above say; an empty value leaves the key out.
	Keys map[string]string
	// Tables are tables such as [[button]], written behind everything else.
	Tables string
	Log    io.Writer // a copy of its log
	// Line, when set, has the daemon at its far end.
	Line *Line
}

// File writes the configuration file and returns its path.
func (c DoorConfig) File() (string, error) {
	keys := map[string]string{
		"sip.server": strconv.Quote(c.Server), "sip.user": strconv.Quote(c.User), "sip.password": strconv.Quote(Password(c.User)),
		"sip.domain":   strconv.Quote(Domain),
		"board.driver": `"sim"`, "web.listen": fmt.Sprintf(`"127.0.0.1:%d"`, c.Port),
		"state.dir": strconv.Quote(filepath.Join(c.Dir, "state")), "log.level": `"debug"`,
		"audio.input": `"none"`, "audio.output": `"none"`,
		"audio.agc":               "false", // levels of tones are measured
		"audio.noise_suppression": `"off"`, // a steady tone would be taken for noise
	}
	if c.CAFile != "" {
		keys["sip.ca_file"] = strconv.Quote(c.CAFile)
	}
	if c.Card != nil {
		keys["audio.input"], keys["audio.output"] = strconv.Quote(c.Card.Mic()), strconv.Quote(c.Card.Speaker())
	}
	maps.Copy(keys, c.Keys)

	var b strings.Builder
	last := ""
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		section, key, _ := strings.Cut(k, ".")
		if keys[k] == "" {
			continue
		}
		if section != last {
			fmt.Fprintf(&b, "\n[%s]\n", section)
			last = section
		}
		fmt.Fprintf(&b, "%s = %s\n", key, keys[k])
	}
	b.WriteString(c.Tables)
	file := filepath.Join(c.Dir, "intercom.toml")
	if err := os.MkdirAll(filepath.Join(c.Dir, "state"), 0o755); err != nil {
		return "", fmt.Errorf("write a configuration: %w", err)
	}
	if err := os.WriteFile(file, []byte(strings.TrimLeft(b.String(), "\n")), 0o600); err != nil {
		return "", fmt.Errorf("write a configuration: %w", err)
	}
	return file, nil
}

// Door is a running intercomd, seen through its page.
type Door struct {
	*Proc
	Config DoorConfig
	File   string // its configuration
	URL    string // of its page, with a slash at the end

	http *http.Client
}

// StartDoor writes the configuration and starts the daemon. It returns when its
// page answers.
func StartDoor(ctx context.Context, c DoorConfig) (*Door, error) {
	file, err := c.File()
	if err != nil {
		return nil, err
	}
	return RunDoor(ctx, c, file)
}

// RunDoor starts the daemon with a configuration file that is there already.
func RunDoor(ctx context.Context, c DoorConfig, file string) (*Door, error) {
	var env []string
	if c.Card != nil {
		env = c.Card.Env()
	}
	spec := Spec{Name: "intercomd " + c.User, Args: []string{c.Binary, "run", file}, Env: env, Log: c.Log}
	client := &http.Client{Timeout: 5 * time.Second}
	var p *Proc
	start := func() (err error) { p, err = Start(spec); return err }
	var err error
	if c.Line != nil {
		client.Transport = &http.Transport{DialContext: c.Line.dial}
		err = c.Line.There(start)
	} else {
		err = start()
	}
	if err != nil {
		return nil, err
	}
	d := &Door{Proc: p, Config: c, File: file, URL: fmt.Sprintf("http://127.0.0.1:%d/", c.Port), http: client}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = Poll(ctx, func() error {
		select {
		case <-p.Exited():
			cancel()
			return errors.New("it ended")
		default:
		}
		_, err := d.Status(ctx)
		return err
	})
	if err != nil {
		_ = p.Stop(time.Second)
		return nil, fmt.Errorf("start intercomd %s: %w\n%s", c.User, err, p.Tail(40))
	}
	return d, nil
}

// Status is the part of the daemon's JSON that the lab looks at.
type Status struct {
	Name         string       `json:"name"`
	State        string       `json:"state"`
	Call         *CallRecord  `json:"call"`
	Calls        []CallRecord `json:"calls"`
	Registration struct {
		State   string  `json:"state"`
		Problem Problem `json:"problem"`
	} `json:"registration"`
	Sound struct {
		Input, Output struct {
			OK      bool    `json:"ok"`
			Open    bool    `json:"open"`
			Problem Problem `json:"problem"`
		}
		MicLive bool   `json:"micLive"`
		Muted   bool   `json:"muted"`
		Codec   string `json:"codec"`
	} `json:"sound"`
	Canary struct {
		State    string  `json:"state"`
		Problem  Problem `json:"problem"`
		AnswerMS float64 `json:"answerMs"`
		EchoMS   float64 `json:"echoMs"`
	} `json:"canary"`
	Gauges struct {
		Stats struct {
			Sent      uint64  `json:"sent"`
			Concealed uint64  `json:"concealed"` // frames of 10 ms that were made up
			Xruns     uint64  `json:"xruns"`     // of both devices, since the start
			ERLE      float64 `json:"erle"`      // dB
		} `json:"stats"`
		Inputs []struct {
			Name    string `json:"name"`
			Presses int    `json:"presses"`
		} `json:"inputs"`
		Runtime struct {
			Goroutines int `json:"goroutines"`
		} `json:"runtime"`
	} `json:"gauges"`
	Board struct {
		Lamps []struct {
			Name    string `json:"name"`
			Pattern string `json:"pattern"`
		} `json:"lamps"`
		Inputs []struct {
			Name   string `json:"name"`
			Active bool   `json:"active"`
		} `json:"inputs"`
		Relays []struct {
			Name string `json:"name"`
			On   bool   `json:"on"`
		} `json:"relays"`
	} `json:"board"`
	Faults []struct {
		Key string `json:"key"`
		Problem
	} `json:"faults"`
}

// Problem is what is wrong, in a code, and what belongs to it.
type Problem struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params"`
}

// String is the code with its parameters, in the order of their names.
func (p Problem) String() string {
	s := p.Code
	for _, k := range slices.Sorted(maps.Keys(p.Params)) {
		s += " " + k + "=" + p.Params[k]
	}
	return s
}

// CallRecord is the ledger of one call.
type CallRecord struct {
	ID        string    `json:"id"`
	Direction string    `json:"direction"`
	Test      bool      `json:"test"`
	Button    string    `json:"button"`
	Pressed   time.Time `json:"pressed"`
	Sent      time.Time `json:"sent"`
	Ringing   time.Time `json:"ringing"`
	Answered  time.Time `json:"answered"`
	MediaUp   time.Time `json:"mediaUp"`
	Heard     time.Time `json:"heard"`
	Spoken    time.Time `json:"spoken"`
	Opened    time.Time `json:"opened"`
	Ended     time.Time `json:"ended"`
	Digits    int       `json:"digits"`
	Peer      struct {
		User string `json:"user"`
	} `json:"peer"`
	Ending struct {
		Cause  string `json:"cause"`
		By     string `json:"by"`
		Status int    `json:"status"`
		Reason string `json:"reason"`
	} `json:"ending"`
}

// Relay reports whether a relay is energised.
func (s Status) Relay(name string) bool {
	return slices.ContainsFunc(s.Board.Relays, func(r struct {
		Name string `json:"name"`
		On   bool   `json:"on"`
	},
	) bool {
		return r.Name == name && r.On
	})
}

// Fault returns what is wrong by the first fault whose key begins with prefix, "" if there
// is none.
func (s Status) Fault(prefix string) string {
	for _, f := range s.Faults {
		if strings.HasPrefix(f.Key, prefix) {
			return f.String()
		}
	}
	return ""
}

// Get reads a page of the daemon as text.
func (d *Door) Get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+path, nil)
	if err != nil {
		return "", err
	}
	return d.do(req)
}

func (d *Door) do(req *http.Request) (string, error) {
	body, _, err := d.ask(req)
	return body, err
}

// pause is how long one waits who was told to come too often: five commands a second are allowed.
const pause = 250 * time.Millisecond

// ask asks as the program's own commands do: with what lets whoever may read the state directory in. at is when that
// was asked which was answered.
func (d *Door) ask(req *http.Request) (answer string, at time.Time, err error) {
	if secret, err := os.ReadFile(filepath.Join(d.Config.Dir, "state", "page", "console")); err == nil {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
	}
	for tries := 0; ; tries++ {
		at = time.Now()
		status, body, err := d.once(req)
		if err != nil || status/100 == 2 {
			return body, at, err
		}
		if status != http.StatusTooManyRequests || tries == 20 || req.GetBody == nil {
			return body, at, fmt.Errorf("%s %s: %d %s: %.200s", req.Method, req.URL, status, http.StatusText(status), body)
		}
		time.Sleep(pause)
		if req.Body, err = req.GetBody(); err != nil {
			return "", at, err
		}
	}
}

func (d *Door) once(req *http.Request) (status int, body string, err error) {
	resp, err := d.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Status reads the snapshot of the moment.
func (d *Door) Status(ctx context.Context) (Status, error) {
	var s Status
	body, err := d.Get(ctx, "status.json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return s, fmt.Errorf("read status.json: %w", err)
	}
	return s, nil
}

// hold is how long a button is pressed.
const hold = 100 * time.Millisecond

// Press presses a button of the simulated board for 100 ms and returns, when it
// is up again, the time at which it went down.
func (d *Door) Press(ctx context.Context, input string) (time.Time, error) {
	s, err := d.Status(ctx)
	if err != nil {
		return time.Time{}, err
	}
	before, _ := s.input(input)
	form := url.Values{"input": {input}, "hold": {strconv.FormatInt(hold.Milliseconds(), 10)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"panel/press", strings.NewReader(form.Encode()))
	if err != nil {
		return time.Time{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	_, at, err := d.ask(req)
	if err != nil {
		return at, err
	}
	// A snapshot may be older than the count of presses beside it: the button seems to be up before it is seen down.
	select {
	case <-time.After(hold):
	case <-ctx.Done():
		return at, ctx.Err()
	}
	_, err = d.Wait(ctx, "letting go of "+input, func(s Status) bool {
		presses, active := s.input(input)
		return presses > before && !active
	})
	return at, err
}

// input returns the accepted presses of an input and whether it is active.
func (s Status) input(name string) (presses int, active bool) {
	for _, in := range s.Board.Inputs {
		if in.Name == name {
			active = in.Active
		}
	}
	for _, in := range s.Gauges.Inputs {
		if in.Name == name {
			presses = in.Presses
		}
	}
	return presses, active
}

// Wait waits until a snapshot fulfils a condition, given in words for the error,
// and returns it.
func (d *Door) Wait(ctx context.Context, words string, ok func(Status) bool) (Status, error) {
	var s Status
	err := Poll(ctx, func() error {
		select {
		case <-d.Exited():
			return fmt.Errorf("intercomd ended: %w", orClean(d.Err()))
		default:
		}
		var err error
		if s, err = d.Status(ctx); err != nil {
			return err
		}
		if !ok(s) {
			return errors.New("state is " + s.State + ", registration " + s.Registration.State)
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("intercomd %s: never %s: %w; its log ends with:\n%s", d.Config.User, words, err, d.Tail(40))
	}
	return s, nil
}

// Registered waits until the daemon is registered and its sound is open.
func (d *Door) Registered(ctx context.Context) error {
	_, err := d.Wait(ctx, "registered with sound", func(s Status) bool {
		return s.Registration.State == "registered" && (d.Config.Card == nil || s.Sound.Input.OK && s.Sound.Output.OK)
	})
	return err
}

// InState waits for a state: "idle", "calling", "ringing", "talking".
func (d *Door) InState(ctx context.Context, state string) (Status, error) {
	return d.Wait(ctx, state, func(s Status) bool { return s.State == state })
}

// Over waits until the call that began after t has ended and returns its record.
func (d *Door) Over(ctx context.Context, t time.Time) (CallRecord, error) {
	s, err := d.Wait(ctx, "over with the call", func(s Status) bool {
		return s.State == "idle" && s.Call == nil && len(s.Calls) > 0 && s.Calls[0].Ended.After(t)
	})
	if err != nil {
		return CallRecord{}, err
	}
	return s.Calls[0], nil
}

// Hangup hangs up, cancels or refuses the call at the page.
func (d *Door) Hangup(ctx context.Context) error { return d.command(ctx, "call/hangup", nil) }

// Mute switches the microphone of a talk off at the page, or on.
func (d *Door) Mute(ctx context.Context, on bool) error {
	return d.command(ctx, "call/mute", url.Values{"muted": {strconv.FormatBool(on)}})
}

// Put puts a body where the page takes one, and returns the answer.
func (d *Door) Put(ctx context.Context, path, body string) (string, error) {
	return d.json(ctx, http.MethodPut, path, body)
}

// JSON reads what a page has for programs.
func (d *Door) JSON(ctx context.Context, path string) (string, error) {
	return d.json(ctx, http.MethodGet, path, "")
}

func (d *Door) json(ctx context.Context, method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.URL+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/json")
	return d.do(req)
}

// Do gives a command to the page.
func (d *Door) Do(ctx context.Context, path string, form url.Values) error {
	return d.command(ctx, path, form)
}

// command gives a command to the page.
func (d *Door) command(ctx context.Context, path string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	_, err = d.do(req)
	return err
}
