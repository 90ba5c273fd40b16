package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/mqtt"
	"intercomd/station"
	"intercomd/update/slot"
	"intercomd/words"
)

// nameOf is the number by which other systems know a door: that of its board, else one that is kept
// with its state, else the name of the machine.
func nameOf(cfg *configs.Config, d *door.Door) string {
	host, _ := os.Hostname()
	return cmp.Or(serialOf(cfg, boardSerial), strings.TrimPrefix(d.Instance(), "urn:uuid:"), host, "door")
}

// tellBroker tells the broker of the configuration what happens, until ctx ends.
func tellBroker(ctx context.Context, cfg *configs.Config, d *door.Door, log *slog.Logger) {
	if cfg.MQTT.Server == "" {
		return
	}
	c, err := brokerConfig(cfg, nameOf(cfg, d))
	if err == nil {
		c.Log = log
		if slot.OnCard() {
			c.Updates = cardUpdates(updatePage{agentClient(updateSocket)})
		}
		err = mqtt.Run(ctx, d.Station(), c)
	}
	if err != nil {
		log.Error("no MQTT broker is told anything", "error", err)
		d.Station().SetFault(station.Fault{Key: "mqtt", Blinks: station.FaultUntold, Message: words.Because(words.New("mqtt-unusable"), err)})
	}
}

// brokerConfig reads the files again that the configuration names: they have been judged.
func brokerConfig(cfg *configs.Config, serial string) (mqtt.Config, error) {
	m := cfg.MQTT
	c := mqtt.Config{Server: m.Server, User: m.User, Password: string(m.Password), Topic: m.Topic, Serial: serial, Discovery: m.Discovery,
		Language: words.In(m.Language), Page: pageAddress(cfg), Relay: cfg.Door.Relay, Commands: m.Commands}
	var err error
	if m.CAFile != "" {
		if c.RootCAs, err = configs.CertPool(m.CAFile); err != nil {
			return c, err
		}
	}
	if m.CertFile != "" {
		pair, err := configs.KeyPair(m.CertFile, m.KeyFile)
		if err != nil {
			return c, err
		}
		c.Certificate = &pair
	}
	return c, nil
}

// pageAddress is where people find the page from elsewhere; "" where they cannot.
func pageAddress(cfg *configs.Config) string {
	host, port, err := net.SplitHostPort(cfg.Web.Listen)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		name, err := os.Hostname()
		if err != nil {
			return ""
		}
		host = strings.TrimSuffix(name, ".local") + ".local"
	} else if err == nil && ip.IsLoopback() || host == "localhost" {
		return ""
	}
	return "https://" + net.JoinHostPort(host, port)
}

// cardUpdates asks the update agent of a card.
func cardUpdates(page updatePage) func(context.Context) (mqtt.Update, error) {
	return func(ctx context.Context) (mqtt.Update, error) {
		st, err := page.Status(ctx)
		busy := st.Stage == "wanted" || st.Stage == "installing"
		u := mqtt.Update{Installed: st.Running, Latest: st.Running, Busy: busy}
		if busy && st.Version != "" {
			u.Latest, u.Percent = st.Version, st.Percent
		}
		return u, err
	}
}
