package image

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/test/lab"
)

// bundles serves what make has put beside the image, and counts the bytes that are fetched.
type bundles struct {
	url     string
	fetched atomic.Int64
}

type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// bundleOf is the file of the bundle of a version.
func bundleOf(version string) (string, error) {
	found, err := filepath.Glob(filepath.Join(os.Getenv(imageVar), version, "*.raucb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("bundles of %s: %q, %w", version, found, err)
	}
	return found[0], nil
}

func serveBundles(t *testing.T) *bundles {
	t.Helper()
	b := &bundles{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bundle, err := bundleOf(filepath.Base(r.URL.Path))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(counted{w, &b.fetched}, r, bundle)
	}))
	t.Cleanup(s.Close)
	b.url = guest(t, s.URL)
	return b
}

// guest is an address of this machine as the guest has to write it.
func guest(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort(hostThere, u.Port())
	return u.String()
}

// gate stands before a server and can be shut, so that nothing listens there.
type gate struct {
	t        *testing.T
	at, to   string
	listener net.Listener
	ended    chan struct{}
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	port, err := lab.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, at: fmt.Sprint("127.0.0.1:", port), to: to}
	g.open()
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open() {
	var err error
	if g.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", g.at); err != nil {
		g.t.Error(err)
		return
	}
	g.ended = make(chan struct{})
	go g.pass(g.listener, g.ended)
}

// shut ends what has come through as well.
func (g *gate) shut() {
	_ = g.listener.Close()
	<-g.ended
}

func (g *gate) pass(l net.Listener, ended chan struct{}) {
	defer close(ended)
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		work.Go(func() {
			defer func() { _ = c.Close() }()
			s, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.to)
			if err != nil {
				return
			}
			defer func() { _ = s.Close() }()
			defer context.AfterFunc(ctx, func() { _, _ = c.Close(), s.Close() })()
			back := make(chan struct{})
			go func() {
				defer close(back)
				_, _ = io.Copy(c, s)
				_ = c.Close()
			}()
			_, _ = io.Copy(s, c)
			_ = s.Close()
			<-back
		})
	}
}

// An update over HTTP whose door reaches nobody goes back by itself, and says why. The next
// one works: it waits for the end of a call, is written, and on its trial for the PBX, which is
// down for longer than a trial may take, and is committed. All the while every write to the card
// is taken down, and then the power is cut between them.
func TestUpdateOverHTTP(t *testing.T) {
	t.Parallel()
	sip, ca := server(t)
	pbx := newGate(t, strings.TrimPrefix(sip.URL(), "wss://"))
	web := serveBundles(t)

	b := newBoardOf(t, 700<<20)
	port := b.connected()
	b.hears = map[string]func(){}
	b.write("ca.pem", ca)
	b.write("Passwort.txt", "hunter22")
	b.write("intercom.toml", oneFile(strings.Replace(sip.URL(), strings.TrimPrefix(sip.URL(), "wss://"), pbx.at, 1), "door")+
		"[audio]\ninput = \"none\"\noutput = \"none\"\n[board]\ndriver = \"sim\"\n[update]\ntrial = \"2m\"\n")
	const configure = "echo\nuntil intercomd update status >/run/s 2>&1; do sleep 1; done\n"
	const registered = "until systemctl show -P StatusText intercomd | grep -q 'registered'; do sleep 1; done; echo REGISTERED\n"
	const orElse = " && sleep 600; intercomd update status; journalctl -b -o cat -u intercom-update -u rauc | tail -40; systemctl poweroff\n"
	look := "intercomd update status; systemctl show -P StatusText intercomd; journalctl -b -o cat -u intercomd -u intercom-update -u rauc | grep -i 'update\\|fault' | tail -20\n"

	b.start(configure+registered+"intercomd update install "+web.url+"/9.0.2-broken 2>&1"+orElse).wants(2, false, trialStart)
	whole := web.fetched.Swap(0)
	b.start(configure+"sleep 700\n").wants(3, true, restart)
	if plain, _ := b.autoboot(); plain != 2 {
		t.Fatalf("a trial that failed has changed autoboot.txt: it starts %d", plain)
	}
	before := filepath.Join(b.dir, "before.img")
	b.run("cp", "--sparse=always", b.card, before)
	logs := []string{filepath.Join(b.dir, "1.log"), filepath.Join(b.dir, "2.log"), filepath.Join(b.dir, "3.log")}

	// A call comes, and rings while the update is asked for.
	b.log = logs[0]
	told := make(chan shown, 1)
	b.hears["CALL-ME"] = func() {
		var p shown
		for range 60 { // the daemon has shown what the initrd left for it, and asks the agent now
			if p = page(t, port); slices.ContainsFunc(p.Faults, func(f fault) bool { return f.Key == "update" }) {
				break
			}
			time.Sleep(time.Second)
		}
		told <- p
		for sip.Reached() == nil {
			time.Sleep(100 * time.Millisecond)
		}
		c := sip.Reached().Call()
		time.Sleep(40 * time.Second)
		c.Cancel()
	}
	s := b.start(configure+registered+withPage+"sleep 5\n"+look+"echo CALL-ME\n"+
		"until systemctl show -P StatusText intercomd | grep -q ring; do sleep 1; done\nsystemctl show -P StatusText intercomd\n"+
		"intercomd update install "+web.url+"/9.0.1 2>&1"+orElse).wants(2, false, trialStart)
	s.says(`REGISTERED`, `problem   the update to 9\.0\.2-broken was rolled back: .+`, `remedy    .+`, `.*→ 9\.0\.2-broken: back: .+`,
		`idle, registered, .*: the (update to 9\.0\.2-broken was rolled back|system returned to the previous version).*`, `.*/9\.0\.1 is to be installed; .*waits for the call to end.*`)
	state := <-told
	if i := slices.IndexFunc(state.Faults, func(f fault) bool { return f.Key == "update" }); i < 0 || state.Faults[i].Blinks != 7 || state.Faults[i].Code != "update-went-back" {
		t.Errorf("the page says %+v", state.Faults)
	}
	if !slices.ContainsFunc(state.Board.Lamps, func(l lamp) bool { return l.Pattern == "blink7" }) {
		t.Errorf("the lamps show %+v", state.Board.Lamps)
	}
	t.Logf("fetched %.1f MB the first time, %.1f MB the second", float64(whole)/1e6, float64(web.fetched.Load())/1e6)
	if n := web.fetched.Load(); n > 15e6 {
		t.Errorf("an update with a new daemon took %d bytes", n)
	}

	// The PBX is down for longer than a trial may take.
	pbx.shut()
	b.log = logs[1]
	b.hears["PBX-BACK"] = pbx.open
	b.start(configure+"sleep 150\nintercomd update status\necho PBX-BACK\n"+registered+"until intercomd update status | grep 'is what starts'; do sleep 2; done\n"+look+"intercomd slot; systemctl reboot\n").wants(3, true, restart).
		says(`update    9\.0\.1 is on trial`, `update    9\.0\.1 is what starts`, `B  good     running on trial  starts`)
	if plain, trial := b.autoboot(); plain != 3 || trial != 2 {
		t.Fatalf("after the commit autoboot.txt starts %d, trial %d", plain, trial)
	}
	b.log = logs[2]
	b.start(configure+registered+look+"journalctl -b | grep -c hunter22; systemctl poweroff\n").wants(3, false, off).says(`running   9\.0\.1 in slot B`, `0`)
	b.log = ""
	if strings.Contains(s.console, "hunter22") {
		t.Error("a secret is in the log")
	}

	t.Run("power cuts", func(t *testing.T) { cuts(t, before, b.card, logs) })
}
