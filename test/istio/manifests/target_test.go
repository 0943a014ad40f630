package manifests

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"istio.io/api/label"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/config/constants"

	"github.com/tagproc/tagproc/contract"
)

// surroundings are a Gateway and a waypoint of the Gateway API, an application behind
// both, and tagproc's Service.
const surroundings = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: default}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: other, namespace: default}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app, namespace: default}
spec:
  parentRefs: [{name: shop}, {name: other}]
  rules: [{backendRefs: [{name: app, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop-istio, namespace: default}
spec:
  clusterIP: 10.0.0.1
  selector: {gateway.networking.k8s.io/gateway-name: shop}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: other-istio, namespace: default}
spec:
  clusterIP: 10.0.0.5
  selector: {gateway.networking.k8s.io/gateway-name: other}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: default}
spec:
  gatewayClassName: waypoint
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
status:
  addresses: [{type: Hostname, value: waypoint.default.svc.cluster.local}]
---
apiVersion: v1
kind: Service
metadata:
  name: waypoint
  namespace: default
  labels:
    gateway.istio.io/managed: istio.io-mesh-controller
    gateway.networking.k8s.io/gateway-name: waypoint
spec:
  clusterIP: 10.0.0.2
  selector: {gateway.networking.k8s.io/gateway-name: waypoint}
  ports: [{name: mesh, port: 15008, appProtocol: hbone}]
---
apiVersion: v1
kind: Service
metadata:
  name: app
  namespace: default
  labels: {istio.io/use-waypoint: waypoint}
spec:
  clusterIP: 10.0.0.3
  selector: {app: app}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: tagproc, namespace: istio-system}
spec:
  clusterIP: 10.0.0.4
  selector: {app: tagproc}
  ports: [{name: grpc, port: 9002}]
`

// TestTarget checks that what --target names, a gateway or a waypoint, asks tagproc about
// requests to applications, that no tunnel of a waypoint does, and that nobody else
// does.
func TestTarget(t *testing.T) {
	t.Parallel()
	const service, socket = "--address=tagproc.istio-system:9002", "--address=unix:///run/tagproc/tagproc.sock"
	const istios = "outbound|9002||tagproc.istio-system.svc.cluster.local"
	for _, c := range []struct {
		name    string
		flags   []string
		asking  map[string][]string // of listeners, by Gateway
		cluster string              // of tagproc there
	}{
		{"a gateway, to a Service", []string{"--target=gateway/shop", service}, map[string][]string{"shop": {"0.0.0.0_8080"}}, istios},
		{"a gateway, to a socket", []string{"--target=gateway/shop", socket}, map[string][]string{"shop": {"0.0.0.0_8080"}}, contract.GatewayFilter},
		{"a waypoint, to a Service", []string{"--target=waypoint/waypoint", service}, map[string][]string{"waypoint": {"main_internal"}}, istios},
		{"a waypoint, to a socket", []string{"--target=waypoint/waypoint", socket}, map[string][]string{"waypoint": {"main_internal"}}, contract.GatewayFilter},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			filter := rendered(t, append([]string{"render", "envoyfilter", "--namespace=default"}, c.flags...)...)
			all := surroundings + "---\n" + filter
			d := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{ConfigString: all, KubernetesObjectString: all})
			for _, gateway := range []string{"shop", "other", "waypoint"} {
				proxy := d.SetupProxy(proxyOf(gateway))
				var asking []string
				for _, l := range d.Listeners(proxy) {
					for _, chain := range append(l.GetFilterChains(), l.GetDefaultFilterChain()) {
						if m := manager(t, chain); m != nil && asks(t, m) && !slices.Contains(asking, l.GetName()) {
							asking = append(asking, l.GetName())
						}
					}
				}
				if !slices.Equal(asking, c.asking[gateway]) {
					t.Errorf("tagproc is asked by the listeners %q of %s, want %q", asking, gateway, c.asking[gateway])
				}
				if _, ok := xdstest.ExtractClusters(d.Clusters(proxy))[c.cluster]; len(asking) > 0 && !ok {
					t.Errorf("%s has no cluster %s", gateway, c.cluster)
				}
			}
		})
	}
}

// rendered returns what tagproc prints about the rules of deploy/envoyfilter.
func rendered(t *testing.T, args ...string) string {
	t.Helper()
	return printed(t, append(args, "--rules="+filepath.Join(root, "deploy", "envoyfilter", "rules.yaml"))...)
}

// printed returns what tagproc prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(tagproc, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tagproc %q: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// proxyOf returns an Envoy of a Gateway.
func proxyOf(gateway string) *model.Proxy {
	p := &model.Proxy{
		Type: model.Router, ConfigNamespace: "default", IPAddresses: []string{"10.1.0.1"},
		Labels: map[string]string{label.IoK8sNetworkingGatewayGatewayName.Name: gateway},
	}
	if gateway == "waypoint" {
		p.Type = model.Waypoint
		p.Labels[label.GatewayManaged.Name] = constants.ManagedGatewayMeshControllerLabel
	}
	return p
}

// manager returns the connection manager of a filter chain, if it has one.
func manager(t *testing.T, chain *listenerv3.FilterChain) *hcmv3.HttpConnectionManager {
	t.Helper()
	for _, f := range chain.GetFilters() {
		if f.GetName() != contract.ConnectionManager {
			continue
		}
		m := &hcmv3.HttpConnectionManager{}
		if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	return nil
}

// asks reports whether a connection manager asks tagproc, directly before its router, and
// removes what clients forge.
func asks(t *testing.T, m *hcmv3.HttpConnectionManager) bool {
	t.Helper()
	filters := m.GetHttpFilters()
	at := slices.IndexFunc(filters, func(f *hcmv3.HttpFilter) bool { return f.GetName() == contract.GatewayFilter })
	if at < 0 {
		return false
	}
	if at+1 >= len(filters) || filters[at+1].GetName() != contract.Router {
		t.Errorf("the filters are %v, want tagproc's before the router", filters)
	}
	if len(m.GetEarlyHeaderMutationExtensions()) != 1 || m.GetMaxRequestHeadersKb().GetValue() == 0 {
		t.Errorf("of the connection manager, what clients forge is not removed, or the limits are not raised: %v", m)
	}
	return true
}
