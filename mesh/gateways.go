package mesh

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tagproc/tagproc/source"
)

// gatewayName is the label of the pods that Istio makes for a Gateway of the Gateway API.
const gatewayName = "gateway.networking.k8s.io/gateway-name"

// gateways tells which workloads are gateways, and adds those that the manifests do not
// have: the pods that Istio makes for Gateways of the Gateway API, and, where there is no
// pod of a gateway at all, those that Gateways select.
func (e *Envoys) gateways(m *Manifests) {
	var classic []*Object
	for _, o := range slices.Concat(m.Objects, e.taken) {
		if spec, is := istioSpec[*networking.Gateway](o); is {
			classic = append(classic, o)
			for _, w := range e.Workloads {
				w.Gateway = w.Gateway || len(spec.GetSelector()) > 0 && selects(spec.GetSelector(), w.Labels)
			}
		}
		if g, is := o.Kube.(*gatewayv1.Gateway); is {
			e.managed(g)
		}
	}
	known := false
	for _, w := range e.Workloads {
		w.Gateway = w.Gateway || w.bringsGateway()
		known = known || w.Gateway && w.Labels[gatewayName] == ""
	}
	if known {
		return
	}
	for _, o := range classic {
		spec, _ := istioSpec[*networking.Gateway](o)
		e.assume(o, spec.GetSelector())
	}
}

func istioSpec[T any](o *Object) (spec T, is bool) {
	if o.Istio == nil {
		return spec, false
	}
	spec, is = o.Istio.Spec.(T)
	return spec, is
}

// assume adds the pods that a Gateway selects, where the manifests have no gateway.
func (e *Envoys) assume(o *Object, selector map[string]string) {
	if slices.ContainsFunc(e.Workloads, func(w *Workload) bool { return w.Gateway && maps.Equal(w.Labels, labelsOf(selector)) }) {
		return
	}
	w := &Workload{Namespace: o.Namespace, Name: "gateway", Labels: labelsOf(selector), Gateway: true}
	if by := selector["istio"]; by != "" {
		w.Namespace, w.Name = systemNamespace, "istio-"+by
	} else if len(selector) > 0 {
		w.Name = selector[slices.Min(slices.Collect(maps.Keys(selector)))]
	}
	e.Workloads = append(e.Workloads, w)
	e.note(o.Doc.Value, "the pods of this Gateway are not among the manifests: they are taken to be %s with the labels %s", w, labelText(w.Labels))
}

func labelsOf(selector map[string]string) map[string]string {
	if len(selector) == 0 {
		return map[string]string{"istio": "ingressgateway"}
	}
	return selector
}

func labelText(labels map[string]string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+": "+labels[k])
	}
	return strings.Join(pairs, ", ")
}

// managed adds the Service and the pods that Istio makes for a Gateway of the Gateway API.
func (e *Envoys) managed(g *gatewayv1.Gateway) {
	if g.Spec.GatewayClassName != "istio" || len(g.Spec.Addresses) > 0 {
		return
	}
	name := cmp.Or(g.Annotations["gateway.istio.io/name-override"], g.Name+"-istio")
	labels := map[string]string{gatewayName: g.Name}
	for _, w := range e.Workloads {
		if w.Namespace == g.Namespace && w.Labels[gatewayName] == g.Name {
			w.Gateway = true
			return
		}
	}
	e.Workloads = append(e.Workloads, &Workload{Namespace: g.Namespace, Name: name, Labels: labels, Gateway: true})
	s := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: g.Namespace, Labels: labels},
		Spec:       corev1.ServiceSpec{Selector: labels, Type: corev1.ServiceTypeLoadBalancer},
	}
	told := map[int32]bool{}
	for _, l := range g.Spec.Listeners {
		if port := l.Port; !told[port] {
			told[port] = true
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("%s-%d", strings.ToLower(string(l.Protocol)), port), Port: port, TargetPort: intstr.FromInt32(port)})
		}
	}
	e.services = append(e.services, s)
}

func (e *Envoys) note(v source.Value, format string, args ...any) {
	e.Notes = append(e.Notes, v.Problem(source.Note, KindSynthetic, fmt.Sprintf(format, args...)))
}
