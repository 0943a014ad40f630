package promotion

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/source"
)

func docsOf(t *testing.T, files ...string) (docs []*source.Document) {
	t.Helper()
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		of, problems := source.Read(file, src)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, of...)
	}
	return docs
}

const samples = "../../deploy/samples/lanes/"

var (
	routes = []string{
		"VirtualService default/mocka: route s2",
		"VirtualService default/mockb: route s2",
		"VirtualService default/mockc: route s2",
		"VirtualService istio-system/canary: route jason",
		"VirtualService istio-system/canary: route s2",
	}
	subsets = []string{"DestinationRule default/mockc: subset s2"}
	takers  = []string{"DestinationRule default/mockc: subset s1"}
)

// TestSample checks what goes of the documents' sample: by its manifests, and by its lanes.
func TestSample(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files []string
		want  Left
	}{
		{[]string{samples + "3-lanes.yaml"}, Left{Routes: routes, Subsets: subsets, Takers: takers}},
		{[]string{samples + "3-lanes.yaml", samples + "1-sample.yaml"}, Left{Routes: routes, Subsets: subsets, Takers: takers, Deployments: []string{"Deployment default/mockc-s2"}}},
		{[]string{samples + "lanes.yaml", samples + "1-sample.yaml"}, Left{Routes: routes, Subsets: subsets, Takers: takers, Deployments: []string{"Deployment default/mockc-s2"}, Lanes: []string{samples + "lanes.yaml"}}},
	} {
		got, problems := Of(docsOf(t, c.files...), "X-Asm-Prefer-Tag", "s2")
		if d := cmp.Diff(&c.want, got); d != "" || problems.Err() != nil {
			t.Errorf("%q: %v (-want +got)\n%s", c.files, problems.Err(), d)
		}
	}
	if got, _ := Of(docsOf(t, samples+"3-lanes.yaml"), "x-asm-prefer-tag", "s3"); !got.IsZero() {
		t.Errorf("of a tag that nothing asks for: %+v", got)
	}
}

// TestRoutes checks which routes go, and that a subset stays that others lead to.
func TestRoutes(t *testing.T) {
	t.Parallel()
	const src = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec:
  hosts: [cart]
  http:
  - match: [{headers: {x-tag: {exact: s2}}}, {headers: {X-Tag: {exact: s2}, cookie: {regex: a}}}]
    route: [{destination: {host: cart, subset: s2}}, {destination: {host: pay.other.svc.cluster.local, subset: s2}}]
  - name: either
    match: [{headers: {x-tag: {exact: s2}}}, {uri: {prefix: /beta}}]
    route: [{destination: {host: cart, subset: beta}}]
  - name: pattern
    match: [{headers: {x-tag: {regex: s.}}}]
    route: [{destination: {host: cart, subset: s2}}]
  - route: [{destination: {host: cart, subset: s1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec: {host: cart, subsets: [{name: s1}, {name: s2}, {name: beta}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pay, namespace: other}
spec: {host: pay.other.svc.cluster.local, subsets: [{name: s2, labels: {v: "2"}}]}
---
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: other}
spec: {selector: {run: pay}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: pay-2, namespace: other}
spec: {template: {metadata: {labels: {run: pay, v: "2"}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: another, namespace: other}
spec: {template: {metadata: {labels: {app: pay, v: "2"}}}}
`
	docs, problems := source.Read("f", []byte(src))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	got, _ := Of(slices.Clone(docs), "x-tag", "s2")
	want := &Left{
		Routes:      []string{"VirtualService shop/cart: route 1"},
		Unclear:     []string{"VirtualService shop/cart: route pattern"},
		Subsets:     []string{"DestinationRule other/pay: subset s2"},
		Deployments: []string{"Deployment other/pay-2"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
