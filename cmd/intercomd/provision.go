package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/provision"
	"intercomd/update/slot"
	"intercomd/words"
)

// provisionHost is the machine as provisionCommand sees it.
type provisionHost struct {
	onCard      bool
	mount       func() (dir string, unmount func(), err error) // the partition that people write to
	places      provision.Places
	notes       string // folder of [systemNotes]
	root        string // where the machine's own files go
	sethostname func(string) error
	judge       configs.Judge
}

// Where provisioning keeps things, and where it leaves them for this start.
const (
	provisionKept = "/data/settings"
	provisionRun  = "/run/intercom"
)

// settingsDevice is the partition of the card that people write to; the initrd has named it.
const settingsDevice = "/dev/intercom/settings"

// provisionCommand sets up the machine of a card image, before its network and the daemon
// start. Whatever is wrong with the card, it is told, and the door starts.
func provisionCommand(ctx context.Context, args []string, io streams) int {
	if len(args) == 1 && args[0] == "seal" {
		return sealCard(ctx, slot.ThisMachine(), provisionRun, provisionKept, io)
	}
	if len(args) > 0 {
		fmt.Fprintln(io.err, "usage: intercomd provision [seal]")
		return exitUsage
	}
	h := provisionHost{
		onCard: slot.OnCard(),
		mount:  func() (string, func(), error) { return mountReadOnly(settingsDevice, "/run/intercom/mnt") },
		places: provision.Places{Kept: provisionKept, Run: provisionRun, Default: "/usr/share/intercomd/intercom.toml", Group: groupOf("intercomd")},
		notes:  notesDir, root: "/",
		sethostname: func(name string) error { return unix.Sethostname([]byte(name)) },
		judge:       door.Judge(),
	}
	return h.run(io)
}

func (h provisionHost) run(out streams) int {
	if !h.onCard {
		fmt.Fprintln(out.err, "intercomd provision: this system was not started from a card image of intercomd: its own means set it up")
		return exitFailed
	}
	notes, err := h.provision(slog.New(slog.NewTextHandler(out.out, nil)))
	if err2 := h.leave(notes, out.err); err == nil {
		err = err2
	}
	if err != nil {
		fmt.Fprintln(out.err, "intercomd provision:", err)
		return exitFailed
	}
	return exitOK
}

// provision settles what the door starts with and sets the machine up. It outlives whatever a
// card holds.
func (h provisionHost) provision(log *slog.Logger) (notes []provision.Note, err error) {
	settled := false
	defer func() {
		if r := recover(); r != nil {
			log.Error("provisioning failed part-way", "panic", r)
			notes = append(notes, provision.Note{Code: provision.NoteMachine, Params: []string{"detail", fmt.Sprint(r)}})
			if !settled {
				err = errors.New("the settings could not be read")
			}
		}
	}()
	dir, unmount, mountErr := h.mount()
	defer unmount()
	h.places.Card, h.places.Why = dir, mountErr
	s, err := provision.Settle(h.places, log, h.judge)
	if err != nil {
		return nil, err
	}
	settled, notes = true, s.Notes
	log.Info("the settings", "file", s.File, "good", s.Good)
	return append(notes, provision.SetUp(s, dir, h.root, h.sethostname, log)...), nil
}

// leave puts the notes where the daemon finds them, and says them on the console.
func (h provisionHost) leave(notes []provision.Note, console io.Writer) error {
	for _, code := range provision.Codes() { // those of an earlier run
		old, err := filepath.Glob(filepath.Join(h.notes, code+"*"))
		if err != nil {
			return err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	if len(notes) == 0 {
		return nil
	}
	if err := os.MkdirAll(h.notes, 0o755); err != nil { //nolint:gosec // the daemon may read it
		return err
	}
	for i, n := range notes {
		m := words.New(n.Code, n.Params...)
		fmt.Fprintf(console, "The door: %s; %s.\n", m, m.Remedy())
		name := n.Code
		if i > 0 && notes[i-1].Code == n.Code {
			name += "-" + strconv.Itoa(i+1)
		}
		if err := os.WriteFile(filepath.Join(h.notes, name), noteText(n), 0o644); err != nil { //nolint:gosec // the daemon may read it
			return err
		}
	}
	return nil
}

// noteText is a note as parseNote reads it, no longer than that.
func noteText(n provision.Note) []byte {
	var b strings.Builder
	b.WriteString(n.Code + "\n")
	share := (longestNote - b.Len()) / max(1, len(n.Params)/2)
	for i := 0; i+1 < len(n.Params); i += 2 {
		line := n.Params[i] + "=" + strings.Join(strings.Fields(n.Params[i+1]), " ")
		if len(line) >= share {
			line = strings.ToValidUTF8(line[:share-len("…\n")], "") + "…"
		}
		b.WriteString(line + "\n")
	}
	return []byte(b.String())
}

// mountReadOnly mounts a FAT partition so that nothing is ever written to it.
func mountReadOnly(device, dir string) (string, func(), error) {
	return mountFor(device, dir, "vfat")
}

// mountFor mounts what has one of these file systems, so that nothing is ever written to it.
func mountFor(device, dir string, kinds ...string) (string, func(), error) {
	nothing := func() {}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nothing, err
	}
	var err error
	for _, kind := range kinds {
		options := map[string]string{"vfat": "utf8"}[kind]
		if err = unix.Mount(device, dir, kind, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err == nil {
			break
		}
	}
	if err != nil {
		return "", nothing, fmt.Errorf("mounting %s: %w", device, err)
	}
	return dir, func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }, nil
}

// groupOf is the number of a group, -1 if there is no such group.
func groupOf(name string) int {
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(g.Gid)
	if err != nil {
		return -1
	}
	return n
}
