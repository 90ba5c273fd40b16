// Package rauc asks RAUC, by D-Bus, to install bundles. RAUC checks signatures, streams what
// lies on a server, and writes; this package only asks and listens. It starts no program.
//
// The interface is de.pengutronix.rauc.Installer of RAUC 1.15.
package rauc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"intercomd/update"
	"intercomd/words"
)

const (
	service   = "de.pengutronix.rauc"
	installer = service + ".Installer"
)

// Client is RAUC. It is an [update.Installer] and safe for use by several goroutines.
type Client struct {
	// Bus connects to the bus that RAUC is on, with a connection that the caller closes;
	// nil is the system's.
	Bus func(ctx context.Context) (*dbus.Conn, error)
	// CA is a file with the authorities of servers with bundles, instead of those of the system.
	CA string
}

func (c Client) connect(ctx context.Context) (*dbus.Conn, dbus.BusObject, error) {
	bus := c.Bus
	if bus == nil {
		bus = func(ctx context.Context) (*dbus.Conn, error) { return dbus.ConnectSystemBus(dbus.WithContext(ctx)) }
	}
	conn, err := bus(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("asking RAUC: %w", err)
	}
	return conn, conn.Object(service, "/"), nil
}

// Inspect reads what a bundle is, after its signature.
func (c Client) Inspect(ctx context.Context, source string) (update.Info, error) {
	conn, object, err := c.connect(ctx)
	if err != nil {
		return update.Info{}, err
	}
	defer func() { _ = conn.Close() }()
	var info map[string]dbus.Variant
	if err := object.CallWithContext(ctx, installer+".InspectBundle", 0, source, c.access(source)).Store(&info); err != nil {
		return update.Info{}, fmt.Errorf("reading the bundle %s: %w", source, err)
	}
	return infoOf(info), nil
}

// access is how RAUC is to fetch a bundle.
func (c Client) access(source string) map[string]dbus.Variant {
	args := map[string]dbus.Variant{}
	if c.CA != "" && strings.HasPrefix(source, "https://") {
		args["tls-ca"] = dbus.MakeVariant(c.CA)
	}
	return args
}

// infoOf picks what is of interest from the answer of InspectBundle.
func infoOf(info map[string]dbus.Variant) (out update.Info) {
	out.Hash = text(info, "manifest-hash")
	about, _ := info["update"].Value().(map[string]dbus.Variant)
	out.Version, out.Compatible = text(about, "version"), text(about, "compatible")
	return out
}

func text(m map[string]dbus.Variant, key string) string {
	s, _ := m[key].Value().(string)
	return s
}

// Install returns when the bundle is in its slot. When ctx ends it returns at once, and RAUC
// goes on: it cannot be stopped.
func (c Client) Install(ctx context.Context, b update.Bundle, told func(update.Progress)) error {
	conn, object, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(service), dbus.WithMatchInterface(installer), dbus.WithMatchMember("Completed")},
		{dbus.WithMatchSender(service), dbus.WithMatchInterface("org.freedesktop.DBus.Properties"), dbus.WithMatchMember("PropertiesChanged")},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := conn.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("listening to RAUC: %w", err)
		}
	}
	args := c.access(b.Source)
	if b.Hash != "" {
		args["require-manifest-hash"] = dbus.MakeVariant(b.Hash)
	}
	if err := object.CallWithContext(ctx, installer+".InstallBundle", 0, b.Source, args).Err; err != nil {
		return fmt.Errorf("installing %s: %w", b.Source, err)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the caller's
		case s, ok := <-signals:
			if !ok {
				return errors.New("installing: the system bus is gone")
			}
			over, err := heard(s, told)
			if over && err == nil {
				return nil
			}
			if over {
				if v, perr := object.GetProperty(installer + ".LastError"); perr == nil {
					if why, _ := v.Value().(string); why != "" {
						return refusal(b.Source, why)
					}
				}
				return fmt.Errorf("installing %s: %w", b.Source, err)
			}
		}
	}
}

// refusal is why RAUC has not installed a bundle: in a code where its text can be told.
func refusal(source, text string) error {
	err := fmt.Errorf("installing %s: %s", source, text)
	code := "update-not-installed"
	switch lower := strings.ToLower(text); {
	case strings.Contains(lower, "signature"):
		code += "-signature"
	case strings.Contains(lower, "compatible"):
		code += "-board"
	case strings.Contains(lower, "no space left"):
		code = "update-no-room"
	}
	return &words.Error{Message: words.New(code, "detail", text), Err: err}
}

// heard takes one signal; over tells that the installation has ended.
func heard(s *dbus.Signal, told func(update.Progress)) (over bool, err error) {
	switch s.Name {
	case installer + ".Completed":
		var result int32
		if err := dbus.Store(s.Body, &result); err != nil {
			return true, fmt.Errorf("what RAUC says at the end: %w", err)
		}
		if result != 0 {
			return true, fmt.Errorf("RAUC ended with %d", result)
		}
		return true, nil
	case "org.freedesktop.DBus.NameOwnerChanged":
		if len(s.Body) == 3 && s.Body[1] != "" && s.Body[2] == "" {
			return true, &words.Error{Message: words.New("update-not-installed-ended"), Err: errors.New("RAUC ended in the middle of it")}
		}
	case "org.freedesktop.DBus.Properties.PropertiesChanged":
		if len(s.Body) < 2 {
			break
		}
		changed, _ := s.Body[1].(map[string]dbus.Variant)
		var (
			percent, depth int32
			step           string
		)
		if v, ok := changed["Progress"].Value().([]any); ok && dbus.Store(v, &percent, &step, &depth) == nil {
			told(update.Progress{Percent: int(percent), Step: step})
		}
	}
	return false, nil
}
