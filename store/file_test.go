package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadFileWaitsForNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, path string)
		err     error
	}{
		"a file":    {func(t *testing.T, path string) { put(t, path, "text") }, nil},
		"none":      {func(*testing.T, string) {}, fs.ErrNotExist},
		"too large": {func(t *testing.T, path string) { put(t, path, strings.Repeat("x", 101)) }, ErrTooLarge},
		"without end": {func(t *testing.T, path string) {
			put(t, path, "")
			if err := os.Truncate(path, 1<<40); err != nil {
				t.Fatal(err)
			}
		}, ErrTooLarge},
		"a pipe": {func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrNoFile},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, syscall.EISDIR},
		"a device": {func(t *testing.T, path string) {
			if err := os.Symlink("/dev/zero", path); err != nil {
				t.Fatal(err)
			}
		}, ErrNoFile},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kept")
			tt.prepare(t, path)
			data, err := ReadFile(path, 100)
			if !errors.Is(err, tt.err) || tt.err == nil && string(data) != "text" {
				t.Errorf("%q, %v", data, err)
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}

func TestWriteFileIsWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kept")
	for _, mode := range []fs.FileMode{0o600, 0o644} {
		if err := WriteFile(path, []byte(mode.String()), mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if data, rerr := os.ReadFile(path); err != nil || rerr != nil || info.Mode().Perm() != mode || string(data) != mode.String() {
			t.Errorf("%v: %v, %v, %q", mode, info, err, data)
		}
	}
	// Where it cannot be, the old one stays and nothing is left behind.
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(folder, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if err := WriteFile(filepath.Join(dir, "none", "kept"), nil, 0o600); err == nil {
		t.Error("a file in no folder")
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

// A file that a person named may be a pipe, as a shell makes one.
func TestReadNamedReadsPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadNamed(path, 100); !errors.Is(err, ErrNothing) {
		t.Errorf("nobody writes: %v", err)
	}
	for text, want := range map[string]error{"text": nil, strings.Repeat("x", 101): ErrTooLarge} {
		wrote := make(chan error, 1)
		r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // so that the writer can open it first
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := f.WriteString(text)
			wrote <- errors.Join(err, f.Close())
		}()
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		data, err := ReadNamed(path, 100)
		if !errors.Is(err, want) || want == nil && string(data) != text {
			t.Errorf("%d bytes: %q, %v", len(text), data, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Wherever the power goes, the old file or the new one is there, and the next start finds
// nothing that does not belong there.
func TestPowerCutsWhileAFileIsWritten(t *testing.T) {
	const old, fresh = "old, and longer than the new one", "new"
	for _, at := range []string{"made", "written", "synced", "renamed"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "kept")
		put(t, path, old)
		err := write(path, []byte(fresh), 0o600, func(step string) error {
			if step == at {
				return errCut
			}
			return nil
		})
		if !errors.Is(err, errCut) {
			t.Fatalf("%s: no cut, %v", at, err)
		}
		if at == "written" { // of what was not synced the card may have a part
			left, _ := filepath.Glob(filepath.Join(dir, ".kept.*"))
			if err := os.Truncate(left[0], 1); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := old
		if at == "renamed" {
			want = fresh
		}
		if data, err := s.Read("kept"); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", at, data, err)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("%s: left behind: %v", at, files)
		}
	}
}
