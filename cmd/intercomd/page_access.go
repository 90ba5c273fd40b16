package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/station"
	"intercomd/store"
	"intercomd/web"
	"intercomd/web/accounts"
	"intercomd/web/identity"
	"intercomd/words"
)

// pageDir is the page's own directory within that of the state.
func pageDir(cfg *configs.Config) string { return filepath.Join(door.StateDir(cfg), "page") }

// maxSecret bounds what is read of the small files, in bytes.
const maxSecret = 16 << 10

// Files of the page's directory.
const (
	accountsFile = "accounts.json"
	// codeFile holds the one-time code while there is one.
	codeFile = "code"
	// consoleFile lets the commands of this program in, whoever may read it.
	consoleFile = "console"
)

// book keeps the accounts in the state directory.
type book struct{ dir *store.Dir }

func (b book) Load(v any) error { return b.dir.Load(accountsFile, v) }
func (b book) Save(v any) error { return b.dir.Save(accountsFile, v, 0o600) }

// openAccess gives the page its accounts and its certificate. Without a directory for them the page
// serves this machine only.
func openAccess(ctx context.Context, cfg *configs.Config, conf *web.Config, t *tuning, st *station.Station, beside *sync.WaitGroup, log *slog.Logger) error {
	dir, err := store.Open(pageDir(cfg))
	if err != nil {
		log.Warn("the page has no accounts and serves this machine only", "error", err)
		return nil
	}
	if conf.Book, err = t.book(dir, string(cfg.Web.Password)); err != nil {
		return err
	}
	names, addrs := identity.Host(cfg.Web.Names)
	if conf.Identity, err = identity.Open(dir, names, addrs); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			log.Warn("the page has no certificate and serves this machine only", "error", err)
			return nil
		}
		return err
	}
	if err := dir.Replace(consoleFile, []byte(conf.Book.Console()+"\n"), 0o600); err != nil {
		log.Warn("the commands of this machine cannot sign in to the page", "error", err)
	}
	showCode(dir, conf.Book, log)
	beside.Go(func() { watchCertificate(ctx, conf.Identity, st) })
	beside.Go(func() { forgetCode(ctx, dir, conf.Book) })
	return nil
}

// showCode writes the one-time code where whoever owns the machine finds it.
func showCode(dir *store.Dir, b *accounts.Book, log *slog.Logger) {
	code, until := b.Code()
	if code == "" {
		_ = os.Remove(dir.Path(codeFile)) // of an earlier start
		return
	}
	log.Warn("the page has no password yet: set one with this code", "code", code, "until", until.Format(time.TimeOnly), "at", "/setup")
	if err := dir.Replace(codeFile, []byte(code+"\n"+until.UTC().Format(time.RFC3339)+"\n"), 0o600); err != nil {
		log.Warn("the one-time code cannot be saved; it is only in this log", "error", err)
	}
}

// onCardOnly puts the code onto the card, where there is one; "" takes it off.
func onCardOnly(ctx context.Context, code string) {
	ctx, cancel := context.WithTimeout(ctx, cardTimeout)
	defer cancel()
	if _, err := os.Stat(updateSocket); err == nil {
		_ = agentClient(updateSocket).showCode(ctx, code) // a card without room for it
	}
}

// cardTimeout is how long the card may take. Nobody waits for it.
const cardTimeout = 5 * time.Second

// forgetCode puts the code onto the card, and removes it from there and from its file when it is no
// good any more.
func forgetCode(ctx context.Context, dir *store.Dir, b *accounts.Book) {
	if code, _ := b.Code(); code != "" {
		onCardOnly(ctx, code)
	}
	for {
		if code, _ := b.Code(); code == "" {
			_ = os.Remove(dir.Path(codeFile)) // or it is gone already
			onCardOnly(ctx, "")
			return
		}
		if !pause(ctx, 6*time.Second) {
			return
		}
	}
}

// watchCertificate raises a fault while a certificate that somebody has issued ends soon.
func watchCertificate(ctx context.Context, id *identity.Identity, st *station.Station) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if end := id.Ends(); !end.IsZero() && time.Until(end) < identity.Soon {
			st.SetFault(station.Fault{Key: "web.certificate", Blinks: station.FaultLesser, Message: words.New("page-certificate", "at", words.Time(end))})
		} else {
			st.ClearFault("web.certificate")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// proxies are those of the configuration, which has checked them.
func proxies(list []string) (out []netip.Prefix) {
	for _, p := range list {
		if prefix, err := netip.ParsePrefix(p); err == nil {
			out = append(out, prefix.Masked())
		} else if a, err := netip.ParseAddr(p); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// console is the page as the commands of this program ask it.
type console struct {
	base, secret string
}

// consoleOf finds the page of a configuration: on this machine, and with the right to everything
// for whoever may read the state directory.
func consoleOf(cfg *configs.Config) console {
	if cfg.Web.Listen == "" {
		return console{}
	}
	host, port, _ := net.SplitHostPort(cfg.Web.Listen)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && !ip.IsLoopback() {
		host = "127.0.0.1"
	}
	c := console{base: "http://" + net.JoinHostPort(host, port)}
	if secret, err := store.ReadFile(filepath.Join(pageDir(cfg), consoleFile), maxSecret); err == nil {
		c.secret = strings.TrimSpace(string(secret))
	}
	return c
}

// do asks the page.
func (c console) do(req *http.Request) (*http.Response, error) {
	if c.secret != "" {
		req.Header.Set("Authorization", "Bearer "+c.secret)
	}
	return http.DefaultClient.Do(req)
}

// pageCommand is for whoever is at the machine: the way in when nobody knows a password.
func pageCommand(_ context.Context, args []string, io streams) int {
	fs := flag.NewFlagSet("intercomd page", flag.ContinueOnError)
	fs.SetOutput(io.err)
	fs.Usage = func() {
		fmt.Fprint(io.err, "Usage: intercomd page VERB [FILE]\n\n"+
			"  code          show the one-time code with which the first password is set\n"+
			"  reset         forget all accounts and tokens; a restart shows another code\n"+
			"  fingerprint   show the fingerprint of the page's authority\n")
	}
	if err := fs.Parse(args); err != nil || fs.NArg() == 0 {
		fs.Usage()
		return exitUsage
	}
	path, err := configPath(fs.Args()[1:])
	if err == nil {
		err = pageVerb(fs.Arg(0), door.Load(path).Config, io)
	}
	switch {
	case errors.Is(err, errVerb):
		fs.Usage()
		return exitUsage
	case err != nil:
		fmt.Fprintln(io.err, "intercomd page:", err)
		return exitFailed
	}
	return exitOK
}

var errVerb = errors.New("there is no such verb")

// pageVerb reads the files beside a daemon that may write them: it opens no store.
func pageVerb(verb string, cfg *configs.Config, io streams) error {
	file := func(name string) string { return filepath.Join(pageDir(cfg), name) }
	switch verb {
	case "code":
		data, err := store.ReadFile(file(codeFile), maxSecret)
		if err != nil {
			return errors.New("there is no code: a password is set, or the code has ended; restart intercomd for another")
		}
		code, until, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
		if end, err := time.Parse(time.RFC3339, until); err == nil && time.Now().After(end) {
			return errors.New("the code has ended; restart intercomd for another")
		}
		fmt.Fprintf(io.out, "%s (until %s)\n", code, until)
	case "reset":
		if err := os.Remove(file(accountsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		fmt.Fprintln(io.out, "accounts and tokens are forgotten; restart intercomd (systemctl restart intercomd), then: intercomd page code")
	case "fingerprint":
		data, err := store.ReadFile(file(identity.AuthorityFile), maxSecret)
		if err != nil {
			return fmt.Errorf("there is no authority yet: the page makes it when it first starts: %w", err)
		}
		print, err := identity.FingerprintOf(data)
		if err != nil {
			return err
		}
		fmt.Fprintln(io.out, print)
	default:
		return errVerb
	}
	return nil
}
