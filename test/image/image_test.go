package image

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What every start of a sound system looks like.
const inspect = `echo
echo "FAILED $(systemctl --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')."
echo "DOOR $(systemctl is-active intercomd)"
systemctl is-active -q intercomd || systemctl status --no-pager -n 30 intercomd
echo "NOTES $(cat /run/intercom/notes/* 2>/dev/null | tr '\n' ' ')."
`

// A fresh card: everything is up, nothing can be written but the data partition, which has
// grown; nobody can log in and nothing waits for a network.
func TestFreshCard(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	s := b.start(inspect+`
echo "ROOT $(mount | grep ' / .*lowerdir=/ro,' | cut -d' ' -f5)"
echo "DATA $(findmnt -no FSTYPE /data) $(df -BM --output=size /data | tail -1)"
echo "STATE $(findmnt -no FSTYPE /var/lib/intercomd) $(stat -c '%U %a' /var/lib/intercomd)"
echo "SWAP $(grep -c / /proc/swaps)"
echo "LOG $(ls /var/log/journal 2>/dev/null | wc -l) $(ls /run/log/journal | wc -l)"
echo "LOGIN $(systemctl list-units --no-legend --plain '*getty*' | wc -l) $(cut -d: -f2 /etc/shadow | sort -u | tr '\n' ' ')"
echo "SETUID $(ls -lR /usr | grep -c '^-..[sS]')"
echo "PACKAGES $(ls /usr/bin/apt /usr/bin/dpkg /var/lib/dpkg 2>/dev/null | wc -l) $(grep -c ^Package: /usr/share/intercomd/packages)"
echo "MACHINE $(wc -c </etc/machine-id)"
echo "PARTITIONS $(for p in settings boot-a root-a boot-b root-b data; do readlink /dev/intercom/$p; done | tr '\n' ' ')"
intercomd slot
systemctl start rauc # a bus waits 25 s for a service, which is little on a busy machine
rauc status --output-format=shell 2>&1 | sed 's/^/RAUC /'
echo "RESOLV $(readlink /etc/resolv.conf)"
echo "WAITING $(systemctl list-units --no-legend --plain '*wait-online*' | grep -v masked | wc -l)"
systemd-analyze --no-pager time | sed 's/^/TIME /'
systemd-analyze --no-pager blame | head -15 | sed 's/^/BLAME /'
systemctl poweroff
`).wants(2, false, off)
	s.says(`FAILED \.`, `DOOR active`, `NOTES \.`, `ROOT overlay`, `DATA ext4 +1[0-9]{3}M`, `STATE ext4 intercomd 700`,
		`SWAP 0`, `LOG 0 1`, `LOGIN 0 !?\* !?\*? ?`, `SETUID 0`, `PACKAGES 0 1[0-9][0-9]`, `MACHINE 33`,
		`PARTITIONS /dev/vda1 /dev/vda2 /dev/vda5 /dev/vda3 /dev/vda6 /dev/vda7 `,
		`A  (unknown|good   )  running  starts`, `B  unknown`, `RAUC RAUC_SYSTEM_BOOTED_BOOTNAME='A'`, `WAITING 0`)
	if strings.Contains(s.console, "Ignoring") {
		t.Errorf("systemd ignores something\n%s", s.console)
	}
	for _, l := range strings.Split(s.console, "\n") {
		if strings.HasPrefix(l, "BLAME") || strings.HasPrefix(l, "TIME") || strings.HasPrefix(l, "RAUC") {
			t.Log(l)
		}
	}
	if plain, trial := b.autoboot(); plain != 2 || trial != 3 {
		t.Errorf("autoboot.txt starts %d, trial %d", plain, trial)
	}
}

const (
	wantB   = "intercomd slot start-good; intercomd slot set-primary B && systemctl reboot\n"
	nothing = "systemctl poweroff\n"
)

// The life of an update: a trial that fails, one whose kernel panics, one that is
// committed, and the committed one that breaks later.
func TestTrialRollbackCommit(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.copySlot()
	b.start("echo; "+wantB).wants(2, false, trialStart)
	// The trial fails and the machine restarts, whoever asked for that.
	b.start("echo; intercomd slot; systemctl reboot\n").wants(3, true, restart).says(`B  new      running on trial  wanted next, on trial`)
	b.start("echo; intercomd slot; echo PRIMARY $(intercomd slot get-primary); "+wantB).wants(2, false, trialStart).
		says(`A  good     running  starts`, `B  bad    `, `PRIMARY A`, `last change: the trial of slot B ended without a word`)
	b.start("echo c >/proc/sysrq-trigger\n").wants(3, true, restart)
	b.start("echo; intercomd slot; "+wantB).wants(2, false, trialStart).says(`B  bad    `)
	if plain, _ := b.autoboot(); plain != 2 {
		t.Fatalf("a trial has changed autoboot.txt: it starts %d", plain)
	}
	// This one is good; RAUC itself says so.
	b.start("echo; rauc status mark-good 2>&1 | sed 's/^/RAUC /'; intercomd slot; systemctl poweroff\n").wants(3, true, off).
		says(`B  good     running on trial  starts`)
	if plain, trial := b.autoboot(); plain != 3 || trial != 2 {
		t.Fatalf("after the commit autoboot.txt starts %d, trial %d", plain, trial)
	}
	// Four starts in a row that come to nothing, and the fifth goes back.
	b.extra = "systemd.unit=reboot.target"
	for range 4 {
		b.start("").wants(3, false, restart)
	}
	b.extra = ""
	b.start("").wants(3, false, restart)
	if plain, trial := b.autoboot(); plain != 2 || trial != 3 {
		t.Fatalf("it did not go back: autoboot.txt starts %d, trial %d", plain, trial)
	}
	b.start(inspect+"intercomd slot; systemctl poweroff\n").wants(2, false, off).
		says(`DOOR active`, `NOTES went-back detail=slot B was started 4 times.*`, `A  good     running  starts`, `B  bad    `, `last change: slot B was started 4 times in a row without coming to a working door`)
}

// A committed system whose root is gone gives way at once if the other one is known to
// work.
func TestRootGone(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.copySlot()
	b.start("echo; intercomd slot set-state B good; systemctl poweroff\n").wants(2, false, off)
	b.overwrite(rootA, 1, "/dev/zero")
	b.start("").wants(2, false, restart)
	b.start("echo; intercomd slot; systemctl poweroff\n").wants(3, false, off).says(`B  good     running  starts`, `A  bad    `)
}

// Whatever is wrong with the data, the door comes up and says what it is.
func TestBrokenData(t *testing.T) {
	t.Parallel()
	const look = inspect + "ls /var/lib/intercomd /data | tr '\\n' ' '; echo; echo \"WRITABLE $(touch /data/x && echo yes)\"; systemctl poweroff\n"
	t.Run("power cut while writing", func(t *testing.T) {
		t.Parallel()
		b := newBoard(t)
		b.start(`mkdir /data/keep; echo kept >/data/keep/me; sync
(while :; do dd if=/dev/zero of=/data/junk bs=64k count=64 conv=fsync 2>/dev/null; rm /data/junk; done) &
sleep 3; echo; echo CUT; sleep 60
`).wants(2, false, cut)
		torn := filepath.Join(b.dir, "torn.img")
		b.run("cp", "--sparse=always", b.card, torn)
		b.start("echo; echo \"KEPT $(cat /data/keep/me)\"\n"+look).wants(2, false, off).says(`KEPT kept`, `DOOR active`, `NOTES \.`, `FAILED \.`, `WRITABLE yes`)
		// The same card, and of the superblock only a half was written: nothing is lost.
		b.card = torn
		b.run("dd", "if=/dev/urandom", "of="+b.card, "bs=1", fmt.Sprint("seek=", dataAt<<20+1024+1020), "count=4", "conv=notrunc", "status=none")
		b.start("echo; echo \"KEPT $(cat /data/keep/me)\"\n"+look).wants(2, false, off).says(`KEPT kept`, `DOOR active`, `NOTES card-data-repaired \.`, `FAILED \.`, `WRITABLE yes`)
	})
	t.Run("full", func(t *testing.T) {
		t.Parallel()
		b := newBoard(t)
		b.start("dd if=/dev/zero of=/data/junk bs=1M 2>/dev/null; rm -f /data/x; sync; systemctl poweroff\n").wants(2, false, off)
		b.start(look).wants(2, false, off).says(`DOOR active`, `NOTES card-data-full \.`, `FAILED \.`)
	})
	t.Run("overwritten with noise", func(t *testing.T) {
		t.Parallel()
		b := newBoard(t)
		b.start(nothing).wants(2, false, off)
		b.overwrite(dataAt, 64, "/dev/urandom")
		b.start(look).wants(2, false, off).says(`DOOR active`, `NOTES card-data-new \.`, `FAILED \.`, `WRITABLE yes`)
		b.start(look).wants(2, false, off).says(`DOOR active`, `NOTES \.`)
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		b := newBoard(t)
		// The entry of the partition is lost.
		b.run("dd", "if=/dev/zero", "of="+b.card, fmt.Sprint("seek=", (dataAt-1)*2048), "count=1", "conv=notrunc", "status=none")
		b.start(look).wants(2, false, off).says(`DOOR active`, `NOTES .*card-data-lost .*`, `FAILED \.`)
	})
}

// A system that hangs is left by the watchdog.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.qemu = []string{"-device", "i6300esb"}
	b.start(`echo; echo "WATCHDOG $(systemctl show -P RuntimeWatchdogUSec)"
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
mount -t debugfs debug /sys/kernel/debug
for cpu in /sys/kernel/debug/sched/fair_server/cpu*; do echo 0 >$cpu/runtime; done
for i in 1 2 3 4; do chrt -f 99 sh -c 'while :; do :; done' & done
sleep 600
`).wants(2, false, restart).says(`WATCHDOG 15s`)
}
