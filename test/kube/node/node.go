package node

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tagproc/tagproc/internal/container"
	"github.com/tagproc/tagproc/internal/isolate"
	"github.com/tagproc/tagproc/test/kube/cluster"
)

// Name is the node's.
const Name = "node"

// An Image is what the containers that name it have, beside what their pod mounts.
type Image struct {
	Files      []container.Mount
	Entrypoint []string // what runs where a container has no command
}

// Program returns the image of one program without libraries, at /NAME.
func Program(file string) Image {
	path := "/" + filepath.Base(file)
	return Image{Files: []container.Mount{{Source: file, Target: path, ReadOnly: true}}, Entrypoint: []string{path}}
}

// Start has a node join a cluster that has Options.Node, and returns when it is ready.
// images are by names without tag and digest. When the test ends, so do the node's pods,
// at once. There is one node in a process.
func Start(t testing.TB, c *cluster.Cluster, images map[string]Image) {
	t.Helper()
	if !isolate.Isolated() {
		t.Fatal("the tests are not isolated: TestMain has to call node.Main")
	}
	dir, err := os.MkdirTemp("/run", "node-") //nolint:usetesting // sockets are in it: the path has to be short
	if err != nil {
		t.Fatal(err)
	}
	r := &engine{dir: dir, images: images, sandboxes: make(map[string]*sandbox), containers: make(map[string]*process)}
	socket := filepath.Join(dir, "runtime.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, r)
	cri.RegisterImageServiceServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop() // what a kubelet that was killed has asked for is done
		if err := errors.Join(<-served, r.close(), sweep(dir)); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	c.Join(t, Name, Address, socket, filepath.Join(dir, "kubelet"))
}

// sweep removes a directory and what is mounted below.
func sweep(dir string) error {
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if point := strings.Fields(line)[4]; strings.HasPrefix(point, dir+"/") {
			if e := unix.Unmount(point, unix.MNT_DETACH); !errors.Is(e, unix.EINVAL) { // it went with one above
				err = errors.Join(err, e)
			}
		}
	}
	return errors.Join(err, os.RemoveAll(dir))
}
