package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"istio.io/istio/pkg/config/analysis/diag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/mesh/control"
)

// GatewayManifests are the manifests of the gateway that Start applies.
func GatewayManifests() string { return gatewayFixture }

// Analyze runs the analyzers of istioctl over streams of manifests together, with a
// pod for each Deployment. What refers to something has to find it: a Gateway its
// Deployment (see GatewayManifests), a subset its pods. Whatever they say is an
// error, except the warning that every EnvoyFilter gets and the codes of except,
// such as IST0118.
func Analyze(manifests []string, except ...string) error {
	all := slices.Clone(manifests)
	for _, m := range manifests {
		pods, err := podsOf(m)
		if err != nil {
			return err
		}
		all = append(all, pods)
	}
	messages, err := control.Analyze(all)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range messages {
		if m.Type.Level().IsWorseThanOrEqualTo(diag.Info) && !slices.Contains(except, m.Type.Code()) {
			errs = append(errs, errors.New(m.String()))
		}
	}
	return errors.Join(errs...)
}

// podsOf returns a pod for each Deployment, as the cluster would make one.
func podsOf(manifests string) (string, error) {
	objects, err := decode(manifests, "default")
	if err != nil {
		return "", err
	}
	var stream strings.Builder
	for _, o := range objects {
		d, ok := o.Kube.(*appsv1.Deployment)
		if !ok {
			continue
		}
		p := corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(),
			Spec:       *d.Spec.Template.Spec.DeepCopy(),
		}
		p.Name, p.Namespace = d.Name+"-1", d.Namespace
		p.Spec.Containers = slices.DeleteFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Image == proxyImage })
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: proxyName, Image: "istio/proxyv2"})
		b, err := yaml.Marshal(p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&stream, "---\n%s", b)
	}
	return stream.String(), nil
}
