package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/container"
	"github.com/tagproc/tagproc/internal/transcript"
)

// A process is a container: one that is to be started, runs or has ended.
type process struct {
	id      string
	sandbox *sandbox
	config  *cri.ContainerConfig
	spec    *container.Process
	created time.Time
	log     *os.File

	// Of the engine's lock.
	cmd               *exec.Cmd // nil before it was started
	done              <-chan struct{}
	started, finished time.Time
}

func (r *engine) CreateContainer(_ context.Context, q *cri.CreateContainerRequest) (*cri.CreateContainerResponse, error) {
	image, err := r.find(q.Config.Image.Image)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[q.PodSandboxId]
	if s == nil || s.network == nil {
		return nil, status.Errorf(codes.NotFound, "sandbox %s does not run", q.PodSandboxId)
	}
	r.made++
	p := &process{id: fmt.Sprintf("%s-%d", s.id, r.made), sandbox: s, config: q.Config, created: time.Now()}
	p.spec = &container.Process{
		Namespace: s.network.namespace, Hostname: s.config.Hostname, Root: filepath.Join(s.dir, "root"),
		ReadOnly: q.Config.GetLinux().GetSecurityContext().GetReadonlyRootfs(),
		Mounts:   []container.Mount{{Source: "/proc", Target: "/proc"}, {Source: "/dev", Target: "/dev"}},
		Args:     image.Entrypoint,
		Env:      []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + s.config.Hostname},
	}
	for name := range s.etc() {
		p.spec.Mounts = append(p.spec.Mounts, container.Mount{Source: filepath.Join(s.dir, name), Target: "/etc/" + name})
	}
	p.spec.Mounts = append(p.spec.Mounts, image.Files...)
	for _, m := range q.Config.Mounts {
		p.spec.Mounts = append(p.spec.Mounts, container.Mount{Source: m.HostPath, Target: m.ContainerPath, ReadOnly: m.Readonly})
	}
	for _, e := range q.Config.Envs {
		p.spec.Env = append(p.spec.Env, e.Key+"="+string(e.Value))
	}
	if len(q.Config.Command) > 0 {
		p.spec.Args = nil
	}
	p.spec.Args = append(append(append([]string{}, p.spec.Args...), q.Config.Command...), q.Config.Args...)
	if p.log, err = os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	r.containers[p.id] = p
	return &cri.CreateContainerResponse{ContainerId: p.id}, nil
}

func (p *process) logPath() string {
	return filepath.Join(p.sandbox.config.LogDirectory, p.config.LogPath)
}

func (r *engine) StartContainer(_ context.Context, q *cri.StartContainerRequest) (*cri.StartContainerResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.container(q.ContainerId)
	if err != nil {
		return nil, err
	}
	cmd, err := r.command(p.id, p.spec)
	if err != nil {
		return nil, err
	}
	stdout, stderr := &logger{to: p.log, stream: "stdout"}, &logger{to: p.log, stream: "stderr"}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, time.Second
	// The end of a container's first process ends all others.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC}
	p.done, err = child.Start(cmd, func() {
		_ = cmd.Wait() // how it ended stands in cmd.ProcessState
		stdout.flush()
		stderr.flush()
		p.log.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		p.finished = time.Now()
	})
	if err != nil {
		return nil, err
	}
	p.cmd, p.started = cmd, time.Now()
	return &cri.StartContainerResponse{}, nil
}

// command runs the program that becomes a process.
func (r *engine) command(name string, spec *container.Process) (*exec.Cmd, error) {
	file := filepath.Join(r.dir, name+".json")
	if err := spec.Write(file); err != nil {
		return nil, err
	}
	return exec.Command(shim(), file), nil
}

// container returns one that was made, of the engine's lock.
func (r *engine) container(id string) (*process, error) {
	p := r.containers[id]
	if p == nil {
		return nil, status.Errorf(codes.NotFound, "there is no container %s", id)
	}
	return p, nil
}

func (r *engine) StopContainer(_ context.Context, q *cri.StopContainerRequest) (*cri.StopContainerResponse, error) {
	r.mu.Lock()
	p, err := r.container(q.ContainerId)
	r.mu.Unlock()
	if err == nil {
		r.end(p, time.Duration(q.Timeout)*time.Second)
	}
	return &cri.StopContainerResponse{}, nil // one that is not there has stopped
}

// end ends the process, by SIGTERM, and after a time by SIGKILL.
func (r *engine) end(p *process, grace time.Duration) {
	r.mu.Lock()
	cmd, done := p.cmd, p.done
	r.mu.Unlock()
	if cmd == nil {
		return
	}
	if grace > 0 {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-done:
			return
		case <-time.After(grace):
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	<-done
}

func (r *engine) RemoveContainer(_ context.Context, q *cri.RemoveContainerRequest) (*cri.RemoveContainerResponse, error) {
	r.mu.Lock()
	p := r.containers[q.ContainerId]
	delete(r.containers, q.ContainerId)
	r.mu.Unlock()
	if p != nil {
		r.end(p, 0)
	}
	return &cri.RemoveContainerResponse{}, nil
}

func (p *process) state() cri.ContainerState {
	switch {
	case p.cmd == nil:
		return cri.ContainerState_CONTAINER_CREATED
	case p.finished.IsZero():
		return cri.ContainerState_CONTAINER_RUNNING
	}
	return cri.ContainerState_CONTAINER_EXITED
}

func (r *engine) ListContainers(_ context.Context, q *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*cri.Container
	for _, p := range r.containers {
		f := q.Filter
		if f.GetId() != "" && f.Id != p.id || f.GetPodSandboxId() != "" && f.PodSandboxId != p.sandbox.id ||
			f.GetState() != nil && f.State.State != p.state() || !has(p.config.Labels, f.GetLabelSelector()) {
			continue
		}
		all = append(all, &cri.Container{
			Id: p.id, PodSandboxId: p.sandbox.id, Metadata: p.config.Metadata, Image: p.config.Image, ImageRef: p.config.Image.Image,
			State: p.state(), CreatedAt: p.created.UnixNano(), Labels: p.config.Labels, Annotations: p.config.Annotations,
		})
	}
	return &cri.ListContainersResponse{Containers: all}, nil
}

func (r *engine) ContainerStatus(_ context.Context, q *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.container(q.ContainerId)
	if err != nil {
		return nil, err
	}
	s := &cri.ContainerStatus{
		Id: p.id, Metadata: p.config.Metadata, Image: p.config.Image, ImageRef: p.config.Image.Image, State: p.state(),
		CreatedAt: p.created.UnixNano(), Labels: p.config.Labels, Annotations: p.config.Annotations, Mounts: p.config.Mounts, LogPath: p.logPath(),
	}
	if !p.started.IsZero() {
		s.StartedAt = p.started.UnixNano()
	}
	if !p.finished.IsZero() {
		s.FinishedAt = p.finished.UnixNano()
		how := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		s.ExitCode, s.Reason = int32(how.ExitStatus()), "Error"
		if how.Signaled() {
			s.ExitCode = 128 + int32(how.Signal())
		}
		if s.ExitCode == 0 {
			s.Reason = "Completed"
		}
	}
	return &cri.ContainerStatusResponse{Status: s}, nil
}

func (r *engine) ExecSync(ctx context.Context, q *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	r.mu.Lock()
	p, err := r.container(q.ContainerId)
	if err == nil && p.state() != cri.ContainerState_CONTAINER_RUNNING {
		err = status.Errorf(codes.FailedPrecondition, "container %s does not run", q.ContainerId)
	}
	r.made++
	name := fmt.Sprintf("exec-%d", r.made)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	spec := *p.spec
	spec.Root, spec.Joins, spec.Args = fmt.Sprintf("/proc/%d/root", p.cmd.Process.Pid), true, q.Cmd
	cmd, err := r.command(name, &spec)
	if err != nil {
		return nil, err
	}
	var stdout, stderr transcript.Transcript
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if q.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(q.Timeout)*time.Second)
		defer cancel()
	}
	done, err := child.Start(cmd, nil)
	if err != nil {
		return nil, err
	}
	select {
	case <-done:
		return &cri.ExecSyncResponse{Stdout: []byte(stdout.String()), Stderr: []byte(stderr.String()), ExitCode: int32(cmd.ProcessState.ExitCode())}, nil
	case <-ctx.Done():
		_ = cmd.Process.Kill() // it may have ended
		<-done
		return nil, status.Error(codes.DeadlineExceeded, "the command took too long")
	}
}
