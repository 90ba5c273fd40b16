package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"intercomd/store"
	"intercomd/words"
)

const (
	// maxEventLine bounds a line of the stream, in bytes: a snapshot is the longest.
	maxEventLine = 4 << 20
	// eventsDead is how long the stream may be silent; it has a sign of life every 5 s.
	eventsDead = 25 * time.Second
	// eventsAgain is how long to wait before the page is asked again.
	eventsAgain = 2 * time.Second
)

// eventsCommand prints what happens at the door, a line each, in words.
func eventsCommand(ctx context.Context, args []string, io streams) int {
	fs := flag.NewFlagSet("intercomd events", flag.ContinueOnError)
	fs.SetOutput(io.err)
	follow := fs.Bool("f", false, "go on when the door is restarted")
	asJSON := fs.Bool("json", false, "print events as they come, as JSON")
	at := fs.String("at", "", "address of another door's page, such as https://door.local:8443; its certificate must be trusted by this system")
	tokenFile := fs.String("token-file", "", "file with a token of that page; else it is taken from INTERCOMD_TOKEN")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	path, err := configPath(fs.Args())
	if err != nil {
		fmt.Fprintln(io.err, "intercomd events:", err)
		return exitUsage
	}
	c := console{base: strings.TrimSuffix(*at, "/"), secret: os.Getenv("INTERCOMD_TOKEN")}
	if *tokenFile != "" {
		text, err := store.ReadNamed(*tokenFile, maxSecret)
		if err != nil {
			fmt.Fprintln(io.err, "intercomd events:", err)
			return exitFailed
		}
		c.secret = strings.TrimSpace(string(text))
	}
	if *at == "" {
		own := consoleOf(loadKept(path).Config)
		if c.base = own.base; c.base == "" {
			fmt.Fprintln(io.err, "intercomd events: this door has no page to ask: listen under [web] is empty")
			return exitFailed
		}
		c.secret = cmp.Or(c.secret, own.secret)
	}
	f := follower{console: c, out: io.out, lang: words.Locale(os.Getenv), json: *asJSON}
	for {
		err := f.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return exitOK
		case !*follow, errors.Is(err, errNotLetIn):
			fmt.Fprintln(io.err, "intercomd events:", err)
			return exitFailed
		}
		fmt.Fprintln(io.err, "intercomd events:", err, "- trying again")
		select {
		case <-time.After(eventsAgain):
		case <-ctx.Done():
			return exitOK
		}
	}
}

// errNotLetIn is an answer that another try does not change.
var errNotLetIn = errors.New("the page does not let this in; give a token in INTERCOMD_TOKEN, or run this as the user of the service")

// follower reads the stream of a page.
type follower struct {
	console
	out  io.Writer
	lang *words.Language
	json bool
	last string // ID of the last event
}

// follow prints events until the stream ends, which is an error.
func (f *follower) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	alive := time.AfterFunc(eventsDead, stop)
	defer alive.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+"/events", nil)
	if err != nil {
		return errors.New("the address of the page is none")
	}
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	res, err := f.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: %w", res.Status, errNotLetIn)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("the page answered %s", res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), maxEventLine)
	name, id, data := "", "", ""
	for lines.Scan() {
		alive.Reset(eventsDead)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data += value
		}
		if lines.Text() != "" {
			continue
		}
		if name == "event" {
			f.print(data)
			f.last = cmp.Or(id, f.last)
		}
		name, id, data = "", "", ""
	}
	return cmp.Or(lines.Err(), errors.New("the stream of the page has ended"))
}

// print is one event as a line.
func (f *follower) print(data string) {
	if f.json {
		fmt.Fprintln(f.out, data)
		return
	}
	fmt.Fprintln(f.out, eventLine(f.lang, data))
}

// eventLine is an event in words: when, what, and its particulars.
func eventLine(l *words.Language, data string) string {
	var e struct {
		At   time.Time
		Kind string
		Data map[string]any
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return printable(data)
	}
	text := l.Text("event." + e.Kind)
	if fault, ok := e.Data["fault"].(map[string]any); ok {
		if m, ok := messageOf(fault); ok {
			text += ": " + l.Say("problem", m)
		}
		e.Data = nil
	}
	var more []string
	flatten(&more, "", e.Data)
	slices.Sort(more)
	return printable(e.At.Local().Format("2006-01-02 15:04:05.000") + "  " + strings.TrimSpace(text+"  "+strings.Join(more, " ")))
}

// messageOf reads a code with its parameters.
func messageOf(v map[string]any) (m words.Message, ok bool) {
	data, err := json.Marshal(v)
	if err != nil || json.Unmarshal(data, &m) != nil {
		return m, false
	}
	return m, m.Code != ""
}

// flatten writes values as name=value; what is empty is left out.
func flatten(out *[]string, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			flatten(out, strings.TrimPrefix(name+"."+k, "."), inner)
		}
	case []any, nil:
	case string:
		if v != "" {
			if strings.ContainsFunc(v, unicode.IsSpace) {
				v = fmt.Sprintf("%q", v)
			}
			*out = append(*out, name+"="+v)
		}
	default:
		*out = append(*out, fmt.Sprintf("%s=%v", name, v))
	}
}

// printable is text that does nothing to a terminal: much of it comes from the network.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}
