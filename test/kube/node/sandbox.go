package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A sandbox is what the containers of a pod share.
type sandbox struct {
	id      string
	config  *cri.PodSandboxConfig
	created time.Time
	dir     string
	network *network // nil after it was stopped
	address string
}

func (r *engine) RunPodSandbox(_ context.Context, q *cri.RunPodSandboxRequest) (*cri.RunPodSandboxResponse, error) {
	r.mu.Lock()
	r.made++
	n := r.made
	r.mu.Unlock()
	s := &sandbox{id: fmt.Sprintf("pod-%d", n), config: q.Config, created: time.Now()}
	s.dir = filepath.Join(r.dir, s.id)
	err := os.MkdirAll(filepath.Join(s.dir, "root"), 0o755)
	for name, text := range s.etc() {
		err = errors.Join(err, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644))
	}
	if err != nil {
		return nil, err
	}
	if s.network, err = newNetwork(r.dir, n); err != nil {
		return nil, err
	}
	s.address = s.network.address.String()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sandboxes[s.id] = s
	return &cri.RunPodSandboxResponse{PodSandboxId: s.id}, nil
}

// etc returns the files in /etc that a runtime makes for each pod. A kubelet makes hosts.
func (s *sandbox) etc() map[string]string {
	var resolve strings.Builder
	for _, server := range s.config.GetDnsConfig().GetServers() {
		fmt.Fprintf(&resolve, "nameserver %s\n", server)
	}
	fmt.Fprintf(&resolve, "search %s\noptions %s\n", strings.Join(s.config.GetDnsConfig().GetSearches(), " "), strings.Join(s.config.GetDnsConfig().GetOptions(), " "))
	return map[string]string{"hostname": s.config.Hostname + "\n", "nsswitch.conf": "hosts: files dns\n", "resolv.conf": resolve.String()}
}

func (r *engine) StopPodSandbox(_ context.Context, q *cri.StopPodSandboxRequest) (*cri.StopPodSandboxResponse, error) {
	r.mu.Lock()
	s := r.sandboxes[q.PodSandboxId]
	var inside []*process
	for _, p := range r.containers {
		if p.sandbox == s {
			inside = append(inside, p)
		}
	}
	var net *network
	if s != nil {
		net, s.network = s.network, nil
	}
	r.mu.Unlock()
	for _, p := range inside {
		r.end(p, 0)
	}
	if net == nil {
		return &cri.StopPodSandboxResponse{}, nil
	}
	return &cri.StopPodSandboxResponse{}, net.close()
}

func (r *engine) RemovePodSandbox(_ context.Context, q *cri.RemovePodSandboxRequest) (*cri.RemovePodSandboxResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[q.PodSandboxId]
	if s == nil {
		return &cri.RemovePodSandboxResponse{}, nil
	}
	delete(r.sandboxes, s.id)
	return &cri.RemovePodSandboxResponse{}, os.RemoveAll(s.dir)
}

func (r *engine) PodSandboxStatus(_ context.Context, q *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[q.PodSandboxId]
	if s == nil {
		return nil, status.Errorf(codes.NotFound, "there is no sandbox %s", q.PodSandboxId)
	}
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{
		Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(),
		Network: &cri.PodSandboxNetworkStatus{Ip: s.address}, Labels: s.config.Labels, Annotations: s.config.Annotations,
		Linux: &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{Options: s.config.GetLinux().GetSecurityContext().GetNamespaceOptions()}},
	}}, nil
}

func (s *sandbox) state() cri.PodSandboxState {
	if s.network == nil {
		return cri.PodSandboxState_SANDBOX_NOTREADY
	}
	return cri.PodSandboxState_SANDBOX_READY
}

func (r *engine) ListPodSandbox(_ context.Context, q *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*cri.PodSandbox
	for _, s := range r.sandboxes {
		f := q.Filter
		if f.GetId() != "" && f.Id != s.id || f.GetState() != nil && f.State.State != s.state() || !has(s.config.Labels, f.GetLabelSelector()) {
			continue
		}
		all = append(all, &cri.PodSandbox{
			Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(),
			Labels: s.config.Labels, Annotations: s.config.Annotations,
		})
	}
	return &cri.ListPodSandboxResponse{Items: all}, nil
}

// has reports whether labels are among others.
func has(labels, want map[string]string) bool {
	for name, value := range want {
		if labels[name] != value {
			return false
		}
	}
	return true
}
