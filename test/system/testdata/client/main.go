// Command client is a program such as a house may have: its client was made from the description of a door's
// interface, by a generator that nobody of this project wrote (ogen), and another library that nobody here wrote
// either (libopenapi-validator) judges the description, and every request and answer by it.
//
// client DOOR openapi.json, with a token that may do everything in TOKEN. It prints what it has done, and ends
// with 1 at the first thing that is not as described.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ogen-go/ogen/ogenerrors"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"client/api"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Getenv("TOKEN")); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// token is how it shows who it is.
type token string

func (t token) Token(context.Context, api.OperationName, *api.Client) (api.Token, error) {
	return api.Token{Token: string(t)}, nil
}

func (token) Session(context.Context, api.OperationName, *api.Client) (api.Session, error) {
	return api.Session{}, ogenerrors.ErrSkipClientSecurity
}

// judge lets nothing pass that is not as described.
type judge struct {
	by validator.Validator
	n  int
}

func (j *judge) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	j.n++
	r.Body, resp.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(answer))
	if ok, faults := j.by.ValidateHttpRequestResponse(r, resp); !ok {
		var all []error
		for _, f := range faults {
			text := f.Error()
			for _, s := range f.SchemaValidationErrors {
				text += "; " + s.FieldPath + ": " + s.Reason
			}
			all = append(all, errors.New(text))
		}
		return nil, fmt.Errorf("%s %s: %s: %w: %.300s", r.Method, r.URL, resp.Status, errors.Join(all...), answer)
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, nil
}

func run(door, file, secret string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return err
	}
	by, faults := validator.NewValidator(doc)
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	if ok, faults := by.ValidateDocument(); !ok {
		return fmt.Errorf("the description: %v", faults)
	}
	fmt.Println("the description is OpenAPI", doc.GetVersion())
	j := &judge{by: by}
	c, err := api.NewClient(strings.TrimSuffix(door, "/"), token(secret), api.WithClient(&http.Client{Transport: j, Timeout: time.Minute}))
	if err != nil {
		return err
	}
	if err := calls(c); err != nil {
		return err
	}
	fmt.Println(j.n, "exchanges as described")
	return nil
}

// as is an answer of the type that is wanted.
func as[T any](what string, answer any, err error) (out T, _ error) {
	if err != nil {
		return out, fmt.Errorf("%s: %w", what, err)
	}
	out, ok := answer.(T)
	if !ok {
		return out, fmt.Errorf("%s: answered with %T, %+v", what, answer, answer)
	}
	return out, nil
}

// calls is what a house may want of its door.
func calls(c *api.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	a, err := c.GetStatus(ctx, api.GetStatusParams{})
	status, err := as[*api.Status](`status`, a, err)
	if err != nil {
		return err
	}
	if status.State != "idle" || len(status.Buttons) == 0 {
		return fmt.Errorf("the door is %s, with %d buttons", status.State, len(status.Buttons))
	}
	b, err := c.ListEvents(ctx, api.ListEventsParams{})
	from, err := as[*api.Events](`events`, b, err)
	if err != nil {
		return err
	}
	for range 2 { // as after an answer that was lost
		d, err := c.Press(ctx, &api.Press{Button: "bell"}, api.PressParams{IdempotencyKey: api.NewOptString("house-1")})
		if _, err := as[*api.Taken](`press`, d, err); err != nil {
			return err
		}
	}
	cursor, presses := from.Cursor, 0
	for over := false; !over; {
		e, err := c.ListEvents(ctx, api.ListEventsParams{After: api.NewOptString(cursor), Wait: api.NewOptInt(10), Kind: []string{"button.*", "call.*"}})
		list, err := as[*api.Events](`events`, e, err)
		if err != nil {
			return err
		}
		cursor = list.Cursor
		for _, e := range list.Events {
			if e.Kind == "button.pressed" {
				presses++
			}
			over = over || e.Kind == "call.ended"
		}
	}
	if presses != 1 {
		return fmt.Errorf("pressed %d times", presses)
	}
	fmt.Println("pressed once, and heard the end of the call")
	f, err := c.Open(ctx, nil, api.OpenParams{Name: "door"})
	if _, err := as[*api.Taken](`open`, f, err); err != nil {
		return err
	}
	g, err := c.Press(ctx, &api.Press{Button: "no such button"}, api.PressParams{Lang: api.NewOptString("de")})
	no, err := as[*api.PressNotFound](`press of nothing`, g, err)
	if err != nil {
		return err
	}
	if no.Code != "no-such-button" || no.Status != http.StatusNotFound {
		return fmt.Errorf("%+v", no)
	}
	fmt.Println("refused:", no.Detail)
	h, err := c.ListPastCalls(ctx, api.ListPastCallsParams{What: api.NewOptListPastCallsWhat("out"), Limit: api.NewOptInt(5)})
	if past, err := as[*api.PastCalls](`history`, h, err); err != nil || past.Total == 0 {
		return fmt.Errorf("history: %+v, %w", past, err)
	}
	for what, ask := range map[string]func() (any, error){
		"calls":         func() (any, error) { return c.ListCalls(ctx, api.ListCallsParams{}) },
		"relays":        func() (any, error) { return c.ListRelays(ctx, api.ListRelaysParams{}) },
		"walk":          func() (any, error) { return c.GetWalk(ctx, api.GetWalkParams{}) },
		"report":        func() (any, error) { return c.GetWalkReport(ctx, api.GetWalkReportParams{}) },
		"device":        func() (any, error) { return c.GetDevice(ctx, api.GetDeviceParams{}) },
		"log":           func() (any, error) { return c.ListLog(ctx, api.ListLogParams{Level: api.NewOptListLogLevel("info")}) },
		"past events":   func() (any, error) { return c.ListPastEvents(ctx, api.ListPastEventsParams{}) },
		"configuration": func() (any, error) { return c.GetConfiguration(ctx, api.GetConfigurationParams{}) },
		"its text":      func() (any, error) { return c.GetConfigurationText(ctx, api.GetConfigurationTextParams{}) },
		"people":        func() (any, error) { return c.ListPeople(ctx, api.ListPeopleParams{}) },
		"description":   func() (any, error) { return c.GetDescription(ctx) },
	} {
		answer, err := ask()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if kind := fmt.Sprintf("%T", answer); strings.Contains(kind, "Request") || strings.Contains(kind, "Forbidden") || strings.Contains(kind, "Unauthorized") {
			return fmt.Errorf("%s: answered with %s %+v", what, kind, answer)
		}
	}
	k, err := c.PutPerson(ctx, &api.PutPerson{Digits: api.NewOptString("472911"), Once: api.NewOptBool(true)}, api.PutPersonParams{Name: "plumber"})
	if _, err := as[*api.Taken](`a person`, k, err); err != nil {
		return err
	}
	m, err := c.ImportPeople(ctx, api.ImportPeopleReq{Data: strings.NewReader("name,digits\nplumber,\nguest,472912\n")}, api.ImportPeopleParams{Dry: api.NewOptBool(true)})
	in, err := as[*api.ImportPeopleOK](`list of people`, m, err)
	if err != nil {
		return err
	}
	if in.Added != 1 || in.Changed != 1 {
		return fmt.Errorf("list of people: %+v", in)
	}
	n, err := c.GetUpdate(ctx, api.GetUpdateParams{}) // which a door without a card does not have
	if no, err := as[*api.GetUpdateNotFound](`update`, n, err); err != nil || no.Code != "no-updates" {
		return fmt.Errorf("update: %+v, %w", no, err)
	}
	o, err := c.GetCertificateRequest(ctx, api.GetCertificateRequestParams{})
	request, err := as[*api.GetCertificateRequestOK](`certificate request`, o, err)
	if err != nil {
		return err
	}
	if text, err := io.ReadAll(request); err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN CERTIFICATE REQUEST-----")) {
		return fmt.Errorf("certificate request: %q, %w", text, err)
	}
	l, err := c.GetSupport(ctx, api.GetSupportParams{})
	bundle, err := as[*api.GetSupportOK](`bundle`, l, err)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bundle)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if _, err := io.Copy(io.Discard, z); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return nil
}
