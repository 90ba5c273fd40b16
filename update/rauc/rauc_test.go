package rauc

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"go.uber.org/goleak"

	"intercomd/update"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bus starts a bus of the test's own.
func bus(t *testing.T) (connect func(context.Context) (*dbus.Conn, error)) {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon; make test-image has RAUC itself")
	}
	cmd := exec.CommandContext(t.Context(), daemon, "--session", "--nofork", "--print-address", "--address=unix:dir="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the bus has no address")
	}
	address := strings.TrimSpace(lines.Text())
	return func(ctx context.Context) (*dbus.Conn, error) { return dbus.Connect(address, dbus.WithContext(ctx)) }
}

// fake is RAUC for one installation.
type fake struct {
	conn  *dbus.Conn
	does  func(f *fake) // after InstallBundle has been answered
	asked chan string   // what was asked for, and the hash that it must have
	error string        // LastError
}

func (f *fake) InstallBundle(source string, args map[string]dbus.Variant) *dbus.Error {
	if f.does == nil {
		return dbus.MakeFailedError(errors.New("already processing a different method"))
	}
	hash, _ := args["require-manifest-hash"].Value().(string)
	f.asked <- source + " " + hash
	go f.does(f)
	return nil
}

func (f *fake) InspectBundle(string, map[string]dbus.Variant) (map[string]dbus.Variant, *dbus.Error) {
	return map[string]dbus.Variant{
		"manifest-hash": dbus.MakeVariant("71118774"),
		"update":        dbus.MakeVariant(map[string]dbus.Variant{"version": dbus.MakeVariant("1.2.3"), "compatible": dbus.MakeVariant("intercom-arm64")}),
	}, nil
}

// Get is that of org.freedesktop.DBus.Properties.
func (f *fake) Get(string, string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant(f.error), nil
}

func (f *fake) progress(percent int32, step string) {
	_ = f.conn.Emit("/", "org.freedesktop.DBus.Properties.PropertiesChanged", installer,
		map[string]dbus.Variant{"Progress": dbus.MakeVariant(struct {
			P int32
			S string
			D int32
		}{percent, step, 1})}, []string{})
}

func serve(t *testing.T, f *fake) Client {
	t.Helper()
	connect := bus(t)
	conn, err := connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f.conn = conn
	if _, err := conn.RequestName(service, 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{installer, "org.freedesktop.DBus.Properties"} {
		if err := conn.Export(f, "/", name); err != nil {
			t.Fatal(err)
		}
	}
	return Client{Bus: connect}
}

func TestInstall(t *testing.T) {
	for name, c := range map[string]struct {
		does func(*fake)
		last string
		want string // of the error
	}{
		"good": {does: func(f *fake) {
			f.progress(20, "Checking bundle")
			f.progress(100, "Installing done.")
			_ = f.conn.Emit("/", installer+".Completed", int32(0))
		}},
		"refused": {last: "signature verification failed", want: "signature verification failed", does: func(f *fake) {
			f.progress(20, "Checking bundle")
			_ = f.conn.Emit("/", installer+".Completed", int32(1))
		}},
		"dies":      {want: "in the middle", does: func(f *fake) { f.progress(20, "Checking bundle"); _, _ = f.conn.ReleaseName(service) }},
		"is at one": {want: "different method"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{does: c.does, error: c.last, asked: make(chan string, 1)}
			var told []update.Progress
			err := serve(t, f).Install(t.Context(), update.Bundle{Source: "https://x/y", Hash: "abc"}, func(p update.Progress) { told = append(told, p) })
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.does != nil && (len(told) == 0 || told[0] != update.Progress{Percent: 20, Step: "Checking bundle"}) {
				t.Errorf("told %v", told)
			}
			if c.does == nil {
				return
			}
			if got := <-f.asked; got != "https://x/y abc" {
				t.Errorf("asked for %s", got)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	got, err := serve(t, &fake{}).Inspect(t.Context(), "x")
	if want := (update.Info{Version: "1.2.3", Compatible: "intercom-arm64", Hash: "71118774"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever comes over the bus is no reason to stop listening, or to fall.
func TestOddSignals(t *testing.T) {
	for _, s := range []*dbus.Signal{
		{}, {Name: "org.freedesktop.DBus.Properties.PropertiesChanged"}, {Name: "org.freedesktop.DBus.Properties.PropertiesChanged", Body: []any{1, 2}},
		{Name: "org.freedesktop.DBus.NameOwnerChanged", Body: []any{service, "", ":1.2"}}, {Name: "org.freedesktop.DBus.NameOwnerChanged", Body: []any{1}},
		{Name: "org.freedesktop.DBus.Properties.PropertiesChanged", Body: []any{installer, map[string]dbus.Variant{"Progress": dbus.MakeVariant([]any{"x"})}}},
	} {
		if over, err := heard(s, func(update.Progress) { t.Error("told") }); over || err != nil {
			t.Errorf("%+v: %t, %v", s, over, err)
		}
	}
	if over, err := heard(&dbus.Signal{Name: installer + ".Completed", Body: []any{"x"}}, nil); !over || err == nil {
		t.Error("an end that cannot be read is taken for a good one")
	}
}
