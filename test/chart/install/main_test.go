package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/test/kube/cluster"
)

// root is the directory of the product's module.
const root = "../../.."

// What the tests run.
var (
	programs string // directory of Kubernetes
	bin      string // directory of tagproc, helm and kubectl
)

func TestMain(m *testing.M) {
	os.Exit(program.Run(m, func(dir string) (err error) {
		bin = dir
		if err := program.Build(filepath.Join(bin, "tagproc")); err != nil {
			return err
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "helm"), "helm.sh/helm/v4/cmd/helm").CombinedOutput(); err != nil {
			return fmt.Errorf("couldn't build Helm: %w\n%s", err, out)
		}
		if programs, err = cluster.Build(root); err != nil {
			return err
		}
		return os.Symlink(filepath.Join(programs, "kubectl"), filepath.Join(bin, "kubectl"))
	}))
}

// A clone is a directory that looks like a clone of the repository, with a rules.yaml in it,
// beside a cluster.
type clone struct {
	*cluster.Cluster
	dir string
}

const namespace = "istio-system"

// newClone returns a clone and a cluster with the namespace of Istio. Istio's kinds are
// known there.
func newClone(t *testing.T) *clone {
	t.Helper()
	c := &clone{cluster.Start(t, cluster.Options{Programs: programs, ControllerManager: true}), t.TempDir()}
	c.MustKubectl(t, "", "create", "namespace", namespace)
	c.Define(t, cluster.Kind{Group: "networking.istio.io", Version: "v1alpha3", Name: "EnvoyFilter", Plural: "envoyfilters"})
	deploy, err := filepath.Abs(root + "/deploy")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deploy, filepath.Join(c.dir, "deploy")); err != nil {
		t.Fatal(err)
	}
	c.write(t, "20")
	return c
}

// rules are rules that give s2 to a share of the users.
func rules(percent string) string {
	return `tagHeaders: {headers: [x-asm-prefer-tag]}
rules:
- name: checkout
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies:
  - {range: ` + percent + `, tagValue: s2} # the canary
  - {range: 100, tagValue: s1}
`
}

// write writes rules.yaml.
func (c *clone) write(t *testing.T, percent string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "rules.yaml"), []byte(rules(percent)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sh runs a line of a shell in the clone, and returns what it prints.
func (c *clone) sh(t *testing.T, line string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", line)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG="+c.Kubeconfig, "KUBERNETES_SERVICE_HOST=",
		"HELM_CACHE_HOME="+c.dir+"/.helm", "HELM_CONFIG_HOME="+c.dir+"/.helm", "HELM_DATA_HOME="+c.dir+"/.helm")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s\n%w\n%s", line, err, &out)
	}
	return out.String(), nil
}

func (c *clone) mustSh(t *testing.T, line string) string {
	t.Helper()
	out, err := c.sh(t, line)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refuses runs a line that has to fail, and to say why.
func (c *clone) refuses(t *testing.T, line, want string) {
	t.Helper()
	if out, err := c.sh(t, line); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s\n%v, want %q\n%s", line, err, want, out)
	}
}

// object reads an object of the namespace as JSON into to.
func (c *clone) object(t *testing.T, name string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.MustKubectl(t, "", "get", name, "-n", namespace, "-o", "json")), to); err != nil {
		t.Fatal(err)
	}
}

// rulesIn returns the rules that a ConfigMap has.
func (c *clone) rulesIn(t *testing.T, name, key string) string {
	t.Helper()
	var o struct{ Data map[string]string }
	c.object(t, "configmap/"+name, &o)
	return o.Data[key]
}

// left returns the objects that a release has in the cluster.
func (c *clone) left(t *testing.T, release string) string {
	t.Helper()
	return strings.TrimSpace(c.MustKubectl(t, "", "get", "configmap,deployment,service,serviceaccount,role,rolebinding,networkpolicy,pdb,hpa,envoyfilter",
		"-n", namespace, "-l", "app.kubernetes.io/instance="+release, "-o", "name"))
}
