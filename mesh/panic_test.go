package mesh

import (
	"errors"
	"strings"
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tagproc/tagproc/mesh/control"
)

const mirrored = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway, namespace: shop}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: first, namespace: shop}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [first.example.com]
  rules: [{backendRefs: [{name: reviews, port: 9080}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mirrored, namespace: shop}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [mirrored.example.com]
  rules:
  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: reviews, port: 9080}}}]
    backendRefs: [{name: reviews, port: 9080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: last, namespace: shop}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [last.example.com]
  rules: [{backendRefs: [{name: reviews, port: 9080}]}]
`

// TestBlame has Istio's code panic on a route that an API server would refuse: the error
// names it, and not those before and behind it.
func TestBlame(t *testing.T) {
	t.Parallel()
	m := Read([]File{file(t, "testdata/base.yaml"), {Name: "routes.yaml", Source: []byte(mirrored)}}, Options{})
	if err := m.Problems.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(m, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, o := range m.Objects {
		if r, is := o.Kube.(*gatewayv1.HTTPRoute); is && r.Name == "mirrored" {
			r.Spec.Rules[0].Filters[0].RequestMirror = nil
		}
	}
	_, err := Build(m, Options{})
	_, is := errors.AsType[*control.PanicError](err)
	if !is || !strings.HasPrefix(err.Error(), "routes.yaml:16:1: HTTPRoute shop/mirrored: Istio's code panics: ") {
		t.Errorf("the error is %v, want a panic by HTTPRoute shop/mirrored", err)
	}
}
