package istio

import (
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/test/istio/cluster"
)

const (
	sidecarFilter = "envoyfilter/sidecar.yaml"
	spelled       = "x[^a-z0-9]asm[^a-z0-9]prefer[^a-z0-9]tag" // the lanes' tag header, as it stands there
	lanesFile     = "samples/lanes/3-lanes.yaml"

	// What the rows say where jack is not in the canary, and the like.
	jackAtBaseline = `user "jack": answered map[mocka:v1 mockb:v1 mockc:v1]`
	noSubset       = `mockb couldn't call mockc:8000: answered 503`
	forgedTag      = `user "": answered map[mocka:v1 mockb:v1 mockc:v2]`
	ofIstio        = "routes, subsets and Gateways are Istio's: tagproc-mesh lint names what is wrong with them"
	allAtBaseline  = `user "0005": answered map[app-a:v1 app-b:v1 app-c:v2]`
)

// mutations are mistakes that people make.
var mutations = []mutation{
	// The EnvoyFilter: where it applies, and whom it asks.
	{
		name: "selects pods that there are not", set: "lanes",
		edits: []edit{{sidecarFilter, "istio: ingressgateway", "istio: ingress-gateway"}},
		said:  jackAtBaseline, found: []string{"filter-selector"},
	},
	{
		name: "is for sidecars", set: "lanes",
		edits: []edit{{sidecarFilter, "applyTo: HTTP_FILTER\n    match:\n      context: GATEWAY", "applyTo: HTTP_FILTER\n    match:\n      context: SIDECAR_OUTBOUND"}},
		said:  jackAtBaseline, found: []string{"filter-context"},
	},
	{
		name: "inserts the filter after the router", set: "lanes",
		edits: []edit{{sidecarFilter, "INSERT_BEFORE", "INSERT_AFTER"}},
		said:  "update_rejected is 1, want 0", refused: true, found: []string{"filter-order"},
	},
	{
		name: "asks a cluster that there is not", set: "lanes",
		edits: []edit{{sidecarFilter, "cluster_name: tagproc\n              skip", "cluster_name: tagprok\n              skip"}},
		said:  jackAtBaseline, found: []string{"unknown-cluster"},
	},
	{
		name: "asks a Service of another namespace", set: "ratios",
		edits: []edit{{ratiosEnvoyFilter, "outbound|9002||tagproc.istio-system.", "outbound|9002||tagproc.default."}},
		said:  allAtBaseline, found: []string{"unknown-cluster"},
	},
	{
		name: "has another socket", set: "lanes",
		edits: []edit{{sidecarFilter, "/run/tagproc/tagproc.sock", "/run/tagproc/serve.sock"}},
		said:  jackAtBaseline, found: []string{"listen-address"},
	},

	// The EnvoyFilter: what is sent, what may be changed.
	{
		name: "lacks the tag header in mutation_rules", set: "lanes",
		edits: []edit{{sidecarFilter, "            allow_expression:\n              regex: " + spelled + "\n", ""}},
		said:  jackAtBaseline, found: []string{"mutation-rules"},
	},
	{
		name: "lacks the key in forward_rules", set: "lanes",
		edits: []edit{{sidecarFilter, "              - exact: x-user-id\n", ""}},
		said:  jackAtBaseline, found: []string{"forward-rules"},
	},
	{
		name: "lacks the tag in forward_rules", set: "lanes",
		edits:  []edit{{sidecarFilter, "              - safe_regex:\n                  regex: " + spelled + "\n", ""}},
		hidden: "a forged tag is removed before tagproc is asked",
		found:  []string{"forward-rules"},
	},
	{
		name: "lacks the tag in forward_rules, and early removal", set: "lanes",
		edits: []edit{
			{sidecarFilter, "              - safe_regex:\n                  regex: " + spelled + "\n", ""},
			{sidecarFilter, "  key_matcher:\n                    safe_regex:\n                      regex: " + spelled, "  key_matcher: {exact: x-asm-preferred-tag}"},
		},
		said: forgedTag, found: []string{"early-stripping", "forward-rules"},
	},
	{
		name: "lacks early removal", set: "lanes",
		edits: []edit{{sidecarFilter, "  key_matcher:\n                    safe_regex:\n                      regex: " + spelled, "  key_matcher: {exact: x-asm-preferred-tag}"}},
		after: tagprocDown,
		rows:  []cluster.Row{{Header: laneTag("s2"), Versions: laneVersions("s1"), Tags: untagged}},
		said:  forgedTag, found: []string{"early-stripping"},
	},
	{
		name: "does not skip response headers", set: "lanes",
		edits:  []edit{{sidecarFilter, "response_header_mode: SKIP", "response_header_mode: SEND"}},
		hidden: "tagproc has ended the stream by then, so Envoy does not ask it about responses",
		found:  []string{"response-headers"},
	},

	// Subsets.
	{
		name: "a subset is missing", set: "lanes",
		edits: []edit{{lanesFile, "  - name: s2\n    labels:\n      ASM_TRAFFIC_TAG: v2\n", ""}},
		said:  noSubset, unseen: ofIstio,
	},
	{
		name: "a subset has no pods", set: "ratios",
		edits: []edit{{"samples/ratios/3-app-c-v3-mesh.yaml", "labels: {version: v3}", "labels: {version: v03}"}},
		said:  `user "0005": answered 502 Bad Gateway`, unseen: ofIstio,
	},
	{
		name: "a subset has the pods of another one", set: "lanes",
		edits: []edit{{lanesFile, "ASM_TRAFFIC_TAG: v2", "ASM_TRAFFIC_TAG: v1"}},
		said:  jackAtBaseline, unseen: "lanes may share their pods",
	},

	// Routes.
	{
		name: "a route has a misspelt tag", set: "lanes",
		edits: []edit{{lanesFile, "exact: s2\n    route:\n    - destination:\n        host: mockc", "exact: s-2\n    route:\n    - destination:\n        host: mockc"}},
		said:  jackAtBaseline, unseen: ofIstio,
	},
	{
		name: "a route has a misspelt header", set: "ratios",
		edits: []edit{{"samples/ratios/3-app-c-v3-mesh.yaml", "appver-c: {exact", "apver-c: {exact"}},
		said:  `user "0003": answered map[app-a:v1 app-b:v1 app-c:v2]`, unseen: ofIstio,
	},
	{
		name: "the named user's route writes another tag", set: "lanes",
		edits: []edit{{lanesFile, "x-asm-prefer-tag: s2\n", "x-asm-prefer-tag: S2\n"}},
		said:  `user "jason": answered map[mocka:v1 mockb:v1 mockc:v1]`, unseen: ofIstio,
	},
	{
		name: "a VirtualService is bound to a gateway that there is not", set: "lanes",
		edits: []edit{{lanesFile, "istio-system/ingressgateway", "default/ingressgateway"}},
		said:  `user "jack": answered 404`, unseen: ofIstio,
	},
	{
		name: "the default route is missing", set: "ratios",
		edits: []edit{{"samples/ratios/3-app-c-v3-mesh.yaml", defaultOfAppC, ""}},
		said:  `user "0001": answered 502 Bad Gateway`, unseen: ofIstio,
	},
	{
		name: "the default route is first", set: "ratios",
		edits: []edit{
			{"samples/ratios/3-app-c-v3-mesh.yaml", defaultOfAppC, ""},
			{"samples/ratios/3-app-c-v3-mesh.yaml", "  http:\n", "  http:\n" + defaultOfAppC},
		},
		said: `virtualService rule "v3" not used`, refused: true, unseen: ofIstio,
	},
	{
		name: "the default route is first, with a match", set: "ratios",
		edits: []edit{
			{"samples/ratios/3-app-c-v3-mesh.yaml", defaultOfAppC, ""},
			{"samples/ratios/3-app-c-v3-mesh.yaml", "  http:\n", "  http:\n" + strings.Replace(defaultOfAppC, "default\n", "default\n    match:\n    - uri: {prefix: /}\n", 1)},
		},
		said: `user "0003": answered map[app-a:v1 app-b:v1 app-c:v2]`, unseen: ofIstio,
	},
	{
		name: "a host has two VirtualServices", set: "ratios",
		edits: []edit{{"samples/ratios/3-app-c-v3-mesh.yaml", routeOfAppC, ""}, {"samples/ratios/3-app-c-v3-mesh.yaml", defaultOfAppC, defaultOfAppC + secondOfAppC + routeOfAppC}},
		said:  `user "0003": answered map[app-a:v1 app-b:v1 app-c:v2]`, unseen: ofIstio,
	},

	// tagproc.
	{
		name: "rules are mounted with subPath", set: "lanes",
		edits: []edit{{"kustomize/components/sidecar/gateway-patch.yaml", "mountPath: /etc/tagproc/rules,", "mountPath: /etc/tagproc/rules/rules.yaml, subPath: rules.yaml,"}},
		after: raised,
		rows:  []cluster.Row{laneRow("jack", "s2"), laneRow("bob", "s2"), laneRow("vance", "s1")},
		said:  `user "bob": answered map[mocka:v1 mockb:v1 mockc:v1]`, lasts: 3 * time.Second, found: []string{"sub-path"},
	},
	{
		name: "rules have another name in the ConfigMap", set: "lanes",
		edits: []edit{{"kustomize/base/kustomization.yaml", "files: [rules.yaml]", "files: [tagproc.yaml=rules.yaml]"}},
		after: tagprocRestarted,
		rows:  []cluster.Row{laneRow("jack", "s2")},
		said:  jackAtBaseline, lasts: 3 * time.Second, found: []string{"rules-config-map"},
	},
	{
		name: "a range has a digit less", set: "lanes",
		edits: []edit{{"kustomize/base/rules.yaml", "range: 20 #", "range: 2 #"}},
		said:  `user "jessie": answered map[mocka:v1 mockb:v1 mockc:v1]`, unseen: "how many users were meant is in no file",
	},
	{
		name: "the Service's port does not say that it is gRPC", set: "ratios",
		edits: []edit{{"kustomize/overlays/service/service.yaml", "{name: grpc, appProtocol: grpc,", "{name: tagproc,"}},
		said:  allAtBaseline, found: []string{"service-protocol"},
	},
}

// Routes of app-c in 3-app-c-v3-mesh.yaml.
const (
	routeOfAppC = `  - name: v3
    match:
    - headers:
        appver-c: {exact: v3}
    route:
    - destination:
        host: app-c.default.svc.cluster.local
        port: {number: 8000}
        subset: v3
`
	defaultOfAppC = `  - name: default
    route:
    - destination:
        host: app-c.default.svc.cluster.local
        port: {number: 8000}
        subset: v2
`
	secondOfAppC = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: app-c-v3
  namespace: default
spec:
  hosts: [app-c.default.svc.cluster.local]
  http:
`
)

// tagprocDown has no tagproc answer the gateway.
func tagprocDown(t testing.TB, c *cluster.Cluster) (up func()) {
	t.Helper()
	return c.Down(t, cluster.SystemNamespace, "istio-ingressgateway", "tagproc")
}

// tagprocRestarted restarts tagproc.
func tagprocRestarted(t testing.TB, c *cluster.Cluster) (undo func()) {
	t.Helper()
	tagprocDown(t, c)()
	return func() {}
}

// raised takes the canary to 50%, by the ConfigMap alone.
func raised(t testing.TB, c *cluster.Cluster) (undo func()) {
	t.Helper()
	c.ApplyFile(t, "../../deploy/samples/lanes/5-rules-50.yaml")
	return func() { c.ApplyFile(t, "../../deploy/samples/lanes/4-rules.yaml") }
}
