package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// An engine is what a kubelet asks for pods and containers, over CRI.
type engine struct {
	cri.UnimplementedRuntimeServiceServer
	cri.UnimplementedImageServiceServer

	dir    string           // for what it writes
	images map[string]Image // by a name without tag and digest

	mu         sync.Mutex
	made       int // pods, containers and what joins them, ever
	sandboxes  map[string]*sandbox
	containers map[string]*process
}

// close ends all pods at once.
func (r *engine) close() error {
	r.mu.Lock()
	all := slices.Collect(maps.Keys(r.sandboxes))
	r.mu.Unlock()
	var errs []error
	for _, id := range all {
		_, err := r.StopPodSandbox(context.Background(), &cri.StopPodSandboxRequest{PodSandboxId: id})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (*engine) Version(context.Context, *cri.VersionRequest) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{Version: "0.1.0", RuntimeName: "processes", RuntimeVersion: "1", RuntimeApiVersion: "v1"}, nil
}

func (*engine) Status(context.Context, *cri.StatusRequest) (*cri.StatusResponse, error) {
	return &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: []*cri.RuntimeCondition{
		{Type: cri.RuntimeReady, Status: true}, {Type: cri.NetworkReady, Status: true},
	}}}, nil
}

func (*engine) UpdateRuntimeConfig(context.Context, *cri.UpdateRuntimeConfigRequest) (*cri.UpdateRuntimeConfigResponse, error) {
	return &cri.UpdateRuntimeConfigResponse{}, nil
}

// find returns an image, whatever its tag or digest.
func (r *engine) find(name string) (Image, error) {
	plain, _, _ := strings.Cut(name, "@")
	if i := strings.LastIndexByte(plain, ':'); i > strings.LastIndexByte(plain, '/') {
		plain = plain[:i]
	}
	found, ok := r.images[plain]
	if !ok {
		return Image{}, fmt.Errorf("image %q cannot be pulled here: there are %s", plain, strings.Join(slices.Sorted(maps.Keys(r.images)), ", "))
	}
	return found, nil
}

func (*engine) ListImages(context.Context, *cri.ListImagesRequest) (*cri.ListImagesResponse, error) {
	return &cri.ListImagesResponse{}, nil // none is ever removed
}

func (r *engine) ImageStatus(_ context.Context, q *cri.ImageStatusRequest) (*cri.ImageStatusResponse, error) {
	name := q.Image.Image
	if _, err := r.find(name); err != nil {
		return &cri.ImageStatusResponse{}, nil //nolint:nilerr // it is to be pulled, which says why it cannot be
	}
	return &cri.ImageStatusResponse{Image: &cri.Image{
		Id: name, Size: 1, Spec: q.Image, RepoTags: []string{name},
		Uid: &cri.Int64Value{Value: 65532}, // as a kubelet sees it; who runs the tests is who runs in it
	}}, nil
}

func (r *engine) PullImage(_ context.Context, q *cri.PullImageRequest) (*cri.PullImageResponse, error) {
	_, err := r.find(q.Image.Image)
	return &cri.PullImageResponse{ImageRef: q.Image.Image}, err
}

func (r *engine) ImageFsInfo(context.Context, *cri.ImageFsInfoRequest) (*cri.ImageFsInfoResponse, error) {
	all := []*cri.FilesystemUsage{{FsId: &cri.FilesystemIdentifier{Mountpoint: r.dir}, UsedBytes: &cri.UInt64Value{}, InodesUsed: &cri.UInt64Value{}}}
	return &cri.ImageFsInfoResponse{ImageFilesystems: all, ContainerFilesystems: all}, nil
}
