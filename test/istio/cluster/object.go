package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"
)

const domain = "cluster.local"

// key names an object. The version is left out: an object is one in all of them.
type key struct{ group, kind, namespace, name string }

// String is the key as kubectl names it.
func (k key) String() string {
	kind := strings.ToLower(k.kind)
	if k.group != "" {
		kind += "." + k.group
	}
	return kind + "/" + k.name
}

// object is a manifest that was decoded: of Istio, or of Kubernetes and the Gateway API.
type object struct {
	key
	istio *config.Config
	kube  runtime.Object
}

// clusterScoped are the kinds, among those that a manifest here may have, that are
// in no namespace.
var clusterScoped = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass"}

// decode decodes a stream of manifests, each in its own namespace or else in the one
// given, and returns every problem.
func decode(stream, namespace string) ([]object, error) {
	var objects []object
	var errs []error
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(stream)))
	for i := 1; ; i++ {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(errs...)
		}
		if err != nil {
			return objects, errors.Join(append(errs, fmt.Errorf("document %d: %w", i, err))...)
		}
		var empty any
		if yaml.Unmarshal(doc, &empty) == nil && empty == nil {
			continue
		}
		o, err := decodeOne(doc, namespace)
		if err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", i, err))
			continue
		}
		objects = append(objects, o)
	}
}

func decodeOne(doc []byte, namespace string) (object, error) {
	var about metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(doc, &about); err != nil {
		return object{}, err
	}
	if about.Kind == "" || about.Name == "" {
		return object{}, errors.New("want an object with a kind and a metadata.name")
	}
	gvk := about.GroupVersionKind()
	o := object{key: key{group: gvk.Group, kind: gvk.Kind, namespace: about.Namespace, name: about.Name}}
	if o.namespace == "" && !slices.Contains(clusterScoped, o.kind) {
		o.namespace = namespace
	}
	var err error
	if schema, ok := collections.Pilot.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&gvk)); ok {
		o.istio, err = decodeIstio(doc, schema, o.namespace)
	} else {
		o.kube, err = decodeKube(doc, o.namespace)
	}
	if err != nil {
		return object{}, fmt.Errorf("%s in %q: %w", o, o.namespace, err)
	}
	return o, nil
}

var kubeDecoder = serializer.NewCodecFactory(kubeScheme(), serializer.EnableStrict).UniversalDeserializer()

// kubeScheme has the kinds of Kubernetes and of the Gateway API.
func kubeScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, gatewayv1.Install, gatewayv1beta1.Install} {
		if err := add(s); err != nil {
			panic(err) // the libraries are wrong
		}
	}
	return s
}

func decodeKube(doc []byte, namespace string) (runtime.Object, error) {
	o, _, err := kubeDecoder.Decode(doc, nil, nil)
	if err != nil {
		return nil, err
	}
	accessor, err := meta.Accessor(o)
	if err != nil {
		return nil, err
	}
	accessor.SetNamespace(namespace)
	return o, nil
}

// everyEnvoyFilter begins the warning that every EnvoyFilter gets.
const everyEnvoyFilter = "EnvoyFilter exposes internal implementation details"

// decodeIstio decodes an object of Istio's and checks it as Istio's webhook does.
// Warnings are errors: a misspelt field of an Envoy filter is a warning there.
func decodeIstio(doc []byte, schema resource.Schema, namespace string) (*config.Config, error) {
	var kind crd.IstioKind
	if err := yaml.UnmarshalStrict(doc, &kind); err != nil {
		return nil, err
	}
	c, err := crd.ConvertObjectInternal(schema, &kind, domain, func(s resource.Schema, js string) (config.Spec, error) {
		spec, err := s.NewInstance()
		if err != nil {
			return nil, err
		}
		return spec, config.ApplyJSONStrict(spec, js)
	})
	if err != nil {
		return nil, err
	}
	c.Namespace = namespace
	warnings, err := schema.ValidateConfig(*c)
	if err != nil {
		return nil, err
	}
	for _, w := range flatten(warnings) {
		if !strings.HasPrefix(w.Error(), everyEnvoyFilter) {
			return nil, fmt.Errorf("a warning of Istio: %w", w)
		}
	}
	return c, nil
}

// flatten returns the errors that err holds.
func flatten(err error) []error {
	switch e := err.(type) { //nolint:errorlint // what it wraps is looked at below
	case nil:
		return nil
	case interface{ WrappedErrors() []error }:
		var all []error
		for _, one := range e.WrappedErrors() {
			all = append(all, flatten(one)...)
		}
		return all
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range e.Unwrap() {
			all = append(all, flatten(one)...)
		}
		return all
	default:
		return []error{err}
	}
}
