package manifests

import (
	"slices"
	"strings"
	"testing"

	"istio.io/istio/operator/pkg/values"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// tokenPath is where Kubernetes mounts the token of a pod's ServiceAccount.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// admitted does to a pod what the admission plugin ServiceAccount of Kubernetes does:
// each container without a mount at tokenPath gets one of the token.
func admitted(pod *corev1.PodTemplateSpec) {
	if on := pod.Spec.AutomountServiceAccountToken; on != nil && !*on {
		return
	}
	const name = "kube-api-access-x"
	for _, all := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range all {
			if !slices.ContainsFunc(all[i].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == tokenPath }) {
				all[i].VolumeMounts = append(all[i].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: tokenPath, ReadOnly: true})
			}
		}
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
			ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"},
		}}},
	}})
}

// tokens returns the paths at which a container has a volume that may hold a token.
func tokens(t *testing.T, pod *corev1.PodTemplateSpec, c *corev1.Container) (paths []string) {
	t.Helper()
	for _, m := range c.VolumeMounts {
		if _, v := mounted(t, pod, c, m.MountPath); v.EmptyDir == nil && v.ConfigMap == nil {
			paths = append(paths, m.MountPath)
		}
	}
	return paths
}

// TestNoToken checks that tagproc has no token in a pod that Kubernetes has admitted,
// Istio has injected, and Kubernetes has admitted again, as it does with what a webhook
// changed; and that Istio's proxy keeps those that it had.
func TestNoToken(t *testing.T) {
	t.Parallel()
	gateway := fromChart(t, values.Map{})
	for name, deployment := range map[string]*appsv1.Deployment{
		"service":     get[*appsv1.Deployment](t, build(t, service), deployments[service]),
		"sidecar":     get[*appsv1.Deployment](t, build(t, sidecar), deployments[sidecar]),
		"the chart's": patched(t, gateway),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admitted(&deployment.Spec.Template)
			p := injected(t, deployment, values.Map{})
			admitted(p)
			if got := tokens(t, p, container(t, p, "tagproc")); len(got) > 0 {
				t.Errorf("tagproc may have tokens at %s", strings.Join(got, ", "))
			}
			theirs := tokens(t, p, container(t, p, "istio-proxy"))
			if !slices.Contains(theirs, "/var/run/secrets/tokens") {
				t.Errorf("istio-proxy has volumes at %v, want its token for istiod among them", theirs)
			}
			if name != "service" && !slices.Contains(theirs, tokenPath) {
				t.Errorf("istio-proxy has volumes at %v, want the token that it has without tagproc", theirs)
			}
		})
	}
}
