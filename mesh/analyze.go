package mesh

import (
	"fmt"
	"slices"
	"strings"

	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/msg"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/source"
)

// silent are messages of the analyzers that say nothing about what works.
var silent = []*diag.MessageType{
	msg.SchemaValidationError, // decoding says so, with the place
	msg.NamespaceNotInjected,  // of namespaces without tags, too
	msg.NoServerCertificateVerificationDestinationLevel,
	msg.NoServerCertificateVerificationPortLevel,
	msg.PodMissingProxy,
	msg.EnvoyFilterUsesRelativeOperation, // most do
	msg.SchemaWarning,                    // decoding says so

	// The Envoys decide what these guess at.
	msg.VirtualServiceHostNotFoundInGateway,
	msg.DestinationRuleSubsetNotSelectPods,
	msg.UnknownDestinationRuleHost,
}

// analyze adds what Istio's analyzers say of what is there. A reference to a kind that
// the files have no object of cannot be told to be wrong.
func (l *linter) analyze() {
	var streams []string
	for _, o := range l.manifests.Objects {
		whole := o.Object
		if o.Kube != nil {
			whole.Kube = l.envoys.completed(o)
		}
		if content, err := whole.Content(); err == nil {
			if text, err := yaml.Marshal(content); err == nil {
				streams = append(streams, string(text))
			}
		}
	}
	for _, w := range l.envoys.Workloads {
		pod := w.pod()
		if w.Proxy {
			pod.Spec.Containers = append(pod.Spec.Containers, proxyContainer)
		}
		if text, err := yaml.Marshal(pod); err == nil {
			streams = append(streams, string(text))
		}
	}
	messages, err := control.Analyze(streams)
	if err != nil {
		l.cannotTell("what istioctl analyze says: %s", err)
		return
	}
	for _, m := range messages {
		l.message(m)
	}
}

func (l *linter) message(m diag.Message) {
	if slices.Contains(silent, m.Type) || !m.Type.Level().IsWorseThanOrEqualTo(diag.Warning) || m.Resource == nil {
		return
	}
	name, kind := m.Resource.Metadata.FullName, m.Resource.Metadata.Schema.Kind()
	i := slices.IndexFunc(l.manifests.Objects, func(o *Object) bool {
		return o.Kind == kind && o.Name == name.Name.String() && o.Namespace == name.Namespace.String()
	})
	if i < 0 {
		return
	}
	if m.Type == msg.GatewayPortNotDefinedOnService && !l.envoys.served() || m.Type == msg.ImageAutoWithoutInjectionWarning && l.envoys.namespaces[name.Namespace.String()] == nil {
		return // the Service, or the Namespace with its labels, is not among the files
	}
	text := strings.TrimSpace(fmt.Sprintf(m.Type.Template(), m.Parameters...))
	if m.Type == msg.ConflictingMeshGatewayVirtualServiceHosts && strings.Count(text, "/"+name.Name.String()) > 1 && strings.Count(text, ",") == 1 {
		return // one VirtualService that names one host in several spellings
	}
	if m.Type == msg.ReferencedResourceNotFound && len(m.Parameters) == 2 {
		if why := l.lacking(fmt.Sprint(m.Parameters[0]), fmt.Sprint(m.Parameters[1])); why != "" {
			l.cannotTell("%s", why)
			return
		}
	}
	at := l.manifests.Objects[i].Doc.Get("metadata", "name")
	l.Findings = append(l.Findings, lint.Finding{Problem: at.Problem(source.Warning, source.Kind(strings.ToLower(m.Type.Code())), text)})
}

// completed returns an object of Kubernetes; of a Service, with what the API server adds.
func (e *Envoys) completed(o *Object) runtime.Object {
	if i := slices.IndexFunc(e.services, func(s *kubeService) bool {
		return o.Kind == "Service" && s.Namespace == o.Namespace && s.Name == o.Name
	}); i >= 0 {
		return e.services[i]
	}
	return o.Kube
}

// served reports whether a Service of a gateway is among the manifests.
func (e *Envoys) served() bool {
	return slices.ContainsFunc(e.services, func(s *kubeService) bool {
		return slices.ContainsFunc(e.Workloads, func(w *Workload) bool {
			return w.Gateway && w.Namespace == s.Namespace && selects(s.Spec.Selector, w.Labels)
		})
	})
}

// lacking says why a reference of a sort may lead to something that is not among the files,
// or "".
func (l *linter) lacking(sort, to string) string {
	for _, s := range []struct{ sort, kind string }{
		{"gateway", "Gateway"},
		{"credentialName", "Secret"},
		{"fromRegistry", "Secret"},
		{"subset", "DestinationRule"},
		{"provider", "MeshConfig"},
		{"selector", "Deployment"},
		{"host", "Service"},
	} {
		if strings.Contains(sort, s.sort) && !l.has(s.kind) {
			return fmt.Sprintf("whether the %s %s is there: the files have no %s", sort, to, s.kind)
		}
	}
	if sort == "gateway" && strings.Contains(to, ".") {
		return fmt.Sprintf("what istioctl analyze says of gateway %s: it does not know names with a dot, which Istio does", to)
	}
	if strings.Contains(sort, "host") {
		host := to
		if i := strings.IndexAny(host, "+"); i >= 0 {
			host = host[:i]
		}
		return l.unknowable(host, "")
	}
	return ""
}
