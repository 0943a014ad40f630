package chart

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"sigs.k8s.io/yaml"
)

// TestLint checks the chart as "helm lint" does, with the values of ci/ and with everything on.
func TestLint(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]values{
		"ci/service-values.yaml": nil,
		"ci/sidecar-values.yaml": nil,
		"everything": ruled(t, values{
			"mesh": values{"strict": true}, "monitoring": values{"podMonitor": true, "prometheusRule": true, "dashboard": true},
			"envoyFilter": text(t, "envoyfilter/service.yaml"), "fullnameOverride": "tagproc",
		}),
	} {
		if v == nil {
			if err := yaml.UnmarshalStrict([]byte(text(t, "helm/tagproc/"+name)), &v); err != nil {
				t.Fatal(err)
			}
		}
		for _, message := range lint.RunAll(directory, v, "istio-system", lint.WithKubeVersion(oldest)).Messages {
			if message.Err.Error() != "icon is recommended" {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

// TestRefused checks what Helm says of values that would not work.
func TestRefused(t *testing.T) {
	t.Parallel()
	rules := text(t, "kustomize/base/rules.yaml")
	for _, tt := range []struct {
		name   string
		values values
		want   string
	}{
		{"no rules", values{}, "there are no rules: give your rules file by --set-file rules=rules.yaml"},
		{"two sources of rules", values{"rules": rules, "existingConfigMap": "mine"}, "rules and existingConfigMap are both given"},
		{"a file's name instead of the file", values{"rules": "rules.yaml"}, "rules is no rules file: "},
		{"rules that are no YAML", values{"rules": "rules: [\n"}, "rules is no rules file: "},
		{"rules that are a list", values{"rules": values{"tagHeaders": "x"}}, "at '/rules': got object, want string"},
		{"an unknown form", values{"rules": rules, "form": "daemonset"}, "at '/form': value must be one of 'service', 'sidecar'"},
		{"a misspelt key", values{"rules": rules, "replicas": 3}, "additional properties 'replicas' not allowed"},
		{"a misspelt key further down", values{"rules": rules, "image": values{"name": "x"}}, "at '/image': additional properties 'name' not allowed"},
		{"a tag with a registry", values{"rules": rules, "image": values{"tag": "registry.example/tagproc:v1"}}, "at '/image/tag'"},
		{"a digest without its kind", values{"rules": rules, "image": values{"digest": "abc"}}, "at '/image/digest'"},
		{"no labels of the gateway", values{"rules": rules, "gateway": values{"labels": values{"istio": nil}}}, "at '/gateway/labels': minProperties"},
		{"nobody may answer", values{"rules": rules, "autoscaling": values{"minReplicas": 0}}, "at '/autoscaling/minReplicas'"},
		{"fewer replicas at most than at least", values{"rules": rules, "autoscaling": values{"minReplicas": 12}}, "autoscaling.maxReplicas is 10, below minReplicas, 12"},
		{"half a core", values{"rules": rules, "gomaxprocs": 0.5}, "at '/gomaxprocs'"},
		{"a flag that is none", values{"rules": rules, "extraArgs": []any{"debug"}}, "at '/extraArgs/0'"},
		{"a sidecar apart from its gateway", values{"rules": rules, "form": "sidecar", "gateway": values{"namespace": "edge"}}, "install with --namespace edge"},
		{"a sidecar that watches", values{"rules": rules, "form": "sidecar", "watch": true}, "watch is true, and form is sidecar"},
		{"a filter that is rules", values{"rules": rules, "envoyFilter": rules}, "envoyFilter has no kind, want EnvoyFilter alone"},
		{"a role in the line of its dashes", values{"rules": rules, "envoyFilter": text(t, "envoyfilter/service.yaml") + "\n--- {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding}\n"}, "envoyFilter has ClusterRoleBinding, want EnvoyFilter alone"},
		{"a class with more than a name", values{"rules": rules, "priorityClassName": "x\n      hostNetwork: true"}, "at '/priorityClassName'"},
		{"a filter that is no YAML", values{"rules": rules, "envoyFilter": "kind: [\n"}, "envoyFilter is no YAML"},
		{"a filter of the other form", values{"rules": rules, "envoyFilter": text(t, "envoyfilter/sidecar.yaml")}, "envoyFilter does not ask tagproc.istio-system:9002"},
		{"and the other way round", values{"rules": rules, "form": "sidecar", "envoyFilter": text(t, "envoyfilter/service.yaml")}, "envoyFilter does not ask unix:///run/tagproc/tagproc.sock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := render(t, "istio-system", tt.values); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Helm says %v, want %q", err, tt.want)
			}
		})
	}
}

// TestSchema checks that the schema and values.yaml have the same keys, at each depth that
// the schema closes.
func TestSchema(t *testing.T) {
	t.Parallel()
	var schema, defaults values
	if err := json.Unmarshal([]byte(text(t, "helm/tagproc/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(text(t, "helm/tagproc/values.yaml")), &defaults); err != nil {
		t.Fatal(err)
	}
	delete(schema["properties"].(values), "global") // Helm's, of a chart that has this one in it
	var compare func(path string, schema, defaults values)
	compare = func(path string, schema, defaults values) {
		properties, _ := schema["properties"].(values)
		if others, closed := schema["additionalProperties"].(bool); !closed || others {
			t.Errorf("%s: the schema takes keys that it does not know", path)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(defaults))); diff != "" {
			t.Errorf("%s (-schema +values.yaml):\n%s", path, diff)
		}
		for key, property := range properties {
			if within := property.(values); within["properties"] != nil {
				compare(path+"."+key, within, defaults[key].(values))
			}
		}
	}
	compare("values", schema, defaults)
}

// TestEffect checks that each value changes what is made, and only where it says so.
func TestEffect(t *testing.T) {
	t.Parallel()
	lists := func(v ...any) []any { return v }
	for path, tt := range map[string]struct {
		value any
		kind  string
		where []string
		want  any
	}{
		"resources.requests.cpu":           {"1", "Deployment/tagproc", []string{"resources", "requests", "cpu"}, "1"},
		"image.pullPolicy":                 {"Always", "Deployment/tagproc", []string{"imagePullPolicy"}, "Always"},
		"image.tag":                        {"v1.2.3", "Deployment/tagproc", []string{"image"}, "tagproc/tagproc:v1.2.3"},
		"image.repository":                 {"registry.example/tagproc", "Deployment/tagproc", []string{"image"}, "registry.example/tagproc:0.0.0"},
		"gomaxprocs":                       {4, "Deployment/tagproc", []string{"env"}, lists(values{"name": "GOMAXPROCS", "value": "4"})},
		"extraVolumeMounts":                {lists(values{"name": "tls", "mountPath": "/tls"}), "Deployment/tagproc", []string{"volumeMounts"}, lists(values{"name": "tagproc-rules", "mountPath": "/etc/tagproc/rules", "readOnly": true}, values{"name": "tls", "mountPath": "/tls"})},
		"imagePullSecrets":                 {lists(values{"name": "pull"}), "Deployment/tagproc", []string{"spec", "template", "spec", "imagePullSecrets"}, lists(values{"name": "pull"})},
		"extraVolumes":                     {lists(values{"name": "tls", "secret": values{"secretName": "tls"}}), "Deployment/tagproc", []string{"spec", "template", "spec", "volumes"}, lists(values{"name": "tagproc-rules", "configMap": values{"name": "tagproc-rules"}}, values{"name": "tls", "secret": values{"secretName": "tls"}})},
		"podAnnotations.a":                 {"b", "Deployment/tagproc", []string{"spec", "template", "metadata", "annotations", "a"}, "b"},
		"podLabels.a":                      {"b", "Deployment/tagproc", []string{"spec", "template", "metadata", "labels", "a"}, "b"},
		"mesh.inject":                      {false, "Deployment/tagproc", []string{"spec", "template", "metadata", "labels", "sidecar.istio.io/inject"}, "false"},
		"priorityClassName":                {"high", "Deployment/tagproc", []string{"spec", "template", "spec", "priorityClassName"}, "high"},
		"nodeSelector.a":                   {"b", "Deployment/tagproc", []string{"spec", "template", "spec", "nodeSelector"}, values{"a": "b"}},
		"tolerations":                      {lists(values{"key": "a"}), "Deployment/tagproc", []string{"spec", "template", "spec", "tolerations"}, lists(values{"key": "a"})},
		"affinity":                         {values{"nodeAffinity": values{}}, "Deployment/tagproc", []string{"spec", "template", "spec", "affinity"}, values{"nodeAffinity": values{}}},
		"autoscaling.minReplicas":          {3, "HorizontalPodAutoscaler/tagproc", []string{"spec", "minReplicas"}, 3.0},
		"autoscaling.maxReplicas":          {30, "HorizontalPodAutoscaler/tagproc", []string{"spec", "maxReplicas"}, 30.0},
		"fullnameOverride":                 {"other", "HorizontalPodAutoscaler/other", []string{"spec", "scaleTargetRef", "name"}, "other"},
		"networkPolicy.enabled":            {false, "NetworkPolicy/tagproc", nil, nil},
		"podDisruptionBudget.enabled":      {false, "PodDisruptionBudget/tagproc", nil, nil},
		"envoyFilter":                      {text(t, "envoyfilter/service.yaml"), "EnvoyFilter/tagproc", nil, read(t, text(t, "envoyfilter/service.yaml"))["EnvoyFilter/tagproc"]},
		"gateway.labels.istio":             {"edge", "NetworkPolicy/tagproc", []string{"spec", "ingress"}, nil},
		"gateway.namespace":                {"edge", "NetworkPolicy/tagproc", []string{"spec", "ingress"}, nil},
		"networkPolicy.prometheus.release": {"prometheus", "NetworkPolicy/tagproc", []string{"spec", "ingress"}, nil},
		"extraArgs":                        {lists("--log-level=debug"), "Deployment/tagproc", []string{"args"}, nil},
		"autoscaling.averageUtilization":   {50, "HorizontalPodAutoscaler/tagproc", []string{"spec", "metrics"}, nil},
		"resources.limits.memory":          {"1Gi", "Deployment/tagproc", []string{"resources", "limits"}, values{"memory": "1Gi"}},
		"watch":                            {true, "Role/tagproc-rules", []string{"rules"}, lists(values{"apiGroups": lists(""), "resources": lists("configmaps"), "resourceNames": lists("tagproc-rules"), "verbs": lists("get", "list", "watch")}, values{"apiGroups": lists(""), "resources": lists("events"), "verbs": lists("create")})},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			changed := ruled(t, nil)
			within, keys := changed, strings.Split(path, ".")
			for _, key := range keys[:len(keys)-1] {
				within[key] = values{}
				within = within[key].(values)
			}
			within[keys[len(keys)-1]] = tt.value
			object := rendered(t, "istio-system", changed)[tt.kind]
			place := func(object values) any {
				if containers, ok := field(object, "spec", "template", "spec", "containers").([]any); ok && len(tt.where) > 0 && tt.where[0] != "spec" {
					return field(containers[0], tt.where...)
				}
				if object == nil {
					return nil
				}
				return field(object, tt.where...)
			}
			got := place(object)
			if tt.want != nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tt.kind, diff)
				}
				return
			}
			if before := place(rendered(t, "istio-system", ruled(t, nil))[tt.kind]); cmp.Equal(before, got) {
				t.Errorf("%s stays as it is: %v", tt.kind, got)
			}
		})
	}
}
