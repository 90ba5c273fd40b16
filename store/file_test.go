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
		}, ErrNoFile},
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
