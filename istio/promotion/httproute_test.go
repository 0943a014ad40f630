package promotion

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/istio/lanes"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// TestHTTPRouteSample checks what goes of the documents' sample by HTTPRoutes: what goes by
// VirtualServices, with Services in the place of subsets.
func TestHTTPRouteSample(t *testing.T) {
	t.Parallel()
	files := docsOf(t, samples+"lanes.yaml", samples+"1-sample.yaml")
	groups, _, problems := lanes.Read(files)
	if len(groups) != 1 {
		t.Fatalf("%d groups, %v", len(groups), problems.Err())
	}
	objects, err := lanes.HTTPRoutes(groups[0], files, false)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := manifest.Write(&text, objects...); err != nil {
		t.Fatal(err)
	}
	rendered, problems := source.Read("routes.yaml", text.Bytes())
	if problems.Err() != nil {
		t.Fatal(problems.Err())
	}
	want := &Left{
		Routes: []string{
			"HTTPRoute default/mocka: rule 2",
			"HTTPRoute default/mockb: rule 2",
			"HTTPRoute default/mockc: rule 2",
			"HTTPRoute default/canary: rule 1",
			"HTTPRoute default/canary: rule 3",
		},
		Services: []string{"Service default/mockc-s2"}, Takers: []string{"Service default/mockc-s1"},
		Deployments: []string{"Deployment default/mockc-s2"},
	}
	got, problems := Of(append(docsOf(t, samples+"1-sample.yaml"), rendered...), "X-Asm-Prefer-Tag", "s2")
	if d := cmp.Diff(want, got); d != "" || problems.Err() != nil {
		t.Errorf("%v (-want +got)\n%s", problems.Err(), d)
	}
	want.Lanes, want.HTTPRoutes = []string{samples + "lanes.yaml"}, true
	got, problems = Of(append(files, rendered...), "x-asm-prefer-tag", "s2")
	if d := cmp.Diff(want, got); d != "" || problems.Err() != nil {
		t.Errorf("with the lanes file: %v (-want +got)\n%s", problems.Err(), d)
	}
}

// TestHTTPRoutes checks which rules go, and that a Service stays that other rules, other
// routes or calls lead to.
func TestHTTPRoutes(t *testing.T) {
	t.Parallel()
	const src = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge, namespace: shop}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{headers: [{name: X-Tag, value: s2}]}, {headers: [{name: x-tag, value: s2}, {name: cookie, type: RegularExpression, value: a}]}]
    backendRefs: [{name: cart-s2, port: 80}, {name: pay, namespace: other, port: 80}, {name: cart, port: 80}, {name: shared, port: 80}, {group: gateway.envoyproxy.io, kind: Backend, name: far}]
  - matches: [{headers: [{name: x-tag, value: s2}]}, {path: {value: /beta}}]
    backendRefs: [{name: beta, port: 80}]
  - matches: [{headers: [{name: x-tag, type: RegularExpression, value: s.}]}]
    backendRefs: [{name: pattern, port: 80}]
  - matches: [{headers: [{name: x-user-id, value: jason}]}]
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-tag, value: s2}]}}]
    backendRefs: [{name: jason, port: 80}]
  - matches: [{headers: [{name: x-tag, value: s1}]}]
    backendRefs: [{name: cart-s1, port: 80}]
  - backendRefs: [{name: cart-s1, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: cart, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: cart}]
  rules:
  - matches: [{headers: [{name: x-tag, value: s2}]}]
    backendRefs: [{name: grpc, port: 80}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: shop}
spec: {hosts: [x], http: [{route: [{destination: {host: shared}}]}]}
`
	docs, problems := source.Read("routes.yaml", []byte(src))
	if problems.Err() != nil {
		t.Fatal(problems.Err())
	}
	got, _ := Of(docs, "x-tag", "s2")
	want := &Left{
		Routes:   []string{"HTTPRoute shop/edge: rule 1", "HTTPRoute shop/edge: rule 4", "GRPCRoute shop/cart: rule 1"},
		Services: []string{"Service shop/cart-s2", "Service other/pay", "Service shop/jason", "Service shop/grpc"},
		Takers:   []string{"Service shop/cart-s1"},
		Unclear:  []string{"HTTPRoute shop/edge: rule 3"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
