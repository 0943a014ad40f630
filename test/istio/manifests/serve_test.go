package manifests

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
)

// TestServes starts tagproc with the arguments of each form, its paths and addresses
// moved into a directory of the test, and asks what the kubelet asks.
func TestServes(t *testing.T) {
	t.Parallel()
	for form := range deployments {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			p := pod(t, form)
			c := container(t, p, "tagproc")
			s := start(t, p, c, get[*corev1.ConfigMap](t, build(t, form), "ConfigMap/tagproc-rules"))
			for kind, probe := range probes(c) {
				s.await(t, kind, probe, "")
			}
			if form == sidecar {
				envoys := injected(t, get[*appsv1.Deployment](t, build(t, form), deployments[form]), nil)
				s.checkSocket(t, container(t, envoys, "istio-proxy").SecurityContext)
			}

			s.terminate(t)
			if c.ReadinessProbe != nil {
				s.await(t, "readiness", c.ReadinessProbe, "503 Service Unavailable")
				s.await(t, "liveness", c.LivenessProbe, "")
				s.terminate(t) // not to wait for --drain-delay
			}
			select {
			case <-s.ended:
			case <-time.After(limit):
				t.Error("tagproc has not ended")
			}
		})
	}
}

// A server is a tagproc that runs.
type server struct {
	process *os.Process
	ended   <-chan struct{}
	admin   program.Admin
	socket  string // where it answers Envoy; "": over TCP
}

// start starts tagproc as a container does, until the test ends: with its arguments
// and environment, and where the test is root, as its user.
func start(t *testing.T, pod *corev1.PodTemplateSpec, c *corev1.Container, rules *corev1.ConfigMap) *server {
	t.Helper()
	dir := sharedDir(t)
	for name, text := range rules.Data {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{admin: program.Admin(filepath.Join(dir, "admin.sock"))}
	cmd := exec.Command(tagproc)
	for _, arg := range c.Args {
		switch name, value, _ := strings.Cut(arg, "="); {
		case name == "--rules":
			arg = name + "=" + filepath.Join(dir, path.Base(value))
		case name == "--listen" && strings.HasPrefix(value, "unix://"):
			s.socket = filepath.Join(dir, path.Base(value))
			arg = name + "=unix://" + s.socket
		case name == "--listen":
			arg = name + "=127.0.0.1:0"
		case name == "--admin":
			arg = name + "=unix://" + string(s.admin)
		}
		cmd.Args = append(cmd.Args, arg)
	}
	cmd.Env = os.Environ()
	for _, e := range c.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	if os.Geteuid() == 0 {
		uid, gid := user(pod, c)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}

	log := &transcript.Transcript{}
	cmd.Stdout, cmd.Stderr = log, log
	var err error
	if s.ended, err = child.Start(cmd, nil); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	t.Cleanup(func() {
		if err := s.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-s.ended
		if t.Failed() || strings.Contains(log.String(), "DATA RACE") {
			t.Errorf("the log of tagproc:\n%s", log)
		}
	})
	return s
}

// sharedDir returns a directory with a short path, for sockets, that every user may
// write to, as an emptyDir.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tagproc-") //nolint:usetesting // the path of a socket has at most 107 bytes, and other users have to reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// user returns whom a container runs as.
func user(pod *corev1.PodTemplateSpec, c *corev1.Container) (uid, gid uint32) {
	of := c.SecurityContext
	if of.RunAsUser != nil {
		return uint32(*of.RunAsUser), uint32(*of.RunAsGroup)
	}
	return uint32(*pod.Spec.SecurityContext.RunAsUser), uint32(*pod.Spec.SecurityContext.RunAsGroup)
}

// await waits until a probe fails with an error, or with "" succeeds.
func (s *server) await(t *testing.T, kind string, probe *corev1.Probe, want string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		got := ""
		if _, err := s.admin.Get(probe.HTTPGet.Path); err != nil {
			got = err.Error()
		}
		if got == want {
			return
		}
		select {
		case <-s.ended:
			t.Fatalf("tagproc ended before its %s probe was %q", kind, want)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the %s probe, of %s, is %q, want %q", kind, probe.HTTPGet.Path, got, want)
		}
	}
}

func (s *server) terminate(t *testing.T) {
	t.Helper()
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// checkSocket checks that Envoy may connect to the socket, and others may not.
func (s *server) checkSocket(t *testing.T, envoy *corev1.SecurityContext) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("not root: whether istio-proxy may connect to the socket is not tried")
		return
	}
	if err := connectAs(uint32(*envoy.RunAsUser), uint32(*envoy.RunAsGroup), s.socket); err != nil {
		t.Errorf("istio-proxy cannot connect to the socket: %v", err)
	}
	if err := connectAs(65533, 65533, s.socket); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user connects to the socket: %v, want that it may not", err)
	}
}
