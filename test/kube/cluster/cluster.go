package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limit bounds every wait for a condition.
const limit = 4 * time.Minute

// Options says what a cluster has.
type Options struct {
	Programs          string // directory of etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl
	ControllerManager bool   // Deployments then become ReplicaSets and Pods, and namespaces have accounts
	Node              string // address of the node that will run pods, which the API server then has too; pods are bound to nodes. It needs ControllerManager
}

// Services is where cluster IPs are.
const Services = "10.0.0.0/24"

// A Cluster is a Kubernetes without nodes, but those that a test has join.
type Cluster struct {
	Kubeconfig string // file of an administrator
	URL        string // of the API server

	options Options
	dir     string
	api     *process
}

// Build builds the programs of a cluster with make, and returns their directory. root is
// the directory of the product's module. They stay where they are, for the next run.
func Build(root string) (programs string, err error) {
	if programs, err = filepath.Abs(filepath.Join(root, "bin", "kubernetes")); err != nil {
		return "", err
	}
	cmd := exec.Command("make", "-s", "kubernetes")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("couldn't build Kubernetes: %w\n%s", err, out)
	}
	return programs, nil
}

// Users that every cluster has beside those of RBAC. Their tokens are their names.
const (
	admin      = "admin"
	controller = "system:kube-controller-manager"
	scheduler  = "system:kube-scheduler"
)

// Start starts a cluster, waits until its API is ready, and ends it with the test.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{options: o, dir: t.TempDir()}
	c.write(t, "tokens.csv", "admin,admin,admin,system:masters\n"+controller+","+controller+","+controller+"\n"+scheduler+","+scheduler+","+scheduler+"\n")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "accounts.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))

	ports := freePorts(t, 2)
	etcd := c.start(t, "etcd",
		"--data-dir="+filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+local("http", ports[0]), "--advertise-client-urls="+local("http", ports[0]),
		"--listen-peer-urls=http://127.0.0.1:0",
	)
	etcd.await(t, "etcd answers", func() error { return get(t, http.DefaultClient, local("http", ports[0])+"/health", "") })
	c.URL = local("https", ports[1])
	address := []string{"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"}
	if o.Node != "" {
		c.URL = "https://" + net.JoinHostPort(o.Node, strconv.Itoa(ports[1]))
		address = []string{"--bind-address=0.0.0.0", "--advertise-address=" + o.Node, "--kubelet-preferred-address-types=InternalIP"}
	}
	c.api = c.start(t, "kube-apiserver", append(address,
		"--etcd-servers="+local("http", ports[0]), fmt.Sprintf("--secure-port=%d", ports[1]),
		"--cert-dir="+filepath.Join(c.dir, "certificates"), "--service-cluster-ip-range="+Services,
		"--authorization-mode=RBAC", "--token-auth-file="+filepath.Join(c.dir, "tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+filepath.Join(c.dir, "accounts.key"),
		"--service-account-signing-key-file="+filepath.Join(c.dir, "accounts.key"),
		"--shutdown-delay-duration=0s",
	)...)
	c.AwaitAPI(t)
	c.Kubeconfig = c.KubeconfigFor(t, admin)
	if o.ControllerManager {
		c.start(t, "kube-controller-manager",
			"--kubeconfig="+c.KubeconfigFor(t, controller), "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials",
			"--service-account-private-key-file="+filepath.Join(c.dir, "accounts.key"), "--root-ca-file="+c.CA(),
			"--node-monitor-grace-period=10m", // a slow machine is no dead node
		)
	}
	if o.Node != "" {
		c.start(t, "kube-scheduler", "--kubeconfig="+c.KubeconfigFor(t, scheduler), "--leader-elect=false", "--secure-port=0")
	}
	return c
}

// Join has a node of a container runtime join the cluster, and returns when it is ready.
// address is that of Options.Node; runtime is the runtime's socket; the kubelet writes
// into dir.
func (c *Cluster) Join(t testing.TB, name, address, runtime, dir string) {
	t.Helper()
	node := c.start(t, "node", "--kubeconfig="+c.Kubeconfig, "--name="+name, "--address="+address, "--services="+Services, "--runtime="+runtime, "--dir="+dir)
	node.await(t, "the node is ready", func() error {
		_, err := c.Kubectl(t.Context(), "", "wait", "--for=condition=Ready", "node/"+name, "--timeout=1s")
		return err
	})
}

// Programs is the directory of kubectl.
func (c *Cluster) Programs() string { return c.options.Programs }

// CA returns the file with the authority of the API server's certificate.
func (c *Cluster) CA() string { return filepath.Join(c.dir, "certificates", "apiserver.crt") }

// AwaitAPI waits until the API server is ready.
func (c *Cluster) AwaitAPI(t testing.TB) {
	t.Helper()
	c.api.await(t, "the API server is ready", func() error {
		transport, err := c.transport()
		if err != nil {
			return err
		}
		transport.DisableKeepAlives = true
		client := &http.Client{Transport: transport}
		return get(t, client, c.URL+"/readyz", admin)
	})
}

// Transport returns a transport that knows the API server's certificate.
func (c *Cluster) Transport(t testing.TB) *http.Transport {
	t.Helper()
	transport, err := c.transport()
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func (c *Cluster) transport() (*http.Transport, error) {
	ca, err := os.ReadFile(c.CA())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, nil
}

// KillAPI kills the API server. StartAPI starts it again, at the same address.
func (c *Cluster) KillAPI(t testing.TB) {
	t.Helper()
	c.api.kill()
}

// StartAPI starts the API server again after KillAPI, and waits until it is ready.
func (c *Cluster) StartAPI(t testing.TB) {
	t.Helper()
	c.api.restart(t)
	c.AwaitAPI(t)
}

// KubeconfigFor writes a kubeconfig with a token, and returns its file.
func (c *Cluster) KubeconfigFor(t testing.TB, token string) string {
	t.Helper()
	f, err := os.CreateTemp(c.dir, "kubeconfig-")
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, `apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: test, user: {token: %q}}]
`, c.URL, c.CA(), token)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Kubectl runs kubectl as an administrator, and returns what it prints. Its error has
// what it says there.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.options.Programs, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), err
}

// MustKubectl is Kubectl of a test that cannot go on after an error.
func (c *Cluster) MustKubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *Cluster) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// get asks for a URL, and returns an error unless the answer is 200.
func get(t testing.TB, client *http.Client, url, token string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Close = true
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return err
}
