package web

import (
	"bytes"
	"embed"
	"hash/fnv"
	"html/template"
	"net/http"
	"strconv"
	"strings"
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
	return []string{"state", "faults", "calls", "sound", "reg", "panel", "inputs", "foot"}
}

// renderer makes HTML of snapshots in one language. It is safe for concurrent use.
type renderer struct {
	teller
	tmpl    *template.Template
	press   bool   // the front panel has live buttons
	updates bool   // the system updates itself
	past    bool   // there is a page of calls
	assets  string // mark of script, style and language: with others the page must be loaded again
	last    atomic.Pointer[rendered]
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

// newRenderer parses the embedded templates, which tests hold to be sound.
func newRenderer(l *words.Language, press bool) *renderer {
	mark := fnv.New64a()
	for _, name := range []string{"page.css", "page.js"} {
		if body, err := staticFiles.ReadFile("static/" + name); err == nil {
			_, _ = mark.Write(body) // a hash never fails
		}
	}
	_, _ = mark.Write([]byte(l.Name())) // words of two languages on one page would be odd
	say := template.FuncMap{"t": l.Text, "lang": l.Name, "tongues": teller{l}.tongues, "code": code, "pair": newPersonForm}
	return &renderer{
		teller: teller{l},
		tmpl:   template.Must(template.New("").Funcs(say).ParseFS(templateFiles, "templates/*.html")),
		press:  press,
		assets: strconv.FormatUint(mark.Sum64(), 36),
	}
}

// render makes the sections of snap, with gauges in place of its own, at now, or takes those
// that were made for the same in the same second. Two goroutines may make the same page;
// either is right.
func (r *renderer) render(snap *station.Snapshot, g *station.Gauges, now time.Time) (*rendered, error) {
	second := now.Truncate(time.Second)
	if last := r.last.Load(); last != nil && last.snap == snap && last.gauges == g && last.at.Equal(second) {
		return last, nil
	}
	v := r.newView(snap.With(g), now, r.press)
	v.Foot.Updates, v.Past = r.updates, r.past
	out := &rendered{
		snap: snap, gauges: g, at: second, name: v.Name, title: v.Title,
		version:  v.Foot.Version + "-" + r.assets,
		sections: make(map[string]string, len(sections())),
	}
	var buf bytes.Buffer
	for _, id := range sections() {
		buf.Reset()
		if err := r.tmpl.ExecuteTemplate(&buf, id, v); err != nil {
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
	if err := r.tmpl.ExecuteTemplate(&buf, "document", doc); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// refusal is the small page that says no.
func (r *renderer) refusal(status int, sentence string) ([]byte, error) {
	var buf bytes.Buffer
	err := r.tmpl.ExecuteTemplate(&buf, "refusal", struct{ Head, Text string }{http.StatusText(status), sentence})
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
