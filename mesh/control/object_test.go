package control

import (
	"strings"
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - filters: [FILTER]
    backendRefs: [{name: shop, port: 80}]
`

// TestRefused checks manifests that an API server or Istio's webhook refuses. Istio's code
// panics on the first three, some in goroutines of its own, where nobody can recover.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, manifest, want string }{
		{"a mirror without a backend", strings.Replace(route, "FILTER", "{type: RequestMirror}", 1), "filter.requestMirror must be specified"},
		{"a rewrite without its value", strings.Replace(route, "FILTER", "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch}}}", 1), "replacePrefixMatch must be specified"},
		{"a redirect without its value", strings.Replace(route, "FILTER", "{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath}}}", 1), "replaceFullPath must be specified"},
		{"a name that is none", strings.Replace(route, "name: shop, port", "name: '', port", 1), "spec.rules[0].backendRefs[0].name"},
		{"an unknown field", strings.Replace(route, "rules:", "rulez: []\n  rules:", 1), `unknown field "spec.rulez"`},
		{"a key twice", strings.Replace(route, "  rules:", "  parentRefs: []\n  rules:", 1), `"parentRefs" already set`},
		{"a weight that is negative", "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec: {hosts: [shop], http: [{route: [{destination: {host: shop}, weight: -1}]}]}\n", "weight -1 < 0"},
		{"no name", "apiVersion: v1\nkind: Service\nmetadata: {}\n", "want an object with a kind and a metadata.name"},
	} {
		_, err := Decode([]byte(strings.Replace(tt.manifest, "filters: [FILTER]", "filters: []", 1)), "default")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestDefaults checks that an object has what an API server adds.
func TestDefaults(t *testing.T) {
	t.Parallel()
	o, err := Decode([]byte(strings.Replace(route, "FILTER", "{type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}}", 1)), "shop")
	if err != nil {
		t.Fatal(err)
	}
	r, is := o.Kube.(*gatewayv1.HTTPRoute)
	if !is || r.Namespace != "shop" {
		t.Fatalf("the object is %T in %q, want an HTTPRoute in shop", o.Kube, o.Namespace)
	}
	parent, rule := r.Spec.ParentRefs[0], r.Spec.Rules[0]
	if *parent.Kind != "Gateway" || *rule.Matches[0].Path.Value != "/" || *rule.BackendRefs[0].Weight != 1 {
		t.Errorf("the route is %+v, want a parent of kind Gateway, the path / and the weight 1", r.Spec)
	}
}
