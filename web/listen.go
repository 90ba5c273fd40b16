package web

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"intercomd/words"
)

// ListenError says why the page cannot be served and, by its code, what to do about it.
type ListenError struct {
	words.Message
	Err error
}

// Error names the address, the cause and the remedy.
func (e *ListenError) Error() string {
	return "web: cannot serve the status page: " + e.String() + "; " + e.Remedy()
}

// Unwrap gives the cause, such as syscall.EADDRINUSE.
func (e *ListenError) Unwrap() error { return e.Err }

// Reasons to refuse an address before asking the kernel.
var (
	errSyntax = errors.New("this is not address:port")
	errOpen   = errors.New("this address can be reached from the network")
)

// listen opens addr. Unless it is guarded nobody but this machine may reach it: an address of the
// network becomes that of loopback, and what the kernel has opened is judged, not its name.
func listen(ctx context.Context, addr string, guarded bool) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return nil, &ListenError{listenProblem(addr, errSyntax), errSyntax}
	}
	at := addr
	if ip, err := netip.ParseAddr(host); !guarded && (host == "" || err == nil && !ip.Unmap().IsLoopback()) {
		at = net.JoinHostPort("127.0.0.1", port)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", at)
	if err != nil {
		return nil, &ListenError{listenProblem(addr, err), cause(err)}
	}
	if !guarded && !loopback(ln) {
		_ = ln.Close()
		return nil, &ListenError{listenProblem(addr, errOpen), errOpen}
	}
	return ln, nil
}

// loopback says whether only this machine can reach a port.
func loopback(ln net.Listener) bool {
	at, err := netip.ParseAddrPort(ln.Addr().String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// listenProblem is why an address cannot be listened on.
func listenProblem(addr string, err error) words.Message {
	code := "listen-failed"
	switch {
	case errors.Is(err, errSyntax):
		code = "listen-syntax"
	case errors.Is(err, errOpen):
		code = "listen-open"
	case errors.Is(err, syscall.EADDRINUSE):
		code = "listen-in-use"
	case noDescriptors(err):
		code = "listen-no-descriptors"
	case errors.Is(err, syscall.EACCES):
		code = "listen-forbidden"
	}
	return words.New(code, "address", quoted(addr), "detail", cause(err).Error())
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
