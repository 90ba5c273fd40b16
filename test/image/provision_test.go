package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
	"intercomd/test/lab"
)

// The network of the board is QEMU's: the host is 10.0.2.2 there.
const (
	hostThere = "10.0.2.2"
	doorThere = "10.0.2.77"
)

// Lines of a chip that is simulated, as the daemon looks for it, and the page for the host.
const withHardware = `modprobe gpio-sim
mount -t configfs none /sys/kernel/config
mkdir -p /sys/kernel/config/gpio-sim/door/bank
echo 54 >/sys/kernel/config/gpio-sim/door/bank/num_lines
echo pinctrl-bcm2835 >/sys/kernel/config/gpio-sim/door/bank/label
echo 1 >/sys/kernel/config/gpio-sim/door/live
button=/sys/devices/platform/$(cat /sys/kernel/config/gpio-sim/door/dev_name)/$(cat /sys/kernel/config/gpio-sim/door/bank/chip_name)/sim_gpio17/pull
udevadm settle
echo pull-up >$button
systemctl restart intercomd
` + withPage + `status() { systemctl show -P StatusText intercomd; }
until_says() { for i in $(seq 120); do case $(status) in $1) return;; esac; sleep 1; done; }
`

// who says what the machine has become.
const who = `echo "NAME $(uname -n) $(cat /etc/hostname)"
echo "ADDRESS $(ip -4 -o addr show eth0 | sed 's/.*inet \([^ ]*\) .*/\1/' | tr '\n' ' ')"
echo "ROUTE $(ip -4 route show default | cut -d' ' -f3)"
echo "ZONE $(date -d @0 +%Z%z)"
echo "CARD $(mount | grep -c vfat)"
echo "KEPT $(ls /data/settings | wc -l) $(stat -c %a /data/settings/*/* | grep -vc '0$')"
echo "SECRETS $(journalctl -b -o cat | grep -c hunter22)"
`

// server is a SIP server on the host that knows one door, and its authority.
func server(t *testing.T) (srv *siptest.Server, ca string) {
	t.Helper()
	dir := t.TempDir()
	authority, err := lab.NewCA(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue(dir, "pbx", hostThere)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(authority.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	return siptest.New(t, siptest.Options{TLS: siptest.TLS(pair), Password: "hunter22"}), string(text)
}

// oneFile is what an installer writes for that server.
func oneFile(url, user string) string {
	return strings.ReplaceAll(`# our door
[sip]
server = "`+strings.Replace(url, "127.0.0.1", hostThere, 1)+`"
user = "`+user+`"
password_file = "Passwort.txt"
ca_file = "ca.pem"
[call]
target = "1001"
[system]
hostname = "door-north"
[network]
address = "`+doorThere+`/24"
gateway = "`+hostThere+`"
[locale]
timezone = "Asia/Kolkata"
`, "\n", "\r\n")
}

// fault is one of the page's JSON.
type fault struct {
	Key, Code string
	Params    map[string]string
	Blinks    int
}

type lamp struct{ Name, Pattern string }

// shown is what the door's page has.
type shown struct {
	Registration struct{ State string }
	Faults       []fault
	Board        struct {
		Lamps []lamp
	}
}

// withPage has the host see the page, which listens inside only.
const withPage = "systemd-socket-activate -l 8081 /usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080 >/dev/null 2>&1 &\n"

// page asks the door for its state.
func page(t *testing.T, port int) (state shown) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := lab.Poll(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/status.json", port), nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		return json.Unmarshal(body, &state)
	})
	if err != nil {
		t.Errorf("the page: %v", err)
	}
	return state
}

// connected gives the board a network with the host in it, and the page a port there.
func (b *board) connected() (port int) {
	b.t.Helper()
	port, err := lab.FreePort(0)
	if err != nil {
		b.t.Fatal(err)
	}
	b.net = fmt.Sprintf("user,id=net,hostfwd=tcp:127.0.0.1:%d-%s:8081", port, doorThere)
	return port
}

// answerBusy takes the first call to the server, lets it ring and refuses it. rang gets whom it
// was for.
func answerBusy(ctx context.Context, srv *siptest.Server, rang chan<- string) {
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		c := srv.Reached()
		if c == nil {
			continue
		}
		m := c.Poll()
		if m == nil || m.Method() != "INVITE" || m.IsResponse() {
			continue
		}
		if m.Get("Proxy-Authorization") == "" {
			c.Challenge(m, 407)
			continue
		}
		rang <- m.URI()
		l := c.Leg(m)
		l.Respond(180, "Ringing")
		time.Sleep(2 * time.Second)
		l.Respond(486, "Busy Here")
		return
	}
}

// settings is what is on the partition that people write to, to the byte, but for what code.txt
// says: the one-time code of the page belongs there.
func (b *board) settings() [sha256.Size]byte {
	b.t.Helper()
	f, err := os.Open(b.card)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(io.NewSectionReader(f, settingsAt<<20, 64<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	code := []byte(b.read("code.txt"))
	if len(code) != 512 || bytes.Count(all, code) != 1 {
		b.t.Fatalf("code.txt has %d bytes and is on the card %d times", len(code), bytes.Count(all, code))
	}
	return sha256.Sum256(bytes.Replace(all, code, make([]byte, len(code)), 1))
}

// Flash, edit one file, it rings: name, address, clock, a registration with an authority and
// a password beside the file, a call at a press. Then the file is broken, and then gone: the
// last good one is in force, the page says why. Nothing is written to that partition but the code of the page.
func TestOneFile(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	port := b.connected()
	srv, ca := server(t)
	b.delete("intercom.toml")
	b.write("Intercom.toml.txt", "\ufeff"+oneFile(srv.URL(), "1000")) // as saved by Notepad
	b.write("ca.pem", ca)
	b.write("Passwort.txt", "hunter22\r\n")
	before := b.settings()

	rang := make(chan string, 2)
	go func() {
		answerBusy(t.Context(), srv, rang)
		answerBusy(t.Context(), srv, rang)
	}()
	// The second press is made in the first second of a daemon that has no network yet.
	const press = `until_says 'idle, registered*'
echo "READY $(status)"
echo pull-down >$button; sleep 1; echo pull-up >$button
sleep 10
ip link set eth0 down
systemctl restart intercomd
echo pull-down >$button; sleep 0.3; echo pull-up >$button
echo "FIRST $(status)"
sleep 2
ip link set eth0 up
until_says 'idle, registered*'
echo "LAST $(status)"
journalctl -b -o short-monotonic | grep 'eth0: Gained carrier\|msg=registration .*state=registered' | tail -2 | sed 's/^/NETWORK /'
`
	s := b.start(inspect+withHardware+press+who+"systemctl poweroff\n").wants(2, false, off)
	s.says(
		`FAILED \.`, `NOTES \.`, `NAME door-north door-north`, `ADDRESS 10\.0\.2\.77/24 `, `ROUTE 10\.0\.2\.2`, `ZONE IST\+0530`, `CARD 0`, `KEPT 2 0`, `SECRETS 0`, `READY idle, registered.*`)
	for _, which := range []string{"", "first "} {
		select {
		case uri := <-rang:
			if !strings.HasPrefix(uri, "sip:1001@") {
				t.Errorf("the %spress called %q", which, uri)
			}
		default:
			t.Errorf("the %spress called nobody\n%s", which, s.tail())
		}
	}
	if at := regexp.MustCompile(`(?m)^NETWORK \[ *([0-9.]+)\].*`).FindAllStringSubmatch(s.console, -1); len(at) == 2 {
		var up, registered float64
		_, _ = fmt.Sscan(at[0][1], &up)
		_, _ = fmt.Sscan(at[1][1], &registered)
		t.Logf("registered %.1f s after there was a network", registered-up)
	}
	if b.settings() != before {
		t.Error("the partition was written to")
	}
	if code := b.read("code.txt"); !strings.HasPrefix(code, "Code for the page, once: ") {
		t.Errorf("code.txt shows no code: %.40q", code)
	}

	// Broken: the last good one, and the page says where and why.
	b.write("Intercom.toml.txt", strings.Replace(oneFile(srv.URL(), "1000"), `user = "1000"`, `user = 1000`, 1))
	b.delete("ca.pem")
	const hold = `until_says '*registered*'
echo "READY $(status)"
touch /run/ready
sleep 30
`
	var seen []fault
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		n := len(srv.Registers())
		for t.Context().Err() == nil && len(srv.Registers()) == n {
			time.Sleep(100 * time.Millisecond)
		}
		seen = page(t, port).Faults
	}()
	b.start(inspect+withHardware+hold+who+"systemctl poweroff\n").wants(2, false, off).says(
		`DOOR active`, `NOTES card-settings-broken .*`, `NAME door-north door-north`, `ADDRESS 10\.0\.2\.77/24 `, `READY .*registered.*`,
		`.*The door: the configuration on the card has a fault and is not used; .*Intercom\.toml\.txt:4: sip\.user: is a whole number; put it between quotation marks: "1000"\.`)
	<-looked
	i := slices.IndexFunc(seen, func(f fault) bool { return f.Key == "system.card-settings-broken" })
	if i < 0 || seen[i].Params["place"] != "Intercom.toml.txt:4" || seen[i].Params["key"] != "sip.user" || seen[i].Params["why"] != "config-type-text-bare" || seen[i].Params["value"] != "1000" {
		t.Errorf("the page says %+v", seen)
	}

	// Gone, and the data partition full.
	b.delete("Intercom.toml.txt")
	b.start(inspect+who+"dd if=/dev/zero of=/data/junk bs=1M 2>/dev/null; sync; systemctl poweroff\n").wants(2, false, off).says(
		`DOOR active`, `NOTES card-settings-missing .*`, `NAME door-north door-north`)
	b.write("intercom.toml", strings.ReplaceAll(oneFile(srv.URL(), "1000"), "door-north", "door-south"))
	b.write("ca.pem", ca)
	b.start(inspect+who+"systemctl poweroff\n").wants(2, false, off).says(
		`DOOR active`, `NOTES (card-settings-not-kept .*)?card-data-full .*`, `NAME door-south door-south`)
}

// Files that are wrong, on a board whose clock shows 1970: the door starts each time, and
// says what is wrong and where; no secret gets into the log that way.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.qemu = []string{"-rtc", "base=1970-01-01T00:00:00"}
	b.net = "user,id=net"
	pki := siptest.NewPKI(t)
	srv := siptest.New(t, siptest.Options{Password: "hunter22", TLS: siptest.TLS(pki.Issue(func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.ParseIP(hostThere)}
		c.NotBefore, c.NotAfter = time.Now().AddDate(0, 0, 7), time.Now().AddDate(0, 0, 14)
	}))})
	good := oneFile(srv.URL(), "1000")
	script := inspect + `
card() { mount -t vfat /dev/intercom/settings /run/card && cat >"/run/card/$1" && umount /run/card; }
look() {
	systemctl restart intercom-provision intercomd
	for i in $(seq 30); do systemctl show -P StatusText intercomd | grep -q "$2" && break; sleep 1; done
	echo "$1 $(systemctl is-active intercomd) $(systemctl show -P StatusText intercomd)"
}
mkdir -p /run/card
echo "YEAR $(date +%Y)"
`
	file := func(name, text string) {
		script += fmt.Sprintf("base64 -d <<E | card %s\n%s\nE\n", name, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	var wanted []string
	look := func(name, until string) {
		script += fmt.Sprintf("look %s '%s'\n", name, until)
		wanted = append(wanted, name+" active .*"+regexp.QuoteMeta(until)+".*")
	}
	file("intercom.toml", "PK\x03\x04\x14\x00\x06\x00\b\x00\x00\x00!\x00word/document.xml")
	look("DOCUMENT", "this is a document of a word processor")
	file("intercom.toml", "")
	look("EMPTY", "sip.server: is missing")
	file("intercom.toml", strings.Replace(good, `password_file = "Passwort.txt"`, `password = hunter22`, 1))
	look("QUOTES", "5: this line cannot be understood")
	file("intercom.toml", good)
	look("NOFILES", "sip.password_file: there is no such file")
	file("Passwort.txt", "hunter22\n")
	file("ca.pem", "hunter22, and no certificate")
	look("NOCERT", "there is no certificate in it")
	file("ca.pem", string(pki.PEM()))
	look("CLOCK", "not yet valid")
	s := b.start(script+who+"systemctl poweroff\n").wants(2, false, off)
	s.says(append(wanted, `FAILED \.`, `YEAR 202[6-9]`, `SECRETS 0`)...)
}

// A card that Raspberry Pi Imager has set up: what applies does, what does not is in the log.
func TestImager(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.write("user-data", "#cloud-config\nhostname: door-east\ntimezone: Asia/Kolkata\nusers:\n- name: pi\n")
	b.write("network-config", "network:\n  version: 2\n  wifis:\n    wlan0:\n      regulatory-domain: DE\n      access-points:\n        \"A net\":\n          password: \"hunter22\"\n")
	b.start(inspect+who+`ls /var/lib/iwd
echo "IWD $(systemctl show -P ConditionResult iwd)"
journalctl -b -u intercom-provision | grep -o 'file=user-data setting=users'
systemctl poweroff
`).wants(2, false, off).says(`DOOR active`, `NAME door-east door-east`, `ZONE IST\+0530`, `'A net\.psk'`, `IWD yes`, `file=user-data setting=users`)
}
