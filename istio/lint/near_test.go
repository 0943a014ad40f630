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
		"apiVersion: networking.istio.io/v1\nkind: VirtualServices\n":     "",
		"apiVersion: v1\nkind: Services\n":                                `f.yaml:2:7: warning: there is no kind Services (did you mean "Service"?)`,
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

// TestPatchForms checks the spelling of an EnvoyFilter's own keys, and that a filter whose
// configuration is a patch of its own is read.
func TestPatchForms(t *testing.T) {
	const filter = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: tagproc, namespace: istio-system}
spec:
  workload_selector: {labels: {my_label: a}}
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY}
    patch:
      operation: INSERT_BEFORE
      value: {name: tagproc, config_discovery: {type_urls: [type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor]}}
  - applyTo: EXTENSION_CONFIG
    match: {context: GATEWAY}
    patch:
      operation: ADD
      value:
        name: tagproc
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
          grpc_service: {envoy_grpc: {cluster_name: outbound|9999||tagproc.istio-system.svc.cluster.local}}
---
apiVersion: v1
kind: Service
metadata: {name: tagproc, namespace: istio-system}
spec: {selector: {app: tagproc}, ports: [{name: grpc, port: 9002}]}
`
	var found []string
	for _, f := range Files([]File{{Name: "f.yaml", Source: []byte(filter)}}, rules.Options{}).Findings {
		if f.Severity.String() == "error" {
			found = append(found, f.String())
		}
	}
	text := strings.Join(found, "\n")
	for _, want := range []string{
		`f.yaml:5:3: error: there is no field "workload_selector" here (did you mean "workloadSelector"?); correct it: the API server refuses it, or drops it [unknown-field]`,
		`f.yaml:20:53: error: Service istio-system/tagproc has no port 9999, only 9002: tagproc is never asked, and every request goes on untagged`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("found\n%s\nwant %q", text, want)
		}
	}
	if len(found) != 2 {
		t.Errorf("found\n%s\nwant 2 errors", text)
	}
}

// TestForeignRules checks that rules of another product are not taken for tagproc's.
func TestForeignRules(t *testing.T) {
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: audit}\ndata:\n  audit.yaml: |\n    rules:\n    - level: Metadata\n      policies: [x, y]\n"
	r := Files([]File{{Name: "f.yaml", Source: []byte(config)}}, rules.Options{})
	if len(r.Findings) > 0 {
		t.Errorf("found %v, want nothing", r.Findings)
	}
}
