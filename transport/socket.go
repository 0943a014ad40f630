package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/gofrs/flock"
)

// listenUnix opens a Unix socket with the permissions of mode. It replaces a socket that
// nobody listens on, as a crash leaves it, and leaves alone anything else at its path.
//
// Whoever holds the lock of the file PATH.lock owns the path: if two start at once, one
// is refused, and one that ends does not remove the socket of another.
func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	// A link would lead the lock elsewhere, and opening a pipe waits for a writer.
	lock := flock.New(path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK))
	if info, err := os.Lstat(lock.Path()); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s, the lock of the socket, is not a regular file; remove it or choose another path", lock.Path())
	}
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, err
	case !locked:
		return nil, errSocketInUse
	}
	l, err := replaceSocket(ctx, path, mode)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &lockedListener{l, lock}, nil
}

var errSocketInUse = errors.New("the socket is in use; is another tagproc running?")

// replaceSocket opens a Unix socket in place of one that nobody listens on.
func replaceSocket(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	l, err := newSocket(ctx, path, mode)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return nil, errors.New("the path has a file that is not a socket; remove it or choose another path")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil { // by somebody who takes no lock
		conn.Close()
		return nil, errSocketInUse
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("the socket exists, and tagproc cannot tell whether it is in use: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return newSocket(ctx, path, mode)
}

// newSocket opens a Unix socket with the permissions of mode. It never has more: Linux
// gives the file the permissions that the socket has before it is bound, less the umask.
func newSocket(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, socket syscall.RawConn) error {
		return socket.Control(func(fd uintptr) {
			_ = syscall.Fchmod(int(fd), uint32(mode.Perm())) // refused by other systems; the Chmod below is for all
		})
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode.Perm()); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// A lockedListener holds the lock of its path until it is closed. The lock file stays: if
// it were removed, two processes could each hold a lock.
type lockedListener struct {
	net.Listener

	lock *flock.Flock
}

func (l *lockedListener) Close() error {
	return errors.Join(l.Listener.Close(), l.lock.Close())
}
