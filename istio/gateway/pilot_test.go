package gateway

import (
	"slices"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/contract"
)

// bootstrap returns the configuration of an Envoy to which the patches of an
// EnvoyFilter are applied as istiod does: filters inserted, messages merged,
// clusters added. Its routes answer with the name of the first header of tags that
// is v, or "none".
func bootstrap(t *testing.T, c configuration, tags []string) []byte {
	t.Helper()
	hcm := &hcmv3.HttpConnectionManager{
		StatPrefix:     "gateway",
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes(tags)},
		HttpFilters: []*hcmv3.HttpFilter{
			httpFilterOf(t, "envoy.filters.http.cors", &corsv3.Cors{}),
			httpFilterOf(t, "envoy.filters.http.router", &routerv3.Router{}),
		},
	}
	at := 0
	if c.operation == networking.EnvoyFilter_Patch_INSERT_BEFORE {
		at = len(hcm.GetHttpFilters()) - 1
	}
	hcm.HttpFilters = slices.Insert(hcm.GetHttpFilters(), at, c.filter)
	if c.visitors != nil {
		hcm.HttpFilters = slices.Insert(hcm.GetHttpFilters(), at, c.visitors)
	}
	proto.Merge(hcm, c.manager)

	b := &bootstrapv3.Bootstrap{
		Admin: &bootstrapv3.Admin{Address: loopback(0)},
		// As istiod's bootstrap has it.
		LayeredRuntime: &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
			Name: "global config",
			LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: map[string]*structpb.Value{
				"re2.max_program_size.error_level": structpb.NewStringValue("32768"),
			}}},
		}}},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{Listeners: []*listenerv3.Listener{{
			Name:            "gateway",
			Address:         loopback(0),
			EnableReusePort: wrapperspb.Bool(false),
			FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
				Name:       contract.ConnectionManager,
				ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: anyOf(t, hcm)},
			}}}},
		}}},
	}
	if c.cluster != nil {
		b.StaticResources.Clusters = append(b.StaticResources.Clusters, c.cluster)
	}
	text, err := protojson.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// istioCluster stands for the cluster that Istio has for a Service.
func istioCluster(t *testing.T, name string, port uint32) *clusterv3.Cluster {
	t.Helper()
	c := decode(t, render(t, load(t, lanes), options())).cluster
	c.Name = name
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: loopback(port)}},
		}}}},
	}
	return c
}

func routes(tags []string) *routev3.RouteConfiguration {
	answer := func(name string, headers ...*routev3.HeaderMatcher) *routev3.Route {
		return &routev3.Route{
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, Headers: headers},
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
				Status: 200,
				Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: name}},
			}},
		}
	}
	host := &routev3.VirtualHost{Name: "all", Domains: []string{"*"}}
	for _, tag := range tags {
		host.Routes = append(host.Routes, answer(tag, &routev3.HeaderMatcher{
			Name: tag,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "v"},
			}},
		}))
	}
	host.Routes = append(host.Routes, answer("none"))
	return &routev3.RouteConfiguration{Name: "gateway", VirtualHosts: []*routev3.VirtualHost{host}}
}

func httpFilterOf(t *testing.T, name string, m proto.Message) *hcmv3.HttpFilter {
	t.Helper()
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: anyOf(t, m)}}
}

func anyOf(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func loopback(port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       "127.0.0.1",
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}
