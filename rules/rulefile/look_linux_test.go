package rulefile

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tagproc/tagproc/rules"
)

func TestReadPipe(t *testing.T) {
	t.Parallel()
	const want = "is a pipe, which can be read only once: name a regular file [unreadable]"
	p := place{t, t.TempDir()}
	p.must(syscall.Mkfifo(p.file(), 0o644))
	t.Run("nobody writes", func(t *testing.T) { checkUnreadable(t, p.file(), want) })

	f, err := os.OpenFile(p.file(), os.O_RDWR, 0)
	p.must(err)
	defer f.Close()
	t.Run("a silent writer", func(t *testing.T) { checkUnreadable(t, p.file(), want) })
}

func TestReadDevice(t *testing.T) {
	t.Parallel()
	checkUnreadable(t, os.DevNull, "is not a regular file: name one [unreadable]")
}

// TestReadFailsHalfway reads the memory of a process: its first page is not mapped, so that
// reading fails.
func TestReadFailsHalfway(t *testing.T) {
	t.Parallel()
	checkUnreadable(t, "/proc/self/mem",
		"cannot be read: input/output error: check the path and the volume that holds the file [unreadable]")
}

func TestReadPermission(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	p.write(tagging("v1"))
	p.must(os.Chmod(p.file(), 0))
	var l Load
	unprivileged(func() { l = Read(p.file(), rules.Options{}) })
	if len(l.Problems) != 1 {
		t.Fatalf("Read = %s, %v, want one problem", state(l), l.Problems)
	}
	want := "permission denied: let tagproc's user " + strconv.Itoa(os.Geteuid()) +
		" read the file and enter the directories above it"
	if got := l.Problems[0].Message; got != want {
		t.Errorf("Read says %q, want %q", got, want)
	}
}

// unprivileged calls f on a thread for which file permissions count, even where
// the tests run as root.
func unprivileged(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			mindPermissions()
		}
		f()
	}()
	<-done
}

// mindPermissions takes from the calling thread the right to read all files.
func mindPermissions() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		panic(err)
	}
	sets[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &sets[0]); err != nil {
		panic(err)
	}
}

// TestPollPermission checks that rules that may not be read are a failure like any other,
// and that the same rules come back once they may be read.
func TestPollPermission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := place{t, dir}
		p.write(tagging("v1"))
		var a applied
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w := pollOnly(p)
			w.lookAt = func(path string) (s snapshot) {
				unprivileged(func() { s = look(path) })
				return s
			}
			w.Run(ctx, Load{}, a.apply)
		}()
		time.Sleep(10 * time.Second)
		p.must(os.Chmod(p.file(), 0))
		time.Sleep(10 * time.Second)
		p.must(os.Chmod(p.file(), 0o644))
		time.Sleep(10 * time.Second)
		cancel()
		<-done
		if diff := cmp.Diff([]string{"v1", "unreadable", "v1"}, a.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}
