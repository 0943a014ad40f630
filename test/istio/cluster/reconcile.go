package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tagproc/tagproc/mesh/control"
)

// reconcile brings what runs in line with the objects, whenever something has changed,
// until the cluster stops.
func (c *Cluster) reconcile() {
	for {
		select {
		case <-c.stop:
			return
		case <-c.changed:
		}
		c.problem(c.reconcileAll())
	}
}

func (c *Cluster) reconcileAll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.stop:
		return nil
	default:
	}
	c.pods = slices.DeleteFunc(c.pods, (*pod).gone)
	for _, p := range c.pods {
		if _, ok := c.objects[p.owner]; !ok {
			p.end(false)
		}
	}
	for _, o := range c.objects {
		if d, ok := o.Kube.(*appsv1.Deployment); ok {
			c.reconcileDeployment(o.Key, d)
		}
	}
	if err := c.reconcileServices(); err != nil {
		return err
	}
	return c.writeHosts()
}

// reconcileDeployment starts and ends pods: those of the template as it is are
// started at once, those of another end when enough are ready, or, with the strategy
// Recreate, before.
func (c *Cluster) reconcileDeployment(owner control.Key, d *appsv1.Deployment) {
	template, want := templateHash(d), c.replicas(owner, d)
	var current, old []*pod
	ready := 0
	for _, p := range c.pods {
		switch {
		case p.owner != owner || p.ending():
		case p.template != template:
			old = append(old, p)
		default:
			current = append(current, p)
			if p.isReady() {
				ready++
			}
		}
	}
	recreate := d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	if ready >= want || recreate {
		for _, p := range old {
			p.end(false)
		}
	}
	if recreate && slices.ContainsFunc(c.pods, func(p *pod) bool { return p.owner == owner && p.template != template }) {
		return
	}
	for len(current) > want {
		last := len(current) - 1
		current[last].end(false)
		current = current[:last]
	}
	for range want - len(current) {
		c.made++
		p := newPod(c, owner, d, template, c.made)
		c.pods = append(c.pods, p)
		c.running.Go(p.run)
	}
}

// replicas is how many pods a Deployment is to have: what it says, within what a
// HorizontalPodAutoscaler says, which is the least as nothing here is under load.
func (c *Cluster) replicas(owner control.Key, d *appsv1.Deployment) int {
	n := 1
	if d.Spec.Replicas != nil {
		n = int(*d.Spec.Replicas)
	}
	if n == 0 {
		return 0 // which no autoscaler changes
	}
	for _, o := range c.objects {
		h, ok := o.Kube.(*autoscalingv2.HorizontalPodAutoscaler)
		if ok && o.Namespace == owner.Namespace && h.Spec.ScaleTargetRef.Kind == owner.Kind && h.Spec.ScaleTargetRef.Name == owner.Name {
			least := 1
			if h.Spec.MinReplicas != nil {
				least = int(*h.Spec.MinReplicas)
			}
			n = min(max(n, least), int(h.Spec.MaxReplicas))
		}
	}
	return n
}

// templateHash tells pods of one template from those of another.
func templateHash(d *appsv1.Deployment) string {
	b, err := json.Marshal(d.Spec.Template)
	if err != nil {
		panic(fmt.Sprintf("a pod template has no JSON: %v", err)) // it was decoded from some
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:10]
}

// rolledOut returns nil when a Deployment has exactly the pods that it asks for, all
// of them ready.
func (c *Cluster) rolledOut(owner control.Key) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.objects[owner].Kube.(*appsv1.Deployment)
	if !ok {
		return finalError{fmt.Errorf("%s in %q not found", owner, owner.Namespace)}
	}
	template, want := templateHash(d), c.replicas(owner, d)
	ready, old := 0, 0
	for _, p := range c.pods {
		if p.owner != owner {
			continue
		}
		switch err := p.failure(); {
		case p.ending() || p.template != template:
			old++
		case err != nil:
			return finalError{err}
		case p.isReady():
			ready++
		}
	}
	if ready != want || old > 0 {
		return fmt.Errorf("deployment %q: %d of %d pods are ready, %d old ones are left", owner.Name, ready, want, old)
	}
	// The control plane knows of the pods when the endpoints say so.
	return c.published(owner)
}

// published returns nil when the endpoints that were given to the control plane
// have the ready pods of a Deployment.
func (c *Cluster) published(owner control.Key) error {
	for _, p := range c.pods {
		if p.owner != owner {
			continue
		}
		for _, s := range c.services {
			if s.selects(p) && !slices.ContainsFunc(s.endpoints, func(e discoveryv1.Endpoint) bool {
				return e.TargetRef.Name == p.name && *e.Conditions.Ready
			}) {
				return fmt.Errorf("pod %q is not behind service %q yet", p.name, s.key.Name)
			}
		}
	}
	return nil
}
