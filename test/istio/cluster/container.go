package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tagproc/tagproc/internal/child"
	spec "github.com/tagproc/tagproc/internal/container"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/transcript"
)

// restartPause is before a container that has ended by itself is started again; a
// kubelet takes longer with every time.
const restartPause = time.Second

// A container is one of a pod: a process, started again when it ends by itself.
type container struct {
	pod     *pod
	spec    corev1.Container
	sidecar bool // starts before others and ends after them
	log     transcript.Transcript
	envoy   *envoy.Process // of a proxy

	stopping chan struct{}
	tasks    sync.WaitGroup // what keeps it running and asks its probe

	mu    sync.Mutex
	cmd   *exec.Cmd
	done  <-chan struct{} // of cmd
	held  bool            // not to be started again
	ready bool
}

func (c *container) name() string { return c.spec.Name }

func (c *container) isReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

func (c *container) setReady(ready bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = ready
}

// start returns when the container has started: when its startup probe says so, or
// when Envoy has its configuration.
func (c *container) start() error {
	c.stopping = make(chan struct{})
	file := filepath.Join(c.pod.dir, c.name()+".json")
	p, err := c.process()
	if err != nil {
		return err
	}
	if err := errors.Join(p.Write(file), os.MkdirAll(p.Root, 0o755)); err != nil {
		return err
	}
	if c.spec.Image == proxyImage {
		if err := c.startEnvoy(file); err != nil {
			return err
		}
		c.setReady(true)
		return nil
	}
	if err := c.launch(file); err != nil {
		return err
	}
	c.tasks.Go(func() { c.keep(file) })
	if err := c.startup(); err != nil {
		return err
	}
	if c.spec.ReadinessProbe == nil {
		c.setReady(true)
	} else {
		c.tasks.Go(c.probe)
	}
	return nil
}

// launch starts the process once.
func (c *container) launch(file string) error {
	cmd := exec.Command(filepath.Join(programs, "container"), file)
	cmd.Stdout, cmd.Stderr = &c.log, &c.log
	done, err := child.Start(cmd, nil)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cmd, c.done = cmd, done
	return nil
}

// keep starts the process again when it has ended by itself.
func (c *container) keep(file string) {
	for {
		c.mu.Lock()
		cmd, done := c.cmd, c.done
		c.mu.Unlock()
		select {
		case <-c.stopping:
			return
		case <-done:
		}
		_, _ = fmt.Fprintf(&c.log, "(ended: %v)\n", cmd.ProcessState)
		select {
		case <-c.stopping:
			return
		case <-time.After(restartPause):
		}
		for c.isHeld() {
			select {
			case <-c.stopping:
				return
			case <-time.After(poll):
			}
		}
		if err := c.launch(file); err != nil {
			c.pod.c.problem(fmt.Errorf("couldn't start container %q of pod %q again: %w", c.name(), c.pod.name, err))
			return
		}
	}
}

func (c *container) isHeld() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// hold ends the process and keeps it from being started again until it is released.
func (c *container) hold(held bool) error {
	c.mu.Lock()
	c.held = held
	cmd, done := c.cmd, c.done
	c.mu.Unlock()
	if !held {
		return nil
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-done
	return nil
}

// stop ends the process: by SIGTERM, and by SIGKILL at the deadline, or at once if
// the pod is killed.
func (c *container) stop(deadline time.Time) error {
	if c.stopping == nil {
		return nil // it was not started
	}
	if l := c.spec.Lifecycle; l != nil && l.PreStop != nil {
		c.pause(min(time.Duration(l.PreStop.Sleep.Seconds)*time.Second, time.Until(deadline)))
	}
	close(c.stopping)
	c.tasks.Wait()
	if c.envoy != nil {
		return c.stopEnvoy()
	}
	if c.cmd == nil {
		return nil
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-c.pod.kill:
	case <-time.After(time.Until(deadline)):
	}
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.done
	return nil
}

// pause waits, unless the pod is killed.
func (c *container) pause(d time.Duration) {
	select {
	case <-c.pod.kill:
	case <-time.After(d):
	}
}

// process says what runs in which surroundings.
func (c *container) process() (*spec.Process, error) {
	p := &spec.Process{
		Namespace: c.pod.network().Namespace,
		Root:      filepath.Join(c.pod.dir, "root-"+c.name()),
		Mounts: []spec.Mount{
			{Source: filepath.Join(c.pod.dir, "etc"), Target: "/etc"},
			{Source: "/proc", Target: "/proc"},
			{Source: "/dev", Target: "/dev"},
		},
	}
	if s := c.spec.SecurityContext; s != nil && s.ReadOnlyRootFilesystem != nil {
		p.ReadOnly = *s.ReadOnlyRootFilesystem
	}
	if c.spec.Image == proxyImage {
		p.Args = []string{c.pod.c.envoy}
		p.Mounts = append(p.Mounts, envoyMounts(c.pod.c.envoy)...)
	} else {
		image, err := findImage(c.spec.Image)
		if err != nil {
			return nil, err
		}
		p.Args = []string{image.path}
		p.Mounts = append(p.Mounts, spec.Mount{Source: image.file(), Target: image.path, ReadOnly: true})
	}
	values := map[string]string{"HOSTNAME": c.pod.name}
	for _, e := range c.spec.Env {
		values[e.Name] = expand(e.Value, values)
		if e.ValueFrom != nil {
			values[e.Name] = fields[e.ValueFrom.FieldRef.FieldPath](c.pod)
		}
	}
	for name, value := range values {
		p.Env = append(p.Env, name+"="+value)
	}
	if len(c.spec.Command) > 0 {
		p.Args = nil
	}
	for _, arg := range append(c.spec.Command, c.spec.Args...) {
		p.Args = append(p.Args, expand(arg, values))
	}
	for _, m := range c.spec.VolumeMounts {
		source, err := c.pod.volume(m)
		if err != nil {
			return nil, err
		}
		p.Mounts = append(p.Mounts, spec.Mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly})
	}
	return p, nil
}

var reference = regexp.MustCompile(`\$\([A-Za-z_][A-Za-z0-9_.-]*\)`)

// expand replaces $(NAME) by what is in values, as Kubernetes does.
func expand(text string, values map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		if v, ok := values[ref[2:len(ref)-1]]; ok {
			return v
		}
		return ref
	})
}
