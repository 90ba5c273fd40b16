package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/phone/rtc"
	"intercomd/simulate"
	"intercomd/store"
)

const (
	simulatePassword = "INTERCOMD_SIMULATE_PASSWORD" //nolint:gosec // the name of a variable

	maxSimulated    = 20000 // doors: an address has some 28,000 ports to connect from
	doorsPerSecond  = 20    // that a spread of its own is made for
	fewDoors        = 50    // so many need none
	filesOfCall     = 8     // descriptors of a call with media
	filesBeside     = 64
	plainEvery      = 10 // seconds from line to line where there is no terminal
	maxPasswordFile = 4 << 20
	curveWidth      = 72 // columns
)

// simulation is what the command line of `intercomd simulate` asks for.
type simulation struct {
	doors, phones, first         int
	config, server, domain, ca   string
	account, phoneAccount        string
	passwords                    string
	spread, arrive, within, ring time.Duration
	powerCut                     bool
	talk, length                 time.Duration
	presses                      int
	target                       string
	media, asJSON                bool

	given map[string]bool // flags
}

func simulateUsage(fs *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, `Usage: intercomd simulate -server wss://HOST:PORT -account door%%04d -password-file FILE [FLAGS] N

Plays N doors against the SIP server of a laboratory, with the policy of coming back of real ones, until ^C. Never use
it on a server that people depend on. See docs/fleet.md.

The password of the accounts is never an argument: it is in a file, or in %s. A file of one line has
the password of all accounts; else it has an account and its password on each line.

`, simulatePassword)
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// parseSimulation reads the command line.
func parseSimulation(args []string, w io.Writer) (s simulation, err error) {
	fs := flag.NewFlagSet("intercomd simulate", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&s.server, "server", "", "secure WebSocket of the server, wss://HOST:PORT; must be given unless -config names it")
	fs.StringVar(&s.config, "config", "", "`file` with the configuration of a door, for server, domain, authority, pins, expiry and spread; its account is not used")
	fs.StringVar(&s.domain, "domain", "", "SIP domain; default: the host of the server")
	fs.StringVar(&s.ca, "ca", "", "`file` with the certificate of the server's authority; default: those of this system. Verification cannot be turned off")
	fs.StringVar(&s.account, "account", "", "`pattern` of the doors' accounts, with one number: door%04d")
	fs.IntVar(&s.first, "first", 1, "number of the first account")
	fs.StringVar(&s.passwords, "password-file", "", "`file` with the password, or with accounts and passwords; else "+simulatePassword)
	fs.DurationVar(&s.spread, "spread", 0, "sip.reconnect_spread of the doors; default: that of -config, else 1 s for each 20 doors, 0s for 50 and less")
	fs.DurationVar(&s.arrive, "arrive", 0, "over how long they register at first; default: 1 s for each 20 doors")
	fs.BoolVar(&s.powerCut, "power-cut", false, "all doors start in the same moment, as after a power cut; -arrive is not used")
	fs.IntVar(&s.presses, "presses", 0, "so many presses once all doors are registered, and again whenever they come back after most were lost")
	fs.DurationVar(&s.within, "within", time.Minute, "the time over which these presses are spread")
	fs.DurationVar(&s.ring, "ring", 5*time.Second, "how long each call rings")
	fs.StringVar(&s.target, "target", "", "whom the doors call; default: the telephones of -phones in turn")
	fs.IntVar(&s.phones, "phones", 0, "so many telephones are played beside the doors; they ring for whoever calls")
	fs.StringVar(&s.phoneAccount, "phone-account", "phone%04d", "`pattern` of their accounts")
	fs.BoolVar(&s.media, "media", false, "telephones answer, and sound goes both ways")
	fs.DurationVar(&s.talk, "talk", 10*time.Second, "length of calls with -media")
	fs.DurationVar(&s.length, "for", 0, "end after so long; default: at ^C")
	fs.BoolVar(&s.asJSON, "json", false, "a line of JSON each second, and the summary as the last one")
	if err = fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			simulateUsage(fs, w)
		}
		return s, err
	}
	s.given = map[string]bool{}
	fs.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	if fs.NArg() != 1 {
		return s, errors.New("say how many doors: one number behind all flags")
	}
	if s.doors, err = strconv.Atoi(fs.Arg(0)); err != nil {
		return s, fmt.Errorf("%q is not a number of doors", fs.Arg(0))
	}
	return s, s.check()
}

func (s *simulation) check() error {
	switch {
	case s.doors < 1 || s.doors > maxSimulated || s.phones < 0 || s.phones > maxSimulated:
		return fmt.Errorf("1 to %d doors, and telephones, can be played", maxSimulated)
	case s.server == "" && s.config == "":
		return errors.New("no server is named: -server wss://HOST:PORT, or -config FILE")
	case s.account == "":
		return errors.New("-account is missing: a pattern such as door%04d")
	case s.first < 0:
		return errors.New("-first is negative")
	case s.spread < 0 || s.arrive < 0 || s.ring < 0 || s.talk < 0 || s.length < 0 || s.within <= 0:
		return errors.New("times are not negative, and -within is not zero")
	case s.presses < 0:
		return errors.New("-presses is negative")
	case s.presses > 0 && s.phones == 0 && s.target == "":
		return errors.New("-presses needs somebody to call: -phones NUMBER or -target USER")
	}
	for _, p := range []string{s.account, s.phoneAccount} {
		if err := checkPattern(p); err != nil {
			return err
		}
	}
	return nil
}

// checkPattern takes patterns with one number and nothing else that fmt knows.
func checkPattern(p string) error {
	_, verb, ok := strings.Cut(p, "%")
	digits := strings.TrimLeft(verb, "0123456789")
	if !ok || len(verb)-len(digits) > 2 || !strings.HasPrefix(digits, "d") || strings.Contains(digits, "%") {
		return fmt.Errorf("%q is not a pattern with one number, such as door%%04d", p)
	}
	return nil
}

// simulatedAccounts are the users of a pattern with their passwords.
func simulatedAccounts(pattern string, first, n int, password func(user string) (string, error)) (out []simulate.Account, err error) {
	for i := range n {
		a := simulate.Account{User: fmt.Sprintf(pattern, first+i)}
		if a.Password, err = password(a.User); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// passwordsOf returns a function that knows the passwords of accounts.
func (s *simulation) passwordsOf(getenv func(string) string) (func(user string) (string, error), error) {
	one := getenv(simulatePassword)
	if s.passwords != "" {
		data, err := store.ReadNamed(s.passwords, maxPasswordFile)
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
		if lines := strings.Split(text, "\n"); len(lines) > 1 {
			return passwordList(s.passwords, lines)
		}
		one = text
	}
	if one == "" {
		return nil, errors.New("no password: -password-file FILE, or " + simulatePassword)
	}
	return func(string) (string, error) { return one, nil }, nil
}

// passwordList reads an account and its password from each line. Errors name lines, not what is in them.
func passwordList(file string, lines []string) (func(user string) (string, error), error) {
	list := map[string]string{}
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		user, password, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: an account, a blank and its password are wanted", file, i+1)
		}
		list[user] = strings.TrimSpace(password)
	}
	return func(user string) (string, error) {
		if p, ok := list[user]; ok {
			return p, nil
		}
		return "", fmt.Errorf("%s has no password of %s", file, user)
	}, nil
}

// settings are those of a door of the site.
func (s *simulation) settings() (*configs.Config, error) {
	c := configs.Default()
	if s.config != "" {
		loaded := door.Load(s.config)
		if err := serverFaults(loaded.Err); err != nil {
			return nil, err
		}
		c = *loaded.Config
	}
	if s.server != "" {
		c.SIP.Servers = []string{s.server}
	}
	if s.domain != "" {
		c.SIP.Domain = s.domain
	}
	if s.ca != "" {
		c.SIP.CAFile = s.ca
	}
	if len(c.SIP.Servers) == 0 {
		return nil, fmt.Errorf("%s names no server", s.config)
	}
	switch {
	case s.given["spread"]:
		c.SIP.ReconnectSpread = s.spread
	case s.config == "" && s.doors > fewDoors:
		c.SIP.ReconnectSpread = share(s.doors)
	}
	return &c, nil
}

// serverFaults are those of a configuration that concern the server. What all doors of a site have in common
// names no account, and is good enough here.
func serverFaults(err error) error {
	list, ok := errors.AsType[configs.Faults](err)
	if !ok {
		return err
	}
	var out configs.Faults
	for _, f := range list {
		switch {
		case f.Key == "sip.user", f.Key == "sip.password", f.Key == "sip.password_file":
		case f.Key == "", strings.HasPrefix(f.Key, "sip."):
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// share is over how long so many doors spread what they do.
func share(doors int) time.Duration {
	return time.Duration((doors+doorsPerSecond-1)/doorsPerSecond) * time.Second
}

// site makes what is to be played. Whoever calls it closes the media, if there are any.
func (s *simulation) site(getenv func(string) string) (site *simulate.Site, cfg simulate.Config, err error) {
	c, err := s.settings()
	if err != nil {
		return nil, cfg, err
	}
	if cfg.Phone, err = door.PhoneConfig(c, nil, "", time.Time{}, nil); err != nil {
		return nil, cfg, err
	}
	cfg.Phone.UserAgent = "intercomd-simulate/" + buildVersion()
	password, err := s.passwordsOf(getenv)
	if err != nil {
		return nil, cfg, err
	}
	if cfg.Doors, err = simulatedAccounts(s.account, s.first, s.doors, password); err != nil {
		return nil, cfg, err
	}
	if cfg.Phones, err = simulatedAccounts(s.phoneAccount, s.first, s.phones, password); err != nil {
		return nil, cfg, err
	}
	cfg.Arrive, cfg.Presses, cfg.Within, cfg.Ring, cfg.Target, cfg.Talk = share(s.doors), s.presses, s.within, s.ring, s.target, s.talk
	if s.given["arrive"] {
		cfg.Arrive = s.arrive
	}
	if s.powerCut {
		cfg.Arrive, cfg.Phone.Together = 0, true
	}
	if err := s.room(); err != nil {
		return nil, cfg, err
	}
	if s.media {
		media := door.MediaConfig(c, nil, time.Time{}, nil)
		media.Codecs = []string{"PCMU", "PCMA"}
		if cfg.Media, err = rtc.New(media); err != nil {
			return nil, cfg, err
		}
	}
	if site, err = simulate.New(cfg); err != nil && cfg.Media != nil {
		_ = cfg.Media.Close()
	}
	return site, cfg, err
}

// room asks whether this process may open as many files as are needed.
func (s *simulation) room() error {
	need := s.doors + s.phones + filesBeside
	if s.media {
		need += filesOfCall * min(s.presses, s.doors)
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Max < uint64(need) {
		return fmt.Errorf("%d open files are needed, %d are allowed: ulimit -n %d", need, limit.Max, need)
	}
	return nil
}

// simulateCommand plays many doors.
func simulateCommand(ctx context.Context, args []string, io streams) int {
	s, err := parseSimulation(args, io.out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(io.err, "intercomd simulate:", err)
		fmt.Fprintln(io.err, "intercomd simulate -h shows the flags.")
		return exitUsage
	}
	site, cfg, err := s.site(os.Getenv)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd simulate:", err)
		return exitFailed
	}
	if cfg.Media != nil {
		defer func() { _ = cfg.Media.Close() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.length > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.length)
		defer cancel()
	}
	show := s.shower(io.out, cfg)
	show.head()
	over := make(chan struct{})
	go func() { defer close(over); site.Run(ctx) }()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for stopping := ctx.Done(); ; {
		select {
		case <-second.C:
			show.live(site.Report())
		case <-stopping:
			stopping = nil
			show.leaving()
		case <-over:
			r := site.Report()
			show.summary(r)
			if r.Registered < r.Doors || r.Presses.Rang < r.Presses.Made-r.Presses.Cut {
				return exitFailed
			}
			return exitOK
		}
	}
}

// shower shows how a simulation goes.
type shower struct {
	w        io.Writer
	cfg      simulate.Config
	json     bool
	terminal bool
	lines    int
	peak     uint64 // bytes of memory
}

func (s *simulation) shower(w io.Writer, cfg simulate.Config) *shower {
	sh := &shower{w: w, cfg: cfg, json: s.asJSON}
	if f, ok := w.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		sh.terminal = err == nil
	}
	return sh
}

func (sh *shower) head() {
	if sh.json {
		return
	}
	fmt.Fprintf(sh.w, "%d doors at %s, from %s to %s; reconnect_spread %s. ^C ends it and takes the registrations back.\n", len(sh.cfg.Doors), strings.Join(sh.cfg.Phone.Servers, ", "),
		sh.cfg.Doors[0].User, sh.cfg.Doors[len(sh.cfg.Doors)-1].User, sh.cfg.Phone.ReconnectSpread)
}

// live shows the figures of a second: in a terminal in place of the ones before.
func (sh *shower) live(r simulate.Report) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	sh.peak = max(sh.peak, m.Sys-m.HeapReleased)
	if sh.json {
		sh.line("report", r)
		return
	}
	sh.lines++
	if !sh.terminal && sh.lines%plainEvery != 1 {
		return
	}
	text := fmt.Sprintf("%s  registered %d/%d, %d/s, most %d/s", clock(r.At), r.Registered, r.Doors, r.Now, r.Most)
	if r.Failing > 0 {
		text += fmt.Sprintf("; failing %d", r.Failing)
	}
	if p := r.Presses; p.Made > 0 {
		text += fmt.Sprintf("; presses %d, rang %d, open %d, ringing after %s (95 %%: %s)", p.Made, p.Rang, p.Open, millis(p.P50), millis(p.P95))
	}
	if sh.terminal {
		fmt.Fprintf(sh.w, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(sh.w, text)
}

func (sh *shower) leaving() {
	if sh.json {
		return
	}
	if sh.terminal {
		fmt.Fprintln(sh.w)
	}
	fmt.Fprintln(sh.w, "taking the registrations back")
}

// jsonReport is a report as programs read it.
type jsonReport struct {
	Kind string `json:"kind"` // report or summary
	simulate.Report
	Spread float64 `json:"spread"` // seconds
	Bytes  uint64  `json:"bytes"`  // most memory of this program
}

func (sh *shower) line(kind string, r simulate.Report) {
	data, err := json.Marshal(jsonReport{Kind: kind, Report: r, Spread: sh.cfg.Phone.ReconnectSpread.Seconds(), Bytes: sh.peak})
	if err == nil {
		fmt.Fprintf(sh.w, "%s\n", data)
	}
}

func (sh *shower) summary(r simulate.Report) {
	if sh.json {
		sh.line("summary", r)
		return
	}
	row := func(what, format string, args ...any) {
		fmt.Fprintf(sh.w, "%-14s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(sh.w)
	row("doors", "%d of %d registered at the end, after %s", r.Registered, r.Doors, clock(r.At))
	row("registrations", "%d, at most %d in a second", r.Registrations, r.Most)
	for i, f := range r.Falls {
		what := "server lost"
		if len(r.Falls) > 1 {
			what += " " + strconv.Itoa(i+1)
		}
		switch {
		case f.First == 0:
			row(what, "at %s: %d doors; none is back", clock(f.At), f.Lost)
			continue
		case f.All == 0:
			row(what, "at %s: %d doors; the first back %.1f s later; not all are", clock(f.At), f.Lost, f.First-f.At)
		default:
			row(what, "at %s: %d doors; the first back %.1f s later, all %.1f s after the first; at most %d in a second", clock(f.At), f.Lost, f.First-f.At, f.All-f.First, f.Most)
		}
		fmt.Fprint(sh.w, curve(f.Curve))
	}
	for _, code := range slices.Sorted(maps.Keys(r.Faults)) {
		row("", "%d × %s", r.Faults[code], code)
	}
	if p := r.Presses; p.Made > 0 {
		row("presses", "%d, %d rang; press to ringing %s (median), %s (95 %%), %s (longest)", p.Made, p.Rang, millis(p.P50), millis(p.P95), millis(p.Longest))
		for _, code := range slices.Sorted(maps.Keys(p.Failed)) {
			row("", "%d × %s", p.Failed[code], code)
		}
		if sh.cfg.Media != nil {
			row("sound", "%d calls answered, %d with sound both ways; packets: %d sent, %d received", p.Answered, p.Heard, p.Sent, p.Got)
		}
	}
	row("memory", "%d MB at most, %d kB a door", sh.peak>>20, sh.peak>>10/uint64(r.Doors))
}

// curve draws registrations a second, a column for each second or several.
func curve(perSecond []int) string {
	if len(perSecond) == 0 {
		return ""
	}
	step := (len(perSecond) + curveWidth - 1) / curveWidth
	var columns []int
	for i := 0; i < len(perSecond); i += step {
		columns = append(columns, slices.Max(perSecond[i:min(i+step, len(perSecond))]))
	}
	bars, most := []rune(" ▁▂▃▄▅▆▇█"), max(slices.Max(columns), 1)
	var b strings.Builder
	for _, n := range columns {
		b.WriteRune(bars[(n*(len(bars)-1)+most-1)/most])
	}
	return fmt.Sprintf("%-14s %s  0 to %d s, %d/s\n", "", b.String(), len(perSecond), most)
}

func clock(seconds float64) string {
	return fmt.Sprintf("%d:%02d", int(seconds)/60, int(seconds)%60)
}

func millis(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }
