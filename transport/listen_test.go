package transport

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := listen(t, "127.0.0.1:0", ListenOptions{})
	defer taken.Close()
	for _, tt := range []struct{ address, want string }{
		{"nowhere", "expected HOST:PORT or unix:///PATH"},
		{"unix://t.sock", "the path is not absolute"},
		{UnixScheme + filepath.Join(dir, "gone", "t.sock"), "gone does not exist; create it"},
		{UnixScheme + file, "the path has a file that is not a socket"},
		{taken.Addr().String(), "another process listens there, or this one through another of its addresses"},
		{"unix:/tmp/t.sock", "write unix:///tmp/t.sock"},
		{UnixScheme + filepath.Join(dir, strings.Repeat("long", 50)), "the path has more than"},
		{"192.0.2.1:0", "this host does not have that address"},
	} {
		l, err := Listen(t.Context(), tt.address, ListenOptions{})
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Listen(%q) = %v, want an error with %q", tt.address, err, tt.want)
		}
	}
}

// TestExplain checks what is said of what the system answers to users without
// rights, whoever runs the tests.
func TestExplain(t *testing.T) {
	t.Parallel()
	denied := func(op, path string) error { return &fs.PathError{Op: op, Path: path, Err: syscall.EACCES} }
	for _, tt := range []struct {
		err  error
		path string
		want string
	}{
		{&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}, "", "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE"},
		{denied("open", "/run/t.sock.lock"), "/run/t.sock", "open /run/t.sock.lock: permission denied: let tagproc's user"},
		{&fs.PathError{Op: "open", Path: "/t.sock.lock", Err: syscall.EROFS}, "/t.sock", " write to the directory /: the socket and its lock go there"},
		{os.ErrClosed, "/t.sock", os.ErrClosed.Error()},
	} {
		if got := explain(tt.err, tt.path, tt.path != ""); !strings.Contains(got.Error(), tt.want) {
			t.Errorf("explain(%v) = %q, want %q in it", tt.err, got, tt.want)
		}
	}
}

// TestLongestSocketPath checks that a path of the most bytes is taken.
func TestLongestSocketPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listen(t, UnixScheme+dir+"/"+strings.Repeat("s", longestSocketPath-len(dir)-1), ListenOptions{}).Close()
}

// TestOneOwnerOfASocket checks that of many that start at once over a stale socket
// one gets it.
func TestOneOwnerOfASocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.sock")
	for range 20 {
		stale, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		stale.(*net.UnixListener).SetUnlinkOnClose(false)
		stale.Close()

		listeners := make(chan net.Listener, 4)
		var starts sync.WaitGroup
		for range cap(listeners) {
			starts.Go(func() {
				if l, err := Listen(t.Context(), UnixScheme+path, ListenOptions{}); err == nil {
					listeners <- l
				}
			})
		}
		starts.Wait()
		close(listeners)
		if len(listeners) != 1 {
			t.Errorf("%d listen on one socket, want 1", len(listeners))
		}
		for l := range listeners {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestSocketMode checks that a socket has the rights that it was told to have,
// whatever the umask, and at no time more. The umask is that of the process: the
// test does not run in parallel.
func TestSocketMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.sock")
	listen(t, UnixScheme+path, ListenOptions{}).Close() // makes the file of the lock, for which the umask holds too
	for _, umask := range []int{0, 0o022, 0o777} {
		for mode, want := range map[fs.FileMode]fs.FileMode{0: DefaultSocketMode, 0o600: 0o600, 0o666: 0o666} {
			t.Run(fmt.Sprintf("umask %03o mode %03o", umask, mode), func(t *testing.T) {
				old := syscall.Umask(umask)
				t.Cleanup(func() { syscall.Umask(old) })
				for range 50 {
					opened := make(chan struct{})
					var watch sync.WaitGroup
					watch.Go(func() {
						for {
							select {
							case <-opened:
								return
							default:
							}
							if info, err := os.Lstat(path); err == nil && info.Mode().Perm()&^want != 0 {
								t.Errorf("for a moment the rights are %v, want no more than %v", info.Mode().Perm(), want)
								return
							}
						}
					})
					l := listen(t, UnixScheme+path, ListenOptions{SocketMode: mode})
					close(opened)
					watch.Wait()
					info, err := os.Lstat(path)
					if err != nil {
						t.Fatal(err)
					}
					if got := info.Mode().Perm(); got != want {
						t.Errorf("the rights are %v, want %v", got, want)
					}
					l.Close()
				}
			})
		}
	}
}
