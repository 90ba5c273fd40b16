package image

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
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

func serveBundles(t *testing.T) *bundles {
	t.Helper()
	b := &bundles{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, err := filepath.Glob(filepath.Join(os.Getenv(imageVar), filepath.Base(r.URL.Path), "*.raucb"))
		if err != nil || len(found) != 1 {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(counted{w, &b.fetched}, r, found[0])
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

// An update over HTTP whose door reaches nobody goes back by itself, and says why; the next
// one works and is committed.
func TestUpdateOverHTTP(t *testing.T) {
	sip, ca := server(t)
	web := serveBundles(t)

	b := newBoard(t)
	b.net = "user,id=net"
	b.write("ca.pem", ca)
	b.write("Passwort.txt", "hunter22")
	b.write("intercom.toml", oneFile(sip, "door")+"[board]\ndriver = \"sim\"\n[update]\ntrial = \"2m\"\n")
	const configure = "echo\nuntil intercomd update status >/run/s 2>&1; do sleep 1; done\n"
	const registered = "until systemctl show -P StatusText intercomd | grep -q ', registered'; do sleep 1; done; echo REGISTERED\n"
	const orElse = " && sleep 600; intercomd update status; journalctl -b -o cat -u intercom-update -u rauc | tail -40; systemctl poweroff\n"
	look := "intercomd update status; systemctl show -P StatusText intercomd; journalctl -b -o cat -u intercomd -u intercom-update -u rauc | grep -i 'update\\|fault' | tail -20\n"

	b.start(configure+registered+"intercomd update install "+web.url+"/9.0.2-broken 2>&1"+orElse).wants(2, false, trialStart)
	whole := web.fetched.Swap(0)
	b.start(configure+"sleep 700\n").wants(3, true, restart)
	if plain, _ := b.autoboot(); plain != 2 {
		t.Fatalf("a trial that failed has changed autoboot.txt: it starts %d", plain)
	}
	s := b.start(configure+registered+"sleep 5\n"+look+"intercomd update install "+web.url+"/9.0.1 2>&1"+orElse).wants(2, false, trialStart)
	s.says(`REGISTERED`, `problem   the update to 9\.0\.2-broken was taken back: .*`, `remedy    .+`, `.*→ 9\.0\.2-broken: back: .+`, `idle, registered, .*the update to 9\.0\.2-broken was taken back.*`)
	t.Logf("fetched %.1f MB the first time, %.1f MB the second", float64(whole)/1e6, float64(web.fetched.Load())/1e6)
	b.start(configure+registered+"until intercomd update status | grep 'is what starts'; do sleep 2; done\n"+look+"intercomd slot; systemctl poweroff\n").wants(3, true, off).
		says(`update    9\.0\.1 is what starts`, `B  good     running on trial  starts`)
	if plain, trial := b.autoboot(); plain != 3 || trial != 2 {
		t.Fatalf("after the commit autoboot.txt starts %d, trial %d", plain, trial)
	}
	b.start(configure+registered+look+"systemctl poweroff\n").wants(3, false, off).says(`running   9\.0\.1 in slot B`)
	if strings.Contains(s.console, "hunter22") {
		t.Error("a secret is in the log")
	}
}
