package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tagproc/tagproc/mesh/control"
)

// Apply applies streams of manifests as `kubectl apply` does. It does not wait until
// what they say runs: see Rollout and Expect.
func (c *Cluster) Apply(t testing.TB, manifests ...string) {
	t.Helper()
	for _, m := range manifests {
		if _, err := c.TryApply(m); err != nil {
			t.Fatal(err)
		}
	}
}

// ApplyFile applies files, and of directories those that end in .yaml, by name.
func (c *Cluster) ApplyFile(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		content, err := readManifests(path)
		if err == nil {
			_, err = c.TryApply(content)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// Delete deletes the objects of streams of manifests. Pods end as they are asked
// to: Eventually and NoPods say when they have.
func (c *Cluster) Delete(t testing.TB, manifests ...string) {
	t.Helper()
	for _, m := range manifests {
		if _, err := c.tryDelete(m, "default"); err != nil {
			t.Fatal(err)
		}
	}
}

// TryApply is Apply with an error instead of a failure. It returns what kubectl says,
// such as "configmap/tagproc-rules configured". If one object cannot be decoded none
// is applied.
func (c *Cluster) TryApply(manifests string) ([]string, error) {
	return c.tryApply(manifests, "default")
}

func (c *Cluster) tryApply(manifests, namespace string) ([]string, error) {
	objects, err := decode(manifests, namespace)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, errors.New("no objects passed to apply")
	}
	var said []string
	for _, o := range objects {
		verb := " created"
		if _, err := c.get(o.Key); err == nil {
			verb = " configured"
		}
		if err := c.apply(o); err != nil {
			return said, fmt.Errorf("%s in %q: %w", o, o.Namespace, err)
		}
		said = append(said, o.String()+verb)
	}
	return said, nil
}

func (c *Cluster) tryDelete(manifests, namespace string) ([]string, error) {
	objects, err := decode(manifests, namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	var errs []error
	for _, o := range objects {
		errs = append(errs, c.delete(o.Key))
		names = append(names, o.String())
	}
	return names, errors.Join(errs...)
}

// get returns a stored object.
func (c *Cluster) get(k control.Key) (control.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.objects[k]
	if !ok {
		return control.Object{}, fmt.Errorf("%s in %q not found", k, k.Namespace)
	}
	return o, nil
}

// put stores an object of Start.
func (c *Cluster) put(t testing.TB, o control.Object) {
	t.Helper()
	if err := c.apply(o); err != nil {
		t.Fatal(err)
	}
}

// apply stores one object and tells whom it concerns.
func (c *Cluster) apply(o control.Object) error {
	defer c.change()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.objects[control.Key{Kind: "Namespace", Name: o.Namespace}]; !ok && o.Namespace != "" {
		return fmt.Errorf("namespaces %q not found", o.Namespace)
	}
	if err := checkObject(o); err != nil {
		return err
	}
	if err := c.accept(o); err != nil {
		return err
	}
	c.objects[o.Key] = o
	return nil
}

// accept checks an object as an API server would, where decoding did not, and hands
// it to the control plane if that watches it.
func (c *Cluster) accept(o control.Object) error {
	if o.Istio != nil {
		return c.control.configure(o)
	}
	switch k := o.Kube.(type) {
	case *corev1.Namespace:
		return write(c.control.namespaceClient(), k.DeepCopy())
	case *gatewayv1.Gateway:
		return write(c.control.gateways(o.Namespace), k.DeepCopy())
	case *gatewayv1.HTTPRoute:
		return write(c.control.httpRoutes(o.Namespace), k.DeepCopy())
	case *corev1.Service:
		return c.acceptService(o.Key, k)
	case *appsv1.Deployment:
		setDefaults(&k.Spec.Template.Spec)
		before, _ := c.objects[o.Key].Kube.(*appsv1.Deployment)
		if before != nil && k.Spec.Replicas == nil {
			k.Spec.Replicas = before.Spec.Replicas // kubectl leaves alone what a manifest never had
		}
		return sameSelector(k, before)
	case *corev1.ConfigMap:
		c.objects[o.Key] = o // before the volumes are told
		for _, p := range c.pods {
			c.problems = append(c.problems, p.updateVolumes(k)...)
		}
	}
	return nil
}

// setDefaults adds what an API server adds and the control plane relies on.
func setDefaults(spec *corev1.PodSpec) {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				if p := &containers[i].Ports[j]; p.Protocol == "" {
					p.Protocol = corev1.ProtocolTCP
				}
			}
		}
	}
}

// checkObject returns what is wrong with an object by itself, decoding apart.
func checkObject(o control.Object) error {
	switch k := o.Kube.(type) {
	case *corev1.Pod, *appsv1.StatefulSet, *appsv1.DaemonSet, *corev1.Secret:
		return fmt.Errorf("a %s is not played here: use a Deployment, or a ConfigMap", o.Kind)
	case *appsv1.Deployment:
		selector, err := metav1.LabelSelectorAsSelector(k.Spec.Selector)
		if err != nil {
			return err
		}
		if selector.Empty() || !selector.Matches(labels.Set(k.Spec.Template.Labels)) {
			return fmt.Errorf("spec.selector %q does not match the labels of spec.template", selector)
		}
		return checkPod(&k.Spec.Template.Spec)
	}
	return nil
}

// sameSelector returns an error if a Deployment selects by other labels than before.
func sameSelector(d, before *appsv1.Deployment) error {
	if before == nil {
		return nil
	}
	now, was := metav1.FormatLabelSelector(d.Spec.Selector), metav1.FormatLabelSelector(before.Spec.Selector)
	if now != was {
		return fmt.Errorf("spec.selector is immutable: it is %q, not %q; delete the Deployment before", was, now)
	}
	return nil
}

// delete removes an object.
func (c *Cluster) delete(k control.Key) error {
	defer c.change()
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.objects[k]
	if !ok {
		return fmt.Errorf("%s in %q not found", k, k.Namespace)
	}
	delete(c.objects, k)
	if o.Istio != nil {
		return c.control.unconfigure(o)
	}
	switch k.Kind {
	case "Namespace":
		return remove(c.control.namespaceClient(), k.Name)
	case "Service":
		return c.forgetService(k)
	case "Gateway":
		return remove(c.control.gateways(k.Namespace), k.Name)
	case "HTTPRoute":
		return remove(c.control.httpRoutes(k.Namespace), k.Name)
	}
	return nil
}

// readManifests returns the manifests of a file, or of a directory's files that end
// in .yaml, .yml or .json, by name, in one stream.
func readManifests(path string) (string, error) {
	files, err := manifestFiles(path)
	if err != nil {
		return "", err
	}
	var stream strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&stream, "---\n%s\n", content)
	}
	return stream.String(), nil
}

func manifestFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(ext)) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no manifests", path)
	}
	return files, nil
}
