package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"
)

// Domain ends the names of Services.
const Domain = "cluster.local"

// A Key names an object. The version is left out: an object is one in all of them.
type Key struct{ Group, Kind, Namespace, Name string }

// String is the key as kubectl names it.
func (k Key) String() string {
	kind := strings.ToLower(k.Kind)
	if k.Group != "" {
		kind += "." + k.Group
	}
	return kind + "/" + k.Name
}

// An Object is a manifest that was decoded: of Istio or of Kubernetes.
type Object struct {
	Key

	Istio *config.Config
	Kube  runtime.Object

	Warnings []error // of Istio's webhook, apart from the one that every EnvoyFilter gets
}

// Content is the object as an API server would give it, in plain values.
func (o Object) Content() (any, error) {
	var from any = o.Kube
	if o.Istio != nil {
		kind, err := crd.ConvertConfig(*o.Istio)
		if err != nil {
			return nil, err
		}
		from = kind
	}
	text, err := json.Marshal(from)
	if err != nil {
		return nil, err
	}
	var content any
	err = json.Unmarshal(text, &content)
	return content, err
}

// clusterScoped are the kinds, among those that are read here, that are in no namespace.
var clusterScoped = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass", "GatewayClass", "MutatingWebhookConfiguration", "CustomResourceDefinition"}

// IsClusterScoped reports whether objects of a kind are in no namespace.
func IsClusterScoped(kind string) bool { return slices.Contains(clusterScoped, kind) }

// ErrKind is why an object is not decoded whose kind is not known here.
var ErrKind = errors.New("its kind is not known here")

// Decode decodes a manifest strictly, in its own namespace or else in the one given, and
// checks an object of Istio as Istio's webhook does.
func Decode(doc []byte, namespace string) (Object, error) {
	var about metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(doc, &about); err != nil {
		return Object{}, err
	}
	if about.Kind == "" || about.Name == "" {
		return Object{}, errors.New("want an object with a kind and a metadata.name")
	}
	gvk := about.GroupVersionKind()
	o := Object{Key: Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: about.Namespace, Name: about.Name}}
	if o.Namespace == "" && !IsClusterScoped(o.Kind) {
		o.Namespace = namespace
	}
	var err error
	if schema, ok := collections.Pilot.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&gvk)); ok {
		o.Istio, o.Warnings, err = decodeIstio(doc, schema, o.Namespace)
	} else {
		o.Kube, err = decodeKube(doc, gvk, o.Namespace)
	}
	if err != nil {
		return Object{}, fmt.Errorf("%s in %q: %w", o, o.Namespace, err)
	}
	return o, nil
}

var kubeDecoder = serializer.NewCodecFactory(kube.IstioScheme, serializer.EnableStrict).UniversalDeserializer()

func decodeKube(doc []byte, gvk schema.GroupVersionKind, namespace string) (_ runtime.Object, err error) {
	defer guard(&err)
	doc, err = yaml.YAMLToJSONStrict(doc) // the decoder takes a flow mapping for JSON
	if err != nil {
		return nil, err
	}
	if doc, err = complete(doc, gvk); err != nil {
		return nil, err
	}
	o, _, err := kubeDecoder.Decode(doc, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil, errors.Join(ErrKind, err)
	}
	if err != nil {
		return nil, err
	}
	accessor, err := meta.Accessor(o)
	if err != nil {
		return nil, err
	}
	accessor.SetNamespace(namespace)
	return watched(o), nil
}

// EveryEnvoyFilter begins the warning that every EnvoyFilter gets.
const EveryEnvoyFilter = "EnvoyFilter exposes internal implementation details"

// decodeIstio decodes an object of Istio's and checks it as Istio's webhook does.
func decodeIstio(doc []byte, schema resource.Schema, namespace string) (_ *config.Config, _ []error, err error) {
	defer guard(&err)
	var kind crd.IstioKind
	if err := yaml.UnmarshalStrict(doc, &kind); err != nil {
		return nil, nil, err
	}
	c, err := crd.ConvertObjectInternal(schema, &kind, Domain, func(s resource.Schema, js string) (config.Spec, error) {
		spec, err := s.NewInstance()
		if err != nil {
			return nil, err
		}
		return spec, config.ApplyJSONStrict(spec, js)
	})
	if err != nil {
		return nil, nil, err
	}
	c.Namespace = namespace
	warnings, err := schema.ValidateConfig(*c)
	if err != nil {
		return nil, nil, err
	}
	var others []error
	for _, w := range flatten(warnings) {
		if !strings.HasPrefix(w.Error(), EveryEnvoyFilter) {
			others = append(others, w)
		}
	}
	return c, others, nil
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
