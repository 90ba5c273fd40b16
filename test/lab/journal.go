package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Logged is a process whose standard error leads to a systemd-journald of its own, as that of a service does. What
// it needs of /run is in a mount namespace that ends with it; nothing is seen by the journal of the host.
type Logged struct{ *Proc }

const journalScript = `set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/log/journal
mount --bind /dev/null /dev/kmsg # the kernel's messages are none of its business
[ -s /etc/machine-id ] || { echo 0123456789abcdef0123456789abcdef >/run/id; mount --bind /run/id /etc/machine-id; }
/usr/lib/systemd/systemd-journald &
for i in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.05; done
exec systemd-cat sh -c 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"' sh "$@"
`

// StartLogged starts a program that logs to a journal.
func StartLogged(dir string, args ...string) (*Logged, error) {
	file := filepath.Join(dir, "journal.sh")
	if err := os.WriteFile(file, []byte(journalScript), 0o600); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	p, err := Start(Spec{Name: args[0], Args: append([]string{"unshare", "--mount", "sh", file}, args...)})
	return &Logged{p}, err
}

// Journal is what journalctl finds by arguments such as FIELD=value, the oldest first.
func (l *Logged) Journal(ctx context.Context, args ...string) (list []map[string]string, err error) {
	args = append([]string{"-t", strconv.Itoa(l.Pid), "--mount", Tool("journalctl"), "--no-pager", "-q", "-o", "json"}, args...)
	out, err := exec.CommandContext(ctx, "nsenter", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("journalctl: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			return nil, fmt.Errorf("journalctl: %w: %s", err, line)
		}
		entry := map[string]string{}
		for k, v := range fields {
			entry[k] = fmt.Sprint(v)
		}
		list = append(list, entry)
	}
	return list, nil
}
