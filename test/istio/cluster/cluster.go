package cluster

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/isolate"
	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/test/istio/node"
)

// SystemNamespace is where the control plane and the gateway are.
const SystemNamespace = control.SystemNamespace

// Options say what a cluster is like.
type Options struct {
	Envoy     string // a release, of envoy.Versions; empty: the newest
	NoGateway bool   // leaves out the Deployment and Service istio-ingressgateway
}

// A Cluster is a running cluster. Several goroutines may call its methods; a method
// that does not work fails its test t at once.
type Cluster struct {
	options Options
	envoy   string // the binary
	dir     string
	node    *node.Node
	control *controlPlane
	changed chan struct{} // has room for one: reconcile has something to do

	late atomic.Uint64 // what GaveUp saw last

	mu       sync.Mutex
	objects  map[control.Key]control.Object
	services map[control.Key]*service
	pods     []*pod
	made     int     // pods, ever
	problems []error // of what goes on in the background

	running sync.WaitGroup // the pods and reconcile
	stop    chan struct{}
}

//go:embed fixtures/mesh.yaml
var meshFixture string

//go:embed fixtures/ingressgateway.yaml
var gatewayFixture string

// Start runs a cluster until the test ends. It has the namespaces default and
// istio-system, both without the label for injection, and a gateway with nothing
// configured.
//
// When the test ends it fails if an Envoy has refused a configuration, has logged
// something critical or has ended by itself, or a pod could not run.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if !isolate.Isolated() {
		t.Fatal("the tests are not isolated: TestMain has to call cluster.Main")
	}
	if o.Envoy == "" {
		o.Envoy = envoy.Version
	}
	c := &Cluster{
		options:  o,
		changed:  make(chan struct{}, 1),
		objects:  make(map[control.Key]control.Object),
		services: make(map[control.Key]*service),
		stop:     make(chan struct{}),
	}
	if err := c.open(t); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"default", SystemNamespace} {
		c.put(t, control.Object{
			Key:  control.Key{Kind: "Namespace", Name: name},
			Kube: &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: name}},
		})
	}
	c.Apply(t, meshFixture)
	if !o.NoGateway {
		c.Apply(t, gatewayFixture)
		c.Rollout(t, SystemNamespace, "istio-ingressgateway")
	}
	return c
}

func (c *Cluster) open(t testing.TB) error {
	t.Helper()
	var err error
	if c.envoy, err = envoy.FindVersion(c.options.Envoy); err != nil {
		return err
	}
	c.dir, err = os.MkdirTemp("/run", "cluster-") //nolint:usetesting // sockets are in it: the path has to be short
	if err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(c.dir); err != nil {
			t.Error(err)
		}
	})
	if c.node, err = node.New(); err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := c.node.Close(); err != nil {
			t.Error(err)
		}
	})
	if c.control, err = startControlPlane(t, c.node.Address(), c.options.Envoy); err != nil {
		return err
	}
	c.running.Go(c.reconcile)
	t.Cleanup(func() { c.close(t) })
	return nil
}

// close ends everything that runs, at once.
func (c *Cluster) close(t testing.TB) {
	t.Helper()
	if err := c.Refusals(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		c.explain(t)
	}
	c.mu.Lock()
	close(c.stop) // from here on reconcile starts nothing
	for _, p := range c.pods {
		p.end(true)
	}
	for _, s := range c.services {
		s.close()
	}
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.problems {
		t.Error(err)
	}
}

// problem says what went wrong where no test waits for it.
func (c *Cluster) problem(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, err)
}

// change has reconcile look again.
func (c *Cluster) change() {
	select {
	case c.changed <- struct{}{}:
	default: // it will
	}
}

const (
	limit = 3 * time.Minute       // of every wait, for a machine that is slow and busy
	poll  = 20 * time.Millisecond // between two looks
)

// Eventually waits until condition returns nil. Otherwise the test fails with the
// last error; what describes the condition.
func (c *Cluster) Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	if err := c.wait(condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (c *Cluster) wait(condition func() error) error { return Within(limit, condition) }

// Within waits until condition returns nil, for so long, and returns its last error.
func Within(limit time.Duration, condition func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := condition()
		if err == nil {
			return nil
		}
		var final finalError
		if errors.As(err, &final) || time.Now().After(deadline) {
			return fmt.Errorf("after at most %v still: %w", limit, err)
		}
		time.Sleep(poll)
	}
}

// A finalError needs no more waiting.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }
