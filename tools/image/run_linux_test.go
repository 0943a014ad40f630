package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is how long a condition may take to come true.
const limit = 60 * time.Second

// TestRun runs what is in the image as a container runtime would: as user 65532 and
// process 1, without a network, and with no file but the image's and two volumes.
func TestRun(t *testing.T) {
	t.Parallel()
	c := newContainer(t)

	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "\n  tagproc [command]\n"},
		{[]string{"version"}, "tagproc v1.2.3 (" + pinned(t) + ", linux/" + runtime.GOARCH + ")\n"},
		{[]string{"validate", "/etc/tagproc/rules/rules.yaml"}, "rules.yaml"},
	} {
		cmd, text := c.command(tt.args...)
		c.start(cmd)
		if err := cmd.Wait(); err != nil || !strings.Contains(text.String(), tt.want) {
			t.Errorf("tagproc %s: %v, and %q, want %q", strings.Join(tt.args, " "), err, text, tt.want)
		}
	}

	cmd, text := c.command("serve", "--rules=/etc/tagproc/rules/rules.yaml",
		"--listen=unix:///run/tagproc/tagproc.sock", "--admin=unix:///run/tagproc/admin.sock")
	c.start(cmd)
	var err error // which Wait returns
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	defer func() {
		_ = cmd.Process.Kill() // unless it has ended
		<-ended
	}()
	for deadline := time.Now().Add(limit); c.readyz() != http.StatusOK; time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("tagproc serve ended: %v\n%s", err, text)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz = %d after %v, want 200", c.readyz(), limit)
		}
	}
	if got, want := effectiveUser(t, cmd.Process.Pid), strconv.Itoa(c.uid); got != want {
		t.Errorf("it runs as user %s of this machine, want %s", got, want)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		if err != nil {
			t.Errorf("tagproc serve after SIGTERM: %v, want exit code 0\n%s", err, text)
		}
	case <-time.After(limit):
		t.Fatalf("tagproc serve still runs %v after SIGTERM", limit)
	}
}

// A container is tagproc's image of this architecture, unpacked.
type container struct {
	t   *testing.T
	dir string
	uid int // of this machine; inside it is the image's
}

func newContainer(t *testing.T) *container {
	t.Helper()
	i := slices.Index(architectures, runtime.GOARCH)
	if i < 0 {
		t.Fatalf("there is no image for this machine's architecture, %s", runtime.GOARCH)
	}
	c := &container{t, t.TempDir(), os.Getuid()}
	if c.uid == 0 {
		c.uid = 65532 // who may do here what others may: the image's files are root's
	}
	unpack(t, tagproc(t)[i], c.dir)
	rules, err := os.ReadFile(filepath.Join(root, "deploy", "envoy", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	volume, socket := filepath.Join(c.dir, "etc", "tagproc", "rules"), filepath.Join(c.dir, "run", "tagproc")
	for _, err := range []error{
		os.MkdirAll(volume, 0o755),
		os.WriteFile(filepath.Join(volume, "rules.yaml"), rules, 0o644),
		os.MkdirAll(socket, 0o755),
		os.Chmod(socket, 0o777), // an emptyDir is everybody's
		os.Chmod(c.dir, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// command returns the image's entry point with arguments, in namespaces of its own,
// and what it will write.
func (c *container) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(c.t.Context(), "/tagproc", args...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/bin", "HOME=/"}
	ids := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 65532, HostID: id, Size: 1}}
	}
	gid := os.Getgid()
	if os.Getuid() == 0 {
		gid = c.uid
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:      c.dir,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: ids(c.uid),
		GidMappings: ids(gid),
		Credential:  &syscall.Credential{Uid: 65532, Gid: 65532, NoSetGroups: true},
	}
	return cmd, &text
}

// start starts a command of the container.
func (c *container) start(cmd *exec.Cmd) {
	c.t.Helper()
	if err := cmd.Start(); err != nil {
		hint := ""
		if errno, ok := errors.AsType[syscall.Errno](err); ok && slices.Contains([]syscall.Errno{syscall.EPERM, syscall.ENOSPC, syscall.EINVAL}, errno) {
			hint = ": the kernel lets this user make no namespaces; see user.max_user_namespaces, " +
				"kernel.apparmor_restrict_unprivileged_userns and, in a container, its seccomp profile"
		}
		c.t.Fatalf("%v%s", err, hint)
	}
}

// readyz returns the status that the container's admin API answers, or 0.
func (c *container) readyz() int {
	client := http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(c.dir, "run", "tagproc", "admin.sock"))
		},
	}}
	response, err := client.Get("http://admin/readyz")
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// effectiveUser returns the effective user of a process, as this machine numbers it.
func effectiveUser(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "Uid:" {
			return fields[2]
		}
	}
	t.Fatalf("/proc/%d/status has no line Uid", pid)
	return ""
}
