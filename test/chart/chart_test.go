package chart

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// deploy is the directory of configurations, and directory that of the chart.
const (
	deploy    = "../../deploy"
	directory = deploy + "/helm/tagproc"
)

// values are what a user gives Helm.
type values = map[string]any

// load reads the chart, as "helm install DIRECTORY" does.
func load(t *testing.T) *chartv2.Chart {
	t.Helper()
	loaded, err := loader.Load(directory)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// oldest is the oldest Kubernetes that the chart is for.
var oldest = &common.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"}

// render is "helm template" for the release in the namespace. The name of the release is tagproc.
func render(t *testing.T, namespace string, v values) (*releasev1.Release, error) {
	t.Helper()
	install := action.NewInstall(action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)))
	install.DryRunStrategy = action.DryRunClient
	install.KubeVersion = oldest
	install.ReleaseName, install.Namespace = "tagproc", namespace
	made, err := install.Run(load(t), v)
	if err != nil {
		return nil, err
	}
	return made.(*releasev1.Release), nil
}

// objects are manifests by "Kind/name", as YAML has them.
type objects map[string]values

// rendered are the objects of the chart. What Kubernetes or the Prometheus Operator would
// refuse is a failure.
func rendered(t *testing.T, namespace string, v values) objects {
	t.Helper()
	release, err := render(t, namespace, v)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, release.Manifest)
}

// strictly decodes into the types of Kubernetes and of the Prometheus Operator. An unknown
// field is an error.
var strictly = func() serializer.CodecFactory {
	if err := monitoringv1.AddToScheme(scheme.Scheme); err != nil {
		panic(err)
	}
	return serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
}()

// read takes a stream of manifests apart.
func read(t *testing.T, stream string) objects {
	t.Helper()
	all := objects{}
	for document := range strings.SplitSeq("\n"+stream, "\n---") {
		_, document, _ = strings.Cut(document, "\n")
		object := values{}
		if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(object) == 0 {
			continue
		}
		id := fmt.Sprintf("%s/%s", object["kind"], field(object, "metadata", "name"))
		if _, twice := all[id]; twice {
			t.Errorf("%s is there twice", id)
		}
		all[id] = object
		if strings.Contains(object["apiVersion"].(string), "istio.io/") {
			continue // test/istio validates the same object of deploy/kustomize
		}
		if _, _, err := strictly.UniversalDeserializer().Decode([]byte(document), nil, nil); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	return all
}

// field returns the value at a path of keys, nil if there is none.
func field(object any, path ...string) any {
	for _, key := range path {
		within, _ := object.(values)
		object = within[key]
	}
	return object
}

// text is the content of a file of deploy/.
func text(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// ruled are the values with the rules of deploy/kustomize, and more.
func ruled(t *testing.T, more values) values {
	t.Helper()
	all := values{"rules": text(t, "kustomize/base/rules.yaml")}
	maps.Copy(all, more)
	return all
}
