package lint

import (
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// TestNearMiss checks that a misspelt kind is a finding, and is not counted as "other".
func TestNearMisses(t *testing.T) {
	const rest = "metadata: {name: x, namespace: istio-system}\nspec: {}\n"
	for head, want := range map[string]string{
		"apiversion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\n": `f.yaml:1:1: warning: this EnvoyFilter has no apiVersion; expected one of networking.istio.io (it has "apiversion")`,
		"kind: EnvoyFilter\n": `f.yaml:1:1: warning: this EnvoyFilter has no apiVersion; expected one of networking.istio.io;`,
		"apiVersion: networking.istio.io/v1alpha3\nkind: Envoyfilter\n":   `f.yaml:2:7: warning: there is no kind Envoyfilter (did you mean "EnvoyFilter"?)`,
		"apiVersion: networking.istio.io/v1\nkind: VirtualServices\n":     `f.yaml:2:7: warning: there is no kind VirtualServices (did you mean "VirtualService"?)`,
		"apiVersion: v1\nkind: Configmap\n":                               `f.yaml:2:7: warning: there is no kind Configmap (did you mean "ConfigMap"?)`,
		"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n":       "",
		"apiVersion: networking.istio.io/v1\nkind: Sidecar\n":             "",
		"apiVersion: v1\nkind: ServiceAccount\n":                          "",
		"apiVersion: serving.knative.dev/v1\nkind: Service\n":             "",
		"apiVersion: route.openshift.io/v1\nkind: Virtualservice\n":       "",
		"apiVersion: apps/v1\nkind: ControllerRevision\n":                 "",
		"apiVersion: networking.istio.io/v1alpha3\nkind: WorkloadEntry\n": "",
	} {
		r := Files([]File{{Name: "f.yaml", Source: []byte(head + rest)}}, rules.Options{})
		got := ""
		for _, f := range r.Findings {
			got += f.String() + "\n"
		}
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: findings %q, want %q", strings.TrimSpace(head), got, want)
		}
	}
}
