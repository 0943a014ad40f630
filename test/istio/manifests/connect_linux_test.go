package manifests

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// connectAs connects to a Unix socket with the rights of a user and a group, which
// takes root.
func connectAs(uid, gid uint32, socket string) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		_ = unix.Setfsgid(int(gid))
		_ = unix.Setfsuid(int(uid))
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
			_ = unix.Close(fd)
		}
		done <- err
	}()
	return <-done
}
