package pods

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/container"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/node"
)

// root is the directory of the product's module.
const root = "../../.."

// limit bounds every wait for a condition.
const limit = 5 * time.Minute

func TestMain(m *testing.M) {
	os.Exit(node.Main(m, func(dir string) error {
		_, err := cluster.Build(root)
		return errors.Join(err, node.Compile(dir, "./cmd/tagproc", "./deploy/samples/app"))
	}))
}

// A site is a cluster with a node that has tagproc, the samples' application and an Envoy.
type site struct {
	*cluster.Cluster
	dir string // where commands of a document run; it has the clone that it speaks of
}

func start(t *testing.T) *site {
	t.Helper()
	kubernetes, err := filepath.Abs(filepath.Join(root, "bin", "kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := envoy.FindVersion(envoy.Version)
	if err != nil {
		t.Fatal(err)
	}
	if binary, err = filepath.EvalSymlinks(binary); err != nil {
		t.Fatal(err)
	}
	// An Envoy is linked with the libraries of this machine.
	gateway := node.Image{Files: []container.Mount{{Source: binary, Target: "/envoy"}}, Entrypoint: []string{"/envoy"}}
	for _, dir := range []string{"/usr", "/lib", "/lib64"} {
		if _, err := os.Lstat(dir); err == nil {
			gateway.Files = append(gateway.Files, container.Mount{Source: dir, Target: dir})
		}
	}
	s := &site{cluster.Start(t, cluster.Options{Programs: kubernetes, ControllerManager: true, Node: node.Address}), t.TempDir()}
	if err := os.Symlink(clone, filepath.Join(s.dir, "tagproc")); err != nil {
		t.Fatal(err)
	}
	node.Start(t, s.Cluster, map[string]node.Image{
		"tagproc/tagproc": node.Program(filepath.Join(node.Programs(), "tagproc")),
		"tagproc/sample":  node.Program(filepath.Join(node.Programs(), "app")),
		"envoy":           gateway,
	})
	return s
}

// write writes a file into the directory of the commands.
func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shell runs a block of a document, and returns what it prints.
func (s *site) shell(t *testing.T, script string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-euo", "pipefail", "-c", script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "PATH="+s.Programs()+":"+node.Programs()+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// run is shell of a block that has to work.
func (s *site) run(t *testing.T, script string) string {
	t.Helper()
	out, err := s.shell(t, script)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return out
}

// eventually waits until condition returns nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	cluster.Eventually(t, limit, what, condition)
}
