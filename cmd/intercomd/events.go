package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"intercomd/web/api"
	"intercomd/web/api/client"
	"intercomd/words"
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
	where, err := ctlWhere(func(name string) string {
		switch {
		case name == ctlURL && *at != "":
			return *at
		case name == ctlTokenFile && *tokenFile != "":
			return *tokenFile
		case name == ctlToken && *tokenFile != "":
			return ""
		}
		return os.Getenv(name)
	}, path)
	if err == nil {
		err = printEvents(ctx, where, *follow, *asJSON, io)
	}
	if err != nil {
		fmt.Fprintln(io.err, "intercomd events:", err)
		return exitFailed
	}
	return exitOK
}

// errNotLetIn is an answer that another try does not change.
var errNotLetIn = errors.New("give a token in INTERCOMD_TOKEN, or run this as the user of the service")

// printEvents prints what happens at a door from now on, until ctx ends or the door says no, or, unless it is
// to be followed, cannot be reached.
func printEvents(ctx context.Context, where client.Config, follow, asJSON bool, io streams) error {
	c, err := client.New(where)
	if err != nil {
		return err
	}
	defer c.Close()
	lang, said := words.Locale(os.Getenv), ""
	feed := client.Feed{Path: "/events", List: "events", Lost: func(err error) bool {
		if text := err.Error(); follow && text != said {
			said = text
			fmt.Fprintln(io.err, "intercomd events:", err, "- trying again")
		}
		return follow
	}}
	err = c.Follow(ctx, feed, "", func(e json.RawMessage) error {
		said = ""
		line := string(e)
		if !asJSON {
			line = eventLine(lang, line)
		}
		_, err := fmt.Fprintln(io.out, line)
		return err
	})
	if no, ok := errors.AsType[*api.Problem](err); ok && (no.Status == http.StatusUnauthorized || no.Status == http.StatusForbidden) {
		return fmt.Errorf("%w: %w", err, errNotLetIn)
	}
	return err
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
