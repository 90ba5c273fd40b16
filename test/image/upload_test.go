package image

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// uploading is what a client of the page got for a bundle.
type uploading struct {
	status int
	body   string
	err    error
}

// upload sends the bundle of a version to the door, as its interface for programs takes it. most is how many
// bytes come before the client says nothing more, until ctx ends; 0 sends all.
func upload(ctx context.Context, port int, version string, most int64) (u uploading) {
	bundle, err := bundleOf(version)
	if err != nil {
		return uploading{err: err}
	}
	f, err := os.Open(bundle)
	if err != nil {
		return uploading{err: err}
	}
	defer func() { _ = f.Close() }()
	is, err := f.Stat()
	if err != nil {
		return uploading{err: err}
	}
	body := io.Reader(f)
	if most > 0 {
		stalled, end := io.Pipe()
		defer context.AfterFunc(ctx, func() { _ = end.CloseWithError(ctx.Err()) })()
		body = io.MultiReader(io.LimitReader(f, most), stalled)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/api/v1/update/bundle", port), io.NopCloser(body))
	if err != nil {
		return uploading{err: err}
	}
	req.ContentLength = is.Size()
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return uploading{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return uploading{resp.StatusCode, string(text), err}
}

// A bundle that is sent to the page. The power goes while it comes, with half of it on the card, and while it is
// written to its slot: each time the door starts from the old slot, nothing of the bundle is left, the door says
// what has happened, and takes the next one. That one is tried.
func TestUploadByThePage(t *testing.T) {
	t.Parallel()
	b := newBoardOf(t, 700<<20)
	port := b.connected()
	b.hears = map[string]func(){}
	b.write("intercom.toml", "[sip]\nserver = \"wss://"+hostThere+":9\"\nuser = \"door\"\npassword = \"hunter22\"\n[call]\ntarget = \"1001\"\n"+
		"[network]\naddress = \""+doorThere+"/24\"\n[audio]\ninput = \"none\"\noutput = \"none\"\n[board]\ndriver = \"sim\"\n")
	const ready = "echo\nuntil intercomd update status >/run/s 2>&1; do sleep 1; done\n" + withPage +
		"until grep -q :1F91 /proc/net/tcp /proc/net/tcp6; do sleep 1; done\n" // 8081
	const look = `echo "SPOOL $(ls -A /data/updates/spool 2>/dev/null | tr '\n' ' ')."
intercomd update status | sed 's/^/STATUS /'
journalctl -b -o cat -u intercom-update | sed 's/^/AGENT /'
`
	const within = "for i in $(seq 300); do COND && break; sleep 0.5; done\n"
	until := func(cond string) string { return strings.Replace(within, "COND", cond, 1) }
	orElse := "sleep 5\n" + look + "systemctl poweroff\n"
	sent := make(chan uploading, 1)
	send := func(ctx context.Context, most int64) func() {
		return func() { sent <- upload(ctx, port, "9.0.1", most) }
	}

	// Half of it is on the card, and the rest never comes.
	const half = 30 << 20
	// The client of Go waits for its body, whatever became of the connection.
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	b.hears["SEND-HALF"] = send(ctx, half)
	b.start(ready+"echo SEND-HALF\n"+until(fmt.Sprintf("[ $(stat -c %%s /data/updates/spool/*.part 2>/dev/null || echo 0) -ge %d ]", half-1<<20))+
		"ls -l /data/updates/spool; sync; echo CUT\nsleep 60\nsystemctl poweroff\n").wants(2, false, cut)
	giveUp()
	if u := <-sent; u.err == nil {
		t.Errorf("who sent half of a bundle hears %d %s", u.status, u.body)
	}

	// The next start; then all of it comes, and the power goes while it is written to its slot.
	b.hears["SEND-ALL"] = send(t.Context(), 0)
	s := b.start(ready+"sleep 3\n"+strings.ReplaceAll(look, "\"SPOOL", "\"AFTER")+"echo SEND-ALL\n"+
		until("intercomd update status | grep -qE 'being installed: ([2-9].|1..) %'")+"intercomd update status; sync; echo CUT\n"+orElse).wants(2, false, cut)
	s.says(`AFTER \.`, `STATUS running .* in slot A`, `STATUS update    none`, `AGENT .*broke off.*`)
	if u := <-sent; u.err != nil || u.status != http.StatusAccepted {
		t.Errorf("who sent a bundle hears %d %s, %v", u.status, u.body, u.err)
	}

	// That is a fault, and no obstacle.
	var state shown
	b.hears["SEND-AGAIN"] = func() {
		for range 60 {
			if state = page(t, port); slices.ContainsFunc(state.Faults, func(f fault) bool { return f.Key == "update" }) {
				break
			}
			time.Sleep(time.Second)
		}
		send(t.Context(), 0)()
	}
	s = b.start(ready+"sleep 3\n"+look+"echo SEND-AGAIN\n"+until("intercomd update status | grep -q 'is installed'")+orElse).wants(2, false, trialStart)
	s.says(`SPOOL \.`, `STATUS problem   the update .*was not installed.*`, `STATUS .*: failed: the power.*`)
	if u := <-sent; u.err != nil || u.status != http.StatusAccepted {
		t.Errorf("who sent a bundle again hears %d %s, %v", u.status, u.body, u.err)
	}
	if i := slices.IndexFunc(state.Faults, func(f fault) bool { return f.Key == "update" }); i < 0 || state.Faults[i].Code != "update-failed" {
		t.Errorf("the page says %+v", state.Faults)
	}

	// The trial. Nothing of the bundle is left.
	b.start(ready+until("intercomd update status | grep -q 'on trial'")+"sleep 3\n"+look+"intercomd slot\nsystemctl poweroff\n").wants(3, true, off).
		says(`STATUS update    9\.0\.1 is on trial`, `SPOOL \.`, `B  new      running on trial  wanted next, on trial`)
}
