package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/mdns"
)

// letBeFound announces the door in its network until ctx ends, if its page is served there.
func letBeFound(ctx context.Context, cfg *configs.Config, d *door.Door, log *slog.Logger) {
	port := networkPort(cfg.Web.Listen)
	host, err := os.Hostname()
	if !cfg.Web.Announce || port == 0 || err != nil {
		return
	}
	host, _, _ = strings.Cut(host, ".")
	mdns.Run(ctx, d.Station(), mdns.Config{Host: host, Serial: nameOf(cfg, d), Port: port, Log: log})
}

// networkPort is the port at which an address is open to the network; 0 where it is not.
func networkPort(listen string) int {
	host, port, err := net.SplitHostPort(listen)
	ip, ierr := netip.ParseAddr(host)
	if err != nil || strings.EqualFold(host, "localhost") || ierr == nil && ip.IsLoopback() {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}
