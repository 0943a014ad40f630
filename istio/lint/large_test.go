package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// TestManyServices checks that a cluster of a thousand Services is looked at in a
// time that no limit of a test notices: each at its own path of one gateway, in two
// lanes, with a named user.
func TestManyServices(t *testing.T) {
	var mesh, gateway strings.Builder
	gateway.WriteString("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: lanes, namespace: istio-system}\n" +
		"spec:\n  gateways: [istio-system/ingressgateway]\n  hosts: ['*']\n  http:\n")
	const services = 1000
	for i := range services {
		host := fmt.Sprintf("s%d.default.svc.cluster.local", i)
		fmt.Fprintf(&mesh, `
apiVersion: v1
kind: Service
metadata: {name: s%[1]d}
spec: {selector: {app: s%[1]d}, ports: [{name: http, port: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: s%[1]d-v1}
spec: {template: {metadata: {labels: {app: s%[1]d, version: v1}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: s%[1]d-v2}
spec: {template: {metadata: {labels: {app: s%[1]d, version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s%[1]d}
spec: {host: %[2]s, subsets: [{name: s1, labels: {version: v1}}, {name: s2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%[1]d}
spec:
  hosts: [%[2]s]
  http:
  - match: [{headers: {x-lane: {regex: s2}}}]
    route: [{destination: {host: %[2]s, subset: s2}}]
  - route: [{destination: {host: %[2]s, subset: s1}}]
---`, i, host)
		fmt.Fprintf(&gateway, `
  - match: [{uri: {prefix: /%[1]d/}, headers: {x-user-id: {exact: jason}}}]
    headers: {request: {set: {x-lane: s2}}}
    route: [{destination: {host: %[2]s, subset: s2}}]
`, i, host)
	}
	for _, lane := range []string{"s2", ""} {
		for i := range services {
			headers, subset := "", "s1"
			if lane != "" {
				headers, subset = ", headers: {x-lane: {exact: s2}}", lane
			}
			fmt.Fprintf(&gateway, "  - match: [{uri: {prefix: /%[1]d/}%[2]s}]\n    route: [{destination: {host: s%[1]d.default.svc.cluster.local, subset: %[3]s}}]\n", i, headers, subset)
		}
	}
	r := Files([]File{
		{Name: "rules.yaml", Source: []byte("rules: [{header: x-user-id, tagHeader: x-lane, policies: [{range: 20, tagValue: s2}]}]\n")},
		{Name: "mesh.yaml", Source: []byte(mesh.String())},
		{Name: "gateway.yaml", Source: []byte(gateway.String())},
	}, rules.Options{})
	if len(r.Findings) > 0 {
		t.Errorf("%d findings, want none; the first is %v", len(r.Findings), r.Findings[0].WithFix())
	}
}
