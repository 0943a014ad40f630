package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
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
	SocketMode fs.FileMode // permissions of a Unix socket, at most 0777; 0 means DefaultSocketMode
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
		err = fmt.Errorf("the path is not absolute: write %s/PATH", UnixScheme)
	case isUnix && len(path) > longestSocketPath:
		err = fmt.Errorf("the path has more than %d bytes, the most for a socket: it has %d; choose a shorter one", longestSocketPath, len(path))
	case !isUnix && strings.HasPrefix(address, "unix:"):
		err = fmt.Errorf("write %s/%s", UnixScheme, strings.TrimLeft(strings.TrimPrefix(address, "unix:"), "/"))
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
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, explain(err, path, isUnix))
	}
	return l, nil
}

// longestSocketPath is the most bytes of a path that fit into the system's address of a
// socket: 107 on Linux.
const longestSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// explain adds to an error of the system what to do. The path is that of a Unix socket.
func explain(err error, path string, isUnix bool) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("another process listens there, or this one through another of its addresses; choose another port, or end that process")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this host does not have that address; 0.0.0.0 means all its addresses, 127.0.0.1 only itself", err)
	case !isUnix && errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: ports below 1024 need CAP_NET_BIND_SERVICE; choose one from 1024 on", err)
	case isUnix && errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist; create it or choose another path", filepath.Dir(path))
	case isUnix && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)):
		return fmt.Errorf("%w: let tagproc's user %d write to the directory %s: the socket and its lock go there",
			err, os.Geteuid(), filepath.Dir(path))
	}
	return err
}
