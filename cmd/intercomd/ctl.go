package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"intercomd/store"
	"intercomd/web"
	"intercomd/web/api"
	"intercomd/web/api/client"
)

// Where `intercomd ctl` finds the door and what lets it in. A token is never an argument: arguments
// are seen by everybody on the machine.
const (
	ctlURL       = "INTERCOMD_URL"
	ctlToken     = "INTERCOMD_TOKEN"
	ctlTokenFile = "INTERCOMD_TOKEN_FILE"
	ctlCA        = "INTERCOMD_CA"
)

// ctlVerb is one thing that can be asked of a door.
type ctlVerb struct {
	name, args, about string
	// ask makes the request of the arguments; nil for what is no single request.
	ask func(args []string) (client.Request, error)
}

func get(path string) func([]string) (client.Request, error) {
	return func([]string) (client.Request, error) { return client.Request{Method: http.MethodGet, Path: path}, nil }
}

// post makes a command with one field that is a word.
func post(path, field string) func([]string) (client.Request, error) {
	return func(args []string) (client.Request, error) {
		if field == "" {
			return with(path, nil), nil
		}
		return with(path, map[string]any{field: args[0]}), nil
	}
}

// onOff makes a command whose last argument is on or off.
func onOff(path func(args []string) string) func([]string) (client.Request, error) {
	return func(args []string) (client.Request, error) {
		on := args[len(args)-1]
		if on != "on" && on != "off" {
			return client.Request{}, fmt.Errorf("%q is neither on nor off", on)
		}
		return with(path(args), map[string]any{"on": on == "on"}), nil
	}
}

func relayPath(args []string, verb string) string {
	return "/relays/" + url.PathEscape(args[0]) + "/" + verb
}

// query makes a request whose arguments are parameters: NAME=VALUE.
func query(path string) func([]string) (client.Request, error) {
	return func(args []string) (client.Request, error) {
		q, err := ctlQuery(args)
		return client.Request{Method: http.MethodGet, Path: path, Query: q}, err
	}
}

func ctlQuery(args []string) (url.Values, error) {
	q := url.Values{}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form NAME=VALUE", a)
		}
		q.Add(name, value)
	}
	return q, nil
}

// with makes a command with fields.
func with(path string, fields map[string]any) client.Request {
	body := []byte("{}")
	if fields != nil {
		body, _ = json.Marshal(fields) // of texts, numbers and flags
	}
	return client.Request{Method: http.MethodPost, Path: path, Body: body}
}

func ctlVerbs() []ctlVerb {
	return []ctlVerb{
		{"status", "", "all of the state", get("/status")},
		{"calls", "", "the last calls", get("/calls")},
		{"trace", "CALL", "the SIP messages of one of the last calls", func(args []string) (client.Request, error) {
			return client.Request{Method: http.MethodGet, Path: "/calls/" + url.PathEscape(args[0]) + "/trace"}, nil
		}},
		{"events", "[KIND …]", "what happens, a line of JSON each, until it is ended; such as call.* or door.released", nil},
		{"history", "calls|events [NAME=VALUE …]", "what has been; such as what=missed, from=2026-11-01, format=csv", func(args []string) (client.Request, error) {
			if args[0] != "calls" && args[0] != "events" {
				return client.Request{}, fmt.Errorf("%q is neither calls nor events", args[0])
			}
			return query("/history/" + args[0])(args[1:])
		}},
		{"erase", "DAYS", "delete what happened before so many days, for good", func(args []string) (client.Request, error) {
			days, err := strconv.Atoi(args[0])
			if err != nil {
				err = fmt.Errorf("%q is no number of days", args[0])
			}
			return with("/history/erase", map[string]any{"days": days}), err
		}},
		{"log", "[NAME=VALUE …]", "the last lines of the log; such as level=warn, part=phone", query("/log")},
		{"tail", "[NAME=VALUE …]", "the same as they are written, a line of JSON each, until it is ended", nil},
		{"support", "", "a support bundle, without secrets: tar.gz", get("/support")},
		{"device", "", "the machine under the door", get("/device")},
		{"press", "BUTTON", "press a button", post("/press", "button")},
		{"dial", "TARGET", "call somebody of the configuration", post("/dial", "target")},
		{"answer", "", "answer the call that rings at the door", post("/answer", "")},
		{"hangup", "", "end the current call", post("/hangup", "")},
		{"mute", "on|off", "switch the microphone off in a call, or on again", onOff(func([]string) string { return "/mute" })},
		{"relays", "", "what can be opened or switched", get("/relays")},
		{"open", "RELAY", "open; the token must have the scope open", func(args []string) (client.Request, error) {
			return with(relayPath(args, "open"), nil), nil
		}},
		{"switch", "RELAY on|off", "switch a light", onOff(func(args []string) string { return relayPath(args, "switch") })},
		{"test", "", "test the sound", post("/tests/sound", "")},
		{"canary", "", "call the echo extension now", post("/tests/canary", "")},
		{"testcall", "TARGET", "call somebody of the configuration; the call is marked as a test", func(args []string) (client.Request, error) {
			return with("/dial", map[string]any{"target": args[0], "test": true}), nil
		}},
		{"locate", "", "let the door show where it is", post("/locate", "")},
		{"walk", "", "the commissioning: what can be tried, and what came of it", get("/walk")},
		{"report", "[format=html]", "its report", query("/walk/report")},
		{"check", "KIND [NAME]", "try one thing of it, such as: lamp status; of a relay the token must have the scope open, too", func(args []string) (client.Request, error) {
			of := strings.Join(args[1:], "")
			if args[0] == "relay" {
				return with("/walk/relay", map[string]any{"of": of}), nil
			}
			return with("/walk/try", map[string]any{"check": args[0], "of": of}), nil
		}},
		{"judge", "passed|failed|skipped KIND [NAME]", "say what somebody saw or heard of it", func(args []string) (client.Request, error) {
			return with("/walk/judge", map[string]any{"result": args[0], "check": args[1], "of": strings.Join(args[2:], "")}), nil
		}},
		{"restart", "[now]", "start intercomd anew when no call is up, or now", func(args []string) (client.Request, error) {
			if len(args) > 0 && args[0] != "now" {
				return client.Request{}, fmt.Errorf("%q is not now", args[0])
			}
			return with("/restart", map[string]any{"now": len(args) > 0}), nil
		}},
		{"reset", "sure", "reset the door to how it came; the token must have the scope reset", func(args []string) (client.Request, error) {
			return with("/reset", map[string]any{"sure": args[0] == "sure"}), nil
		}},
		{"config", "", "how the configuration stands", get("/configuration")},
		{"text", "", "the text of the configuration, without its secrets", get("/configuration/text")},
		{"backup", "", "the text with its secrets; the token must have the scope backup", get("/configuration/backup")},
		{"try", "FILE", "try a configuration; it is taken back unless it is kept", func(args []string) (client.Request, error) {
			text, err := store.ReadFile(args[0], ctlFile)
			return client.Request{Method: http.MethodPut, Path: "/configuration", Type: "application/toml", Body: text}, err
		}},
		{"keep", "", "keep the configuration that is on trial", post("/configuration/keep", "")},
		{"back", "", "take it back", post("/configuration/back", "")},
		{"diff", "VERSION", "how a version differs from the one before", func(args []string) (client.Request, error) {
			return client.Request{Method: http.MethodGet, Path: versionPath(args)}, nil
		}},
		{"again", "VERSION", "try an older version", func(args []string) (client.Request, error) {
			return with(versionPath(args)+"/try", nil), nil
		}},
		{"people", "[format=csv]", "who has a code", query("/people")},
		{"import", "FILE [dry]", "add and change people by a list in CSV, or only look whether that works", func(args []string) (client.Request, error) {
			if len(args) > 1 && args[1] != "dry" {
				return client.Request{}, fmt.Errorf("%q is not dry", args[1])
			}
			list, err := store.ReadFile(args[0], ctlFile)
			return client.Request{Method: http.MethodPost, Path: "/people", Query: url.Values{"dry": {strconv.FormatBool(len(args) > 1)}}, Type: "text/csv", Body: list}, err
		}},
		{"drop", "PERSON", "take somebody and their code away", func(args []string) (client.Request, error) {
			return client.Request{Method: http.MethodDelete, Path: "/people/" + url.PathEscape(args[0])}, nil
		}},
		{"update", "", "how an update of the system stands", get("/update")},
		{"install", "ADDRESS|FILE", "install a bundle: one that the door fetches, or this one", ctlInstall},
		{"certificate", "", "the certificate of the page", get("/certificate")},
		{"request", "", "what an authority of the site signs: PEM", get("/certificate/request")},
		{"certify", "FILE", "give the page the certificate that was issued", func(args []string) (client.Request, error) {
			text, err := store.ReadFile(args[0], ctlFile)
			return client.Request{Method: http.MethodPut, Path: "/certificate", Type: "application/x-pem-file", Body: text}, err
		}},
	}
}

// ctlInstall sends a bundle, or its address. The file is closed when the program ends.
func ctlInstall(args []string) (client.Request, error) {
	if strings.Contains(args[0], "://") {
		return with("/update", map[string]any{"address": args[0]}), nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return client.Request{}, err
	}
	is, err := f.Stat()
	if err != nil {
		return client.Request{}, err
	}
	return client.Request{Method: http.MethodPost, Path: "/update/bundle", Type: "application/octet-stream", File: f, Size: is.Size()}, nil
}

func versionPath(args []string) string { return "/configuration/versions/" + url.PathEscape(args[0]) }

// fits says whether arguments can be those of a verb: those in brackets may be left out, and none is empty.
func (v *ctlVerb) fits(args []string) bool {
	n := len(args)
	needed, more, optional := strings.Cut(v.args, "[")
	least := len(strings.Fields(needed))
	most := least + len(strings.Fields(more))
	return n >= least && (n <= most || optional && strings.Contains(more, "…")) && !slices.Contains(args, "")
}

// ctlFile bounds the files that are read, in bytes.
const ctlFile = 1 << 20

// ctlCommand asks a door by its interface for programs: the door of this machine, or the one that the
// environment names.
func ctlCommand(ctx context.Context, args []string, to streams) int {
	fs := flag.NewFlagSet("intercomd ctl", flag.ContinueOnError)
	fs.SetOutput(to.err)
	file := fs.String("config", defaultConfig, "the configuration of the door of this machine")
	fs.Usage = func() { fmt.Fprintln(to.err, ctlHint) }
	if ctlAsksHelp(args) {
		ctlHelp(to.out)
		return exitOK
	}
	if err := fs.Parse(args); err != nil {
		return exitUsage // which is told already
	}
	if fs.NArg() == 0 {
		ctlHelp(to.err)
		return exitUsage
	}
	name, rest := fs.Arg(0), fs.Args()[1:]
	for _, v := range ctlVerbs() {
		if v.name != name {
			continue
		}
		if !v.fits(rest) {
			fmt.Fprintln(to.err, "usage: intercomd ctl", strings.TrimSpace(v.name+" "+v.args))
			return exitUsage
		}
		if err := ctlDo(ctx, v, rest, *file, to); err != nil {
			fmt.Fprintln(to.err, "intercomd ctl:", err)
			return exitFailed
		}
		return exitOK
	}
	fmt.Fprintf(to.err, "intercomd ctl: there is no verb %q\n%s\n", name, ctlHint)
	return exitUsage
}

const ctlHint = "intercomd ctl help lists what can be asked"

// ctlAsksHelp says whether somebody wants to know how this works; nothing is named like that.
func ctlAsksHelp(args []string) bool {
	return len(args) > 0 && args[0] == "help" || slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" })
}

func ctlHelp(to io.Writer) {
	fmt.Fprint(to, "Usage: intercomd ctl [-config FILE] VERB …\n\n")
	for _, v := range ctlVerbs() {
		fmt.Fprintf(to, "  %-38s %s\n", strings.TrimSpace(v.name+" "+v.args), v.about)
	}
	fmt.Fprintf(to, "\nAnswers are JSON, unless it says otherwise. The door is that of this machine, as FILE (%s) has it, or %s (https://NAME) with the token in %s\nor in the file %s; %s is a file with the certificate of its authority (/ca.crt).\nIt exits with 0 if the door has accepted the request, with 1 if not, and with 64 if there is no such request.\n",
		defaultConfig, ctlURL, ctlToken, ctlTokenFile, ctlCA)
}

func ctlDo(ctx context.Context, v ctlVerb, args []string, file string, to streams) error {
	where, err := ctlWhere(os.Getenv, file)
	if err != nil {
		return err
	}
	c, err := client.New(where)
	if err != nil {
		return err
	}
	defer c.Close()
	if v.ask == nil {
		feed := client.Feed{Path: "/events", List: "events", Ask: url.Values{"kind": args}}
		if v.name == "tail" {
			feed = client.Feed{Path: "/log", List: "lines"}
			if feed.Ask, err = ctlQuery(args); err != nil {
				return err
			}
		}
		return c.Follow(ctx, feed, "", func(e json.RawMessage) error {
			_, err := fmt.Fprintf(to.out, "%s\n", e)
			return err
		})
	}
	ask, err := v.ask(args)
	if err != nil {
		return err
	}
	body, err := c.Do(ctx, ask)
	if p, no := errors.AsType[*api.Problem](err); no {
		for _, f := range ctlFaults(p) {
			fmt.Fprintln(to.err, f)
		}
	}
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if json.Indent(&out, bytes.TrimSpace(body), "", "  ") != nil {
		_, err = to.out.Write(body) // a bundle, a table, a configuration
		return err
	}
	_, err = fmt.Fprintln(to.out, out.String())
	return err
}

// ctlFaults are the faults of what was sent, a line each.
func ctlFaults(p *api.Problem) (out []string) {
	var all web.SetupFaults
	text, err := json.Marshal(p.Faults)
	if err != nil || json.Unmarshal(text, &all) != nil {
		return nil
	}
	for _, f := range all {
		line := f.Message.String()
		if r := f.Message.Remedy(); r != "" {
			line += "; " + r
		}
		if f.Key != "" {
			line = f.Key + ": " + line
		}
		if f.Line > 0 {
			line = "line " + strconv.Itoa(f.Line) + ": " + line
		}
		out = append(out, line)
	}
	return out
}

// ctlWhere finds the door and what lets in.
func ctlWhere(getenv func(string) string, file string) (client.Config, error) {
	c := client.Config{Base: getenv(ctlURL), Token: strings.TrimSpace(getenv(ctlToken))}
	if path := getenv(ctlTokenFile); c.Token == "" && path != "" {
		secret, err := store.ReadFile(path, maxSecret)
		if err != nil {
			return c, err
		}
		c.Token = strings.TrimSpace(string(secret))
	}
	if path := getenv(ctlCA); path != "" {
		ca, err := store.ReadFile(path, ctlFile)
		if err != nil {
			return c, err
		}
		c.CA = ca
	}
	if c.Base == "" {
		own := consoleOf(loadKept(file).Config)
		if own.base == "" {
			return c, errors.New("the door of this machine has no page; " + ctlURL + " names another door")
		}
		c.Base = own.base
		if c.Token == "" {
			c.Token = own.secret
		}
	}
	return c, nil
}
