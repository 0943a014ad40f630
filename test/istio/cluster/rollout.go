package cluster

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/tagproc/tagproc/mesh/control"
)

func deployment(namespace, name string) control.Key {
	return control.Key{Group: appsv1.GroupName, Kind: "Deployment", Namespace: namespace, Name: name}
}

// Rollout waits until Deployments have exactly the pods that they ask for, all of
// them ready and known to the control plane.
func (c *Cluster) Rollout(t testing.TB, namespace string, names ...string) {
	t.Helper()
	for _, name := range names {
		c.Eventually(t, "rollout", func() error { return c.rolledOut(deployment(namespace, name)) })
	}
}

// RolloutAll is Rollout of every Deployment that there is.
func (c *Cluster) RolloutAll(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	var all []control.Key
	for k := range c.objects {
		if k.Kind == "Deployment" {
			all = append(all, k)
		}
	}
	c.mu.Unlock()
	for _, k := range all {
		c.Eventually(t, "rollout", func() error { return c.rolledOut(k) })
	}
}

// Scale gives a Deployment another number of replicas.
func (c *Cluster) Scale(t testing.TB, namespace, name string, replicas int) {
	t.Helper()
	if err := c.scale(deployment(namespace, name), int32(replicas)); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) scale(k control.Key, replicas int32) error {
	defer c.change()
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[k]
	d, ok := o.Kube.(*appsv1.Deployment)
	if !ok {
		return fmt.Errorf("%s in %q not found", k, k.Namespace)
	}
	d = d.DeepCopy()
	d.Spec.Replicas = &replicas
	o.Kube = d
	c.objects[k] = o
	return nil
}

// NoPods waits until a Deployment has no pod, not even one that is ending.
func (c *Cluster) NoPods(t testing.TB, namespace, name string) {
	t.Helper()
	c.Eventually(t, "no pods", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if slices.ContainsFunc(c.pods, func(p *pod) bool { return p.owner == deployment(namespace, name) && !p.gone() }) {
			return fmt.Errorf("deployment %q still has pods", name)
		}
		return nil
	})
}

// Down kills a container in every pod of a Deployment and keeps it from being
// started again until up is called.
func (c *Cluster) Down(t testing.TB, namespace, name, container string) (up func()) {
	t.Helper()
	containers := c.containers(t, namespace, name, container)
	for _, one := range containers {
		if err := one.hold(true); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, one := range containers {
			if err := one.hold(false); err != nil {
				t.Error(err)
			}
		}
	}
}

// Signal sends a signal to a container in every pod of a Deployment. One that ends
// by it is started again after a second.
func (c *Cluster) Signal(t testing.TB, namespace, name, container string, s syscall.Signal) {
	t.Helper()
	for _, one := range c.containers(t, namespace, name, container) {
		one.mu.Lock()
		err := one.cmd.Process.Signal(s)
		one.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Kill kills a container in one pod of a Deployment, the oldest, and returns the
// pod's name. The container is started again after a second.
func (c *Cluster) Kill(t testing.TB, namespace, name, container string) string {
	t.Helper()
	one := c.containers(t, namespace, name, container)[0]
	one.mu.Lock()
	defer one.mu.Unlock()
	if err := one.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	return one.pod.name
}

// Log is what a container has written so far, in each pod of a Deployment, by the
// pod's name. That of istio-proxy has its access log, at most a tenth of a second
// late.
func (c *Cluster) Log(t testing.TB, namespace, name, container string) map[string]string {
	t.Helper()
	logs := map[string]string{}
	for _, one := range c.containers(t, namespace, name, container) {
		logs[one.pod.name] = one.log.String()
	}
	return logs
}

// Addresses are the addresses of a Deployment's pods, by the pod's name.
func (c *Cluster) Addresses(t testing.TB, namespace, name string) map[string]string {
	t.Helper()
	addresses := map[string]string{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pods {
		if net := p.network(); p.owner == deployment(namespace, name) && net != nil && !p.ending() {
			addresses[p.name] = net.Address.String()
		}
	}
	return addresses
}

// Stats are the counters and gauges of a Deployment's Envoys whose name matches a
// regular expression, added up over the pods.
func (c *Cluster) Stats(t testing.TB, namespace, name, filter string) map[string]uint64 {
	t.Helper()
	sum := map[string]uint64{}
	for _, one := range c.containers(t, namespace, name, proxyName) {
		stats, err := one.stats(filter)
		if err != nil {
			t.Fatal(err)
		}
		for stat, n := range stats {
			sum[stat] += n
		}
	}
	return sum
}

// EnvoyAdmin gets a path of the admin API, such as /config_dump, of the Envoy in a
// Deployment's first pod.
func (c *Cluster) EnvoyAdmin(t testing.TB, namespace, name, path string) string {
	t.Helper()
	body, err := c.containers(t, namespace, name, proxyName)[0].admin(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// containers are those of one name in a Deployment's pods; at least one.
func (c *Cluster) containers(t testing.TB, namespace, name, container string) []*container {
	t.Helper()
	found, err := c.find(deployment(namespace, name), container)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (c *Cluster) find(owner control.Key, name string) ([]*container, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*container
	for _, p := range c.pods {
		if p.owner != owner || p.ending() {
			continue
		}
		p.mu.Lock()
		for _, one := range p.containers {
			if one.name() == name || name == "" && one.name() != proxyName {
				found = append(found, one)
			}
		}
		p.mu.Unlock()
	}
	if len(found) == 0 {
		return nil, errors.New("no pod of " + owner.String() + " has a container " + name)
	}
	return found, nil
}
