package web

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// ListenError says why the page cannot be served and what to do about it.
type ListenError struct {
	Addr   string // as configured
	Remedy string // a sentence for whoever edits the configuration
	Err    error
}

// Error names the address, the cause and the remedy.
func (e *ListenError) Error() string {
	return "web: cannot serve the status page on " + quoted(e.Addr) + ": " + e.Err.Error() + "; " + e.Remedy
}

// Unwrap gives the cause, such as syscall.EADDRINUSE.
func (e *ListenError) Unwrap() error { return e.Err }

// Reasons to refuse an address before asking the kernel.
var (
	errSyntax = errors.New("this is not address:port")
	errOpen   = errors.New("this address can be reached from the network")
)

// listen opens addr after making sure that nobody but this machine can reach it.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	if err := checkLoopback(addr); err != nil {
		return nil, &ListenError{Addr: addr, Remedy: remedy(err), Err: err}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, &ListenError{Addr: addr, Remedy: remedy(err), Err: cause(err)}
	}
	return ln, nil
}

// checkLoopback accepts localhost and loopback addresses. The page has no
// password, so it must not be open to the network.
func checkLoopback(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return errSyntax
	}
	if strings.EqualFold(host, "localhost") {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return errOpen
}

func remedy(err error) string {
	switch {
	case errors.Is(err, errSyntax):
		return "write it as address:port, such as 127.0.0.1:8080"
	case errors.Is(err, errOpen):
		return "the page has no password and serves this machine only: use 127.0.0.1:8080, and " +
			"from elsewhere an SSH tunnel (ssh -L 8080:127.0.0.1:8080 door)"
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program, perhaps a second intercomd, has this port: stop it or choose another port"
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 need a privilege that the daemon does not have: choose one from 1024 up"
	default:
		return "use 127.0.0.1:8080 or another loopback address with a free port"
	}
}

// cause strips what net puts around a system error: the address is in the
// ListenError already.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func quoted(addr string) string {
	if addr == "" {
		return `""`
	}
	return addr
}
