package gpio

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestChipsThatComeLate(t *testing.T) {
	dir := t.TempDir()
	shut := map[string]error{}
	open := func(path string) error { return shut[path] }
	add := func(name string, err error) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		shut[path] = err
		return path
	}
	first := add("gpiochip0", nil)
	second := add("gpiochip1", fs.ErrPermission)
	w := newWatch(dir+"/gpiochip*", open)
	if got := w.Late(); got != "" {
		t.Errorf("nothing has changed, and %s is late", got)
	}
	shut[first] = errors.New("gone")
	shut[first] = nil
	if got := w.Late(); got != "" {
		t.Errorf("%s was there from the beginning", got)
	}
	third := add("gpiochip2", fs.ErrPermission)
	if got := w.Late(); got != "" {
		t.Errorf("%s cannot be opened yet", got)
	}
	shut[third] = nil
	if got := w.Late(); got != third {
		t.Errorf("late is %q, want %s", got, third)
	}
	shut[second], shut[third] = nil, errors.New("gone")
	if got := w.Late(); got != second {
		t.Errorf("late is %q, want %s", got, second)
	}
	// The process that replaces this one finds all of them: it must not be replaced again.
	shut[third] = nil
	if got := newWatch(dir+"/gpiochip*", open).Late(); got != "" {
		t.Errorf("a new process would end for %s", got)
	}
}

func TestPermissionIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/gpiochip0", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		err  func(since time.Duration) error
		want time.Duration
	}{
		{"there at once", func(time.Duration) error { return nil }, 0},
		{"given after a second", func(d time.Duration) error {
			if d < time.Second {
				return fs.ErrPermission
			}
			return nil
		}, time.Second},
		{"never", func(time.Duration) error { return fs.ErrPermission }, 3 * time.Second},
		{"another fault is not waited for", func(time.Duration) error { return errors.New("busy") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				await(context.Background(), 3*time.Second, dir+"/gpiochip*", func(string) error { return tt.err(time.Since(begin)) })
				if got := time.Since(begin); got != tt.want {
					t.Errorf("waited %v, want %v", got, tt.want)
				}
			})
		})
	}
	await(context.Background(), time.Minute, dir+"/none*", nil) // a machine without chips
}
