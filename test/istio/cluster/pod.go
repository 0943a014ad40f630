package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/test/istio/node"
)

// A pod is one that runs, or is about to, or not any more.
type pod struct {
	c        *Cluster
	owner    control.Key // its Deployment
	template string      // what it was made from
	name     string
	number   int
	labels   map[string]string
	notes    map[string]string // annotations
	spec     corev1.PodSpec
	dir      string

	stop chan struct{} // closed: it has to end
	kill chan struct{} // closed: at once

	mu         sync.Mutex
	net        *node.Pod // nil before it has an address
	containers []*container
	ready      bool
	stopped    bool // stop is closed
	killed     bool
	finished   bool
	err        error // why it cannot run
}

func newPod(c *Cluster, owner control.Key, d *appsv1.Deployment, template string, number int) *pod {
	name := fmt.Sprintf("%s-%s-%d", owner.Name, template, number)
	return &pod{
		c: c, owner: owner, template: template, name: name, number: number,
		labels: d.Spec.Template.Labels,
		notes:  d.Spec.Template.Annotations,
		spec:   d.Spec.Template.Spec,
		dir:    filepath.Join(c.dir, name),
		stop:   make(chan struct{}),
		kill:   make(chan struct{}),
	}
}

func (p *pod) namespace() string { return p.owner.Namespace }

// get reads what p.mu guards.
func get[T any](p *pod, read func() T) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return read()
}

func (p *pod) isReady() bool      { return get(p, func() bool { return p.ready }) }
func (p *pod) ending() bool       { return get(p, func() bool { return p.stopped }) }
func (p *pod) gone() bool         { return get(p, func() bool { return p.finished }) }
func (p *pod) failure() error     { return get(p, func() error { return p.err }) }
func (p *pod) network() *node.Pod { return get(p, func() *node.Pod { return p.net }) }

// end asks the pod to end, and to do so at once if now.
func (p *pod) end(now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.stopped, p.ready = true, false
		close(p.stop)
	}
	if now && !p.killed {
		p.killed = true
		close(p.kill)
	}
}

// run is the pod's life.
func (p *pod) run() {
	defer p.c.change()
	err := p.start()
	if err != nil && !errors.Is(err, errEnding) {
		err = fmt.Errorf("pod %q in %q: %w", p.name, p.namespace(), err)
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		p.c.change()
		p.c.problem(err)
	} else if err == nil {
		p.watch()
	}
	<-p.stop
	p.c.change() // the endpoints go first
	p.c.problem(p.close())
	p.mu.Lock()
	p.finished = true
	p.mu.Unlock()
}

// errEnding is why a pod is not started any further.
var errEnding = errors.New("the pod is to end")

// start starts the containers one after the other: Envoy, native sidecars, and then
// the others.
func (p *pod) start() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if err := p.mountVolumes(); err != nil {
		return err
	}
	net, err := p.c.node.AddPod(p.injected(), p.excludedPorts()...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.net = net
	p.mu.Unlock()
	if err := os.MkdirAll(filepath.Join(p.dir, "etc"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "etc", "nsswitch.conf"), []byte("hosts: files\n"), 0o644); err != nil {
		return err
	}
	p.c.mu.Lock()
	err = errors.Join(p.publish(), p.c.writeHosts())
	p.c.mu.Unlock()
	if err != nil {
		return err
	}
	for _, c := range p.plan() {
		p.mu.Lock()
		p.containers = append(p.containers, c)
		p.mu.Unlock()
		if err := c.start(); err != nil {
			return fmt.Errorf("container %q: %w", c.name(), err)
		}
	}
	return nil
}

// watch keeps ready what it says until the pod is to end.
func (p *pod) watch() {
	for {
		ready := true
		for _, c := range p.containers {
			ready = c.isReady() && ready
		}
		p.mu.Lock()
		changed := p.ready != ready && !p.stopped
		if changed {
			p.ready = ready
		}
		p.mu.Unlock()
		if changed {
			p.c.problem(p.publish())
			p.c.change()
		}
		select {
		case <-p.stop:
			return
		case <-time.After(poll):
		}
	}
}

// close ends the containers, sidecars last, and takes the pod away.
func (p *pod) close() error {
	var errs []error
	errs = append(errs, p.stopContainers())
	if net := p.network(); net != nil {
		errs = append(errs, net.Close())
	}
	errs = append(errs, remove(p.c.control.podClient(p.namespace()), p.name))
	p.c.mu.Lock() // whoever holds it may be writing there
	errs = append(errs, os.RemoveAll(p.dir))
	p.c.mu.Unlock()
	return errors.Join(errs...)
}

// stopContainers ends containers of the last kind first: what is not a sidecar at
// once, then sidecars, the first of them last.
func (p *pod) stopContainers() error {
	deadline := time.Now().Add(p.grace())
	var errs []error
	var wg sync.WaitGroup
	var mu sync.Mutex
	stop := func(c *container) {
		err := c.stop(deadline)
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	for _, c := range p.containers {
		if !c.sidecar {
			wg.Go(func() { stop(c) })
		}
	}
	wg.Wait()
	for _, c := range slices.Backward(p.containers) {
		if c.sidecar {
			stop(c)
		}
	}
	return errors.Join(errs...)
}

func (p *pod) grace() time.Duration {
	if s := p.spec.TerminationGracePeriodSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}

// publish tells the control plane of the pod as it is.
func (p *pod) publish() error {
	net, ready := p.network(), corev1.ConditionFalse
	if p.isReady() {
		ready = corev1.ConditionTrue
	}
	ip := net.Address.String()
	return write(p.c.control.podClient(p.namespace()), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.name, Namespace: p.namespace(), Labels: p.labels, Annotations: p.notes,
		},
		Spec: p.spec,
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
		},
	})
}
