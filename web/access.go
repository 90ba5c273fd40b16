package web

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/words"
)

// maxCertificate is the size of a certificate with those that lead to its authority, in bytes.
const maxCertificate = 64 << 10

// named says whether an address names loopback.
func named(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	ip, perr := netip.ParseAddr(host)
	return err == nil && (strings.EqualFold(host, "localhost") || perr == nil && ip.Unmap().IsLoopback())
}

// Opening the door from the page.
const (
	openings    = 6 // at most, in
	openingsPer = time.Minute
)

// recent remembers when something was done lately.
type recent struct {
	mu sync.Mutex
	at []time.Time
}

// once says whether it may be done now, which is most times in per, and counts that.
func (o *recent) once(now time.Time, most int, per time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = slices.DeleteFunc(o.at, func(t time.Time) bool { return now.Sub(t) >= per })
	if len(o.at) >= most {
		return false
	}
	o.at = append(o.at, now)
	return true
}

// mayOpen says whether a door may be opened now, and counts that. All programs and people share one
// bound: it is the latch that is spared.
func (s *Server) mayOpen() bool { return s.opened.once(time.Now(), openings, openingsPer) }

// doorView is the page from which doors are opened.
type doorView struct {
	Title, Problem string
	Relays         []relayView
	Fresh          bool // no password is asked for
	Blocked        bool
}

func (s *Server) getDoor(w http.ResponseWriter, r *http.Request) { s.door(w, r, http.StatusOK, "") }

func (s *Server) door(w http.ResponseWriter, r *http.Request, status int, problem string) {
	v := visitorOf(r)
	snap, t := s.snapshot(), s.renderer(r)
	page := doorView{Title: t.Text("access.open-door"), Problem: problem, Fresh: v.person.Fresh(time.Now()), Blocked: !snap.Door.BlockedUntil.IsZero()}
	page.Relays = t.newPanelView(snap, time.Now(), false).Relays
	s.document(w, r, status, "door", page)
}

// confirmed takes the password of a session once more. Its routes are for people in person.
func (s *Server) confirmed(r *http.Request) (*visitor, error) {
	v := visitorOf(r)
	return v, s.cfg.Book.Confirm(r.Context(), v.session, r.PostForm.Get("password"), v.addr)
}

// postConfirm shows that somebody is still who has signed in.
func (s *Server) postConfirm(w http.ResponseWriter, r *http.Request) {
	v, err := s.confirmed(r)
	s.note(station.PasswordConfirmed, v.person.Name, v, err)
	if err != nil {
		s.denied(w, r, err, func(status int, problem string) {
			switch next := r.PostForm.Get("next"); {
			case next == "/service":
				s.service(w, r, status, problem)
			case next == "/walk" && s.may(w, r, admin):
				s.walk(w, r, status, problem)
			case next != "/walk":
				s.door(w, r, status, problem)
			}
		})
		return
	}
	next := local(r.PostForm.Get("next"))
	if next == "/" {
		next = "/door"
	}
	doneThen(w, r, next)
}

// postOpen opens a door. The station tells who did, and its audit log keeps it.
func (s *Server) postOpen(w http.ResponseWriter, r *http.Request) {
	if s.opens(w, r) {
		s.command(w, r, station.Command{Kind: station.CommandOpen, Relay: r.PostForm.Get("relay")})
	}
}

// opens says whether something may be opened from the page now, or refuses.
func (s *Server) opens(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !s.snapshot().Door.BlockedUntil.IsZero():
		s.refuse(w, r, http.StatusConflict, words.New("relays-blocked"))
	case !s.mayOpen():
		w.Header().Set("Retry-After", "60")
		s.refuse(w, r, http.StatusTooManyRequests, words.New("too-many-openings"))
	default:
		return true
	}
	return false
}

// accountView is somebody's own page.
type accountView struct {
	Title, Problem, Name, Role string
}

func (s *Server) getAccount(w http.ResponseWriter, r *http.Request) {
	s.account(w, r, http.StatusOK, "")
}

func (s *Server) account(w http.ResponseWriter, r *http.Request, status int, problem string) {
	v, t := visitorOf(r), s.renderer(r)
	s.document(w, r, status, "account", accountView{t.Text("access.account"), problem, v.person.Name, t.role(v.person.Role)})
}

// postPassword changes somebody's own password. All sessions end with it.
func (s *Server) postPassword(w http.ResponseWriter, r *http.Request) {
	v, err := s.confirmed(r)
	if err == nil {
		err = accounts.ErrWeak
		if fresh := r.PostForm.Get("new"); fresh != "" {
			err = s.cfg.Book.Put(r.Context(), v.person.Name, v.person.Role, fresh, false)
		}
	}
	s.note(station.PasswordChanged, v.person.Name, v, err)
	if err != nil {
		s.denied(w, r, err, func(status int, problem string) { s.account(w, r, status, problem) })
		return
	}
	s.forget(w, r)
	done(w, r)
}

// accessView is the page of an admin for who may do what.
type accessView struct {
	Title, Problem string
	Accounts       []accountRow
	Tokens         []tokenRow
	Roles          []roleRow
	Scopes         []scopeRow
	Secret         string // of the token that was just made
	SecretOf       string
	Fingerprint    string
	Ends           string // of a certificate that somebody has issued
	Open           bool   // no password is set
}

type (
	accountRow struct {
		Name, Role string
		Self       bool
	}
	tokenRow struct{ ID, Name, Role, Made, Used string }
	roleRow  struct {
		Role accounts.Role
		Text string
	}
	scopeRow struct {
		Scope accounts.Scope
		Text  string
	}
)

func (t teller) role(r accounts.Role) string { return t.Text("role." + string(r)) }

func (t teller) scope(s accounts.Scope) string { return t.Text("scope." + string(s)) }

// grants is what a token may do: its role, and the scopes beside it.
func (t teller) grants(k accounts.Token) string {
	var all []string
	if k.Role != "" {
		all = append(all, t.role(k.Role))
	}
	for _, s := range k.Scopes {
		all = append(all, t.scope(s))
	}
	return strings.Join(all, "; ")
}

func (s *Server) getAccess(w http.ResponseWriter, r *http.Request) {
	s.access(w, r, http.StatusOK, accessView{})
}

func (s *Server) access(w http.ResponseWriter, r *http.Request, status int, v accessView) {
	if !s.guarded() {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	t := s.renderer(r)
	v.Title = t.Text("access.access")
	for _, a := range s.cfg.Book.Accounts() {
		v.Accounts = append(v.Accounts, accountRow{a.Name, t.role(a.Role), a.Name == visitorOf(r).person.Name})
	}
	now := time.Now()
	for _, k := range s.cfg.Book.Tokens() {
		used := t.Text("access.never")
		if !k.Used.IsZero() {
			used = k.Used.In(now.Location()).Format("2006-01-02 15:04")
		}
		v.Tokens = append(v.Tokens, tokenRow{k.ID, k.Name, t.grants(k), k.Made.In(now.Location()).Format("2006-01-02"), used})
	}
	for _, role := range accounts.Roles() {
		v.Roles = append(v.Roles, roleRow{role, t.role(role)})
	}
	for _, scope := range accounts.Scopes() {
		v.Scopes = append(v.Scopes, scopeRow{scope, t.scope(scope)})
	}
	if s.cfg.Identity != nil {
		v.Fingerprint = s.cfg.Identity.Fingerprint()
		if end := s.cfg.Identity.Ends(); !end.IsZero() {
			v.Ends = end.In(now.Location()).Format("2006-01-02")
		}
	}
	s.document(w, r, status, "access", v)
}

// book answers a change of the book.
func (s *Server) book(w http.ResponseWriter, r *http.Request, what station.Deed, name string, err error) {
	s.note(what, name, visitorOf(r), err)
	if err != nil {
		s.denied(w, r, err, func(status int, problem string) { s.access(w, r, status, accessView{Problem: problem}) })
		return
	}
	doneThen(w, r, "/access")
}

// writable says whether there is a book to write in, or refuses.
func (s *Server) writable(w http.ResponseWriter, r *http.Request) bool {
	if !s.guarded() {
		s.refuse(w, r, http.StatusForbidden, words.New("no-password-yet"))
		return false
	}
	return true
}

// postAccount makes an account, or changes one that is there.
func (s *Server) postAccount(w http.ResponseWriter, r *http.Request) {
	if !s.writable(w, r) {
		return
	}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	err := s.cfg.Book.Put(r.Context(), name, accounts.Role(r.PostForm.Get("role")), r.PostForm.Get("password"), r.PostForm.Get("change") == "")
	s.book(w, r, station.AccountChanged, name, err)
}

func (s *Server) postRemove(w http.ResponseWriter, r *http.Request) {
	if s.writable(w, r) {
		name := r.PostForm.Get("name")
		s.book(w, r, station.AccountRemoved, name, s.cfg.Book.Remove(name))
	}
}

// postToken makes a token and shows its secret, once.
func (s *Server) postToken(w http.ResponseWriter, r *http.Request) {
	if !s.writable(w, r) {
		return
	}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	var scopes []accounts.Scope
	for _, scope := range r.PostForm["scope"] {
		scopes = append(scopes, accounts.Scope(scope))
	}
	secret, err := s.cfg.Book.NewToken(name, accounts.Role(r.PostForm.Get("role")), visitorOf(r).person.Name, scopes...)
	if err != nil {
		s.book(w, r, station.TokenMade, name, err)
		return
	}
	s.note(station.TokenMade, name, visitorOf(r), nil)
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, map[string]string{"name": name, "token": secret})
		return
	}
	s.access(w, r, http.StatusOK, accessView{Secret: secret, SecretOf: name})
}

func (s *Server) postRevoke(w http.ResponseWriter, r *http.Request) {
	if s.writable(w, r) {
		id := r.PostForm.Get("id")
		s.book(w, r, station.TokenRevoked, id, s.cfg.Book.Revoke(id))
	}
}

// getCA is the certificate of the device's authority, for browsers to trust.
func (s *Server) getCA(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Identity == nil {
		s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		return
	}
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Header().Set("Content-Disposition", `attachment; filename="door-ca.crt"`)
	_, _ = w.Write(s.cfg.Identity.CA())
}

// getRequest is what an authority of the site signs.
func (s *Server) getRequest(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Identity == nil {
		s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		return
	}
	body, err := s.cfg.Identity.Request()
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/pkcs10")
	w.Header().Set("Content-Disposition", `attachment; filename="door.csr"`)
	_, _ = w.Write(body)
}

// postCertificate takes a certificate: as the body, or as the field or file "certificate" of a form.
func (s *Server) postCertificate(w http.ResponseWriter, r *http.Request) {
	if !s.writable(w, r) {
		return
	}
	if s.cfg.Identity == nil {
		s.refuse(w, r, http.StatusNotFound, words.New("no-such-page"))
		return
	}
	data, err := certificateIn(r)
	if err != nil {
		data = nil // which is no certificate
	}
	code := s.certify(r, data)
	if code == "" {
		doneThen(w, r, "/access")
		return
	}
	why := words.New(code)
	if !wantsHTML(r) {
		s.refuse(w, r, http.StatusBadRequest, why)
		return
	}
	t := s.renderer(r)
	s.access(w, r, http.StatusBadRequest, accessView{Problem: t.sentence(t.Say("refusal", why))})
}

func certificateIn(r *http.Request) ([]byte, error) {
	kind := r.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "multipart/form-data") && !strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		return io.ReadAll(r.Body)
	}
	if f, _, err := r.FormFile("certificate"); err == nil {
		defer f.Close()
		return io.ReadAll(f)
	}
	return []byte(r.PostFormValue("certificate")), nil
}
