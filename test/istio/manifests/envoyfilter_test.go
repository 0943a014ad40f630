package manifests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// envoyFilters are what `tagproc render envoyfilter` makes for a form.
var envoyFilters = map[string]string{sidecar: "sidecar.yaml", service: "service.yaml"}

// TestRulesAreThoseOfTheEnvoyFilter checks that tagproc is given the rules that the
// EnvoyFilters are made from.
func TestRulesAreThoseOfTheEnvoyFilter(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join(root, "deploy", "envoyfilter", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := get[*corev1.ConfigMap](t, build(t, "base"), "ConfigMap/tagproc-rules").Data["rules.yaml"]; got != string(want) {
		t.Error("base/rules.yaml is not deploy/envoyfilter/rules.yaml: copy that one")
	}
}

// TestEnvoyFilterFits checks that Envoy looks for tagproc where it is, and that both
// have the same limits.
func TestEnvoyFilterFits(t *testing.T) {
	t.Parallel()
	gateways := pod(t, sidecar).Labels
	for form, file := range envoyFilters {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(root, "deploy", "envoyfilter", file))
			if err != nil {
				t.Fatal(err)
			}
			var filter map[string]any
			if err := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096).Decode(&filter); err != nil {
				t.Fatal(err)
			}
			c := container(t, pod(t, form), "tagproc")
			for key, want := range map[string]string{
				"max_headers_count":      flag(c, "max-request-headers"),
				"max_request_headers_kb": flag(c, "max-request-headers-kb"),
			} {
				if got := find(filter, key); !slices.Equal(got, []string{want}) {
					t.Errorf("%s = %q, want %q, as serve is told", key, got, want)
				}
			}
			if form == sidecar {
				if got, want := find(filter, "path"), flag(c, "listen"); len(got) != 1 || "unix://"+got[0] != want {
					t.Errorf("the cluster's path = %q, want that of %q", got, want)
				}
			} else {
				s := get[*corev1.Service](t, build(t, form), "Service/tagproc")
				want := fmt.Sprintf("outbound|%d||%s.%s.svc.cluster.local", s.Spec.Ports[0].Port, s.Name, s.Namespace)
				if got := find(filter, "cluster_name"); !slices.Equal(got, []string{want}) {
					t.Errorf("cluster_name = %q, want %q", got, want)
				}
			}
			if got, want := find(filter, "untyped"), slices.Contains(c.Args, "--metadata"); want != slices.Equal(got, []string{"[tagproc]"}) {
				t.Errorf("Envoy takes metadata of %q, and serve has --metadata: %v", got, want)
			}
			spec := filter["spec"].(map[string]any)["workloadSelector"].(map[string]any)["labels"].(map[string]any)
			selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
			for name, value := range spec {
				selector.MatchLabels[name] = fmt.Sprint(value)
			}
			if !selects(t, selector, gateways) {
				t.Errorf("the EnvoyFilter selects %v, want the gateway's pods, with %v", spec, gateways)
			}
		})
	}
}

// find returns the values of a key, wherever it stands.
func find(in any, key string) (values []string) {
	switch in := in.(type) {
	case map[string]any:
		for k, v := range in {
			if k == key {
				values = append(values, fmt.Sprint(v))
			}
			values = append(values, find(v, key)...)
		}
	case []any:
		for _, v := range in {
			values = append(values, find(v, key)...)
		}
	}
	return values
}
