package control

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

// gatewayAPI are the CustomResourceDefinitions of the Gateway API, with experimental
// fields and without descriptions, as a list in JSON.
//
//go:embed gatewayapi.json.gz
var gatewayAPI []byte

// A definition is what an API server knows of a version of a kind.
type definition struct {
	structural *structural.Structural
	validator  validation.SchemaCreateValidator
	cel        *cel.Validator
}

// definitions are those of the Gateway API. Each is compiled when it is asked for.
var definitions = sync.OnceValues(func() (map[schema.GroupVersionKind]func() (*definition, error), error) {
	r, err := gzip.NewReader(bytes.NewReader(gatewayAPI))
	if err != nil {
		return nil, err
	}
	var list []apiextensionsv1.CustomResourceDefinition
	if err := json.NewDecoder(r).Decode(&list); err != nil {
		return nil, err
	}
	all := map[schema.GroupVersionKind]func() (*definition, error){}
	for _, crd := range list {
		for _, v := range crd.Spec.Versions {
			gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}
			all[gvk] = sync.OnceValues(func() (*definition, error) { return compile(v.Schema) })
		}
	}
	return all, nil
})

func compile(of *apiextensionsv1.CustomResourceValidation) (*definition, error) {
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(of, &internal, nil); err != nil {
		return nil, err
	}
	var d definition
	var err error
	if d.validator, _, err = validation.NewSchemaValidator(internal.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	if d.structural, err = structural.NewStructural(internal.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	d.cel = cel.NewValidator(d.structural, true, celconfig.PerCallLimit)
	return &d, nil
}

// complete does to an object of the Gateway API what an API server does by its
// CustomResourceDefinition: it adds the defaults, which the control plane relies on, and
// refuses what is not valid, which Istio's code panics on. Others are returned as they are.
func complete(doc []byte, gvk schema.GroupVersionKind) ([]byte, error) {
	all, err := definitions()
	if err != nil {
		return nil, err
	}
	find, is := all[gvk]
	if !is {
		return doc, nil
	}
	d, err := find()
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := utiljson.Unmarshal(doc, &object); err != nil {
		return nil, err
	}
	defaulting.Default(object, d.structural)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.structural)
	errs := validation.ValidateCustomResource(nil, object, d.validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, object)...)
	if len(errs) == 0 { // rules take for granted that the types are right
		errs, _ = d.cel.Validate(context.Background(), nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return json.Marshal(object)
}

// watched returns an object of the Gateway API in the version that the control plane
// watches: an API server gives it in any.
func watched(o runtime.Object) runtime.Object {
	const v1, v1beta1 = gatewayv1.GroupName + "/v1", gatewayv1.GroupName + "/v1beta1"
	switch o := o.(type) {
	case *gatewayv1beta1.Gateway:
		out := gatewayv1.Gateway(*o)
		out.APIVersion = v1
		return &out
	case *gatewayv1beta1.GatewayClass:
		out := gatewayv1.GatewayClass(*o)
		out.APIVersion = v1
		return &out
	case *gatewayv1beta1.HTTPRoute:
		out := gatewayv1.HTTPRoute(*o)
		out.APIVersion = v1
		return &out
	case *gatewayv1.ReferenceGrant:
		out := gatewayv1beta1.ReferenceGrant(*o)
		out.APIVersion = v1beta1
		return &out
	}
	return o
}
