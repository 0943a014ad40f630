package manifests

import (
	"net"
	"strconv"
	"testing"

	securityv1 "istio.io/api/security/v1"
	typev1 "istio.io/api/type/v1beta1"
	"istio.io/istio/pkg/config"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestPorts checks that Service, NetworkPolicy, probes and arguments mean the same
// ports.
func TestPorts(t *testing.T) {
	t.Parallel()
	for form, listening := range map[string]map[string]string{
		sidecar: {"http-admin": "admin"},
		service: {"http-admin": "admin", "grpc": "listen"},
	} {
		c := container(t, pod(t, form), "tagproc")
		if len(c.Ports) != len(listening) {
			t.Errorf("%s: ports = %v, want %v", form, c.Ports, listening)
		}
		for name, of := range listening {
			_, got, err := net.SplitHostPort(flag(c, of))
			if want := port(t, c, intstr.FromString(name)); err != nil || got != strconv.Itoa(int(want)) {
				t.Errorf("%s: --%s=%s, want port %d, which is called %s", form, of, flag(c, of), want, name)
			}
		}
		for kind, probe := range probes(c) {
			if probe.HTTPGet == nil || probe.HTTPGet.Port.String() != "http-admin" {
				t.Errorf("%s: the %s probe is %+v, want one of http-admin", form, kind, probe.ProbeHandler)
			}
		}
	}

	all := build(t, service)
	c := container(t, pod(t, service), "tagproc")
	ports := get[*corev1.Service](t, all, "Service/tagproc").Spec.Ports
	if len(ports) != 1 || ports[0].Port != 9002 || ports[0].Name != "grpc" || ports[0].AppProtocol == nil || *ports[0].AppProtocol != "grpc" {
		t.Errorf("the Service has %+v, want port 9002, which name and appProtocol call grpc", ports)
	}
	port(t, c, ports[0].TargetPort)
	for _, rule := range get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy/tagproc").Spec.Ingress {
		for _, p := range rule.Ports {
			port(t, c, *p.Port)
		}
	}
	a := get[*autoscalingv2.HorizontalPodAutoscaler](t, all, "HorizontalPodAutoscaler/tagproc").Spec
	for _, m := range a.Metrics {
		container(t, pod(t, service), m.ContainerResource.Container)
	}
}

// TestSelectors checks that what is meant for tagproc's pods takes them, and no pod of
// the gateway.
func TestSelectors(t *testing.T) {
	t.Parallel()
	all := build(t, service)
	deployment := get[*appsv1.Deployment](t, all, "Deployment/tagproc")
	network := get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy/tagproc").Spec
	selectors := map[string]*metav1.LabelSelector{
		"Deployment":          deployment.Spec.Selector,
		"Service":             {MatchLabels: get[*corev1.Service](t, all, "Service/tagproc").Spec.Selector},
		"PodDisruptionBudget": get[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget/tagproc").Spec.Selector,
		"NetworkPolicy":       &network.PodSelector,
	}
	for _, c := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selectors["topologySpreadConstraints, "+c.TopologyKey] = c.LabelSelector
	}
	for kind, selector := range strict(t) {
		selectors[kind] = &metav1.LabelSelector{MatchLabels: selector.MatchLabels}
	}
	tagprocs, gateways := deployment.Spec.Template.Labels, pod(t, sidecar).Labels
	for of, selector := range selectors {
		if !selects(t, selector, tagprocs) {
			t.Errorf("%s does not select tagproc's pods, with %v", of, tagprocs)
		}
		if selects(t, selector, gateways) {
			t.Errorf("%s selects the gateway's pods, with %v", of, gateways)
		}
	}

	if gateway := network.Ingress[0].From[0].PodSelector; !selects(t, gateway, gateways) || selects(t, gateway, tagprocs) {
		t.Errorf("the NetworkPolicy lets in %v, want pods with %v", gateway, gateways)
	}
	for _, rule := range network.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) == 0 {
			t.Errorf("the NetworkPolicy lets in anybody, or to any port: %+v", rule)
		}
	}
	gateway := get[*corev1.Service](t, build(t, sidecar), "Service/istio-ingressgateway").Spec.Selector
	if !selects(t, &metav1.LabelSelector{MatchLabels: gateway}, gateways) {
		t.Errorf("the gateway's Service selects %v, want its pods, with %v", gateway, gateways)
	}
}

// strict returns whom the component strict-mtls takes, by kind.
func strict(t *testing.T) map[string]*typev1.WorkloadSelector {
	t.Helper()
	all := own(t, "/own", `
resources: [../deploy/overlays/service]
components: [../deploy/components/strict-mtls]
`, nil)
	authorization := get[config.Config](t, all, "AuthorizationPolicy/tagproc").Spec.(*securityv1.AuthorizationPolicy)
	peers := get[config.Config](t, all, "PeerAuthentication/tagproc").Spec.(*securityv1.PeerAuthentication)
	account := pod(t, sidecar).Spec.ServiceAccountName
	if got, want := authorization.Rules[0].From[0].Source.Principals[0], "*/ns/istio-system/sa/"+account; got != want {
		t.Errorf("AuthorizationPolicy: principal %s, want %s, that of the gateway", got, want)
	}
	for _, of := range authorization.Rules[0].To {
		for _, p := range of.Operation.Ports {
			n, err := strconv.Atoi(p)
			if err != nil {
				t.Error(err)
			}
			port(t, container(t, pod(t, service), "tagproc"), intstr.FromInt32(int32(n)))
		}
	}
	return map[string]*typev1.WorkloadSelector{"AuthorizationPolicy": authorization.Selector, "PeerAuthentication": peers.Selector}
}

// TestReplicas checks that there are two at least, one after the other is replaced,
// and that who applies the manifests does not undo the autoscaler.
func TestReplicas(t *testing.T) {
	t.Parallel()
	all := build(t, service)
	deployment := get[*appsv1.Deployment](t, all, "Deployment/tagproc").Spec
	a := get[*autoscalingv2.HorizontalPodAutoscaler](t, all, "HorizontalPodAutoscaler/tagproc").Spec
	if a.ScaleTargetRef.Kind != "Deployment" || a.ScaleTargetRef.Name != "tagproc" || a.ScaleTargetRef.APIVersion != "apps/v1" {
		t.Errorf("the autoscaler scales %+v", a.ScaleTargetRef)
	}
	if a.MinReplicas == nil || *a.MinReplicas < 2 || a.MaxReplicas <= *a.MinReplicas {
		t.Errorf("minReplicas, maxReplicas = %v, %d, want 2 or more, and more", a.MinReplicas, a.MaxReplicas)
	}
	if deployment.Replicas != nil {
		t.Errorf("replicas = %d, want none: kubectl apply would undo the autoscaler", *deployment.Replicas)
	}
	if r := deployment.Strategy.RollingUpdate; r == nil || r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() < 1 {
		t.Errorf("rollingUpdate = %v, want one more before one less", r)
	}
	if b := get[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget/tagproc").Spec; b.MaxUnavailable.IntValue() != 1 || b.MinAvailable != nil {
		t.Errorf("the disruption budget is %+v, want maxUnavailable 1", b)
	}
	if d := durationFlag(t, container(t, &deployment.Template, "tagproc"), "max-connection-age"); d <= 0 {
		t.Errorf("--max-connection-age=%v: connections would not spread over new replicas", d)
	}
}
