package mesh

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"

	"github.com/tagproc/tagproc/mesh/control"
)

// takeGateways adds the Gateways that VirtualServices name, where the manifests have none
// at all: each for HTTP and for all hosts.
func (e *Envoys) takeGateways(m *Manifests) {
	var taken []*Object
	for _, o := range m.Objects {
		if o.Kind == "Gateway" {
			return
		}
		spec, is := istioSpec[*networking.VirtualService](o)
		if !is {
			continue
		}
		for _, written := range spec.GetGateways() {
			namespace, name := gatewayOf(written, o.Namespace)
			if written == "mesh" || slices.ContainsFunc(taken, func(t *Object) bool { return t.Name == name && t.Namespace == namespace }) {
				continue
			}
			taken = append(taken, &Object{Doc: o.Doc, Object: control.Object{
				Key: control.Key{Group: gvk.Gateway.Group, Kind: gvk.Gateway.Kind, Namespace: namespace, Name: name},
				Istio: &config.Config{
					Meta: config.Meta{GroupVersionKind: gvk.Gateway, Namespace: namespace, Name: name},
					Spec: &networking.Gateway{
						Selector: map[string]string{"istio": "ingressgateway"},
						Servers:  []*networking.Server{{Port: &networking.Port{Number: 80, Name: "http", Protocol: "HTTP"}, Hosts: []string{"*"}}},
					},
				},
			}})
			e.note(o.Doc.Get("spec", "gateways"), "Gateway %s/%s is not among the manifests: it is taken to be for HTTP and all hosts", namespace, name)
		}
	}
	e.taken = taken
}

// gatewayOf returns the namespace and the name of a Gateway that a VirtualService of a
// namespace names, in the forms that Istio reads.
func gatewayOf(written, namespace string) (space, name string) {
	space, name, qualified := strings.Cut(written, "/")
	switch {
	case qualified && space == ".":
		return namespace, name
	case qualified:
		return space, name
	}
	if parts := strings.Split(written, "."); len(parts) > 1 {
		return parts[1], parts[0]
	}
	return namespace, written
}

// takeCaller adds a pod with a sidecar, where no pods of the manifests have one: it sees the
// routes of the mesh.
func (e *Envoys) takeCaller(m *Manifests) {
	if slices.ContainsFunc(e.Workloads, func(w *Workload) bool {
		is, _ := w.injected(e.namespaces)
		return !w.Gateway && is
	}) {
		return
	}
	for _, o := range m.Objects {
		spec, is := istioSpec[*networking.VirtualService](o)
		if is && len(spec.GetHosts()) > 0 && (len(spec.GetGateways()) == 0 || slices.Contains(spec.GetGateways(), "mesh")) {
			w := &Workload{Namespace: o.Namespace, Name: "caller", Labels: map[string]string{"app": "caller", "sidecar.istio.io/inject": "true"}}
			e.Workloads = append(e.Workloads, w)
			e.note(o.Doc.Value, "no pods of the manifests have a sidecar: the routes of the mesh are those of one that is taken to be in namespace %s", w.Namespace)
			return
		}
	}
}
