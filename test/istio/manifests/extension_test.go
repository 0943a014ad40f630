package manifests

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"

	"github.com/tagproc/tagproc/contract"
)

// TestTrafficExtension puts what --as trafficextension prints through Istio's control
// plane: the Lua is in the listeners that it is for, at its place among the filters, and
// nowhere else.
func TestTrafficExtension(t *testing.T) {
	t.Parallel()
	outbound := []string{"0.0.0.0_80", "0.0.0.0_9002", "10.0.0.2_15008"} // of every Service with HTTP
	for _, c := range []struct {
		name    string
		args    []string
		among   map[string][]string // of listeners, by Envoy
		before  string              // a filter that it stands before
		program string              // what its Lua has
	}{
		{
			"a gateway",
			[]string{"envoyfilter", "--namespace=default", "--target=gateway/shop", "--data-path=lua"},
			map[string][]string{"shop": {"0.0.0.0_8080"}},
			contract.Router, "remove_tags(request:headers())",
		},
		{
			"a gateway, before authentication",
			[]string{"envoyfilter", "--namespace=default", "--target=gateway/shop", "--data-path=lua", "--phase=authn"},
			map[string][]string{"shop": {"0.0.0.0_8080"}},
			"envoy.filters.http.jwt_authn", "remove_tags(request:headers())",
		},
		{
			"a waypoint",
			[]string{"envoyfilter", "--namespace=default", "--target=waypoint/waypoint", "--data-path=lua"},
			map[string][]string{"waypoint": {"main_internal"}},
			contract.Router, "remove_tags(request:headers())",
		},
		{
			"sidecars, propagation",
			[]string{"propagation", "--namespace=default", "--selector=app=app"},
			map[string][]string{"sidecar": outbound},
			"envoy.filters.http.fault", "carries_tag",
		},
		{
			"sidecars, recompute",
			[]string{"recompute", "--namespace=default", "--selector=app=app"},
			map[string][]string{"sidecar": outbound},
			"envoy.filters.http.fault", "remove_tags(request:headers())",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"render"}, c.args...)
			all := surroundings + "---\n" + authentication + "---\n"
			if c.args[0] == "propagation" {
				all += printed(t, append(args, "--as=trafficextension", filepath.Join(root, "deploy", "samples", "ratios", "propagated", "rules.yaml"))...)
			} else {
				all += rendered(t, append(args, "--as=trafficextension")...)
			}
			d := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{ConfigString: all, KubernetesObjectString: all})
			for _, name := range []string{"shop", "other", "waypoint", "sidecar"} {
				proxy := proxyOf(name)
				if name == "sidecar" {
					proxy = &model.Proxy{Type: model.SidecarProxy, ConfigNamespace: "default", IPAddresses: []string{"10.1.0.2"}, Labels: map[string]string{"app": "app"}}
				}
				proxy = d.SetupProxy(proxy)
				var among []string
				for _, l := range d.Listeners(proxy) {
					for _, chain := range append(l.GetFilterChains(), l.GetDefaultFilterChain()) {
						m := manager(t, chain)
						if m != nil && extended(t, m, c.before, c.program) && !slices.Contains(among, l.GetName()) {
							among = append(among, l.GetName())
						}
					}
				}
				slices.Sort(among) // Istio's order of listeners is that of a map
				if !slices.Equal(among, slices.Sorted(slices.Values(c.among[name]))) {
					t.Errorf("the Lua is in the listeners %q of %s, want %q", among, name, c.among[name])
				}
			}
		})
	}
}

// authentication makes Istio insert a filter that verifies tokens.
const authentication = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: default}
spec:
  jwtRules: [{issuer: shop, jwks: '{"keys":[]}'}]
`

// extended reports whether a connection manager has the filter of a TrafficExtension.
func extended(t *testing.T, m *hcmv3.HttpConnectionManager, before, program string) bool {
	t.Helper()
	names := func(name string) func(*hcmv3.HttpFilter) bool {
		return func(f *hcmv3.HttpFilter) bool { return f.GetName() == name }
	}
	filters := m.GetHttpFilters()
	at := slices.IndexFunc(filters, func(f *hcmv3.HttpFilter) bool {
		return strings.HasPrefix(f.GetName(), "extensions.istio.io/trafficextension/")
	})
	if at < 0 {
		return false
	}
	lua := &luav3.Lua{}
	if err := filters[at].GetTypedConfig().UnmarshalTo(lua); err != nil {
		t.Fatal(err)
	}
	if source := lua.GetDefaultSourceCode().GetInlineString(); !strings.Contains(source, program) {
		t.Errorf("the Lua does not contain %q:\n%s", program, source)
	}
	if behind := slices.IndexFunc(filters, names(before)); behind < at {
		t.Errorf("the filters are %v; want %s behind the Lua", filters, before)
	}
	return true
}
