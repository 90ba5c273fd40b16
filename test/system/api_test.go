package system

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"intercomd/test/lab"
)

// program asks a door by /api/v1, with a token.
type program struct {
	t     *testing.T
	url   string // of the door, with a slash at the end
	token string
	http  http.Client
	from  string // whom a proxy asks for; "" for none
}

// newProgram makes a token as an admin does: signed in, on the page.
func newProgram(t *testing.T, d *lab.Door, scopes ...string) *program {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin := http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "application/json")
		resp, err := admin.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if status, body := post("login", url.Values{"name": {"admin"}, "password": {adminPassword}}); status >= 400 {
		t.Fatalf("sign in: %d %s", status, body)
	}
	status, body := post("access/tokens", url.Values{"name": {"program"}, "scope": scopes})
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusOK || made.Token == "" {
		t.Fatalf("make a token: %d %s", status, body)
	}
	return &program{t: t, url: d.URL, token: made.Token, http: http.Client{Timeout: 40 * time.Second}}
}

// request makes one; the path is below /api/v1.
func (p *program) request(method, path, kind, body string, header ...string) *http.Request {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"api/v1"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if p.from != "" {
		req.Header.Set("X-Forwarded-For", p.from)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// send asks, as often as the door says that it was too often.
func (p *program) send(method, path, kind, body string, header ...string) (int, []byte) {
	p.t.Helper()
	for {
		resp, err := p.http.Do(p.request(method, path, kind, body, header...))
		if err != nil {
			p.t.Fatalf("%s %.80s %.80q: %v", method, path, body, err)
		}
		out, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			p.t.Fatalf("%s %.80s: %v", method, path, err)
		}
		if resp.StatusCode != http.StatusTooManyRequests || method != http.MethodHead && !bytes.Contains(out, []byte(`"too-fast"`)) {
			return resp.StatusCode, out
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// do asks for what must succeed, and reads the answer.
func (p *program) do(method, path, body string, into any, header ...string) {
	p.t.Helper()
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	status, out := p.send(method, path, kind, body, header...)
	if status/100 != 2 {
		p.t.Fatalf("%s %s: %d %s", method, path, status, out)
	}
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, out)
		}
	}
}

// apiEvent is an event as programs get it.
type apiEvent struct {
	Cursor, Kind, Call string
	Seq                uint64
	Data               map[string]any
}

// polled are the events after a cursor, and the next cursor.
func (p *program) polled(after string, more string) ([]apiEvent, string) {
	p.t.Helper()
	var list struct {
		Events []apiEvent
		Cursor string
	}
	query := "/events?lang=en" + more
	if after != "" {
		query += "&after=" + url.QueryEscape(after)
	}
	p.do(http.MethodGet, query, "", &list)
	return list.Events, list.Cursor
}

// until polls, each time longer than it takes, until there is an event of a kind.
func (p *program) until(after *string, kind string) apiEvent {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		var events []apiEvent
		events, *after = p.polled(*after, "&wait=20&limit=1")
		for _, e := range events {
			if e.Kind == kind {
				return e
			}
		}
	}
	p.t.Fatalf("no %s came", kind)
	return apiEvent{}
}

// streamed follows the stream until it has n events, or one of a kind.
func (p *program) streamed(ctx context.Context, query, last string, n int, kind string) (events []apiEvent, err error) {
	req := p.request(http.MethodGet, "/events/stream"+query, "", "").WithContext(ctx)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	client := http.Client{}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	name, id := "", ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			if name != "event" {
				continue
			}
			var e apiEvent
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return events, err
			}
			if e.Cursor != id {
				return events, fmt.Errorf("the id is %q, the cursor %q", id, e.Cursor)
			}
			events = append(events, e)
			if len(events) == n || e.Kind == kind {
				return events, nil
			}
		}
	}
	return events, errors.Join(errors.New("the stream ended"), lines.Err())
}

func kindsOf(events []apiEvent) (out []string) {
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

// A program with a token rings, hears that somebody answers, opens and hangs up, at a real server with a real
// far end; polled and streamed events are the same, and can be heard again from any place.
func TestAPICall(t *testing.T) {
	s := need(t)
	d := registered(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`, "web.password": strconv.Quote(adminPassword)}))
	phone := openPhone(t, s, "1001", "answer")
	p := newProgram(t, d, "read", "call", "open", "log", "manage", "backup", "test", "config")
	begin := time.Now()

	_, cursor := p.polled("", "")
	first := cursor
	streaming := make(chan []apiEvent, 1)
	go func() {
		events, err := p.streamed(within(t, 90*time.Second), "?after="+first, "", -1, "call.ended")
		if err != nil {
			t.Errorf("the stream: %v", err)
		}
		streaming <- events
	}()
	var one, two struct{ After string }
	p.do(http.MethodPost, "/press", `{"button":"bell"}`, &one, "Idempotency-Key", "press-1")
	p.do(http.MethodPost, "/press", `{"button":"bell"}`, &two, "Idempotency-Key", "press-1")
	if one != two || one.After == "" {
		t.Errorf("the same command was answered %+v and %+v", one, two)
	}
	invite, err := s.kam.Wait(within(t, 20*time.Second), begin, func(m lab.Message) bool {
		return m.Method == "INVITE" && m.Status == 0 && m.From == "1000"
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := p.until(&cursor, "call.answered"); e.Call == "" {
		t.Errorf("of no call: %+v", e)
	}
	if err := phone.Saw(within(t, 20*time.Second), "accepted"); err != nil {
		t.Error(err)
	}
	var call struct {
		ID        string
		Direction string
	}
	p.do(http.MethodGet, "/calls/"+url.PathEscape(invite.CallID), "", &call)
	if call.ID != invite.CallID || call.Direction != "outgoing" {
		t.Errorf("%+v, the server saw %s", call, invite.CallID)
	}
	p.do(http.MethodPost, "/mute", `{"on":true}`, nil)
	p.do(http.MethodPost, "/mute", `{"on":false}`, nil)
	p.do(http.MethodPost, "/relays/door/open", "", nil, "Idempotency-Key", "open-1")
	p.do(http.MethodPost, "/relays/door/open", "", nil, "Idempotency-Key", "open-1")
	if e := p.until(&cursor, "door.released"); e.Data["ok"] != true || e.Data["relay"] != "door" {
		t.Errorf("%+v", e)
	}
	if status, out := p.send(http.MethodPost, "/walk/try", "application/json", `{"check":"lamp","of":"status"}`); status != http.StatusConflict {
		t.Errorf("a check in a call: %d %s", status, out)
	}
	if status, out := p.send(http.MethodPost, "/restart", "application/json", `{"now":true}`); status != http.StatusConflict {
		t.Errorf("a restart that would cut the call off: %d %s", status, out)
	}
	p.do(http.MethodPost, "/hangup", "", nil, "Idempotency-Key", "hangup-1")
	if _, err := s.kam.Wait(within(t, 20*time.Second), begin, func(m lab.Message) bool { return m.Method == "BYE" && m.Status == 0 && m.From == "1000" }); err != nil {
		t.Fatal(err)
	}
	p.until(&cursor, "call.ended")
	if status, out := p.send(http.MethodPost, "/hangup", "", ""); status != http.StatusConflict || !bytes.Contains(out, []byte(`"no-call"`)) {
		t.Errorf("without a call: %d %s", status, out)
	}

	// Told twice, and streamed: the same.
	all, _ := p.polled(first, "")
	live := <-streaming
	if len(all) < len(live) || !slices.Equal(kindsOf(all[:len(live)]), kindsOf(live)) {
		t.Errorf("polled %q, streamed %q", kindsOf(all), kindsOf(live))
	}
	for i := 1; i < len(all); i++ {
		if all[i].Seq != all[i-1].Seq+1 {
			t.Errorf("from %d to %d", all[i-1].Seq, all[i].Seq)
		}
	}
	for kind, n := range map[string]int{"button.pressed": 1, "call.answered": 1, "door.released": 1, "call.ended": 1} {
		if got := len(slices.DeleteFunc(kindsOf(all), func(k string) bool { return k != kind })); got != n {
			t.Errorf("%d × %s in %q", got, kind, kindsOf(all))
		}
	}
	middle := len(live) / 2
	again, err := p.streamed(within(t, 30*time.Second), "", live[middle-1].Cursor, len(live)-middle, "")
	if err != nil || !slices.Equal(kindsOf(again), kindsOf(live[middle:])) {
		t.Errorf("%v: again from the middle: %q, want %q", err, kindsOf(again), kindsOf(live[middle:]))
	}
	if gone, _ := p.polled("other-5", ""); len(gone) == 0 || gone[0].Kind != "events.missed" {
		t.Errorf("with a cursor of before a restart: %q", kindsOf(gone))
	}

	// What has been, and what helps.
	var past struct {
		Total int
		Calls []struct {
			ID     string
			Ending struct {
				By  string
				Who struct{ Name string }
			}
		}
	}
	p.do(http.MethodGet, "/history/calls?what=opened", "", &past)
	if past.Total != 1 || past.Calls[0].ID != invite.CallID || past.Calls[0].Ending.By != "command" || past.Calls[0].Ending.Who.Name != "token program" {
		t.Errorf("%+v", past)
	}
	var trace struct{ Messages []struct{ Text string } }
	if p.do(http.MethodGet, "/calls/"+url.PathEscape(invite.CallID)+"/trace", "", &trace); len(trace.Messages) == 0 || !strings.Contains(trace.Messages[0].Text, "INVITE sip:1001@") {
		t.Errorf("%+v", trace)
	}
	var log struct{ Lines []struct{ Text string } }
	if p.do(http.MethodGet, "/log?part=phone&level=info", "", &log); len(log.Lines) == 0 {
		t.Error("the phone has said nothing")
	}
	_, bundle := p.send(http.MethodGet, "/support", "", "")
	z, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Contains(text, []byte("INVITE sip:1001@")) || bytes.Contains(text, []byte(lab.Password("1000"))) || bytes.Contains(text, []byte(adminPassword)) {
		t.Errorf("the bundle: %v", err)
	}
	if _, backup := p.send(http.MethodGet, "/configuration/backup", "", ""); !bytes.Contains(backup, []byte(lab.Password("1000"))) {
		t.Errorf("the backup lacks the password")
	}

	// The lamp is tried, and somebody says that it was lit.
	p.do(http.MethodPost, "/walk/try", `{"check":"lamp","of":"status"}`, nil)
	p.do(http.MethodPost, "/walk/judge", `{"check":"lamp","of":"status","result":"passed"}`, nil)
	if e := p.until(&cursor, "check.settled"); !strings.Contains(fmt.Sprint(e.Data), "passed") || !strings.Contains(fmt.Sprint(e.Data), "token program") {
		t.Errorf("%+v", e)
	}
	var report struct{ Passed, Left int }
	if p.do(http.MethodGet, "/walk/report", "", &report); report.Passed != 1 || report.Left == 0 {
		t.Errorf("%+v", report)
	}
	p.do(http.MethodPost, "/history/erase", `{"days":0}`, nil)
	if p.do(http.MethodGet, "/history/calls", "", &past); past.Total != 0 {
		t.Errorf("after it was deleted: %+v", past)
	}
}

// scopes of a program that may do everything.
func allScopes() []string {
	return []string{"read", "call", "switch", "test", "people", "config", "log", "manage", "update", "open", "backup", "reset"}
}

// mad are names that nobody has.
func mad() []string {
	return []string{"no-such", "..", "../../etc/passwd", "\x00", "\xff\xfe", "💥", "\u202eevil", strings.Repeat("x", 1000), "a b", "%", "<script>", "';--", "-1", "9223372036854775808", "1e400"}
}

// madBodies are bodies that an operation must refuse, whatever the state of the door.
func madBodies(o *openapi3.Operation) (out []string) {
	out = []string{
		"[]", "null", "true", "17", `"x"`, "{", "}", "{}{}", "{} null", `{"nonsense":1}`, "{\"\x00\":1}", "\xff\xfe", "\x00", "<a/>", "on=true",
		strings.Repeat("[", 3000), `{"a":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + "}", strings.Repeat(" ", 5000), `{"` + strings.Repeat("k", 4000) + `":1}`,
	}
	if o.RequestBody == nil {
		return out
	}
	media := o.RequestBody.Value.Content["application/json"]
	if media == nil {
		return out
	}
	s := media.Schema.Value
	if len(s.Required) > 0 {
		out = append(out, "", "{}")
	}
	for name, p := range s.Properties {
		values := []string{"{}", `[{}]`, `[[]]`, "1.5", `{"on":true}`}
		required := slices.Contains(s.Required, name)
		switch {
		case p.Value.Type.Is("string"):
			values = append(values, "17", "true")
			if required {
				values = append(values, "null")
				for _, m := range mad() {
					quoted, _ := json.Marshal(m)
					values = append(values, string(quoted))
				}
			}
		case p.Value.Type.Is("integer"):
			values = append(values, `"5"`, "-1", "1e18", "99999999999999999999", "true")
		case p.Value.Type.Is("boolean"):
			values = append(values, `"true"`, "1")
		}
		for _, v := range values {
			out = append(out, fmt.Sprintf("{%q:%s}", name, v))
		}
	}
	return out
}

// Whatever is sent to whatever route by whatever method, with a token that may do everything: the door answers
// in time, never with a failure of its own, says why in its one form, and nothing is changed.
func TestAPIFuzz(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs a network namespace: run make system")
	}
	d := startDoor(t, lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort(),
		Keys: map[string]string{"web.password": strconv.Quote(adminPassword), "web.proxies": `["127.0.0.1"]`, "sip.server": `"wss://127.0.0.1:9"`}})
	p := newProgram(t, d, allScopes()...)
	_, text := p.send(http.MethodGet, "/openapi.json", "", "")
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	codes, _ := doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Extensions["x-extensible-enum"].([]any)
	asked := 0
	ask := func(method, path, kind, body string, header ...string) int {
		t.Helper()
		if asked++; asked%25 == 0 { // the paces are those of an address
			p.from = fmt.Sprintf("10.1.%d.%d", asked/25/250, asked/25%250)
		}
		begin := time.Now()
		status, out := p.send(method, path, kind, body, header...)
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s %.80s %.80q: %v", method, path, body, took)
		}
		if status >= 400 {
			var no struct {
				Status       int
				Code, Detail string
			}
			if err := json.Unmarshal(out, &no); method != http.MethodHead && (err != nil || no.Status != status || no.Detail == "" || !slices.Contains(codes, any(no.Code))) {
				t.Errorf("%s %.80s %.80q: %d %.200s", method, path, body, status, out)
			}
		}
		if status >= 500 {
			t.Errorf("%s %.80s %.80q: %d %.200s", method, path, body, status, out)
		}
		return status
	}
	standing := func() (out string) {
		for _, path := range []string{"/configuration", "/configuration/text", "/people", "/walk", "/history/calls", "/relays"} {
			_, body := p.send(http.MethodGet, path, "", "")
			out += path + " " + string(body)
		}
		s, err := d.Status(within(t, 10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return out + s.State + fmt.Sprint(len(s.Calls))
	}
	before := standing()
	_, cursor := p.polled("", "")
	quiet := func(where string) {
		t.Helper()
		var events []apiEvent
		events, cursor = p.polled(cursor, "")
		for _, e := range events {
			family, _, _ := strings.Cut(e.Kind, ".")
			refused := e.Kind == "command.given" && e.Data["error"] != nil && e.Data["error"] != "" || family == "admin" && e.Data["why"] != nil && e.Data["why"] != ""
			looked := e.Data["deed"] == "bundle-taken" || e.Data["deed"] == "backup-taken"
			if family != "registration" && family != "fault" && !refused && !looked {
				t.Errorf("%s: %s happened: %v", where, e.Kind, e.Data)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		below := strings.TrimPrefix(path, "/api/v1")
		at := func(value string) string {
			return strings.NewReplacer("{id}", url.PathEscape(value), "{name}", url.PathEscape(value)).Replace(below)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "TRACE", "PROPFIND"} {
			o := item.GetOperation(method)
			if o == nil && (method != http.MethodHead || item.Get == nil) {
				if status := ask(method, at("x"), "", ""); status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
					t.Errorf("%s %s is not described, and was answered with %d", method, path, status)
				}
			}
		}
		for method, o := range item.Operations() {
			stream := strings.HasSuffix(path, "/stream")
			if method == http.MethodGet {
				queries := []string{"?nonsense=1", "?%zz=1", "?lang=" + strings.Repeat("x", 500), "?a;b", "?=", "?lang=de&lang=fr"}
				for _, ref := range o.Parameters {
					if ref.Value.In != "query" || ref.Value.Name == "lang" {
						continue
					}
					for _, m := range append(mad(), "0", "-0", " 1", "1 ", "+1", "") {
						queries = append(queries, "?"+url.QueryEscape(ref.Value.Name)+"="+url.QueryEscape(m))
					}
				}
				for _, q := range queries {
					if !stream || strings.HasPrefix(q, "?nonsense") || strings.HasPrefix(q, "?%zz") {
						ask(method, at("x")+q, "", "")
					}
				}
				if at("x") != below {
					for _, m := range mad() {
						ask(method, at(m), "", "")
					}
				}
				continue
			}
			kind := "application/json"
			if o.RequestBody != nil {
				for described := range o.RequestBody.Value.Content { // one
					kind = described
				}
			}
			refused := func(status int, what string) {
				t.Helper()
				if status/100 != 4 {
					t.Errorf("%s %s, %.80q: %d", method, path, what, status)
				}
			}
			for _, body := range madBodies(o) {
				if kind == "application/toml" && strings.TrimSpace(body) == "" {
					continue // of an empty text the door says what it lacks; it is tried below
				}
				refused(ask(method, at("no-such"), kind, body), body)
			}
			for _, other := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", ";;;"} {
				refused(ask(method, at("no-such"), other, `{"on":true}`), other)
			}
			for _, key := range []string{"two words", `"`, `"x`, strings.Repeat("k", 129), "ключ"} {
				refused(ask(method, at("no-such"), kind, `{"nonsense":1}`, "Idempotency-Key", key), key)
			}
			refused(ask(method, at("no-such")+"?nonsense=1", kind, "{}"), "?nonsense=1")
			if at("x") != below {
				for _, m := range mad() {
					refused(ask(method, at(m), kind, `{"nonsense":1}`), m)
				}
			}
		}
		quiet(path)
	}
	// A body that never comes does not hold anything up.
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(d.URL, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "POST /api/v1/press HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", p.token)
	_ = conn.SetReadDeadline(time.Now().Add(60 * time.Second))
	if answer, err := io.ReadAll(conn); err != nil && errors.Is(err, context.DeadlineExceeded) || bytes.Contains(answer, []byte(" 202 ")) || bytes.Contains(answer, []byte(" 50")) {
		t.Errorf("half a body: %v %s", err, answer)
	}
	quiet("at the end")
	if after := standing(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	t.Logf("%d requests", asked)
}
