package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomizations is deploy/kustomize.
var kustomizations = filepath.Join(root, "deploy", "kustomize")

// The two forms of tagproc.
const (
	sidecar = "overlays/sidecar"
	service = "overlays/service"
)

// objects are what a kustomization makes, by "Kind/name".
type objects map[string]any

// build makes the objects of a kustomization of deploy/kustomize, by its path
// there. Whatever Kubernetes or Istio would refuse, ignore or warn of is a failure.
func build(t *testing.T, path string) objects {
	t.Helper()
	return buildAt(t, "istio-system", filesys.MakeFsOnDisk(), filepath.Join(kustomizations, path))
}

// buildAt is build in a file system. All objects have to be in the namespace.
func buildAt(t *testing.T, namespace string, files filesys.FileSystem, dir string) objects {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, dir)
	if err != nil {
		t.Fatal(err)
	}
	all := objects{}
	for _, r := range made.Resources() {
		id := r.GetKind() + "/" + r.GetName()
		if r.GetNamespace() != namespace {
			t.Errorf("%s: %s is in namespace %q, want %s", dir, id, r.GetNamespace(), namespace)
		}
		text, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if all[id], err = decode(text); err != nil {
			t.Errorf("%s: %s: %v", dir, id, err)
		}
	}
	return all
}

// strictly decodes into the types of Kubernetes. An unknown field is an error.
var strictly = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// decode returns an object of Kubernetes as its type, or one of Istio as a
// config.Config.
func decode(text []byte) (any, error) {
	var envelope unstructured.Unstructured
	if err := json.Unmarshal(text, &envelope); err != nil {
		return nil, err
	}
	kind := envelope.GroupVersionKind()
	schema, isIstio := collections.Pilot.FindByGroupVersionAliasesKind(config.FromKubernetesGVK(kind))
	if !isIstio || schema.IsBuiltin() {
		object, _, err := strictly.Decode(text, nil, nil)
		return object, err
	}
	spec, err := json.Marshal(envelope.Object["spec"])
	if err != nil {
		return nil, err
	}
	object := config.Config{
		Meta: config.Meta{
			GroupVersionKind: schema.GroupVersionKind(), Name: envelope.GetName(), Namespace: envelope.GetNamespace(), Labels: envelope.GetLabels(),
		},
	}
	if object.Spec, err = schema.NewInstance(); err != nil {
		return nil, err
	}
	if err := config.ApplyJSONStrict(object.Spec, string(spec)); err != nil {
		return nil, err
	}
	warning, err := schema.ValidateConfig(object)
	if err == nil && warning != nil {
		err = fmt.Errorf("warning: %w", warning)
	}
	return object, err
}

// get returns an object of a kind by its name.
func get[T any](t *testing.T, all objects, id string) T {
	t.Helper()
	object, ok := all[id].(T)
	if !ok {
		t.Fatalf("there is no %s among %v", id, slices.Sorted(maps.Keys(all)))
	}
	return object
}
