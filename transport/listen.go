package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"syscall"
)

// UnixScheme marks the address of a Unix socket, as in gRPC's names.
const UnixScheme = "unix://"

// DefaultSocketMode lets the owner of a Unix socket and its group connect.
const DefaultSocketMode fs.FileMode = 0o660

// ListenOptions are the settings of Listen.
type ListenOptions struct {
	SocketMode fs.FileMode // rights of a Unix socket, at most 0777; 0 means DefaultSocketMode
	TLS        *tls.Config // for TCP; nil: plain. A Unix socket is always plain: its mode says who may connect.
}

// Listen opens a listener on HOST:PORT or unix:///PATH. Its errors say what to do.
func Listen(ctx context.Context, address string, o ListenOptions) (net.Listener, error) {
	var l net.Listener
	path, isUnix := strings.CutPrefix(address, UnixScheme)
	_, _, notTCP := net.SplitHostPort(address)
	var err error
	switch {
	case isUnix && !filepath.IsAbs(path):
		err = fmt.Errorf("the path of a socket is absolute: %s/PATH", UnixScheme)
	case isUnix:
		l, err = listenUnix(ctx, path, cmp.Or(o.SocketMode, DefaultSocketMode))
	case notTCP != nil:
		err = fmt.Errorf("expected HOST:PORT or %s/PATH", UnixScheme)
	default:
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil && o.TLS != nil {
			l = tls.NewListener(l, o.TLS)
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		err = errors.New("another process listens there; choose another port, or end that process")
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("the directory %s does not exist; create it or choose another path", filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}
