package mesh

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/source"
)

// A Workload is a kind of pod: what a template makes.
type Workload struct {
	Namespace, Name string
	Labels          map[string]string
	Notes           map[string]string // annotations
	Doc             *source.Document  // the object with the template; nil: it is taken to be there
	Gateway         bool              // its Envoy is a gateway's
	Proxy           bool              // it has an Envoy

	spec    corev1.PodSpec
	address netip.Addr
}

// String is the workload as "namespace/name".
func (w *Workload) String() string { return w.Namespace + "/" + w.Name }

// App is the name of its application: the label that says so, or its own name.
func (w *Workload) App() string {
	return cmp.Or(w.Labels["app"], w.Labels["app.kubernetes.io/name"], w.Labels["k8s-app"], w.Name)
}

// Version is the label version, or that of Kubernetes, or "".
func (w *Workload) Version() string {
	return cmp.Or(w.Labels["version"], w.Labels["app.kubernetes.io/version"])
}

// workloads returns what makes pods: whatever has a template of pods, and pods.
func (m *Manifests) workloads(namespace string) (all []*Workload) {
	type key struct{ kind, namespace, name string }
	latest := map[key]int{}
	for _, d := range m.Docs {
		template := d.Get("spec", "template")
		if d.Kind == "Pod" {
			template = d.Value
		}
		if !template.Get("spec", "containers").IsList() || d.Kind == "Job" {
			continue
		}
		text, err := template.YAML(source.MaxFileSize)
		if err != nil {
			continue
		}
		var pod corev1.PodTemplateSpec
		if yaml.Unmarshal(text, &pod) != nil {
			continue // where it matters the API server refuses it
		}
		w := &Workload{
			Namespace: cmp.Or(d.Namespace, namespace), Name: d.Name, Doc: d,
			Labels: pod.Labels, Notes: pod.Annotations, spec: pod.Spec,
		}
		if i, twice := latest[key{d.Kind, w.Namespace, w.Name}]; twice {
			all[i] = w
			continue
		}
		latest[key{d.Kind, w.Namespace, w.Name}] = len(all)
		all = append(all, w)
	}
	return all
}

// proxyName is how Istio calls the container with Envoy.
const proxyName = "istio-proxy"

// bringsGateway reports whether the pods bring a gateway's Envoy themselves.
func (w *Workload) bringsGateway() bool {
	if strings.Contains(w.Notes["inject.istio.io/templates"], "gateway") {
		return true
	}
	for i := range w.spec.Containers {
		c := &w.spec.Containers[i]
		if c.Name == proxyName && slices.Contains(c.Args, "router") {
			return true
		}
	}
	return false
}

// injected reports whether the pods get a sidecar, and by what not. What the pod says
// goes before what the namespace says.
func (w *Workload) injected(namespaces map[string]*corev1.Namespace) (is bool, why string) {
	for _, containers := range [][]corev1.Container{w.spec.InitContainers, w.spec.Containers} {
		if slices.ContainsFunc(containers, func(c corev1.Container) bool { return c.Name == proxyName }) {
			return true, ""
		}
	}
	if w.spec.HostNetwork {
		return false, "hostNetwork: true"
	}
	said, where := w.Notes["sidecar.istio.io/inject"], "its annotation"
	if label, is := w.Labels["sidecar.istio.io/inject"]; is {
		said, where = label, "its label"
	}
	switch said {
	case "true", "y", "yes", "on":
		return true, ""
	case "":
	default:
		return false, fmt.Sprintf("%s sidecar.istio.io/inject: %q", where, said)
	}
	if w.Labels["istio.io/rev"] != "" {
		return true, ""
	}
	ns := namespaces[w.Namespace]
	switch {
	case ns == nil:
		return true, "" // nobody says how the namespace is labelled
	case ns.Labels["istio-injection"] == "enabled", ns.Labels["istio-injection"] == "" && ns.Labels["istio.io/rev"] != "":
		return true, ""
	}
	return false, "the namespace has no label istio-injection: enabled"
}

// added are labels of pods that controllers and nodes add: a template does not have them.
func added(label string) bool {
	switch label {
	case "rollouts-pod-template-hash", "pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index":
		return true
	}
	return strings.HasPrefix(label, "topology.") || strings.HasPrefix(label, "kubernetes.io/hostname") || strings.HasPrefix(label, "failure-domain.")
}

// selects reports whether pods with labels are selected, labels apart that are added.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, is := labels[k]; (!is || got != v) && (is || !added(k)) {
			return false
		}
	}
	return len(selector) > 0
}

// pod returns the pod that stands for all of a workload.
func (w *Workload) pod() *corev1.Pod {
	spec := *w.spec.DeepCopy()
	spec.HostNetwork = false // it would have the address of a node
	for i := range spec.Containers {
		for j := range spec.Containers[i].Ports {
			if p := &spec.Containers[i].Ports[j]; p.Protocol == "" {
				p.Protocol = corev1.ProtocolTCP
			}
		}
	}
	ip := w.address.String()
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: w.podName(), Namespace: w.Namespace, Labels: w.Labels, Annotations: w.Notes},
		Spec:       spec,
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

func (w *Workload) podName() string {
	return w.Name + "-" + strings.ReplaceAll(w.address.String(), ".", "-")
}

// port resolves a Service's target port.
func (w *Workload) port(target intstr.IntOrString) (int32, bool) {
	if target.Type == intstr.Int {
		return target.IntVal, true
	}
	for _, c := range slices.Concat(w.spec.InitContainers, w.spec.Containers) {
		for _, port := range c.Ports {
			if port.Name == target.StrVal {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

// service completes a Service as an API server does.
func service(s *corev1.Service, address netip.Addr) *corev1.Service {
	s = s.DeepCopy()
	spec := &s.Spec
	spec.Type = cmp.Or(spec.Type, corev1.ServiceTypeClusterIP)
	if spec.ClusterIP == "" && spec.Type != corev1.ServiceTypeExternalName {
		spec.ClusterIP = address.String()
	}
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	for i := range spec.Ports {
		p := &spec.Ports[i]
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
		p.Protocol = cmp.Or(p.Protocol, corev1.ProtocolTCP)
	}
	return s
}

// slice returns the endpoints of a Service: the pods that it selects.
func slice(s *corev1.Service, workloads []*Workload) *discoveryv1.EndpointSlice {
	ready := true
	out := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: s.Name}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	numbers := map[int]int32{}
	for _, w := range workloads {
		if w.Namespace != s.Namespace || !selects(s.Spec.Selector, w.Labels) {
			continue
		}
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{w.address.String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &ready},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: w.Namespace, Name: w.podName()},
		})
		for i, p := range s.Spec.Ports {
			if n, ok := w.port(p.TargetPort); ok {
				numbers[i] = n
			}
		}
	}
	for _, i := range slices.Sorted(maps.Keys(numbers)) {
		p, number := s.Spec.Ports[i], numbers[i]
		out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &number, Protocol: &p.Protocol, AppProtocol: p.AppProtocol})
	}
	return out
}

// addresses hands out addresses.
type addresses struct{ next netip.Addr }

func (a *addresses) new() netip.Addr {
	a.next = a.next.Next()
	return a.next
}

var systemNamespace = control.SystemNamespace
