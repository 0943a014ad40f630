package manifests

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// deployments are the Deployments that tagproc runs in, by the form.
var deployments = map[string]string{sidecar: "Deployment/istio-ingressgateway", service: "Deployment/tagproc"}

// pod returns what a form's pods are made of.
func pod(t *testing.T, form string) *corev1.PodTemplateSpec {
	t.Helper()
	return &get[*appsv1.Deployment](t, build(t, form), deployments[form]).Spec.Template
}

// container returns the container called name, a native sidecar or another one.
func container(t *testing.T, pod *corev1.PodTemplateSpec, name string) *corev1.Container {
	t.Helper()
	for _, all := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		if i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
			return &all[i]
		}
	}
	t.Fatalf("no container is called %s", name)
	return nil
}

// flag returns the value of a flag of serve, or "" without it.
func flag(c *corev1.Container, name string) string {
	for _, arg := range c.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// durationFlag is flag, of a duration.
func durationFlag(t *testing.T, c *corev1.Container, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(flag(c, name))
	if err != nil {
		t.Errorf("--%s: %v", name, err)
	}
	return d
}

// port returns the number of a container's port, by its number or name.
func port(t *testing.T, c *corev1.Container, p intstr.IntOrString) int32 {
	t.Helper()
	for _, known := range c.Ports {
		if p.Type == intstr.Int && known.ContainerPort == p.IntVal || p.Type == intstr.String && known.Name == p.StrVal {
			return known.ContainerPort
		}
	}
	t.Errorf("container %s has no port %v", c.Name, &p)
	return 0
}

// probes returns the probes of a container by what they are for.
func probes(c *corev1.Container) map[string]*corev1.Probe {
	all := map[string]*corev1.Probe{}
	for kind, probe := range map[string]*corev1.Probe{
		"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe,
	} {
		if probe != nil {
			all[kind] = probe
		}
	}
	return all
}

// mounted returns the volume that is mounted at dir.
func mounted(t *testing.T, pod *corev1.PodTemplateSpec, c *corev1.Container, dir string) (corev1.VolumeMount, corev1.Volume) {
	t.Helper()
	for _, m := range c.VolumeMounts {
		if m.MountPath != dir {
			continue
		}
		for _, v := range pod.Spec.Volumes {
			if v.Name == m.Name {
				return m, v
			}
		}
	}
	t.Fatalf("container %s has no volume at %s", c.Name, dir)
	return corev1.VolumeMount{}, corev1.Volume{}
}

// selects reports whether a selector takes pods with these labels. It is false for an
// empty selector, which takes all.
func selects(t *testing.T, selector *metav1.LabelSelector, pod map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Error(err)
		return false
	}
	return !s.Empty() && s.Matches(labels.Set(pod))
}
