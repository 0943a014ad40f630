package isolate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tagproc/tagproc/internal/child"
)

// inside is set in the environment of a process that Run started.
const inside = "TAGPROC_TEST_ISOLATED"

// Isolated reports whether this process runs in namespaces of its own.
func Isolated() bool { return os.Getenv(inside) != "" }

// Run runs this program again, with the same arguments and with more in its
// environment, in user, network and mount namespaces of its own, and returns its
// exit code. It is root there, and ends with this process.
func Run(environment ...string) (int, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(append(os.Environ(), environment...), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	done, err := child.Start(cmd, nil)
	if err != nil {
		return 0, fmt.Errorf("couldn't start the tests in namespaces of their own: %w; "+
			"the kernel has to allow user namespaces: see /proc/sys/user/max_user_namespaces, "+
			"/proc/sys/kernel/unprivileged_userns_clone and /proc/sys/kernel/apparmor_restrict_unprivileged_userns, "+
			"or, in a container, run it with --privileged", err)
	}
	<-done
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 0, fmt.Errorf("the tests in namespaces of their own ended with %v", cmd.ProcessState)
}

// Tests are a package's tests, for program.Run of a process that cannot run them itself.
// The environment is asked for when they are run.
type Tests func() (environment []string)

// Run runs this program again, as the function Run does, and returns its exit code.
func (environment Tests) Run() int {
	code, err := Run(environment()...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Prepare makes an isolated process's machine ready: the loopback up, an empty /run,
// and mounts that nobody else sees.
func Prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("couldn't make the mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("couldn't mount an empty /run: %w", err)
	}
	if err := setUp("lo"); err != nil {
		return fmt.Errorf("couldn't bring the loopback up: %w", err)
	}
	return nil
}

// setUp brings a network interface up.
func setUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
	}
	return errors.Join(err, unix.Close(fd))
}
