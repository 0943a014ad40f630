package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// unixScheme marks the address of a Unix socket, as in gRPC's names.
const unixScheme = "unix://"

// listen opens a listener on HOST:PORT or unix:///PATH.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var l net.Listener
	path, isUnix := strings.CutPrefix(address, unixScheme)
	_, _, notTCP := net.SplitHostPort(address)
	var err error
	switch {
	case isUnix && !filepath.IsAbs(path):
		err = fmt.Errorf("the path of a socket is absolute: %s/PATH", unixScheme)
	case isUnix:
		l, err = listenUnix(ctx, path)
	case notTCP != nil:
		err = fmt.Errorf("expected HOST:PORT or %s/PATH", unixScheme)
	default:
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
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

// listenUnix opens a Unix socket. A socket that nobody listens on, as a crash
// leaves it, is replaced; anything else at its path is left alone.
//
// Who holds the lock of the file PATH.lock owns the path: of two that start at
// once one is refused, and one that ends does not remove the socket of another.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	lock := flock.New(path + ".lock")
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, err
	case !locked:
		return nil, errSocketInUse
	}
	l, err := replaceSocket(ctx, path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &lockedListener{l, lock}, nil
}

var errSocketInUse = errors.New("the socket is in use; is another tagproc running?")

// replaceSocket opens a Unix socket in the place of one that nobody listens on.
func replaceSocket(ctx context.Context, path string) (net.Listener, error) {
	config := new(net.ListenConfig)
	l, err := config.Listen(ctx, "unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return nil, errors.New("there is a file, which is not a socket; remove it or choose another path")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil { // by somebody who takes no lock
		conn.Close()
		return nil, errSocketInUse
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("the socket is there, and whether it is in use is not known: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return config.Listen(ctx, "unix", path)
}

// A lockedListener holds the lock of its path until it is closed. The file of
// the lock stays: removing it would let two have a lock each.
type lockedListener struct {
	net.Listener

	lock *flock.Flock
}

func (l *lockedListener) Close() error {
	return errors.Join(l.Listener.Close(), l.lock.Close())
}
