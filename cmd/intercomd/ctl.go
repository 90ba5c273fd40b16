package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"intercomd/door"
	"intercomd/store"
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
		body := []byte("{}")
		if field != "" {
			body, _ = json.Marshal(map[string]string{field: args[0]}) // a string always encodes
		}
		return client.Request{Method: http.MethodPost, Path: path, Body: body}, nil
	}
}

// onOff makes a command whose last argument is on or off.
func onOff(path func(args []string) string) func([]string) (client.Request, error) {
	return func(args []string) (client.Request, error) {
		on := args[len(args)-1]
		if on != "on" && on != "off" {
			return client.Request{}, fmt.Errorf("%q is neither on nor off", on)
		}
		body, _ := json.Marshal(map[string]bool{"on": on == "on"})
		return client.Request{Method: http.MethodPost, Path: path(args), Body: body}, nil
	}
}

func relayPath(args []string, verb string) string {
	return "/relays/" + url.PathEscape(args[0]) + "/" + verb
}

func ctlVerbs() []ctlVerb {
	return []ctlVerb{
		{"status", "", "all of the state", get("/status")},
		{"calls", "", "the last calls", get("/calls")},
		{"events", "[KIND …]", "what happens, a line of JSON each, until it is ended; such as call.* or door.released", nil},
		{"press", "BUTTON", "press a button", post("/press", "button")},
		{"dial", "TARGET", "call somebody of the configuration", post("/dial", "target")},
		{"answer", "", "answer the call that rings at the door", post("/answer", "")},
		{"hangup", "", "end the current call", post("/hangup", "")},
		{"mute", "on|off", "switch the microphone off in a call, or on again", onOff(func([]string) string { return "/mute" })},
		{"relays", "", "what can be opened or switched", get("/relays")},
		{"open", "RELAY", "open; the token must have the scope open", func(args []string) (client.Request, error) {
			return client.Request{Method: http.MethodPost, Path: relayPath(args, "open"), Body: []byte("{}")}, nil
		}},
		{"switch", "RELAY on|off", "switch a light", onOff(func(args []string) string { return relayPath(args, "switch") })},
		{"test", "", "test the sound", post("/tests/sound", "")},
		{"config", "", "how the configuration stands", get("/configuration")},
		{"text", "", "the text of the configuration, without its secrets", get("/configuration/text")},
		{"try", "FILE", "try a configuration; it is taken back unless it is kept", func(args []string) (client.Request, error) {
			text, err := store.ReadFile(args[0], ctlFile)
			return client.Request{Method: http.MethodPut, Path: "/configuration", Type: "application/toml", Body: text}, err
		}},
		{"keep", "", "keep the configuration that is on trial", post("/configuration/keep", "")},
		{"back", "", "take it back", post("/configuration/back", "")},
		{"people", "", "who has a code", get("/people")},
	}
}

// ctlFile bounds the files that are read, in bytes.
const ctlFile = 1 << 20

// ctlCommand asks a door by its interface for programs: the door of this machine, or the one that the
// environment names.
func ctlCommand(ctx context.Context, args []string, io streams) int {
	fs := flag.NewFlagSet("intercomd ctl", flag.ContinueOnError)
	fs.SetOutput(io.err)
	file := fs.String("config", defaultConfig, "the configuration of the door of this machine")
	fs.Usage = func() {
		fmt.Fprint(io.err, "Usage: intercomd ctl VERB …\n\n")
		for _, v := range ctlVerbs() {
			fmt.Fprintf(io.err, "  %-24s %s\n", strings.TrimSpace(v.name+" "+v.args), v.about)
		}
		fmt.Fprintf(io.err, "\nAnswers are JSON. The door is that of this machine, or %s (https://NAME) with the token in %s or in the file\n%s; %s is a file with the certificate of its authority (/ca.crt).\n", ctlURL, ctlToken, ctlTokenFile, ctlCA)
	}
	if err := fs.Parse(args); err != nil || fs.NArg() == 0 {
		fs.Usage()
		return exitUsage
	}
	name, rest := fs.Arg(0), fs.Args()[1:]
	for _, v := range ctlVerbs() {
		if v.name != name {
			continue
		}
		if v.ask != nil && len(rest) != len(strings.Fields(v.args)) {
			fs.Usage()
			return exitUsage
		}
		if err := ctlDo(ctx, v, rest, *file, io); err != nil {
			fmt.Fprintln(io.err, "intercomd ctl:", err)
			return exitFailed
		}
		return exitOK
	}
	fs.Usage()
	return exitUsage
}

func ctlDo(ctx context.Context, v ctlVerb, args []string, file string, io streams) error {
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
		return c.Follow(ctx, "", args, func(e json.RawMessage) error {
			_, err := fmt.Fprintf(io.out, "%s\n", e)
			return err
		})
	}
	ask, err := v.ask(args)
	if err != nil {
		return err
	}
	body, err := c.Do(ctx, ask)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if json.Indent(&out, bytes.TrimSpace(body), "", "  ") != nil {
		out.Reset()
		out.Write(body)
	}
	_, err = fmt.Fprintln(io.out, strings.TrimSuffix(out.String(), "\n"))
	return err
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
		own := consoleOf(door.Load(file).Config)
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
