package promotion

import (
	"os"
	"slices"
	"strings"
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

// TestEmptySelectors checks that a subset without labels, and a Service without a selector,
// name no Deployment: they would name each one. Nor does a subset that stays lose its pods.
func TestEmptySelectors(t *testing.T) {
	t.Parallel()
	const src = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec:
  http:
  - match: [{headers: {x-tag: {exact: s2}}}]
    route: [{destination: {host: cart, subset: SUBSET}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec: {host: cart, subsets: [{name: all}, {name: empty, labels: {}}, {name: s2, labels: {v: "2"}}, {name: fast, labels: {v: "3"}}, {name: also, labels: {speed: fast}}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: SELECTOR}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: baseline, namespace: shop}
spec: {template: {metadata: {labels: {run: cart, v: "1"}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: canary, namespace: shop}
spec: {template: {metadata: {labels: {run: cart, v: "2"}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: fast, namespace: shop}
spec: {template: {metadata: {labels: {run: cart, v: "3", speed: fast}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: edge, namespace: shop}
`
	for _, c := range []struct {
		subset, selector string
		want             []string
	}{
		{"s2", "{run: cart}", []string{"Deployment shop/canary"}},
		{"all", "{run: cart}", nil},
		{"empty", "{run: cart}", nil},
		{"s2", "{}", nil},
		{"s2", "null", nil},
		{"fast", "{run: cart}", nil}, // subset also has the same pods
	} {
		docs, problems := source.Read("f", []byte(strings.NewReplacer("SUBSET", c.subset, "SELECTOR", c.selector).Replace(src)))
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		got, _ := Of(docs, "x-tag", "s2")
		want := &Left{
			Routes:      []string{"VirtualService shop/cart: route 1"},
			Subsets:     []string{"DestinationRule shop/cart: subset " + c.subset},
			Deployments: c.want,
			NotRead:     []string{"Ingress shop/edge"},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("subset %s, selector %s (-want +got)\n%s", c.subset, c.selector, d)
		}
	}
}

// TestEnvoy checks what goes of an Envoy's own configuration.
func TestEnvoy(t *testing.T) {
	t.Parallel()
	const src = `static_resources:
  listeners:
  - name: edge
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          route_config:
            virtual_hosts:
            - name: shop
              domains: ["*"]
              routes:
              - {name: s2, match: {prefix: /, headers: [{name: X-Tag, string_match: {exact: s2}}]}, route: {cluster: s2}}
              - match: {prefix: /named}
                request_headers_to_add: [{header: {key: x-tag, value: s2}}]
                route: {weighted_clusters: {clusters: [{name: s2, weight: 1}, {name: shared, weight: 1}]}}
              - {name: pattern, match: {prefix: /, headers: [{name: x-tag, string_match: {prefix: s}}]}, route: {cluster: shared}}
              - {name: no-pattern, match: {prefix: /, headers: [{name: x-tag, string_match: {prefix: t}}]}, route: {cluster: shared}}
              - {name: s3, match: {prefix: /, headers: [{name: x-tag, string_match: {exact: s3}}]}, route: {cluster: s3}}
              - {name: others, match: {prefix: /, headers: [{name: x-tag, invert_match: true, string_match: {exact: s2}}]}, route: {cluster: s3}}
              - {name: rest, match: {prefix: /}, route: {cluster: s1}}
            - name: untouched
              domains: [other.example.com]
              routes: [{match: {prefix: /}, route: {cluster: other}}]
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
  clusters:
  - {name: s1, connect_timeout: 1s}
  - {name: s2, connect_timeout: 1s}
`
	docs, problems := source.Read("envoy.yaml", []byte(src))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	got, problems := Of(docs, "x-tag", "s2")
	want := &Left{
		Routes:   []string{"envoy.yaml:15:17: route s2 of virtual host shop", "envoy.yaml:16:17: route 2 of virtual host shop"},
		Unclear:  []string{"envoy.yaml:19:17: route pattern of virtual host shop"},
		Clusters: []string{"envoy.yaml:30:5: cluster s2"},
		Takers:   []string{"envoy.yaml:29:5: cluster s1"},
	}
	if d := cmp.Diff(want, got); d != "" || problems.Err() != nil {
		t.Errorf("%v (-want +got)\n%s", problems.Err(), d)
	}
}
