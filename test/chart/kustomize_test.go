package chart

import (
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/internal/golden"
)

// kustomized are the objects that kustomize makes of directories of deploy/kustomize.
func kustomized(t *testing.T, resources, components []string) objects {
	t.Helper()
	top := values{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources, "components": components}
	src, err := yaml.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	disk, memory := filesys.MakeFsOnDisk(), filesys.MakeFsInMemory()
	from := filepath.Join(deploy, "kustomize")
	err = disk.Walk(from, func(name string, info fs.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := disk.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		return memory.WriteFile("/kustomize/"+filepath.ToSlash(relative), content)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.WriteFile("/kustomize/top/kustomization.yaml", src); err != nil {
		t.Fatal(err)
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/kustomize/top")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return read(t, string(stream))
}

// helmsOwn are the labels that say which release an object is of.
var helmsOwn = []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"}

// withoutLabels takes Helm's own labels out of an object, wherever labels or selectors are.
func withoutLabels(node any) {
	switch node := node.(type) {
	case values:
		for _, label := range helmsOwn {
			delete(node, label)
		}
		for _, child := range node {
			withoutLabels(child)
		}
	case []any:
		for _, child := range node {
			withoutLabels(child)
		}
	}
}

// tagged is kustomize's image as the chart names it.
const tagged = "tagproc/tagproc:0.0.0"

// monitored has the operator of Prometheus scrape tagproc, and take its alerts.
var monitored = values{"podMonitor": true, "prometheusRule": true}

// TestKustomize checks that the chart makes the objects of deploy/kustomize, field by field:
// only Helm's labels and the image's tag are the chart's own.
func TestKustomize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                  string
		values                values
		resources, components []string
	}{
		{"service", values{}, []string{"../overlays/service"}, nil},
		{"service, strict", values{"mesh": values{"strict": true}}, []string{"../overlays/service"}, []string{"../components/strict-mtls"}},
		{"service, watched", values{"watch": true}, []string{"../overlays/service"}, []string{"../components/watch"}},
		{"sidecar", values{"form": "sidecar"}, []string{"../base"}, []string{"../components/sidecar-admin"}},
		{"service, monitored", values{"monitoring": monitored}, []string{"../overlays/service"}, []string{"../components/monitoring"}},
		{"sidecar, monitored", values{"form": "sidecar", "networkPolicy": values{"enabled": false}, "monitoring": monitored}, []string{"../base"}, []string{"../components/sidecar-monitoring"}},
		{"sidecar without a policy", values{"form": "sidecar", "networkPolicy": values{"enabled": false}}, []string{"../base"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want, got := kustomized(t, tt.resources, tt.components), rendered(t, "istio-system", ruled(t, tt.values))
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Fatalf("objects (-kustomize +chart):\n%s", diff)
			}
			for id, object := range got {
				for _, label := range helmsOwn {
					if value, _ := field(object, "metadata", "labels", label).(string); value == "" {
						t.Errorf("%s has no label %s", id, label)
					}
				}
				withoutLabels(object)
				if containers, _ := field(object, "spec", "template", "spec", "containers").([]any); len(containers) > 0 {
					container := containers[0].(values)
					if container["image"] != tagged {
						t.Errorf("%s: image %v, want %s", id, container["image"], tagged)
					}
					container["image"] = strings.TrimSuffix(tagged, ":0.0.0")
				}
				if diff := cmp.Diff(want[id], object); diff != "" {
					t.Errorf("%s (-kustomize +chart):\n%s", id, diff)
				}
			}
		})
	}
}

// TestSidecarNotes checks that the notes of a sidecar are the values for Istio's chart that
// deploy/kustomize has.
func TestSidecarNotes(t *testing.T) {
	t.Parallel()
	release, err := render(t, "istio-system", ruled(t, values{"form": "sidecar"}))
	if err != nil {
		t.Fatal(err)
	}
	var want, got values
	wanted := strings.Replace(text(t, "kustomize/components/sidecar/gateway-values.yaml"), "image: tagproc/tagproc\n", "image: "+tagged+"\n", 1)
	if err := yaml.UnmarshalStrict([]byte(wanted), &want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(release.Info.Notes), &got); err != nil {
		t.Fatalf("%v in\n%s", err, release.Info.Notes)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notes (-gateway-values.yaml +chart):\n%s", diff)
	}
	release, err = render(t, "edge", values{
		"form": "sidecar", "existingConfigMap": "mine", "existingConfigMapKey": "shop.yaml",
		"image": values{"repository": "registry.example/tagproc", "digest": "sha256:" + strings.Repeat("a", 64)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: mine", "--rules=/etc/tagproc/rules/shop.yaml", "image: registry.example/tagproc@sha256:aaaa", "-n edge"} {
		if !strings.Contains(release.Info.Notes, want) {
			t.Errorf("notes of another ConfigMap and image lack %q:\n%s", want, release.Info.Notes)
		}
	}
}

// TestPrometheusRule checks that the alerts of kustomize, which reads no file outside of its
// directory, are those of deploy/monitoring.
func TestPrometheusRule(t *testing.T) {
	t.Parallel()
	rule := `# The alerts of deploy/monitoring/alerts.yaml; make chart writes this.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tagproc
  namespace: istio-system
  labels: {app.kubernetes.io/name: tagproc}
spec:
`
	for line := range strings.Lines(text(t, "monitoring/alerts.yaml")) {
		rule += "  " + line
	}
	golden.Check(t, deploy+"/kustomize/components/monitoring/prometheusrule.yaml", rule)
}

// TestFiles checks that the chart's files are those that they are copies of: Helm packages
// nothing from outside of a chart.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"monitoring/alerts.yaml", "monitoring/dashboard.json", "kustomize/components/sidecar/gateway-values.yaml"} {
		if copied := "helm/tagproc/files/" + filepath.Base(name); text(t, copied) != text(t, name) {
			t.Errorf("deploy/%s is not deploy/%s: run make chart", copied, name)
		}
	}
}
