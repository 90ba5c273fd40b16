package web

import (
	"bytes"
	"embed"
	"hash/fnv"
	"html/template"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/words"
)

//go:embed templates
var templateFiles embed.FS

// sections are the parts of the page that are brought up to date one by one, in
// the order of the page. Each is the name of a template and the id of an element.
func sections() []string {
	return []string{"state", "faults", "calls", "sound", "reg", "machine", "panel", "inputs", "foot"}
}

// renderer makes HTML of snapshots in one language. It is safe for concurrent use.
type renderer struct {
	teller
	tmpl    templates
	press   bool                                      // the front panel has live buttons
	updates bool                                      // the system updates itself
	past    bool                                      // there is a page of calls
	glance  func(*station.Snapshot, time.Time) glance // of the machine; nil if nobody knows it
	assets  string                                    // mark of script, style and language: with others the page must be loaded again
	last    atomic.Pointer[rendered]
}

// templates are the embedded templates of one language, which tests hold to be sound. They are
// parsed when somebody looks at the page, and forgotten when nobody has for a while: of five languages a
// door needs one now and then.
type templates struct {
	say template.FuncMap

	mu     sync.Mutex
	parsed *template.Template // nil while nobody looks
	forget *time.Timer
}

// unseen is how long nobody has looked at the page when its templates are forgotten.
const unseen = 2 * time.Minute

// execute applies the template of that name to data. It may be called by any number of goroutines.
func (t *templates) execute(w io.Writer, name string, data any) error {
	return t.get().ExecuteTemplate(w, name, data)
}

func (t *templates) get() *template.Template {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parsed == nil {
		t.parsed = template.Must(template.New("").Funcs(t.say).ParseFS(templateFiles, "templates/*.html"))
		t.forget = time.AfterFunc(unseen, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.parsed = nil
		})
	}
	t.forget.Reset(unseen)
	return t.parsed
}

// rendered is the page of one snapshot at one second, shared by all who watch.
// It is never written after it was made.
type rendered struct {
	snap     *station.Snapshot
	gauges   *station.Gauges
	at       time.Time // cut to the second
	name     string
	title    string
	version  string
	parts    map[string]view // what each section shows
	sections map[string]string
}

// newRenderers makes a renderer for each language.
func newRenderers(press, updates bool) map[string]*renderer {
	all := map[string]*renderer{}
	for _, name := range words.Languages() {
		all[name] = newRenderer(words.In(name), press)
		all[name].updates = updates
	}
	return all
}

func newRenderer(l *words.Language, press bool) *renderer {
	mark := fnv.New64a()
	for _, name := range []string{"page.css", "page.js"} {
		_, _ = mark.Write([]byte(embedded()[name].etag)) // a hash never fails
	}
	_, _ = mark.Write([]byte(l.Name())) // words of two languages on one page would be odd
	say := template.FuncMap{"t": l.Text, "lang": l.Name, "tongues": teller{l}.tongues, "code": code, "pair": newPersonForm}
	return &renderer{
		teller: teller{l},
		tmpl:   templates{say: say},
		press:  press,
		assets: strconv.FormatUint(mark.Sum64(), 36),
	}
}

// render makes the sections of snap, with gauges in place of its own, at now, or takes those
// that were made for the same in the same second; and of other pages those that say the same. Two goroutines may make the same page;
// either is right.
func (r *renderer) render(snap *station.Snapshot, g *station.Gauges, now time.Time) (*rendered, error) {
	second := now.Truncate(time.Second)
	last := r.last.Load()
	if last != nil && last.snap == snap && last.gauges == g && last.at.Equal(second) {
		return last, nil
	}
	v := r.newView(snap.With(g), now, r.press)
	v.Foot.Updates, v.Past = r.updates, r.past
	if r.glance != nil {
		v.Machine, v.Device = r.glanceWords(r.glance(snap, now), snap, now), true
	}
	out := &rendered{
		snap: snap, gauges: g, at: second, name: v.Name, title: v.Title,
		version:  v.Foot.Version + "-" + r.assets,
		parts:    make(map[string]view, len(sections())),
		sections: make(map[string]string, len(sections())),
	}
	var buf bytes.Buffer
	for _, id := range sections() {
		part := v.part(id)
		out.parts[id] = part
		if last != nil && reflect.DeepEqual(last.parts[id], part) {
			out.sections[id] = last.sections[id]
			continue
		}
		buf.Reset()
		if err := r.tmpl.execute(&buf, id, part); err != nil {
			return nil, err
		}
		out.sections[id] = strings.TrimSpace(buf.String())
	}
	r.last.Store(out)
	return out, nil
}

// whoView is who looks at the page.
type whoView struct {
	Role string // "viewer", "operator", "admin"
	Open bool   // there is no password yet
	Nav  []link
	// Trial is the version of the configuration that is on trial, for who may keep it; 0: none.
	Trial int
}

// whoOf is who asks for the page.
func (s *Server) whoOf(r *http.Request) whoView {
	v := visitorOf(r)
	who := whoView{Role: string(v.person.Role), Open: v.open, Nav: s.nav(r)}
	if s.cfg.Setup != nil && v.person.Role.Covers(accounts.Admin) {
		if t := s.cfg.Setup.Status().Trial; t != nil {
			who.Trial = t.ID
		}
	}
	return who
}

// page is the whole document around the sections.
func (r *renderer) page(snap *station.Snapshot, g *station.Gauges, now time.Time, who whoView) ([]byte, error) {
	p, err := r.render(snap, g, now)
	if err != nil {
		return nil, err
	}
	type part struct {
		ID   string
		HTML template.HTML
	}
	doc := struct {
		Name, Title, Version string
		Parts                []part
		Who                  whoView
	}{Name: p.name, Title: p.title, Version: p.version, Who: who}
	for _, id := range sections() {
		// The sections went through the escaping of html/template already.
		doc.Parts = append(doc.Parts, part{ID: id, HTML: template.HTML(p.sections[id])}) //nolint:gosec // see above
	}
	var buf bytes.Buffer
	if err := r.tmpl.execute(&buf, "document", doc); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// refusal is the small page that says no.
func (r *renderer) refusal(status int, sentence string) ([]byte, error) {
	var buf bytes.Buffer
	err := r.tmpl.execute(&buf, "refusal", struct{ Head, Text string }{http.StatusText(status), sentence})
	return buf.Bytes(), err
}

// code marks what stands between backticks in a sentence: commands to type.
func code(s string) template.HTML {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 {
		return template.HTML(template.HTMLEscapeString(s)) //nolint:gosec // escaped
	}
	var b strings.Builder
	for i, p := range parts {
		if i%2 == 1 {
			b.WriteString("<code>" + template.HTMLEscapeString(p) + "</code>")
		} else {
			b.WriteString(template.HTMLEscapeString(p))
		}
	}
	return template.HTML(b.String()) //nolint:gosec // each part was escaped
}
